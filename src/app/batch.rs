//! What travels between the threads: segments to a worker, events back.

use super::dispatch::Routed;
use crate::decode::segment::Segment;
use crate::flow::{At, FlowKey, Side};
use crate::message::event::Event;
use crate::series::sensor::{Counters, StreamCounters};
use std::ops::Range;

/// When an epoch ends: its batches go to the workers, and new ones are begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of payload and headers in one batch.
    pub bytes: usize,
    /// Segments and ticks in the whole epoch.
    pub items: u32,
    /// Capture time from its first item on, ns; live only, where somebody waits for the results.
    pub age: Option<i64>,
}

impl Default for BatchLimits {
    /// Big enough that the hand-over between threads does not show, small enough for the second-level cache.
    fn default() -> Self {
        Self { bytes: 1 << 20, items: 4096, age: None }
    }
}

/// A segment whose bytes lie in the batch's arena.
struct Item {
    /// Position in the epoch, over all batches of it.
    seq: u32,
    at: At,
    hash: u64,
    key: FlowKey,
    side: Side,
    partition: u8,
    segment: Segment<'static>,
    payload: Range<u32>,
    checksummed: Range<u32>,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// One second of capture time has passed.
    Tick,
    /// Every conversation of this partition ends with the capture. One epoch each: the events of all of them at
    /// once would cost more memory than the conversations.
    Close(usize),
    /// All conversations have ended.
    End,
}

/// A place in the capture at which all workers do something.
#[derive(Debug)]
pub struct Mark {
    /// Position in the epoch.
    pub seq: u32,
    /// Where in the capture.
    pub at: At,
    /// What the capture thread has counted until there; in the first worker's batch only.
    pub counters: Option<Box<Counters>>,
    /// What for.
    pub kind: MarkKind,
}

/// A step of a batch.
pub enum Step<'a> {
    /// A segment of one of the worker's partitions.
    Segment(u32, Routed<'a>),
    /// A tick, or a step of the end.
    Mark(Mark),
}

/// One worker's share of an epoch, in the order of the capture. Recycled.
#[derive(Default)]
pub struct Batch {
    arena: Vec<u8>,
    items: Vec<Item>,
    marks: Vec<Mark>,
}

/// Bytes beyond which an arena is not kept: one huge frame must not cost memory for ever.
const KEPT: usize = 2 << 20;

impl Batch {
    /// Bytes in it.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Adds a segment.
    #[inline]
    pub fn push(&mut self, seq: u32, routed: &Routed<'_>) {
        let s = &routed.segment;
        let checksummed = self.keep(s.checksummed);
        // The payload is the end of what the checksum covers, where that was captured.
        let is_tail = s.checksummed.ends_with_same(s.payload);
        let payload =
            if is_tail { checksummed.end - s.payload.len() as u32..checksummed.end } else { self.keep(s.payload) };
        let segment = Segment { payload: &[], checksummed: &[], ..*s };
        let Routed { at, partition, hash, key, side, .. } = *routed;
        self.items.push(Item { seq, at, hash, key, side, partition: partition as u8, segment, payload, checksummed });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        start..self.arena.len() as u32
    }

    /// Adds a tick or a step of the end.
    pub fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// Hands its contents to `each` in order, and is empty afterwards.
    pub fn drain(&mut self, mut each: impl FnMut(Step<'_>)) {
        let mut marks = self.marks.drain(..).peekable();
        for item in &self.items {
            while let Some(mark) = marks.next_if(|m| m.seq < item.seq) {
                each(Step::Mark(mark));
            }
            let slice = |r: &Range<u32>| &self.arena[r.start as usize..r.end as usize];
            let segment =
                Segment { payload: slice(&item.payload), checksummed: slice(&item.checksummed), ..item.segment };
            let Item { seq, at, hash, key, side, partition, .. } = *item;
            each(Step::Segment(seq, Routed { at, partition: usize::from(partition), hash, key, side, segment }));
        }
        marks.for_each(|mark| each(Step::Mark(mark)));
        self.items.clear();
        self.arena.clear();
        self.arena.shrink_to(KEPT);
    }
}

/// Whether a slice is the end of another in memory, not only in contents.
trait SameEnd {
    fn ends_with_same(&self, tail: &[u8]) -> bool;
}

impl SameEnd for [u8] {
    #[inline]
    fn ends_with_same(&self, tail: &[u8]) -> bool {
        tail.len() <= self.len() && self.as_ptr_range().end == tail.as_ptr_range().end
    }
}

/// Events that one item of an epoch caused in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Position of the item in the epoch.
    pub seq: u32,
    /// The partition.
    pub partition: u8,
    /// How many.
    pub events: u32,
}

/// A mark that a worker has passed.
#[derive(Debug)]
pub struct Passed {
    /// The mark.
    pub mark: Mark,
    /// What the worker's partitions have counted until there.
    pub counters: StreamCounters,
}

/// Events for which room is kept: a busy epoch's. A tick that tells of very many connections has more.
const EVENTS_KEPT: usize = 8192;

/// One worker's answer to a batch. Recycled.
#[derive(Default)]
pub struct EventBatch {
    /// Events, by position in the epoch and partition.
    pub events: Vec<Event>,
    /// How they came about.
    pub runs: Vec<Run>,
    /// Ticks and the end.
    pub passed: Vec<Passed>,
}

impl EventBatch {
    /// Notes that all events beyond the first `before` are of one item and partition.
    #[inline]
    pub fn close_run(&mut self, before: usize, seq: u32, partition: usize) {
        let events = (self.events.len() - before) as u32;
        if events > 0 {
            self.runs.push(Run { seq, partition: partition as u8, events });
        }
    }

    /// Forgets everything.
    #[inline]
    pub fn clear(&mut self) {
        self.events.clear();
        self.events.shrink_to(EVENTS_KEPT);
        self.runs.clear();
        self.passed.clear();
    }
}
