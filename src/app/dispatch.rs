//! From frames to segments with a place to go, and the ticks between them.

use super::clock::{CaptureClock, Ticks};
use crate::capture::{Dropped, Frame};
use crate::decode::{Decoder, Segment};
use crate::flow::key::KeyHasher;
use crate::flow::partition::PARTITIONS;
use crate::flow::{At, FlowKey, PacketIndex, Side};
use crate::series::sensor::Counters;
use crate::time::Timestamp;

/// A segment and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// Its frame.
    pub at: At,
    /// The partition of its conversation.
    pub partition: usize,
    /// Hash of the key.
    pub hash: u64,
    /// Key of its conversation.
    pub key: FlowKey,
    /// The side that sent it.
    pub side: Side,
    /// The segment.
    pub segment: Segment<'a>,
}

/// Decodes, numbers and routes frames.
pub struct Dispatcher {
    decoder: Decoder,
    hasher: KeyHasher,
    clock: CaptureClock,
    frames: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Dispatcher {
    /// A dispatcher that routes by `hasher`.
    pub fn new(hasher: KeyHasher) -> Self {
        let decoder = Decoder::default();
        Self { decoder, hasher, clock: CaptureClock::default(), frames: 0, bytes: 0, first: None, last: None }
    }

    /// The ticks due before a frame captured at `time`.
    #[inline]
    pub fn ticks(&mut self, time: Timestamp) -> Ticks {
        let ticks = self.clock.observe(time);
        if ticks.due() {
            self.decoder.expire(time);
        }
        ticks
    }

    /// Where the next tick or the end stands: behind the newest frame.
    pub fn at(&self, time: Timestamp) -> At {
        At { index: PacketIndex(self.frames), time }
    }

    /// The newest believed time of the capture.
    pub fn now(&self) -> Timestamp {
        self.clock.now().unwrap_or_default()
    }

    /// Decodes and routes a frame; none when it has no TCP segment (the decoder has counted why).
    #[inline]
    pub fn dispatch<'a>(&'a mut self, frame: &Frame<'a>) -> Option<Routed<'a>> {
        self.frames += 1;
        self.bytes += u64::from(frame.wire_len);
        self.first.get_or_insert(frame.time);
        self.last = Some(frame.time);
        let at = At { index: PacketIndex(self.frames), time: frame.time };
        let segment = self.decoder.decode(frame).ok()?;
        let (key, side) = FlowKey::of(&segment);
        let hash = self.hasher.hash(&key);
        let partition = hash as usize % PARTITIONS;
        Some(Routed { at, partition, hash, key, side, segment })
    }

    /// What was counted so far; the workers' share is still to be filled in.
    pub fn counters(&self, dropped: Dropped) -> Counters {
        Counters {
            frames: self.frames,
            frame_bytes: self.bytes,
            used: self.decoder.used(),
            interface_drops: dropped.interface,
            kernel_drops: dropped.system,
            clock_steps: self.clock.steps(),
            first: self.first,
            last: self.last,
            skipped: self.decoder.skipped().clone(),
            notes: self.decoder.notes().clone(),
            ..Counters::default()
        }
    }
}
