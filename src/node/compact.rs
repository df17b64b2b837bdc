//! Compact blocks rebuilt (BIP 152): short ids matched with the transactions that are known.
//!
//! One [`Rebuild`] a block: fed with the prefilled transactions, then with candidates (the shadow
//! mempool, what was seen lately, later arrivals, the transactions of a `blocktxn`), each by its
//! ids and a handle of the caller's. What two candidates claim stays open, as with Bitcoin Core.
//! A wrong match (probability 2^-48 for a pair) shows in the merkle root, which the caller checks.
//!
//! The table of short ids is keyed at random: whoever chooses them cannot make them collide in it.
//! At most 65 535 positions, the limit of the 16-bit indexes.

use crate::message::hash::Hash256;
use crate::message::headers::HEADER_BYTES;
use ahash::RandomState;
use bitcoin_hashes::{HashEngine as _, sha256, siphash24};
use std::collections::HashMap;

/// Most transactions of a compact block (BIP 152).
pub const MAX_TRANSACTIONS: usize = u16::MAX as usize;

/// Which id the short ids are made of: the version that the receiver asked for by `sendcmpct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 1: txids; transactions without witnesses.
    Txid,
    /// Version 2: wtxids; transactions with witnesses.
    Wtxid,
}

impl Version {
    /// The version of number `n`.
    pub const fn from_number(n: u64) -> Option<Self> {
        match n {
            1 => Some(Self::Txid),
            2 => Some(Self::Wtxid),
            _ => None,
        }
    }
}

/// Makes the short ids of one compact block.
#[derive(Clone, Copy, Debug)]
pub struct ShortIds {
    k0: u64,
    k1: u64,
}

impl ShortIds {
    /// Keys from the header and the nonce of the message.
    pub fn new(header: &[u8; HEADER_BYTES], nonce: u64) -> Self {
        let mut engine = sha256::Hash::engine();
        engine.input(header);
        engine.input(&nonce.to_le_bytes());
        let hash = engine.finalize().to_byte_array();
        let word = |at: usize| (0..8).fold(0, |n, i| n | u64::from(hash[at + i]) << (8 * i));
        Self { k0: word(0), k1: word(8) }
    }

    /// The 48-bit short id of a txid or wtxid.
    #[inline]
    pub fn of(self, id: &Hash256) -> u64 {
        siphash24::Hash::hash_to_u64_with_keys(self.k0, self.k1, &id.0) & 0xffff_ffff_ffff
    }
}

/// What is wrong with a compact block or with its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// More transactions than indexes.
    #[error("{0} transactions in a compact block, at most {MAX_TRANSACTIONS}")]
    TooMany(usize),
    /// A prefilled transaction behind the end, or twice at one place.
    #[error("no place {0} for a prefilled transaction")]
    PrefilledIndex(u16),
    /// A `getblocktxn` asks for a transaction behind the end.
    #[error("index {index} was asked for in a block of {transactions} transactions")]
    RequestedIndex {
        /// Index asked for.
        index: u16,
        /// Transactions of the block.
        transactions: usize,
    },
    /// A `blocktxn` has another number of transactions than were asked for.
    #[error("{given} transactions given, {requested} asked for")]
    Count {
        /// Indexes asked for.
        requested: usize,
        /// Transactions given.
        given: usize,
    },
}

/// What is known of one position of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot<H> {
    /// Nothing with its short id.
    Missing,
    /// Its short id stands for several candidates or for several positions: open until given.
    Ambiguous,
    /// Given whole, in the compact block or in a `blocktxn`.
    Given(H),
    /// Found by its short id.
    Matched(H),
}

#[derive(Clone, Copy, Debug)]
struct Place {
    index: u16,
    /// The first candidate that matched.
    by: Option<Hash256>,
}

/// A compact block on its way to a whole one. `H` is how the caller names a transaction.
#[derive(Clone, Debug)]
pub struct Rebuild<H> {
    ids: ShortIds,
    version: Version,
    slots: Vec<Slot<H>>,
    places: HashMap<u64, Place, RandomState>,
    repeated_ids: usize,
}

