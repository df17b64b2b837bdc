//! Whether a segment seen again says what it said the first time (R33).
//!
//! Delivered bytes are not kept, so a second copy of them cannot be compared
//! byte by byte. The sum that the TCP checksum is made of is at hand for every
//! segment though, 32-bit words added up: of the last few segments of each
//! direction it is remembered, and a second copy with the same place and length
//! and another sum has other contents. What cannot be compared, because it was
//! cut otherwise or came long ago, is counted as such.

/// Segments remembered per direction: those a receiver may still ask for again soon.
const REMEMBERED: usize = 4;

/// A delivered segment.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    /// Low half of the offset of its first byte: a window is far smaller than 4 GiB.
    start: u32,
    /// Its length; 0 is an empty place.
    len: u32,
    /// Sum of its words, folded.
    sum: u32,
}

/// What is known of a second copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// It says the same.
    Same,
    /// It says something else.
    Differs,
    /// Nothing to compare it with.
    Unchecked,
}

/// The last few segments that were delivered whole.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    segments: [Segment; REMEMBERED],
    at: u8,
}

impl Delivered {
    /// Remembers a segment that begins at stream offset `start`.
    #[inline]
    pub fn note(&mut self, start: u64, len: u32, sum: u32) {
        self.segments[usize::from(self.at)] = Segment { start: start as u32, len, sum };
        self.at = (self.at + 1) % REMEMBERED as u8;
    }

    /// Compares a segment, whose sum is known unless checksums are off, with what was delivered.
    pub fn compare(&self, start: u64, len: u32, sum: Option<u32>) -> Copy {
        let first = self.segments.iter().find(|s| s.start == start as u32 && s.len == len && len > 0);
        match first.zip(sum) {
            None => Copy::Unchecked,
            Some((first, sum)) if first.sum == sum => Copy::Same,
            Some(_) => Copy::Differs,
        }
    }
}
