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
}
