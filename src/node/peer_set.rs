//! Sets of a node's peers, as bits.

/// Peers that can be told apart. Further ones are in no set: what depends on a set knows less of them.
pub const PLACES: usize = 256;

/// A set of peers, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerSet([u64; PLACES / 64]);

impl PeerSet {
    /// Puts a peer in; true when it was not.
    pub fn insert(&mut self, place: u8) -> bool {
        let (word, bit) = Self::at(place);
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Takes a peer out.
    pub fn remove(&mut self, place: u8) {
        let (word, bit) = Self::at(place);
        self.0[word] &= !bit;
    }

    /// Whether a peer is in it.
    pub fn contains(&self, place: u8) -> bool {
        let (word, bit) = Self::at(place);
        self.0[word] & bit != 0
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; PLACES / 64]
    }

    /// Everybody in it or in `other`.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
        self
    }

    /// Everybody in it and not in `other`.
    #[must_use]
    pub fn without(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= !b);
        self
    }

    /// Everybody in it and in `other`.
    #[must_use]
    pub fn intersection(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= b);
        self
    }

    /// How many are in it.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    fn at(place: u8) -> (usize, u64) {
        (usize::from(place / 64), 1 << (place % 64))
    }
}

/// Gives peers their places; that of a peer that left is given again when nothing is remembered of it.
#[derive(Clone, Debug)]
pub struct Places {
    taken: PeerSet,
    /// Places of peers that left, of which something may be remembered.
    left: PeerSet,
    next: u8,
}

impl Places {
    /// All free.
    pub fn new() -> Self {
        Self { taken: PeerSet::default(), left: PeerSet::default(), next: 0 }
    }

    /// A free place, if there is one; `forget` is called when those of peers that left are needed again.
    pub fn take(&mut self, forget: impl FnOnce(PeerSet)) -> Option<u8> {
        let free = |s: &Self| {
            let used = s.taken.union(s.left);
            (0..=u8::MAX).map(|n| s.next.wrapping_add(n)).find(|&p| !used.contains(p))
        };
        let place = free(self).or_else(|| {
            if self.left.is_empty() {
                return None;
            }
            forget(std::mem::take(&mut self.left));
            free(self)
        })?;
        self.taken.insert(place);
        self.next = place.wrapping_add(1);
        Some(place)
    }

    /// Its peer left.
    pub fn free(&mut self, place: u8) {
        self.taken.remove(place);
        self.left.insert(place);
    }

    /// Places of the peers that are there.
    pub fn taken(&self) -> PeerSet {
        self.taken
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_again_when_its_peer_is_forgotten() {
        let mut places = Places::new();
        let never = |_| panic!("nobody left");
        let all: Vec<_> = (0..PLACES - 1).map(|_| places.take(never).unwrap()).collect();
        assert_eq!((all[0], all[254]), (0, 254));
        places.free(7);
        places.free(3);
        assert_eq!(places.take(never), Some(255), "there is one that nobody had");
        let mut forgotten = PeerSet::default();
        assert_eq!(places.take(|left| forgotten = left), Some(3));
        assert!(forgotten.len() == 2 && forgotten.contains(3) && forgotten.contains(7));
        assert_eq!((places.take(never), places.take(never), places.taken().len()), (Some(7), None, 256));
    }

    #[test]
    fn sets_add_up() {
        let (mut a, mut b) = (PeerSet::default(), PeerSet::default());
        assert!(a.insert(200) && !a.insert(200) && b.insert(3) && b.insert(200));
        assert_eq!((a.union(b).len(), a.intersection(b), a.contains(3)), (2, a, false));
        a.remove(200);
        assert!(a.is_empty());
    }
}
