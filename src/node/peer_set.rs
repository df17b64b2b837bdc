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

/// Gives peers their places; the place of a peer that left is given again as late as possible, so that what
/// is remembered of the old one has had time to go.
#[derive(Clone, Debug)]
pub struct Places {
    taken: PeerSet,
    next: u8,
}

impl Places {
    /// All free.
    pub fn new() -> Self {
        Self { taken: PeerSet::default(), next: 0 }
    }

    /// A free place, if there is one.
    pub fn take(&mut self) -> Option<u8> {
        let place = (0..=u8::MAX).map(|n| self.next.wrapping_add(n)).find(|&p| !self.taken.contains(p))?;
        self.taken.insert(place);
        self.next = place.wrapping_add(1);
        Some(place)
    }

    /// Its peer left.
    pub fn free(&mut self, place: u8) {
        self.taken.remove(place);
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
    fn a_place_is_given_again_last() {
        let mut places = Places::new();
        let all: Vec<_> = (0..PLACES).map(|_| places.take().unwrap()).collect();
        assert_eq!((all[0], all[255], places.take()), (0, 255, None));
        places.free(7);
        places.free(3);
        assert_eq!((places.take(), places.taken().len()), (Some(3), 255));
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
