//! The outpoint index: value and script type of outputs that were seen, for fees and input types.
//!
//! Bounded: at most [`CAPACITY`] outputs of 32 bytes, at 7/8 load about 39 bytes each (156 MB in all);
//! an idle sensor has a few kilobytes. An output is kept as a 128-bit keyed fingerprint of its
//! outpoint, not as the outpoint: that an unknown one passes for one of four million has probability
//! 4e6 / 2^128 = 1.2e-32, and without the key nobody can raise it.
//!
//! What leaves: outputs whose spending block is [`DEPTH`] deep. When it is full: a sixteenth of one
//! segment, then of the next when it is full again; first what is spent [`SETTLED`] deep, then what
//! was least recently of use (put in or looked up), by a clock of 64 ticks in as many uses as fit.
//!
//! The table is cut into segments of about 16 000 outputs: growing, pruning and making room touch
//! one at a time, so that no call takes longer than a millisecond, and a look-up touches few
//! neighbouring slots (`segment`).
//!
//! The same calls with the same key give the same result on every machine.

mod segment;

#[cfg(test)]
mod tests;

use super::key::Key;
use crate::message::hash::Hash256;
use segment::{Print, Segment, Slot, UNSPENT};

/// Outputs kept by default.
pub const CAPACITY: usize = 4_000_000;
/// Blocks on top of the spending block, that one included, after which a spent output leaves: deeper
/// reorganisations have not happened, and coinbases mature at that depth.
pub const DEPTH: u32 = 100;
/// So deep a spent output is still of use only in a deep reorganisation: it leaves first when room is needed.
pub const SETTLED: u32 = 6;
/// Outputs of a segment, at most, on average.
const SEGMENT: usize = 16_384;
/// The part of a segment that leaves when room is needed.
const BATCH: usize = 16;
/// Ticks of the clock of use in as many uses as outputs fit.
const TICKS: usize = 64;
/// After so many blocks each segment has been looked through for spent outputs.
const ROUND: usize = 32;

/// What is kept of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Value in satoshi.
    pub value: i64,
    /// Script type, a number of the caller's.
    pub kind: u8,
    /// Flags of the caller's.
    pub flags: u8,
}

/// An output that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was put in.
    pub coin: Coin,
    /// Height of the block that spends it.
    pub spent: Option<u32>,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Look-ups of outputs that were known.
    pub hits: u64,
    /// Look-ups of outputs that were not.
    pub misses: u64,
    /// Outputs that left because it was full.
    pub evicted: u64,
    /// Outputs that left because they were spent long ago.
    pub pruned: u64,
}

/// The index.
#[derive(Clone, Debug)]
pub struct Outpoints {
    keys: [Key; 2],
    capacity: usize,
    segments: Vec<Segment>,
    len: usize,
    uses: u64,
    tip: u32,
    /// The segment to be looked through next for spent outputs.
    next: usize,
    /// The segment that makes room next: the longest ago that it did.
    fullest: usize,
    counters: Counters,
    /// How many of the evicted ones were told of.
    evicted_told: u64,
}

impl Outpoints {
    /// An empty index of at most `capacity` outputs.
    pub fn new(key: Key, capacity: usize) -> Self {
        Self::with_segments(key, capacity, capacity.div_ceil(SEGMENT))
    }

    fn with_segments(key: Key, capacity: usize, segments: usize) -> Self {
        let (capacity, segments) = (capacity.max(1), segments.max(1));
        Self {
            keys: [key.derive(2), key.derive(3)],
            capacity,
            segments: vec![Segment::new(capacity / segments); segments],
            len: 0,
            uses: 0,
            tip: 0,
            next: 0,
            fullest: 0,
            counters: Counters::default(),
            evicted_told: 0,
        }
    }

    /// Puts in an output, or replaces what is kept of it; its flags, and whether it is spent, stay. True when it
    /// is new.
    pub fn insert(&mut self, txid: &Hash256, vout: u32, coin: Coin) -> bool {
        let (print, at) = self.locate(txid, vout);
        let age = self.tick();
        let mut spent = UNSPENT;
        let Coin { value, kind, mut flags } = coin;
        let known = self.live(print, at);
        if let Some(slot) = known {
            let before = self.segments[at].get_mut(slot);
            spent = before.spent;
            flags |= before.flags;
        } else if self.len >= self.capacity {
            self.make_room();
        }
        let slot = Slot { print, value, spent, age, kind, flags };
        if let Some(place) = known {
            *self.segments[at].get_mut(place) = slot;
        } else {
            self.segments[at].insert(slot);
            self.len += 1;
        }
        known.is_none()
    }

    /// Looks up an output: a use of it, and counted.
    pub fn get(&mut self, txid: &Hash256, vout: u32) -> Option<Found> {
        let (print, at) = self.locate(txid, vout);
        let age = self.tick();
        let Some(place) = self.live(print, at) else {
            self.counters.misses += 1;
            return None;
        };
        self.counters.hits += 1;
        let slot = self.segments[at].get_mut(place);
        slot.age = age;
        Some(found(slot))
    }