impl<H: Clone> Rebuild<H> {
    /// The block of `header` and `nonce` with these short ids, in order, and prefilled transactions by index.
    pub fn new(
        header: &[u8; HEADER_BYTES],
        nonce: u64,
        version: Version,
        short_ids: impl ExactSizeIterator<Item = u64>,
        prefilled: impl IntoIterator<Item = (u16, H)>,
    ) -> Result<Self, RebuildError> {
        let prefilled: Vec<_> = prefilled.into_iter().take(MAX_TRANSACTIONS + 1).collect();
        let count = short_ids.len().saturating_add(prefilled.len());
        if count > MAX_TRANSACTIONS {
            return Err(RebuildError::TooMany(count));
        }
        let mut slots = vec![Slot::Missing; count];
        for (index, handle) in prefilled {
            match slots.get_mut(usize::from(index)) {
                Some(slot @ Slot::Missing) => *slot = Slot::Given(handle),
                _ => return Err(RebuildError::PrefilledIndex(index)),
            }
        }
        let mut places: HashMap<u64, Place, RandomState> =
            HashMap::with_capacity_and_hasher(short_ids.len(), RandomState::new());
        let open: Vec<usize> = (0..count).filter(|&i| matches!(slots[i], Slot::Missing)).collect();
        let mut repeated_ids = 0;
        for (index, id) in open.into_iter().zip(short_ids) {
            let place = Place { index: index as u16, by: None };
            if let Some(before) = places.insert(id, place) {
                // Both stay open; with the id left to the later one no candidate fills either.
                slots[usize::from(before.index)] = Slot::Ambiguous;
                slots[index] = Slot::Ambiguous;
                repeated_ids += 1;
            }
        }
        Ok(Self { ids: ShortIds::new(header, nonce), version, slots, places, repeated_ids })
    }

    /// Offers a transaction that may be of the block; true when its short id is. Only then its handle is made.
    pub fn offer(&mut self, txid: &Hash256, wtxid: &Hash256, handle: impl FnOnce() -> H) -> bool {
        let id = match self.version {
            Version::Txid => txid,
            Version::Wtxid => wtxid,
        };
        let Some(place) = self.places.get_mut(&self.ids.of(id)) else { return false };
        let slot = &mut self.slots[usize::from(place.index)];
        match slot {
            Slot::Missing => {
                *slot = Slot::Matched(handle());
                place.by = Some(*id);
            }
            Slot::Matched(_) if place.by != Some(*id) => *slot = Slot::Ambiguous,
            Slot::Matched(_) | Slot::Given(_) | Slot::Ambiguous => {}
        }
        true
    }

    /// Puts in what a `blocktxn` gives, in the order of the indexes of the `getblocktxn` it answers. What the
    /// sensor had matched itself at these places is replaced. Nothing changes on an error.
    ///
    /// When the request was not seen, [`Rebuild::offer`] finds their places by short id.
    pub fn complete(&mut self, requested: &[u16], given: impl IntoIterator<Item = H>) -> Result<(), RebuildError> {
        let transactions = self.slots.len();
        if let Some(&index) = requested.iter().find(|&&i| usize::from(i) >= transactions) {
            return Err(RebuildError::RequestedIndex { index, transactions });
        }
        let given: Vec<H> = given.into_iter().take(requested.len() + 1).collect();
        if given.len() != requested.len() {
            return Err(RebuildError::Count { requested: requested.len(), given: given.len() });
        }
        for (&index, handle) in requested.iter().zip(given) {
            self.slots[usize::from(index)] = Slot::Given(handle);
        }
        Ok(())
    }

    /// Every position of the block.
    pub fn slots(&self) -> &[Slot<H>] {
        &self.slots
    }

    /// The positions that are open, rising: those that a node with these transactions asks for.
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        (0..).zip(&self.slots).filter(|(_, s)| matches!(s, Slot::Missing | Slot::Ambiguous)).map(|(i, _)| i)
    }

    /// Short ids that stand at more than one position: with any, Bitcoin Core asks for the whole block.
    pub fn repeated_ids(&self) -> usize {
        self.repeated_ids
    }

    /// The transactions in order of the block, when none is open.
    pub fn transactions(&self) -> Option<Vec<H>> {
        let handle = |slot: &Slot<H>| match slot {
            Slot::Given(h) | Slot::Matched(h) => Some(h.clone()),
            Slot::Missing | Slot::Ambiguous => None,
        };
        self.slots.iter().map(handle).collect()
    }
}

#[cfg(test)]
#[path = "compact_tests.rs"]
mod tests;
