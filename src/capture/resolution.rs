//! Times of pcapng: 64-bit counts of a unit that each interface chooses.

use crate::time::{SECOND, Timestamp};

/// How one interface writes times (draft-ietf-opsawg-pcapng 4.2, `if_tsresol`, `if_tsoffset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    scale: Scale,
    /// Nanoseconds to add.
    offset: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Nanoseconds a unit.
    Times(u64),
    /// Units a nanosecond.
    Over(u64),
    /// Units of 2^-n seconds.
    Shift(u32),
}

impl Resolution {
    /// From `if_tsresol` (a power of ten, or of two with the top bit set) and `if_tsoffset` in seconds.
    pub fn new(tsresol: u8, tsoffset: i64) -> Self {
        let power = u32::from(tsresol & 0x7f);
        let scale = if tsresol & 0x80 != 0 {
            Scale::Shift(power)
        } else if power <= 9 {
            Scale::Times(10_u64.pow(9 - power))
        } else {
            // With 10^20 units a nanosecond and more every count lies in the first nanosecond.
            10_u64.checked_pow(power - 9).map_or(Scale::Shift(127), Scale::Over)
        };
        Self { scale, offset: i128::from(tsoffset) * i128::from(SECOND) }
    }

    /// The time `units` stand for, and whether it had to be moved to the edge of what a [`Timestamp`] holds.
    #[inline]
    pub fn time(self, units: u64) -> (Timestamp, bool) {
        let since = match self.scale {
            Scale::Times(n) => u128::from(units) * u128::from(n),
            Scale::Over(n) => u128::from(units / n),
            Scale::Shift(n) => (u128::from(units) * SECOND as u128) >> n,
        };
        // Below 2^94 and 2^93: neither the cast nor the sum can overflow.
        let nanos = since as i128 + self.offset;
        match i64::try_from(nanos) {
            Ok(n) => (Timestamp::from_nanos(n), false),
            Err(_) => (Timestamp::from_nanos(if nanos < 0 { i64::MIN } else { i64::MAX }), true),
        }
    }
}

impl Default for Resolution {
    /// Microseconds since 1970, what the specification says without options.
    fn default() -> Self {
        Self::new(6, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(tsresol: u8, tsoffset: i64, units: u64) -> i64 {
        Resolution::new(tsresol, tsoffset).time(units).0.nanos()
    }

    #[test]
    fn powers_of_ten_and_of_two() {
        assert_eq!(nanos(6, 0, 1_340_954_905_298_858), 1_340_954_905_298_858_000);
        assert_eq!(nanos(9, 0, 17), 17);
        assert_eq!(nanos(0, 0, 17), 17_000_000_000);
        assert_eq!(nanos(12, 0, 1_999), 1);
        assert_eq!((nanos(28, 0, u64::MAX), nanos(29, 0, u64::MAX), nanos(127, 0, u64::MAX)), (1, 0, 0));
        assert_eq!(nanos(0x80, 0, 3), 3_000_000_000);
        assert_eq!(nanos(0x8a, 0, 1536), 1_500_000_000);
        assert_eq!(nanos(0xa0, 0, (5 << 32) + (1 << 30)), 5_250_000_000);
        assert_eq!(nanos(0xff, 0, u64::MAX), 0);
    }

    #[test]
    fn offsets_and_edges() {
        assert_eq!(nanos(9, -2, 1), -1_999_999_999);
        assert_eq!(nanos(6, 1_000_000_000, 1), 1_000_000_000_000_001_000);
        assert_eq!(Resolution::new(0, 0).time(u64::MAX), (Timestamp::from_nanos(i64::MAX), true));
        assert_eq!(Resolution::new(9, i64::MIN).time(u64::MAX), (Timestamp::from_nanos(i64::MIN), true));
        // An offset that brings an overflowing count back is honoured.
        assert_eq!(Resolution::new(0, -20_000_000_000).time(20_000_000_001), (Timestamp::from_nanos(SECOND), false));
    }
}
