//! Frames of several interfaces as one stream in the order of time.
//!
//! A mirror that sends each direction to an interface of its own must come out as one conversation: an
//! acknowledgment before its data would make holes. The kernel hands over what has arrived within the block time of
//! the ring, so a frame waits until no older one can come, and no longer.

use super::{Frame, LinkType};
use crate::time::Timestamp;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// How late a frame may come out of a ring: 10 ms of the ring's block time, and slack for a busy machine. Nanoseconds.
pub(super) const LATE: i64 = 40_000_000;
/// Bytes of waiting frames at most; beyond it the oldest go their way although an older one may still come.
const WAITING: usize = 64 << 20;
/// Buffers kept for reuse at most.
const SPARE: usize = 4096;

/// A frame that waits.
struct Held {
    time: Timestamp,
    /// Frames of one time stay in the order in which they came.
    number: u64,
    link: LinkType,
    interface: u32,
    wire_len: u32,
    data: Vec<u8>,
}

impl Held {
    fn frame(&self) -> Frame<'_> {
        let Self { time, link, interface, wire_len, .. } = *self;
        Frame { time, link, interface, wire_len, data: &self.data }
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

/// Frames that wait for older ones.
#[derive(Default)]
pub(super) struct Merge {
    waiting: BinaryHeap<Reverse<Held>>,
    bytes: usize,
    number: u64,
    spare: Vec<Vec<u8>>,
}

impl Merge {
    /// Takes a copy of a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        let mut data = self.spare.pop().unwrap_or_default();
        data.clear();
        data.extend_from_slice(frame.data);
        self.bytes += data.len();
        self.number += 1;
        let (time, link, interface, wire_len) = (frame.time, frame.link, frame.interface, frame.wire_len);
        self.waiting.push(Reverse(Held { time, number: self.number, link, interface, wire_len, data }));
    }

    /// Hands out the frames captured at `until` or before, and those beyond the cap; their number.
    pub fn release(&mut self, until: Timestamp, each: &mut dyn FnMut(&Frame<'_>)) -> usize {
        let mut n = 0;
        while self.bytes > WAITING || self.waiting.peek().is_some_and(|Reverse(h)| h.time <= until) {
            let Some(Reverse(held)) = self.waiting.pop() else { break };
            each(&held.frame());
            n += 1;
            self.bytes -= held.data.len();
            if self.spare.len() < SPARE {
                self.spare.push(held.data);
            }
        }
        n
    }

    /// Hands out everything.
    pub fn flush(&mut self, each: &mut dyn FnMut(&Frame<'_>)) -> usize {
        self.release(Timestamp::from_nanos(i64::MAX), each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(m: &mut Merge, time: i64, interface: u32, data: &[u8]) {
        let frame = Frame {
            time: Timestamp::from_nanos(time),
            link: LinkType(1),
            interface,
            wire_len: data.len() as u32,
            data,
        };
        m.push(&frame);
    }

    fn release(m: &mut Merge, until: i64) -> Vec<(i64, u32)> {
        let mut out = Vec::new();
        m.release(Timestamp::from_nanos(until), &mut |f| out.push((f.time.nanos(), f.interface)));
        out
    }

    #[test]
    fn orders_by_time_and_keeps_the_order_of_arrival() {
        let mut m = Merge::default();
        for (time, interface) in [(10, 0), (30, 0), (5, 1), (30, 1), (20, 1)] {
            push(&mut m, time, interface, b"frame");
        }
        assert_eq!(release(&mut m, 20), [(5, 1), (10, 0), (20, 1)]);
        push(&mut m, 25, 1, b"late");
        assert_eq!(release(&mut m, 100), [(25, 1), (30, 0), (30, 1)]);
        assert_eq!((m.bytes, release(&mut m, i64::MAX).len()), (0, 0));
    }

    #[test]
    fn holds_no_more_than_the_cap() {
        let mut m = Merge::default();
        let megabyte = vec![0; 1 << 20];
        for i in 0..70 {
            push(&mut m, i, 0, &megabyte);
        }
        assert_eq!(release(&mut m, -1).len(), 6, "the oldest go");
        assert_eq!(m.bytes, WAITING);
        assert_eq!(m.flush(&mut |_| ()), 64);
    }
}
