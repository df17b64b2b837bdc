//! The only clock below `app/`: the time at which a frame was captured.
//!
//! Integer nanoseconds since 1970-01-01T00:00:00Z, signed as SQLite and the
//! InfluxDB line protocol have them. Arithmetic saturates: a capture file may
//! claim any time at all.

use std::fmt;
use std::time::Duration;

/// Nanoseconds in one second.
pub const SECOND: i64 = 1_000_000_000;

/// Capture time in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time `nanoseconds` after the epoch.
    pub const fn from_nanos(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// The time `seconds` and `nanoseconds` after the epoch, the largest time when that does not fit.
    pub const fn from_parts(seconds: i64, nanoseconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND).saturating_add(nanoseconds))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`, negative when `self` is the earlier one.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved by `nanoseconds`.
    #[must_use]
    pub const fn plus(self, nanoseconds: i64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// The start of the interval of `length` nanoseconds that holds this time.
    #[must_use]
    pub const fn floor(self, length: i64) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(length)))
    }
}

/// `duration` in nanoseconds, at most `i64::MAX`.
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with nanoseconds; the bare number where the calendar ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(t) => write!(f, "{t:.9}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::from_parts(i64::MAX, 1).nanos(), i64::MAX);
        assert_eq!(Timestamp::from_nanos(i64::MIN).since(Timestamp::from_nanos(1)), i64::MIN);
    }

    #[test]
    fn floors_to_the_interval_also_before_1970() {
        assert_eq!(Timestamp::from_nanos(25).floor(10).nanos(), 20);
        assert_eq!(Timestamp::from_nanos(-5).floor(10).nanos(), -10);
    }

    #[test]
    fn prints_rfc_3339() {
        assert_eq!(Timestamp::from_parts(1_231_006_505, 7).to_string(), "2009-01-03T18:15:05.000000007Z");
    }
}
