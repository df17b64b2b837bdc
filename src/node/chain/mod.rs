//! The header tree as the watched node sees it: heights, median time, its tip, reorganisations, stale blocks.
//!
//! Fed with every header that passes by ([`Chain::header`]), with the heights that blocks say
//! (BIP 34, [`Chain::height_of`]) and with the tip that the node shows ([`Chain::set_tip`]).
//! It follows the node and compares no work: which chain is the best is the node's word.
//!
//! Heights. Counted from the genesis block they are certain. A sensor that starts later counts from
//! a height that a block says of itself. Anybody can send a block that says anything, so what
//! it says counts for itself and its descendants only, until the node has it on its chain; then it
//! counts for all that is related. Better knowledge replaces worse, each height at most three times.
//!
//! Memory. Caps are in [`Caps`]; at most some 140 bytes a header. What the node never followed leaves
//! first, unrelated headers before related ones, so that invented headers push out other invented
//! ones and not the chain. A header that left comes again with its block.
//!
//! Cost: O(1) amortised for a header or a step of the tip, whatever hashes are given: links that
//! form a circle (which SHA-256 rules out) end like a missing parent.

mod arena;
mod outcome;
mod params;
mod work;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

pub use crate::message::headers::Header;
pub use outcome::{Added, Caps, Doubt, KEPT_SIDE, Known, MAX_HEADERS, MAX_UNLINKED, Place, Step};
pub use params::{genesis, subsidy};
pub use work::{proves_work, work};

use crate::health::Tally;
use crate::message::hash::Hash256;
use crate::message::network::Network;
use arena::{Arena, Class, Level, NONE};

/// Largest height believed: a lock time from here on is a time, no height (BIP 65 `LOCKTIME_THRESHOLD`).
pub const MAX_HEIGHT: u32 = 499_999_999;
/// Headers whose times the median is of (Bitcoin Core `nMedianTimeSpan`).
const MEDIAN_SPAN: usize = 11;

/// The header tree.
#[derive(Clone, Debug)]
pub struct Chain {
    arena: Arena,
    caps: Caps,
    tip: Option<u32>,
    doubts: Tally<Doubt>,
}

impl Chain {
    /// The chain of `network`: its genesis block only.
    pub fn new(network: Network) -> Self {
        Self::with_caps(genesis(network), Caps::default())
    }

    /// A chain that starts with `genesis`, if that is known, and keeps within `caps`.
    pub fn with_caps(genesis: Option<Header>, caps: Caps) -> Self {
        let mut chain = Self { arena: Arena::new(), caps, tip: None, doubts: Tally::default() };
        if let Some(header) = genesis {
            let at = chain.arena.insert(header);
            chain.assign(at, 0, Level::Linked);
            chain.arena.file(at, Class::Pinned, false);
        }
        chain
    }

    /// Takes a header that was seen.
    pub fn header(&mut self, header: Header) -> Added {
        if header.hash == header.prev {
            self.doubts.count(Doubt::OwnParent);
            return Added { new: false, parent_known: false, height: None };
        }
        let found = self.arena.find(&header.hash);
        let at = found.unwrap_or_else(|| self.arena.insert(header));
        if found.is_none() {
            self.relate(at);
        }
        let added =
            Added { new: found.is_none(), parent_known: self.arena.parent(at).is_some(), height: self.height_at(at) };
        if added.new {
            self.make_room();
        }
        added
    }

    /// Notes that the block `hash`, whose header was taken, says height `bip34` of itself; returns its height
    /// as known then. To be called for blocks whose merkle root was checked: anybody can send a header of the
    /// real chain with another coinbase.
    pub fn height_of(&mut self, hash: &Hash256, bip34: u32) -> Option<u32> {
        let at = self.arena.find(hash)?;
        let entry = self.arena.get(at);
        let level = if entry.class == Class::Confirmed { Level::Confirmed } else { Level::Claimed };
        if bip34 > MAX_HEIGHT {
            self.doubts.count(Doubt::HeightImplausible);
        } else if entry.level >= level {
            if entry.height != bip34 {
                self.doubts.count(Doubt::HeightConflict);
            }
        } else {
            self.raise(at, bip34, level);
        }
        self.height_at(at)
    }

    /// Makes the block `hash`, whose header was taken, the node's tip; nothing when it is not known.
    pub fn set_tip(&mut self, hash: &Hash256) -> Option<Step> {
        let new = self.arena.find(hash)?;
        let (mut path, fork) = self.activate(new);
        let mut step = Step { linked: true, ..Step::default() };
        if let Some(old) = self.tip {
            match (fork, path.last()) {
                (Some(fork), _) => step.linked = self.disconnect(old, fork, new, &mut step.disconnected),
                (None, Some(&root)) => {
                    step.linked = false;
                    self.disconnect_above(old, root, &mut step.disconnected);
                }
                (None, None) => {}
            }
        }
        self.confirm(&path);
        if self.tip.is_none() {
            path.truncate(1);
        }
        step.connected = path.iter().rev().map(|&at| self.arena.get(at).header.hash).collect();
        step.height = self.height_at(new);
        self.tip = Some(new);
        Some(step)
    }

