//! When old rows are deleted: not by a clock that has just leapt.
//!
//! A clock that is years ahead for one interval would make everything old, and what is deleted does not come
//! back. So a leap is believed when time has gone on from there for [`CALM`]. A stop of the sensor looks the same and is
//! treated the same: after a long one the first rows leave an hour later.

use crate::time::{SECOND, Timestamp};

/// Old rows are deleted when so much of the capture's time has passed, ns.
const EVERY: i64 = 3600 * SECOND;
/// A longer step from one interval to the next, or back, is a leap, ns.
const LEAP: i64 = 3600 * SECOND;
/// So long time goes on after a leap before anything is deleted, ns.
const CALM: i64 = 3600 * SECOND;

/// When old rows are deleted.
#[derive(Debug, Default)]
pub struct Pruning {
    /// Time of the last interval; of an earlier run at first.
    last: Option<Timestamp>,
    /// Where the last leap came to, until it is believed.
    leapt: Option<Timestamp>,
    /// Rows were deleted at this time.
    pruned: Option<Timestamp>,
}

impl Pruning {
    /// The newest point of an earlier run is of this time, if there is one.
    pub fn new(last: Option<Timestamp>) -> Self {
        Self { last, leapt: None, pruned: None }
    }

    /// An interval has ended at `now`: whether old rows are to be deleted.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let last = self.last.replace(now);
        if last.is_none_or(|last| distance(now, last) > LEAP) {
            self.leapt = Some(now);
        }
        if self.leapt.is_some_and(|to| now.since(to) < CALM) {
            return false;
        }
        self.leapt = None;
        if self.pruned.is_some_and(|at| distance(now, at) < EVERY) {
            return false;
        }
        self.pruned = Some(now);
        true
    }
}

fn distance(a: Timestamp, b: Timestamp) -> i64 {
    a.since(b).saturating_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of `times` at which rows are deleted, when the newest of an earlier run is of `last`.
    fn due(last: Option<i64>, times: impl Iterator<Item = i64>) -> Vec<i64> {
        let at = |minute: i64| Timestamp::from_nanos(minute * 60 * SECOND);
        let mut pruning = Pruning::new(last.map(at));
        times.filter(|minute| pruning.is_due(at(*minute))).collect()
    }

    #[test]
    fn once_an_hour() {
        assert_eq!(due(Some(990), 1000..1130), [1000, 1060, 1120]);
        assert_eq!(due(None, 1000..1130), [1060, 1120], "a new store");
        assert_eq!(due(Some(1), 100_000..100_130), [100_060, 100_120], "after a long stop");
    }

    #[test]
    fn a_leap_is_believed_after_an_hour() {
        let year = 525_600;
        let leap = |n: i64| (1000..1030).chain(year..year + n).chain(1031..1200);
        assert_eq!(due(Some(990), leap(1)), [1000, 1091, 1151]);
        assert_eq!(due(Some(990), leap(59)), [1000, 1091, 1151]);
        assert_eq!(due(Some(990), leap(61)), [1000, year + 60, 1091, 1151]);
        let back = (1000..1030).chain(500..700);
        assert_eq!(due(Some(990), back), [1000, 560, 620, 680]);
    }
}
