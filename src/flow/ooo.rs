//! Data beyond a hole, held back until the hole is filled or given up.
//!
//! A sorted list of disjoint ranges of the stream. The first copy of a byte to
//! arrive stays (R33); a later copy that differs is counted. A range may hold
//! fewer bytes than it spans: the capture cut the frame, or the direction is
//! only counted.

use super::handler::Action;
use super::limits::SEGMENT_OVERHEAD;
use crate::decode::seq::StreamOffset;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// One held-back range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset after its last byte.
    pub end: u64,
    /// The bytes; fewer than `end - start` when the capture cut the frame.
    pub bytes: Vec<u8>,
    /// When its segment was captured.
    pub time: Timestamp,
    /// Whether it begins where its segment's payload began.
    pub starts_segment: bool,
    /// Whether it ends its segment and that had PSH set.
    pub pushed: bool,
}

/// A segment's payload in stream offsets, before it is held back.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte by the IP length.
    pub end: u64,
    /// The captured bytes, at most `end - start`.
    pub bytes: &'a [u8],
    /// When the segment was captured.
    pub time: Timestamp,
    /// Whether it begins where the segment's payload began.
    pub starts_segment: bool,
    /// PSH of the segment.
    pub pushed: bool,
}

impl Piece<'_> {
    /// The part in `[start, end)`, which must lie within this piece.
    #[must_use]
    pub fn cut(&self, start: u64, end: u64) -> Self {
        let from = ((start - self.start) as usize).min(self.bytes.len());
        let to = ((end - self.start) as usize).min(self.bytes.len());
        Self {
            start,
            end,
            bytes: &self.bytes[from..to],
            time: self.time,
            starts_segment: self.starts_segment && start == self.start,
            pushed: self.pushed && end == self.end,
        }
    }
}

/// What [`OooBuffer::insert`] did with a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Bytes that were held already.
    pub seen_again: u64,
    /// Of those, bytes that differ from the first copy.
    pub conflicting: u64,
}

/// Held-back data of one direction.
#[derive(Clone, Debug, Default)]
pub struct OooBuffer {
    /// A deque, because a hole that is filled from its far end inserts at the front each time.
    held: VecDeque<Held>,
    bytes: usize,
}

impl OooBuffer {
    /// Whether nothing is held back.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Ranges held back.
    pub fn segments(&self) -> usize {
        self.held.len()
    }

    /// Memory used, overhead included.
    pub fn allocated(&self) -> usize {
        self.bytes + self.held.len() * SEGMENT_OVERHEAD
    }

    /// Offset of the first held-back byte.
    #[inline]
    pub fn first(&self) -> Option<u64> {
        self.held.front().map(|h| h.start)
    }

    /// Holds `piece` back; parts that are held already keep their first copy.
    pub fn insert(&mut self, piece: &Piece<'_>, wanted: Action) -> Inserted {
        let outline = Piece { bytes: &[], ..*piece };
        let piece = match wanted {
            Action::Deliver => piece,
            Action::Measure => &outline,
            Action::Count => return self.insert_range(piece),
        };
        let mut done = Inserted::default();
        // The first range that ends beyond the start of the piece.
        let mut i = self.held.partition_point(|h| h.end <= piece.start);
        let mut at = piece.start;
        while at < piece.end {
            let next = self.held.get(i).filter(|h| h.start < piece.end);
            let Some(h) = next else {
                self.place(i, &piece.cut(at, piece.end));
                break;
            };
            let (start, end) = (h.start, h.end);
            if at < start {
                self.place(i, &piece.cut(at, start));
                i += 1;
            }
            let (from, to) = (at.max(start), end.min(piece.end));
            done.seen_again += to - from;
            done.conflicting += conflicts(&self.held[i], &piece.cut(from, to));
            at = end;
            i += 1;
        }
        done
    }

    fn place(&mut self, i: usize, piece: &Piece<'_>) {
        let bytes = piece.bytes.to_vec();
        self.bytes += bytes.len();
        let Piece { start, end, time, starts_segment, pushed, .. } = *piece;
        self.held.insert(i, Held { start, end, bytes, time, starts_segment, pushed });
    }

    /// In a direction that is only counted, ranges that touch or overlap are one.
    fn insert_range(&mut self, piece: &Piece<'_>) -> Inserted {
        let first = self.held.partition_point(|h| h.end < piece.start);
        let after = self.held.partition_point(|h| h.start <= piece.end);
        let met = || self.held.range(first..after);
        let seen_again = met().map(|h| h.end.min(piece.end) - h.start.max(piece.start)).sum();
        let start = met().next().map_or(piece.start, |h| h.start.min(piece.start));
        let end = met().next_back().map_or(piece.end, |h| h.end.max(piece.end));
        let Piece { time, starts_segment, pushed, .. } = *piece;
        let whole = Held { start, end, bytes: Vec::new(), time, starts_segment, pushed };
        self.held.drain(first..after);
        self.held.insert(first, whole);
        Inserted { seen_again, conflicting: 0 }
    }

    /// Takes the ranges that begin at or before `next` and touch one another from there on.
    pub fn take_contiguous(&mut self, next: u64) -> Vec<Held> {
        let mut end = next;
        let n = self.held.iter().take_while(|h| {
            let touches = h.start <= end;
            if touches {
                end = end.max(h.end);
            }
            touches
        });
        let n = n.count();
        let taken: Vec<Held> = self.held.drain(..n).collect();
        self.bytes -= taken.iter().map(|h| h.bytes.len()).sum::<usize>();
        if self.held.is_empty() {
            self.held = VecDeque::new(); // an idle conversation keeps no memory
        }
        taken
    }

    /// Forgets everything at or beyond `end` (a FIN stands there); returns the bytes forgotten.
    pub fn truncate(&mut self, end: u64) -> u64 {
        let mut forgotten = 0;
        while let Some(h) = self.held.back_mut().filter(|h| h.end > end) {
            let keep = end.saturating_sub(h.start) as usize;
            forgotten += h.end - end.max(h.start);
            if h.start >= end {
                self.bytes -= h.bytes.len();
                self.held.pop_back();
                continue;
            }
            self.bytes -= h.bytes.len().saturating_sub(keep);
            h.bytes.truncate(keep);
            h.bytes.shrink_to_fit(); // what is accounted for is what is allocated
            h.end = end;
        }
        forgotten
    }

    /// Frees the bytes and keeps the ranges, touching ones as one when the direction is only counted from here on (R49).
    pub fn forget_bytes(&mut self, wanted: Action) {
        for h in &mut self.held {
            h.bytes = Vec::new();
        }
        if wanted != Action::Count {
            self.bytes = 0;
            return;
        }
        let mut ranges: Vec<Held> = std::mem::take(&mut self.held).into();
        ranges.dedup_by(|later, earlier| {
            let touches = earlier.end == later.start;
            if touches {
                earlier.end = later.end;
            }
            touches
        });
        self.held = ranges.into();
        self.held.shrink_to_fit();
        self.bytes = 0;
    }
}

/// Bytes of `piece`, which lies within `held`, that differ from the held copy; bytes that the capture cut are not compared.
fn conflicts(held: &Held, piece: &Piece<'_>) -> u64 {
    let skip = StreamOffset::span(held.start, piece.start);
    let first = held.bytes.get(skip..).unwrap_or_default();
    first.iter().zip(piece.bytes).filter(|(a, b)| a != b).count() as u64
}

#[cfg(test)]
#[path = "ooo_tests.rs"]
mod tests;