    /// The node's tip.
    pub fn tip(&self) -> Option<Known> {
        self.tip.map(|at| self.known(at))
    }

    /// What is known of the block `hash`.
    pub fn get(&self, hash: &Hash256) -> Option<Known> {
        self.arena.find(hash).map(|at| self.known(at))
    }

    /// Height of the block `hash`.
    pub fn height(&self, hash: &Hash256) -> Option<u32> {
        self.arena.find(hash).and_then(|at| self.height_at(at))
    }

    /// The known blocks whose parent is `hash`.
    pub fn children(&self, hash: &Hash256) -> impl Iterator<Item = Hash256> + '_ {
        let children = self.arena.find(hash).map(|at| self.arena.children(at));
        children.into_iter().flatten().map(|at| self.arena.get(at).header.hash)
    }

    /// How many blocks of the node's chain are above `hash`, which is one of it.
    pub fn depth_above(&self, hash: &Hash256) -> Option<u32> {
        let (at, tip) = (self.arena.find(hash)?, self.tip?);
        self.height_at(tip)?.checked_sub(self.height_at(at)?)
    }

    /// Whether the block `hash` is the node's tip or an ancestor of it.
    pub fn is_active(&self, hash: &Hash256) -> bool {
        self.arena.find(hash).is_some_and(|at| self.arena.get(at).active)
    }

    /// Median of the times of the block `hash` and its ten ancestors, seconds since 1970; absent when one of
    /// them is not known, unless the chain starts there.
    pub fn median_time(&self, hash: &Hash256) -> Option<u32> {
        let mut at = self.arena.find(hash)?;
        let mut times = [0; MEDIAN_SPAN];
        let mut n = 0;
        loop {
            let entry = self.arena.get(at);
            times[n] = entry.header.time;
            n += 1;
            if n == MEDIAN_SPAN || (entry.level == Level::Linked && entry.height == 0) {
                break;
            }
            at = self.arena.parent(at)?;
        }
        let times = &mut times[..n];
        times.sort_unstable();
        Some(times[n / 2])
    }

    /// Headers kept.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.arena.len() == 0
    }

    /// Heap memory in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.arena.memory_bytes()
    }

    /// What was discarded or not believed.
    pub fn doubts(&self) -> &Tally<Doubt> {
        &self.doubts
    }

    fn height_at(&self, at: u32) -> Option<u32> {
        let entry = self.arena.get(at);
        (entry.level != Level::None).then_some(entry.height)
    }

    fn known(&self, at: u32) -> Known {
        let entry = self.arena.get(at);
        let place = match entry.class {
            _ if entry.active => Place::Active,
            Class::Confirmed => Place::Stale,
            _ => Place::Side,
        };
        let height = self.height_at(at);
        Known { header: entry.header, height, height_is_sure: entry.level > Level::Claimed, place }
    }

    /// Gives a new entry what its relatives know.
    fn relate(&mut self, at: u32) {
        let arena = &self.arena;
        let above = arena.parent(at).map(|p| arena.get(p)).filter(|p| p.level > Level::None && p.height < MAX_HEIGHT);
        let mut best = above.map(|p| (p.level, p.height + 1));
        let mut leads_to_tip = false;
        for child in arena.children(at).map(|c| arena.get(c)) {
            leads_to_tip |= child.active;
            if child.level > Level::Claimed && child.height > 0 && best.is_none_or(|(level, _)| child.level > level) {
                best = Some((child.level, child.height - 1));
            }
        }
        let follows = arena.parent(at).is_some_and(|p| arena.get(p).class != Class::Unlinked);
        if let Some((level, height)) = best {
            self.raise(at, height, level);
            self.note_conflict(at);
        }
        if leads_to_tip {
            // An ancestor of the tip that was missing: older than all that are known, so it leaves first.
            let (found, _) = self.activate(at);
            for &at in &found {
                self.file_confirmed(at, true);
            }
            self.believe(&found);
        } else if follows && self.arena.get(at).class == Class::Unlinked {
            self.arena.file(at, Class::Side, false);
        }
    }

    /// Counts it when a new entry joins two parts of the tree that say different heights.
    fn note_conflict(&mut self, at: u32) {
        let height = self.arena.get(at).height;
        let differs = |c: u32| {
            let child = self.arena.get(c);
            child.level > Level::Claimed && child.height.checked_sub(1) != Some(height)
        };
        if self.arena.children(at).any(differs) {
            self.doubts.count(Doubt::HeightConflict);
        }
    }

    /// Sets a height, and with it those of all relatives that know less.
    fn raise(&mut self, at: u32, height: u32, level: Level) {
        self.assign(at, height, level);
        let mut todo = vec![at];
        let mut less = Vec::new();
        while let Some(at) = todo.pop() {
            let height = self.arena.get(at).height;
            let children = self.arena.children(at).filter(|_| height < MAX_HEIGHT).map(|c| (c, height + 1));
            less.extend(children.filter(|&(c, _)| self.arena.get(c).level < level));
            // A claim says nothing of ancestors: they may be real where it is invented.
            let parent = (level > Level::Claimed && height > 0).then(|| self.arena.parent(at)).flatten();
            less.extend(parent.filter(|&p| self.arena.get(p).level < level).map(|p| (p, height - 1)));
            for (relative, height) in less.drain(..) {
                self.assign(relative, height, level);
                todo.push(relative);
            }
        }
    }

    fn assign(&mut self, at: u32, height: u32, level: Level) {
        let entry = self.arena.get_mut(at);
        (entry.height, entry.level) = (height, level);
        if level > Level::Claimed && entry.class == Class::Unlinked {
            self.arena.file(at, Class::Side, false);
        }
    }

    /// Marks `at` and its ancestors up to the first that is marked; returns those marked now, highest first,
    /// and the one where it stopped, if it was marked before.
    fn activate(&mut self, mut at: u32) -> (Vec<u32>, Option<u32>) {
        let mut path = Vec::new();
        loop {
            let entry = self.arena.get_mut(at);
            if entry.active {
                let circle = path.len() > 1 && path.contains(&at);
                return (path, (!circle).then_some(at));
            }
            entry.active = true;
            path.push(at);
            match self.arena.parent(at) {
                Some(parent) => at = parent,
                None => return (path, None),
            }
        }
    }

    /// Takes the blocks from the tip `old` down to `fork` off the chain. False when some are missing.
    fn disconnect(&mut self, old: u32, fork: u32, new: u32, left: &mut Vec<Hash256>) -> bool {
        let mut at = Some(old);
        while let Some(i) = at.filter(|&i| i != fork) {
            let entry = self.arena.get_mut(i);
            if !std::mem::take(&mut entry.active) {
                break;
            }
            left.push(entry.header.hash);
            at = self.arena.parent(i);
        }
        let whole = at == Some(fork);
        if !whole {
            // Older parts of the chain that was left are not reached: mark again from the new tip alone.
            let all: Vec<u32> = self.arena.iter().collect();
            for i in all {
                self.arena.get_mut(i).active = false;
            }
            self.activate(new);
        }
        whole
    }

    /// Takes the blocks of the chain of the tip `old` off that are not below `root`, where the known part of
    /// the new chain begins. Without heights it is taken for an extension.
    fn disconnect_above(&mut self, old: u32, root: u32, left: &mut Vec<Hash256>) {
        let Some(begin) = self.height_at(root) else { return };
        let mut at = Some(old);
        while let Some(i) = at.filter(|&i| self.height_at(i).is_some_and(|h| h >= begin)) {
            let entry = self.arena.get_mut(i);
            if !std::mem::take(&mut entry.active) {
                break;
            }
            left.push(entry.header.hash);
            at = self.arena.parent(i);
        }
    }

    /// Notes that the node follows the blocks of `path`, highest first.
    fn confirm(&mut self, path: &[u32]) {
        for &at in path.iter().rev() {
            self.file_confirmed(at, false);
        }
        self.believe(path);
    }

    /// Believes the height that a block of `path`, highest first, says of itself.
    fn believe(&mut self, path: &[u32]) {
        let claimed = path.iter().rev().find(|&&at| self.arena.get(at).level == Level::Claimed);
        if let Some(&at) = claimed {
            self.raise(at, self.arena.get(at).height, Level::Confirmed);
        }
    }

    fn file_confirmed(&mut self, at: u32, first: bool) {
        if self.arena.get(at).class != Class::Pinned {
            self.arena.file(at, Class::Confirmed, first);
        }
    }

    /// Forgets headers beyond the caps.
    fn make_room(&mut self) {
        while self.arena.count(Class::Unlinked) > self.caps.unlinked
            && self.evict(Class::Unlinked, Doubt::EvictedUnlinked)
        {}
        while self.arena.len() > self.caps.headers {
            let (unlinked, side) = (self.arena.count(Class::Unlinked), self.arena.count(Class::Side));
            // At least one: the newcomer, which may be the node's next.
            let many = unlinked + side > self.caps.side.max(1) || self.arena.count(Class::Confirmed) <= 1;
            let evicted = match () {
                () if many && unlinked > 0 => self.evict(Class::Unlinked, Doubt::EvictedUnlinked),
                () if many && side > 0 => self.evict(Class::Side, Doubt::EvictedSide),
                () => self.evict(Class::Confirmed, Doubt::EvictedConfirmed),
            };
            if !evicted {
                break;
            }
        }
    }

    fn evict(&mut self, class: Class, doubt: Doubt) -> bool {
        if class == Class::Confirmed && self.arena.oldest(class) == self.tip {
            // The node went back to an old block: that stays.
            self.arena.file(self.tip.unwrap_or(NONE), class, false);
        }
        let Some(at) = self.arena.oldest(class).filter(|&at| Some(at) != self.tip) else { return false };
        self.arena.remove(at);
        self.doubts.count(doubt);
        true
    }
}
