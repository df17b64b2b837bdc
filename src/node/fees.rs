//! What transactions spend and pay: outputs of all transactions and blocks seen, by outpoint.
//!
//! A transaction id commits to its outputs, so a value found here is exact whatever became of the
//! transaction. One index serves all watched nodes.

use super::key::Key;
use super::outpoints::{CAPACITY, Coin, Outpoints};
use crate::health::Vocabulary as _;
use crate::message::block_digest::BlockDigest;
use crate::message::digest::{OutPoint, TxDigest, TxOutput};
use crate::message::hash::Hash256;
use crate::message::script::ScriptType;
use crate::series::tx_inputs::Prevout;

/// The outputs seen so far.
#[derive(Clone, Debug)]
pub struct Fees {
    outpoints: Outpoints,
}

impl Fees {
    /// None yet; prints are made with `key`.
    pub fn new(key: Key) -> Self {
        Self { outpoints: Outpoints::new(key, CAPACITY) }
    }

    /// Remembers the outputs of a transaction.
    pub fn learn(&mut self, tx: &TxDigest) {
        self.outputs(&tx.tx.txid, &tx.outputs);
    }

    /// Remembers the outputs of the transactions of a block.
    pub fn learn_block(&mut self, block: &BlockDigest) {
        for tx in block.transactions() {
            self.outputs(&tx.txid, tx.outputs);
        }
    }

    fn outputs(&mut self, txid: &Hash256, outputs: &[TxOutput]) {
        for (vout, o) in outputs.iter().enumerate() {
            // Nobody can spend these.
            if o.kind != ScriptType::NullData {
                self.outpoints.insert(txid, vout as u32, Coin { value: o.value, kind: o.kind.index() as u8, flags: 0 });
            }
        }
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
}

/// The fee of `tx`, sat, when all that it spends is known; none for one that no node takes.
pub fn fee(tx: &TxDigest, prevouts: &[Option<Prevout>]) -> Option<u64> {
    let paid = prevouts.iter().try_fold(0_i64, |sum, p| sum.checked_add(p.as_ref()?.value))?;
    u64::try_from(paid.checked_sub(tx.value_out()?)?).ok()
}
