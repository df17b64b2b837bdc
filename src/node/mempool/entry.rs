//! Transactions of the shadow mempool and those that wait to be: slots, and the indexes into them.

use crate::message::digest::{OutPoint, TxDigest};
use crate::message::hash::Hash256;
use crate::node::peer_set::PeerSet;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// How it stands with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The node has it in its mempool.
    In,
    /// It has been seen; nothing shows that the node took it.
    Pending,
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Tells it from others that had its slot before.
    pub serial: u64,
    /// The transaction.
    pub tx: Arc<TxDigest>,
    /// Fee in satoshi, when all that it spends is known.
    pub fee: Option<u64>,
    /// How it stands.
    pub standing: Standing,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Peers that announced or sent it.
    pub heard: PeerSet,
    /// Peers to which the node announced it.
    pub told: PeerSet,
    /// The node announced or served it, to anybody.
    pub shown: bool,
    /// The node asked for a parent of it by txid.
    pub orphan: bool,
    /// It is looked at again when a missing parent shows up.
    pub waits: bool,
    /// Its fee was not known when it was first seen, and its series still wants it.
    pub wants_fee: bool,
}

impl Entry {
    /// Whether it pays at least `rate`, sat/kvB; none without a known fee.
    pub fn pays(&self, rate: u64) -> Option<bool> {
        let vsize = u64::from(self.tx.tx.vsize());
        self.fee.map(|fee| u128::from(fee) * 1000 >= u128::from(rate) * u128::from(vsize))
    }
}

/// Names an entry, and only that one; the earlier ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle {
    /// Serial number.
    pub serial: u64,
    /// Slot.
    pub at: u32,
}

impl Handle {
    /// Before all.
    pub const FIRST: Self = Self { serial: 0, at: 0 };
    /// After all.
    pub const LAST: Self = Self { serial: u64::MAX, at: u32::MAX };
}

/// The entries.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// By wtxid, and by txid.
    by_id: HashMap<Hash256, u32, ahash::RandomState>,
    /// Which entry of the mempool spends an output.
    spenders: HashMap<OutPoint, u32, ahash::RandomState>,
    serial: u64,
    bytes: usize,
}

impl Entries {
    /// Entries.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Memory of the transactions, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a transaction in, pending.
    pub fn insert(&mut self, tx: Arc<TxDigest>, now: Timestamp, heard: PeerSet) -> u32 {
        self.serial += 1;
        self.bytes += weight_of(&tx);
        let (txid, wtxid) = (tx.tx.txid, tx.tx.wtxid);
        let entry = Entry {
            serial: self.serial,
            tx,
            fee: None,
            standing: Standing::Pending,
            since: now,
            heard,
            told: PeerSet::default(),
            shown: false,
            orphan: false,
            waits: false,
            wants_fee: false,
        };
        let at = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(at as usize) {
            Some(slot) => *slot = Some(entry),
            None => self.slots.push(Some(entry)),
        }
        self.by_id.insert(txid, at);
        self.by_id.insert(wtxid, at);
        at
    }

    /// Takes one out.
    pub fn remove(&mut self, at: u32) -> Option<Entry> {
        self.release(at);
        let entry = self.slots.get_mut(at as usize)?.take()?;
        for id in [entry.tx.tx.txid, entry.tx.tx.wtxid] {
            if self.by_id.get(&id) == Some(&at) {
                self.by_id.remove(&id);
            }
        }
        self.bytes -= weight_of(&entry.tx);
        self.free.push(at);
        Some(entry)
    }

    /// By slot.
    pub fn get(&self, at: u32) -> Option<&Entry> {
        self.slots.get(at as usize)?.as_ref()
    }

    /// By slot.
    pub fn get_mut(&mut self, at: u32) -> Option<&mut Entry> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    /// A name for the entry in a slot.
    pub fn handle(&self, at: u32) -> Option<Handle> {
        self.get(at).map(|e| Handle { at, serial: e.serial })
    }

    /// The slot of a named entry, if it is still there.
    pub fn live(&self, handle: Handle) -> Option<u32> {
        self.get(handle.at).filter(|e| e.serial == handle.serial).map(|_| handle.at)
    }

    /// By txid or wtxid.
    pub fn find(&self, id: &Hash256) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// All of them, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    /// All of them, by slot.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.slots.iter_mut().flatten()
    }

    /// The entry of the mempool that spends an output.
    pub fn spender(&self, prevout: &OutPoint) -> Option<u32> {
        self.spenders.get(prevout).copied()
    }

    /// Notes what an entry spends: it is of the mempool now.
    pub fn claim(&mut self, at: u32) {
        if let Some(e) = self.slots.get(at as usize).and_then(Option::as_ref) {
            self.spenders.extend(e.tx.inputs.iter().map(|i| (i.prevout, at)));
        }
    }

    /// Takes that back.
    pub fn release(&mut self, at: u32) {
        if let Some(e) = self.slots.get(at as usize).and_then(Option::as_ref) {
            for input in &e.tx.inputs {
                if self.spenders.get(&input.prevout) == Some(&at) {
                    self.spenders.remove(&input.prevout);
                }
            }
        }
    }

    /// Entries of the mempool that spend an output of the one at `at`.
    pub fn children(&self, at: u32) -> Vec<u32> {
        let Some(e) = self.get(at) else { return Vec::new() };
        let outputs = 0..e.tx.outputs.len() as u32;
        let mut all: Vec<u32> =
            outputs.filter_map(|index| self.spender(&OutPoint { txid: e.tx.tx.txid, index })).collect();
        all.dedup();
        all
    }
}

/// Memory that a transaction takes with its entry and its places in the indexes, bytes.
fn weight_of(tx: &TxDigest) -> usize {
    const ENTRY: usize = size_of::<Entry>() + size_of::<TxDigest>() + 2 * 48;
    const SPENDER: usize = 48;
    ENTRY + size_of_val(&*tx.inputs) + tx.inputs.len() * SPENDER + size_of_val(&*tx.outputs)
}
