//! Inferred messages in the order of their times.

use super::{LATE, Sighting};
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Messages that wait at most (4 MB, and as much again while the room for one second grows); beyond, the oldest second is
/// taken out of turn.
pub const WAITING: usize = 65_536;
/// Messages for which each second is given room ahead, at most (1 MB).
const ROOM: usize = 16_384;
/// Times of points remembered, so that no other gets the same: points of one instant come together, or, told by several
/// connections, within seconds, or, told when a connection is believed, late but one after the other.
const STAMPS: std::ops::RangeInclusive<usize> = 1024..=65_536;

/// Messages that wait to be put in order, by second: each is sorted when it is over, which costs less than a tree of
/// them all.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    seconds: BTreeMap<Timestamp, Vec<Sighting>>,
    /// Messages in all.
    pub(super) len: usize,
    /// Room of a second that is over, for the next one.
    room: Vec<Sighting>,
}

impl Waiting {
    /// Takes a message; returns the oldest second when too many wait.
    pub fn push(&mut self, s: Sighting) -> Vec<Sighting> {
        self.seconds.entry(s.time.floor(SECOND)).or_insert_with(|| std::mem::take(&mut self.room)).push(s);
        self.len += 1;
        if self.len > WAITING { self.oldest().unwrap_or_default() } else { Vec::new() }
    }

    /// The oldest second, in order, when it was over at `time`.
    pub fn due(&mut self, time: Timestamp) -> Option<Vec<Sighting>> {
        let (start, _) = self.seconds.first_key_value()?;
        if start.plus(SECOND) <= time { self.oldest() } else { None }
    }

    /// Gives back the room of a second that was returned.
    pub fn reuse(&mut self, mut second: Vec<Sighting>) {
        // After a burst it goes, as the seconds become shorter.
        let room = ROOM.min(2 * second.len());
        second.clear();
        second.shrink_to(room);
        self.room = second;
    }

    /// The oldest second, in order; those of one instant as they came.
    pub fn oldest(&mut self) -> Option<Vec<Sighting>> {
        let (_, mut second) = self.seconds.pop_first()?;
        self.len -= second.len();
        // Times alone are moved about until their order is known: the messages are much longer.
        second.sort_by_cached_key(|s| s.time);
        Some(second)
    }
}

/// The newest times that points have.
#[derive(Clone, Debug, Default)]
pub struct Stamps {
    /// In order.
    newest: VecDeque<Timestamp>,
    /// The last one that was asked for before all of those, and what it was given.
    early: Option<(Timestamp, Timestamp)>,
}

impl Stamps {
    /// `time`, or the next one that no other has.
    pub fn free(&mut self, time: Timestamp) -> Timestamp {
        if self.newest.len() >= *STAMPS.start() && self.newest.front().is_some_and(|oldest| time < *oldest) {
            let given = self.early.filter(|(asked, _)| *asked == time).map_or(time, |(_, given)| given.plus(1));
            self.early = Some((time, given));
            return given;
        }
        // Nearly always it is the newest.
        let newest = self.newest.back().is_none_or(|last| *last < time);
        let mut place = if newest { self.newest.len() } else { self.newest.partition_point(|t| *t < time) };
        let mut free = time;
        while self.newest.get(place) == Some(&free) {
            place += 1;
            free = free.plus(1);
        }
        self.newest.insert(place, free);
        let last = self.newest.back().copied().unwrap_or(free);
        let old = |t: &Timestamp| last.since(*t) > LATE;
        while self.newest.len() > *STAMPS.end()
            || (self.newest.len() > *STAMPS.start() && self.newest.front().is_some_and(old))
        {
            self.newest.pop_front();
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_stamps_are_the_same() {
        let at = Timestamp::from_nanos;
        let mut stamps = Stamps::default();
        let wanted = [5, 5, 9, 7, 5, 6, 8, 1, 5, 20];
        let given = wanted.map(|t| stamps.free(at(t)).nanos());
        assert_eq!(given, [5, 6, 9, 7, 8, 10, 11, 1, 12, 20]);
        // Told seconds later, by a connection that waited.
        for i in 0..5000 {
            assert_eq!(stamps.free(at(100 + i)), at(100 + i));
        }
        assert_eq!([700, 700, 4000].map(|t| stamps.free(at(t)).nanos()), [5100, 5101, 5102]);
        // Told minutes later.
        for i in 0..200_000 {
            stamps.free(at(10_000 + i * SECOND / 1000));
        }
        assert!(stamps.newest.len() <= 5001, "what is old goes");
        assert_eq!([700, 700, 700, 900].map(|t| stamps.free(at(t)).nanos()), [700, 701, 702, 900]);
        for i in 0..100_000 {
            stamps.free(at(1000 * SECOND + i));
        }
        assert_eq!(stamps.newest.len(), *STAMPS.end(), "a flood stays within its cap");
    }
}
