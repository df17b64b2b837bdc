//! Which transactions were seen, when and from whom first: de-duplication within a cap.

use super::key::Key;
use super::recent::Recent;
use crate::flow::PacketIndex;
use crate::message::hash::Hash256;
use crate::time::Timestamp;

/// Ids kept: two generations that fill a table of 2^18 places each to its limit of 7/8.
pub const CAPACITY: usize = 2 * ((1 << 18) / 8 * 7);

/// The first time of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// When.
    pub at: Timestamp,
    /// On which connection.
    pub connection: PacketIndex,
}

/// The ids seen.
#[derive(Clone, Debug)]
pub struct Seen {
    key: Key,
    recent: Recent<First>,
}

impl Seen {
    /// None seen yet; `capacity` ids at most.
    pub fn new(key: Key, capacity: usize) -> Self {
        Self { key: key.derive(1), recent: Recent::new(capacity) }
    }

    /// Notes that `id` (a wtxid) was seen; returns its first time, when this is not it.
    pub fn note(&mut self, id: &Hash256, at: Timestamp, connection: PacketIndex) -> Option<First> {
        let print = self.key.of_hash(id);
        let before = self.recent.get_mut(print).copied();
        if before.is_none() {
            self.recent.insert(print, First { at, connection });
        }
        before
    }

    /// The first time of `id`, which is not noted.
    pub fn get(&self, id: &Hash256) -> Option<First> {
        self.recent.get(self.key.of_hash(id)).copied()
    }

    /// Ids known.
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// Ids forgotten for others: seen again, they pass for new.
    pub fn forgotten(&self) -> u64 {
        self.recent.forgotten()
    }

    /// The same since the last call, which alone it is counted from then on.
    pub fn take_forgotten(&mut self) -> u64 {
        self.recent.take_forgotten()
    }

    /// Heap memory in bytes, within 1 %.
    pub fn memory_bytes(&self) -> usize {
        self.recent.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Hash256 {
        crate::message::hash::sha256d(&n.to_le_bytes())
    }

    fn note(seen: &mut Seen, n: u64, at: i64) -> Option<i64> {
        let first = seen.note(&id(n), Timestamp::from_nanos(at), PacketIndex(at as u64 + 1))?;
        assert_eq!(first.connection, PacketIndex(first.at.nanos() as u64 + 1));
        Some(first.at.nanos())
    }

    #[test]
    fn tells_the_first_time_and_the_peer() {
        let mut seen = Seen::new(Key::fixed(1), 100);
        assert!(seen.is_empty());
        assert_eq!(note(&mut seen, 1, 10), None);
        assert_eq!(note(&mut seen, 2, 11), None);
        assert_eq!(note(&mut seen, 1, 12), Some(10));
        assert_eq!(seen.get(&id(2)).map(|f| f.connection), Some(PacketIndex(12)));
        assert_eq!((seen.get(&id(3)), seen.len(), seen.forgotten()), (None, 2, 0));
    }

    #[test]
    fn forgets_the_oldest_half_and_nothing_that_is_seen_again() {
        let mut seen = Seen::new(Key::random(), 100);
        for n in 0..1000 {
            assert_eq!(note(&mut seen, n, n as i64), None);
            assert!(seen.len() <= 100);
            // The last 50 for certain.
            for back in [0, 1, 20, 49] {
                assert!(n < back || seen.get(&id(n - back)).is_some());
            }
            // One that everybody sends all the time.
            if n >= 7 {
                assert_eq!(note(&mut seen, 7, 5000), Some(7));
            }
        }
        assert_eq!(seen.forgotten() + seen.len() as u64, 1000);
        assert_eq!(note(&mut seen, 3, 9), None, "forgotten long ago");
    }

    #[test]
    fn holds_its_capacity_in_14_megabytes() {
        let mut seen = Seen::new(Key::fixed(2), CAPACITY);
        for n in 0..CAPACITY as u64 {
            assert_eq!(note(&mut seen, n, 0), None);
        }
        assert_eq!((seen.len(), seen.forgotten()), (CAPACITY, 0));
        assert!(seen.memory_bytes() < 14 << 20, "{}", seen.memory_bytes());
        note(&mut seen, u64::MAX, 0);
        assert_eq!((seen.len(), seen.forgotten()), (CAPACITY / 2 + 1, CAPACITY as u64 / 2));
        assert!(seen.memory_bytes() < 14 << 20);
    }

    #[test]
    fn an_attacker_without_the_key_meets_no_collision() {
        let (a, b) = (Seen::new(Key::random(), 10), Seen::new(Key::random(), 10));
        assert_ne!(a.key.of_hash(&id(1)), b.key.of_hash(&id(1)));
    }
}
