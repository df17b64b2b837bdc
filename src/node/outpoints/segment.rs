//! A part of the index: one open-addressing table, Robin Hood with linear probing.
//!
//! Slots are ordered by distance from home, so that a look-up ends at the first slot that is nearer
//! to its own home: four slots on average at the highest load of 7/8, hit or miss. Nothing is ever
//! left behind by a removal: what follows moves back by one.

/// Not spent.
pub(super) const UNSPENT: u32 = u32::MAX;
/// Fewest slots.
const FEWEST: usize = 16;
/// Room beyond the average, a sixteenth: 3 % before a segment makes room, 3 % for chance (five standard
/// deviations of 16 000).
const SPREAD: usize = 16;

/// A keyed fingerprint.
pub(super) type Print = [u64; 2];

/// An output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// All zero: empty.
    pub print: Print,
    pub value: i64,
    /// Height of the spending block.
    pub spent: u32,
    /// When it was last of use.
    pub age: u16,
    pub kind: u8,
    pub flags: u8,
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.print == [0; 2]
    }

    /// Whether its spending block is at least `depth` deep when the tip is at `tip`.
    pub fn is_spent_at(&self, tip: u32, depth: u32) -> bool {
        self.spent != UNSPENT && tip.saturating_add(1).checked_sub(self.spent).is_some_and(|d| d >= depth)
    }
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    slots: Box<[Slot]>,
    len: usize,
    /// Slots that are enough for its share of the capacity.
    enough: usize,
}

impl Segment {
    /// Empty; `share` is how many it will have when the index is full.
    pub fn new(share: usize) -> Self {
        let most = share + share.div_ceil(SPREAD);
        Self { slots: Box::default(), len: 0, enough: (most + most.div_ceil(7) + 1).max(FEWEST) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }

    pub fn get(&self, at: usize) -> &Slot {
        &self.slots[at]
    }

    /// The fingerprint must stay as it is.
    pub fn get_mut(&mut self, at: usize) -> &mut Slot {
        &mut self.slots[at]
    }

    #[inline]
    fn home(&self, print: Print) -> usize {
        ((u128::from(print[0]) * self.slots.len() as u128) >> 64) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    /// How far the slot `at` is from its home.
    #[inline]
    fn distance(&self, at: usize) -> usize {
        let home = self.home(self.slots[at].print);
        if at >= home { at - home } else { at + self.slots.len() - home }
    }

    #[inline]
    pub fn find(&self, print: Print) -> Option<usize> {
        let mut at = self.home(print);
        for distance in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.print == print {
                return Some(at);
            }
            if slot.is_empty() || self.distance(at) < distance {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// Puts in one that is not there yet.
    pub fn insert(&mut self, slot: Slot) {
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            self.grow();
        }
        self.place(slot);
        self.len += 1;
    }

    fn place(&mut self, mut slot: Slot) {
        let mut at = self.home(slot.print);
        let mut distance = 0;
        // Ends at an empty slot: there is always one.
        while !self.slots[at].is_empty() {
            let theirs = self.distance(at);
            if theirs < distance {
                std::mem::swap(&mut self.slots[at], &mut slot);
                distance = theirs;
            }
            at = self.after(at);
            distance += 1;
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let now = self.slots.len();
        let more = if now < self.enough { (now * 3 / 2).clamp(FEWEST, self.enough) } else { now + now.div_ceil(8) };
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); more].into());
        for slot in old.into_iter().filter(|s| !s.is_empty()) {
            self.place(slot);
        }
    }

    pub fn remove(&mut self, mut at: usize) {
        loop {
            let next = self.after(at);
            if next == at || self.slots[next].is_empty() || self.distance(next) == 0 {
                break;
            }
            self.slots[at] = self.slots[next];
            at = next;
        }
        self.slots[at] = Slot::default();
        self.len -= 1;
    }

    /// Removes all that `leaves` says; returns how many.
    pub fn remove_if(&mut self, mut leaves: impl FnMut(&Slot) -> bool) -> usize {
        let before = self.len;
        let mut at = 0;
        while at < self.slots.len() {
            let slot = &self.slots[at];
            if !slot.is_empty() && leaves(slot) {
                // Another may have moved here.
                self.remove(at);
            } else {
                at += 1;
            }
        }
        before - self.len
    }

    /// Removes `count` of those that `rank` highest; returns how many.
    pub fn remove_highest(&mut self, count: usize, rank: impl Fn(&Slot) -> u32) -> usize {
        let count = count.min(self.len);
        if count == 0 {
            return 0;
        }
        let mut ranks: Vec<u32> = self.slots.iter().filter(|s| !s.is_empty()).map(&rank).collect();
        let from = self.len - count;
        let (_, &mut least, above) = ranks.select_nth_unstable(from);
        let mut equal = count - above.iter().filter(|&&r| r > least).count();
        self.remove_if(|slot| match rank(slot).cmp(&least) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal if equal > 0 => {
                equal -= 1;
                true
            }
            _ => false,
        })
    }

    /// How far each output is from its home.
    #[cfg(test)]
    pub fn distances(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.slots.len()).filter(|&at| !self.slots[at].is_empty()).map(|at| self.distance(at))
    }
}
