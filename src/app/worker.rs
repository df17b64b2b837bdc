//! A worker's share of the partitions: segments in, events out.

use super::batch::{Batch, EventBatch, MarkKind, Passed, Step};
use super::dispatch::Routed;
use crate::flow::partition::PARTITIONS;
use crate::flow::{At, Config, Partition, StreamHandler};
use crate::message::connections::Connections;
use crate::message::event::Event;
use crate::series::sensor::StreamCounters;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What gives the streams of a partition a meaning and tells it in events: [`Connections`], and others in tests.
pub trait Handler: StreamHandler<Stream: Send> + Send + 'static {
    /// Whether there are events.
    fn has_events(&self) -> bool;
    /// Moves its events to `into`, in capture order.
    fn take_events(&mut self, into: &mut Vec<Event>);
    /// Exchanges its events with `events`: what comes next is added to those, without a copy.
    fn swap_events(&mut self, events: &mut Vec<Event>);
    /// Adds what it has counted to `counters`.
    fn count_into(&self, counters: &mut StreamCounters);
}

impl Handler for Connections {
    #[inline]
    fn has_events(&self) -> bool {
        Self::has_events(self)
    }

    #[inline]
    fn take_events(&mut self, into: &mut Vec<Event>) {
        Self::take_events(self, into);
    }

    fn swap_events(&mut self, events: &mut Vec<Event>) {
        Self::swap_events(self, events);
    }

    fn count_into(&self, counters: &mut StreamCounters) {
        counters.gaps.merge(self.gaps());
        counters.gap_bytes.merge(self.gap_bytes());
        counters.troubles.merge(self.troubles());
    }
}

/// The partitions of one worker.
pub struct Worker<H: Handler = Connections> {
    /// By partition; those of other workers are absent.
    partitions: Vec<Option<Partition<H>>>,
}

impl<H: Handler> Worker<H> {
    /// Worker number `k` of `n`: it has the partitions `p` with `p % n == k`, each with a handler of its own.
    pub fn new(k: usize, n: usize, config: &Config, handler: impl Fn() -> H) -> Self {
        let partition = |p| (p % n == k).then(|| Partition::new(handler(), config.clone()));
        Self { partitions: (0..PARTITIONS).map(partition).collect() }
    }

    /// Takes a batch and answers it.
    pub fn batch(&mut self, batch: &mut Batch, answer: &mut EventBatch) {
        // Here, not where it was read: memory is freed by the thread that allocates it, or both wait for a lock.
        answer.clear();
        batch.drain(|step| match step {
            // By reference: to take it out would copy what was written just now.
            Step::Segment(seq, ref routed) => self.segment(seq, routed, answer),
            Step::Mark(mark) => {
                match mark.kind {
                    MarkKind::Tick => self.tick(mark.seq, mark.at, answer),
                    MarkKind::Close(partition) => return self.close(mark.seq, mark.at, partition, answer),
                    MarkKind::End => {}
                }
                answer.passed.push(Passed { mark, counters: self.counters() });
            }
        });
    }

    /// Takes a segment of one of its partitions.
    #[inline]
    pub fn segment(&mut self, seq: u32, r: &Routed<'_>, answer: &mut EventBatch) {
        let Some(p) = self.partitions.get_mut(r.partition).and_then(Option::as_mut) else { return };
        if panics(|| p.segment(r.at, r.hash, &r.key, r.side, &r.segment)) {
            p.quarantine(r.at);
        }
        // Most segments complete no message.
        if p.handler.has_events() {
            let before = answer.events.len();
            p.handler.take_events(&mut answer.events);
            answer.close_run(before, seq, r.partition);
        }
    }

    /// One second of capture time has passed.
    pub fn tick(&mut self, seq: u32, at: At, answer: &mut EventBatch) {
        for i in 0..self.partitions.len() {
            self.on(i, seq, at, answer, |p| p.tick(at));
        }
    }

    /// The capture ends for one partition.
    pub fn close(&mut self, seq: u32, at: At, partition: usize, answer: &mut EventBatch) {
        self.on(partition, seq, at, answer, |p| p.finish(at));
    }

    fn on(&mut self, i: usize, seq: u32, at: At, answer: &mut EventBatch, work: impl Fn(&mut Partition<H>)) {
        let Some(p) = self.partitions.get_mut(i).and_then(Option::as_mut) else { return };
        let before = answer.events.len();
        p.handler.swap_events(&mut answer.events);
        // It goes on with the next conversation; each panic takes one away, so this ends.
        while panics(|| work(p)) && p.quarantine(at) {}
        p.handler.swap_events(&mut answer.events);
        answer.close_run(before, seq, i);
    }

    /// What its partitions have counted so far.
    pub fn counters(&self) -> StreamCounters {
        let mut sum = StreamCounters::default();
        for p in self.partitions.iter().flatten() {
            sum.conversations += p.conversations() as u64;
            sum.held_bytes += p.held_bytes() as u64;
            sum.anomalies.merge(p.anomalies());
            p.handler.count_into(&mut sum);
        }
        sum
    }
}

/// Does `work`, and tells whether it panicked.
///
/// A panic is a fault of this program that some input has found. Nothing below is meant to panic, and still
/// one connection must not be able to blind the sensor for all the others.
#[inline]
fn panics(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}
