//! What transactions spend and pay: outputs of all transactions and blocks seen, by outpoint.
//!
//! A transaction id commits to its outputs, so a value found here is exact whatever became of the
//! transaction. Whether an output exists and is unspent is known as far as the blocks that the
//! watched nodes follow were seen. One index serves all watched nodes: a block counts from the first
//! node that follows it to the last one that leaves it.

use super::key::Key;
use super::outpoints::{CAPACITY, Coin, Outpoints};
use crate::health::Vocabulary as _;
use crate::message::digest::{MAX_MONEY, OutPoint, TxDigest, TxOutput, add_money};
use crate::message::hash::Hash256;
use crate::message::script::ScriptType;
use crate::series::tx_inputs::Prevout;
use std::collections::HashMap;

/// The block that makes an output is on the chain that the nodes follow.
const CONFIRMED: u8 = 1;
/// Blocks whose followers are remembered: beyond, a block is as good as final.
const BLOCKS: usize = 4096;

/// What the blocks say of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoinState {
    /// Never seen, or forgotten.
    Unknown,
    /// Seen in a transaction that no block had.
    Unconfirmed,
    /// In a block, and not spent by one.
    Unspent,
    /// Spent by a block.
    Spent,
}

/// A transaction of a block, as the index needs it.
#[derive(Clone, Copy, Debug)]
pub struct Confirmed<'a> {
    /// Its txid.
    pub txid: &'a Hash256,
    /// Its outputs.
    pub outputs: &'a [TxOutput],
}

/// The outputs seen so far.
#[derive(Clone, Debug)]
pub struct Coins {
    outpoints: Outpoints,
    /// How many nodes follow a block.
    followers: HashMap<Hash256, u32, ahash::RandomState>,
    order: std::collections::VecDeque<Hash256>,
    evicted: u64,
}

impl Coins {
    /// None yet; prints are made with `key`.
    pub fn new(key: Key) -> Self {
        let followers = HashMap::with_hasher(ahash::RandomState::with_seeds(5, 6, 7, 8));
        Self {
            outpoints: Outpoints::new(key, CAPACITY),
            followers,
            order: std::collections::VecDeque::new(),
            evicted: 0,
        }
    }

    /// Remembers the outputs of a transaction.
    pub fn learn(&mut self, tx: &TxDigest) {
        self.outputs(&tx.tx.txid, &tx.outputs, 0);
    }

    /// Remembers the outputs of a transaction out of a block.
    pub fn learn_outputs(&mut self, txid: &Hash256, outputs: &[TxOutput]) {
        self.outputs(txid, outputs, 0);
    }

    fn outputs(&mut self, txid: &Hash256, outputs: &[TxOutput], flags: u8) {
        for (vout, o) in (0..).zip(outputs) {
            // Nobody can spend these.
            if o.kind != ScriptType::NullData && (0..=MAX_MONEY).contains(&o.value) {
                self.outpoints.insert(txid, vout, Coin { value: o.value, kind: o.kind.index() as u8, flags });
            }
        }
    }

    /// Whether `block` is followed by one more node now; false when it was by another already.
    pub fn follow(&mut self, block: &Hash256) -> bool {
        let n = self.followers.entry(*block).or_default();
        *n += 1;
        if *n > 1 {
            return false;
        }
        self.order.push_back(*block);
        if self.order.len() > BLOCKS
            && let Some(old) = self.order.pop_front()
        {
            self.evicted += 1;
            self.followers.remove(&old);
        }
        true
    }

    /// Whether one node follows `block` and no other.
    pub fn is_followed_once(&self, block: &Hash256) -> bool {
        self.followers.get(block) == Some(&1)
    }

    /// Whether the last node left `block`.
    pub fn leave(&mut self, block: &Hash256) -> bool {
        let Some(n) = self.followers.get_mut(block) else { return false };
        *n -= 1;
        if *n == 0 {
            self.followers.remove(block);
            self.order.retain(|b| b != block);
            return true;
        }
        false
    }

    /// A block at `height` makes the outputs of `tx` and spends `spent`.
    pub fn connect<'a>(&mut self, tx: Confirmed<'_>, spent: impl Iterator<Item = &'a OutPoint>, height: u32) {
        for o in spent {
            self.outpoints.spend(&o.txid, o.index, height);
        }
        self.outputs(tx.txid, tx.outputs, CONFIRMED);
    }

    /// Takes that back.
    pub fn disconnect<'a>(&mut self, tx: Confirmed<'_>, spent: impl Iterator<Item = &'a OutPoint>) {
        for o in spent {
            self.outpoints.unspend(&o.txid, o.index);
        }
        for vout in 0..tx.outputs.len() {
            self.outpoints.clear_flags(tx.txid, vout as u32, CONFIRMED);
        }
    }

    /// The nodes' tip is at `height`: outputs spent long ago leave.
    pub fn tip(&mut self, height: u32) {
        self.outpoints.prune(height);
    }

    /// What the blocks say of an output.
    pub fn state(&self, o: &OutPoint) -> CoinState {
        match self.outpoints.peek(&o.txid, o.index) {
            None => CoinState::Unknown,
            Some(found) if found.spent.is_some() => CoinState::Spent,
            Some(found) if found.coin.flags & CONFIRMED != 0 => CoinState::Unspent,
            Some(_) => CoinState::Unconfirmed,
        }
    }

    /// Whether a block has the transaction, as far as its outputs tell.
    pub fn is_confirmed(&self, tx: &TxDigest) -> bool {
        let mut states = (0..tx.outputs.len() as u32).map(|index| self.state(&OutPoint { txid: tx.tx.txid, index }));
        states.any(|s| matches!(s, CoinState::Unspent | CoinState::Spent))
    }

    /// What is known of the output that `prevout` names.
    pub fn prevout(&mut self, prevout: &OutPoint) -> Option<Prevout> {
        let coin = self.outpoints.get(&prevout.txid, prevout.index)?.coin;
        let kind = *ScriptType::ALL.get(usize::from(coin.kind))?;
        Some(Prevout { value: coin.value, kind })
    }

    /// What is known of the outputs that `tx` spends, in the order of its inputs.
    pub fn prevouts(&mut self, tx: &TxDigest) -> Vec<Option<Prevout>> {
        tx.inputs.iter().map(|i| self.prevout(&i.prevout)).collect()
    }

    /// Outputs, and blocks with followers, that were forgotten since the last call.
    pub fn take_evicted(&mut self) -> [u64; 2] {
        [self.outpoints.take_evicted(), std::mem::take(&mut self.evicted)]
    }

    /// The index itself, for figures about it.
    pub fn outpoints(&self) -> &Outpoints {
        &self.outpoints
    }
}

/// The fee of `tx`, sat, when all that it spends is known; none for one that no node takes.
pub fn fee(tx: &TxDigest, prevouts: &[Option<Prevout>]) -> Option<u64> {
    if !tx.is_possible {
        return None;
    }
    let paid = prevouts.iter().try_fold(0, |sum, p| add_money(sum, p.as_ref()?.value))?;
    u64::try_from(paid.checked_sub(tx.value_out()?)?).ok()
}