    /// Looks up an output without a trace.
    pub fn peek(&self, txid: &Hash256, vout: u32) -> Option<Found> {
        let (print, at) = self.locate(txid, vout);
        let slot = self.segments[at].get(self.segments[at].find(print)?);
        (!slot.is_spent_at(self.tip, DEPTH)).then(|| found(slot))
    }

    /// Notes that the block at `height` spends an output; false when that is not known.
    pub fn spend(&mut self, txid: &Hash256, vout: u32, height: u32) -> bool {
        self.mark(txid, vout, height.min(UNSPENT - 1))
    }

    /// Takes that back, at a reorganisation; false when the output is not known.
    pub fn unspend(&mut self, txid: &Hash256, vout: u32) -> bool {
        self.mark(txid, vout, UNSPENT)
    }

    /// Takes flags off an output.
    pub fn clear_flags(&mut self, txid: &Hash256, vout: u32, flags: u8) {
        let (print, at) = self.locate(txid, vout);
        if let Some(place) = self.live(print, at) {
            self.segments[at].get_mut(place).flags &= !flags;
        }
    }

    fn mark(&mut self, txid: &Hash256, vout: u32, spent: u32) -> bool {
        let (print, at) = self.locate(txid, vout);
        let place = self.live(print, at);
        if let Some(place) = place {
            self.segments[at].get_mut(place).spent = spent;
        }
        place.is_some()
    }

    /// Notes the height of the node's tip. Outputs spent [`DEPTH`] deep are not known from now on; their
    /// memory is free within 32 blocks.
    pub fn prune(&mut self, tip_height: u32) {
        let blocks = tip_height.saturating_sub(self.tip) as usize;
        self.tip = tip_height;
        let all = self.segments.len();
        for _ in 0..all.div_ceil(ROUND).saturating_mul(blocks).min(all) {
            let n = self.segments[self.next].remove_if(|slot| slot.is_spent_at(tip_height, DEPTH));
            self.note_pruned(n);
            self.next = (self.next + 1) % all;
        }
    }

    /// Outputs kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Most outputs kept.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Heap memory in bytes.
    pub fn memory_bytes(&self) -> usize {
        let slots: usize = self.segments.iter().map(Segment::memory_bytes).sum();
        slots + self.segments.capacity() * size_of::<Segment>()
    }

    /// Counters since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Outputs that left because it was full, since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        self.counters.evicted - std::mem::replace(&mut self.evicted_told, self.counters.evicted)
    }

    /// Fingerprint and segment of an outpoint.
    #[inline]
    fn locate(&self, txid: &Hash256, vout: u32) -> (Print, usize) {
        let [a, b] = self.keys.map(|key| key.of_outpoint(txid, vout));
        let at = (u128::from(b) * self.segments.len() as u128) >> 64;
        // All zero is an empty slot.
        ([a, if a == 0 { b.max(1) } else { b }], at as usize)
    }

    /// The place of an output that is known; one that was spent too long ago is thrown out.
    #[inline]
    fn live(&mut self, print: Print, at: usize) -> Option<usize> {
        let segment = &mut self.segments[at];
        let place = segment.find(print)?;
        if segment.get(place).is_spent_at(self.tip, DEPTH) {
            segment.remove(place);
            self.note_pruned(1);
            return None;
        }
        Some(place)
    }

    fn note_pruned(&mut self, n: usize) {
        self.len -= n;
        self.counters.pruned += n as u64;
    }

    /// Counts a use; returns the time by that clock. It comes round after 1024 times the capacity:
    /// something unused for that long may then pass for fresh once more.
    fn tick(&mut self) -> u16 {
        self.uses += 1;
        self.now()
    }

    fn now(&self) -> u16 {
        (self.uses / self.capacity.div_ceil(TICKS) as u64) as u16
    }

    /// Makes room in one segment after the other, whichever needs it: so the larger lose more, and all stay
    /// of one size.
    fn make_room(&mut self) {
        let all = self.segments.len();
        let Some(at) = (self.fullest..self.fullest + all).map(|i| i % all).find(|&i| self.segments[i].len() > 0) else {
            return;
        };
        self.fullest = (at + 1) % all;
        let (now, tip) = (self.now(), self.tip);
        let segment = &mut self.segments[at];
        let batch = segment.len().div_ceil(BATCH);
        let rank = |slot: &Slot| {
            let age = u32::from(now.wrapping_sub(slot.age));
            if slot.is_spent_at(tip, SETTLED) { age + (1 << 16) } else { age }
        };
        let n = segment.remove_highest(batch, rank);
        self.len -= n;
        self.counters.evicted += n as u64;
    }
}

fn found(slot: &Slot) -> Found {
    let coin = Coin { value: slot.value, kind: slot.kind, flags: slot.flags };
    Found { coin, spent: (slot.spent != UNSPENT).then_some(slot.spent) }
}
