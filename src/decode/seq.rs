//! TCP sequence numbers (RFC 9293 section 3.4): a circle of 2³², compared by distance.
//!
//! The one place with raw `u32` sequence arithmetic.

use std::fmt;

/// A sequence number as it stands in a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// The number `n` bytes further on the circle.
    #[must_use]
    #[inline]
    pub const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// Signed distance from `origin` to `self`, in −2³¹ … 2³¹−1.
    #[inline]
    pub const fn distance_from(self, origin: Self) -> i32 {
        self.0.wrapping_sub(origin.0) as i32
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {}", self.0)
    }
}

/// Signed distance between two values of the TCP timestamps option (RFC 7323), on the same circle.
#[inline]
pub const fn tsval_distance(newer: u32, older: u32) -> i32 {
    newer.wrapping_sub(older) as i32
}

/// Arithmetic of stream offsets: bytes since the first byte of a direction, 64 bits, so that they never wrap.
pub struct StreamOffset;

impl StreamOffset {
    /// Bytes from `from` to `to`, 0 when `to` comes first.
    #[inline]
    pub const fn span(from: u64, to: u64) -> usize {
        to.saturating_sub(from) as usize
    }

    /// The offset of `seq` in a stream whose byte 0 has sequence number `origin`, taken as near to `near`
    /// as the circle allows. Negative: it lies before the first byte.
    #[inline]
    pub const fn of(seq: SeqNum, origin: SeqNum, near: u64) -> i64 {
        let expected = origin.plus(near as u32);
        near as i64 + seq.distance_from(expected) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_wraps_at_2_to_the_32() {
        assert_eq!(SeqNum(5).distance_from(SeqNum(u32::MAX - 4)), 10);
        assert_eq!(SeqNum(u32::MAX).distance_from(SeqNum(0)), -1);
        assert_eq!(SeqNum(u32::MAX).plus(1), SeqNum(0));
        assert_eq!(tsval_distance(1, u32::MAX), 2);
    }

    #[test]
    fn offsets_go_on_beyond_4_gib() {
        let origin = SeqNum(u32::MAX - 2);
        let five_gib = 5 << 30;
        assert_eq!(StreamOffset::of(origin.plus(five_gib as u32).plus(7), origin, five_gib), five_gib as i64 + 7);
        assert_eq!(StreamOffset::of(SeqNum(u32::MAX - 3), origin, 0), -1);
    }
}
