//! Transactions as the node stage needs them: owned, `Send`, compact.
//!
//! [`tx()`] digests the payload of a `tx` message in two passes, one that
//! checks and counts and one that keeps, so that a digest is two exact
//! allocations and a malformed transaction none. Memory is bounded by the
//! payload: an input takes 41 bytes of it and 52 here, an output 9 and 16.

use super::compact;
use super::hash::Hash256;
use super::read::{DecodeError, Reader};
use super::script::{self, ScriptType};
use super::standard::{self, NonStandard};
use super::tx::{self, Input, Output, RawTx, Tx, TxSink, Witness};
use std::fmt;

/// The bit of [`TxInput::script_sig`] that tells a scriptSig that does more than push; lengths are below it.
const NOT_PUSH_ONLY: u32 = 1 << 31;

/// Names an output of a transaction; printed as `txid:n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutPoint {
    /// The transaction.
    pub txid: Hash256,
    /// Which of its outputs.
    pub index: u32,
}

impl OutPoint {
    /// Whether it names nothing: what the input of a coinbase spends.
    pub fn is_null(&self) -> bool {
        self.index == u32::MAX && self.txid.0 == [0; 32]
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
    }
}

impl From<&Input<'_>> for OutPoint {
    #[inline]
    fn from(input: &Input<'_>) -> Self {
        Self { txid: input.prev_txid, index: input.prev_index }
    }
}

/// An input of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxInput {
    /// The output it spends.
    pub prevout: OutPoint,
    /// Sequence number.
    pub sequence: u32,
    /// Elements of its witness.
    pub witness_items: u32,
    /// Bytes of its witness, count and lengths included; 0 when the transaction is not in segwit form.
    pub witness_bytes: u32,
    /// Length of the scriptSig, and [`NOT_PUSH_ONLY`].
    script_sig: u32,
}

impl TxInput {
    /// Bytes of the scriptSig.
    pub const fn sig_script_len(&self) -> u32 {
        self.script_sig & !NOT_PUSH_ONLY
    }

    /// The rule of standardness that it breaks.
    pub const fn non_standard_reason(&self) -> Option<NonStandard> {
        standard::script_sig(self.sig_script_len(), self.script_sig & NOT_PUSH_ONLY == 0)
    }
}

impl From<&Input<'_>> for TxInput {
    #[inline]
    fn from(input: &Input<'_>) -> Self {
        let flag = if script::is_push_only(input.script) { 0 } else { NOT_PUSH_ONLY };
        Self {
            prevout: input.into(),
            sequence: input.sequence,
            witness_items: 0,
            witness_bytes: 0,
            script_sig: input.script.len() as u32 | flag,
        }
    }
}

impl From<OutPoint> for TxInput {
    /// An input of which only what it spends is known.
    fn from(prevout: OutPoint) -> Self {
        Self { prevout, sequence: 0, witness_items: 0, witness_bytes: 0, script_sig: 0 }
    }
}

/// An output of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxOutput {
    /// Value in satoshi, as sent: negative ones and ones beyond all money are invalid.
    pub value: i64,
    /// Bytes of the script.
    pub script_size: u32,
    /// Type of the script.
    pub kind: ScriptType,
    /// Public keys of a bare multisig; 0 for all others.
    pub num_pubkeys: u8,
    /// Signatures that a bare multisig needs; 0 for all others.
    pub num_keys: u8,
    /// Whether spending it would cost more than it is worth ([`script::dust_threshold`]).
    pub is_dust: bool,
}

impl TxOutput {
    /// The rule of standardness that its script breaks; dust is a rule of the transaction.
    pub const fn non_standard_reason(&self) -> Option<NonStandard> {
        standard::output(self.kind, self.num_pubkeys)
    }
}

impl From<&Output<'_>> for TxOutput {
    #[inline]
    fn from(output: &Output<'_>) -> Self {
        let of = script::classify(output.script);
        Self {
            value: output.value,
            script_size: output.script.len() as u32,
            kind: of.kind,
            num_pubkeys: of.num_pubkeys,
            num_keys: of.num_keys,
            is_dust: standard::is_dust(output.value, output.script, of.kind),
        }
    }
}

/// All the money there can be, satoshi (Bitcoin Core `MAX_MONEY`).
pub const MAX_MONEY: i64 = 21_000_000 * 100_000_000;

/// Sum of the values of `outputs`, satoshi; none when one is negative or it is over [`MAX_MONEY`].
pub fn value_of(outputs: &[TxOutput]) -> Option<i64> {
    outputs.iter().try_fold(0, |sum, o| add_money(sum, o.value))
}

/// `sum` and `value` in satoshi, when both and what they make are amounts of money.
#[inline]
pub fn add_money(sum: i64, value: i64) -> Option<i64> {
    let money = 0..=MAX_MONEY;
    sum.checked_add(value).filter(|sum| money.contains(sum) && money.contains(&value))
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxDigest {
    /// Hashes, sizes, version, lock time.
    pub tx: Tx,
    /// Its inputs.
    pub inputs: Box<[TxInput]>,
    /// Its outputs.
    pub outputs: Box<[TxOutput]>,
    /// The first static rule of standardness that it breaks.
    pub non_standard_reason: Option<NonStandard>,
    /// Whether it can be valid at all (Bitcoin Core `CheckTransaction`): it spends and makes something, no
    /// output twice, and no more than all the money there is.
    pub is_possible: bool,
}

impl TxDigest {
    /// Whether it is the first transaction of a block: one input, which spends nothing.
    pub fn is_coinbase(&self) -> bool {
        matches!(&*self.inputs, [only] if only.prevout.is_null())
    }

    /// Outputs of type `nulldata`.
    pub fn op_return_outputs(&self) -> usize {
        self.outputs.iter().filter(|o| o.kind == ScriptType::NullData).count()
    }

    /// Sum of the output values, satoshi; none when it cannot be one ([`value_of`]).
    pub fn value_out(&self) -> Option<i64> {
        value_of(&self.outputs)
    }
}

/// Keeps inputs and outputs.
struct Parts {
    inputs: Vec<TxInput>,
    outputs: Vec<TxOutput>,
}

impl TxSink<'_> for Parts {
    #[inline]
    fn input(&mut self, _: u32, input: Input<'_>) {
        self.inputs.push((&input).into());
    }

    #[inline]
    fn output(&mut self, _: u32, output: Output<'_>) {
        self.outputs.push((&output).into());
    }

    #[inline]
    fn witness(&mut self, index: u32, witness: Witness<'_>) {
        if let Some(input) = self.inputs.get_mut(index as usize) {
            input.witness_items = witness.items;
            input.witness_bytes = witness.bytes.len() as u32;
        }
    }
}

/// Digests the `payload` of a `tx`; `payload_hash` is its double SHA-256, which is the wtxid.
pub fn tx(payload: &[u8], payload_hash: &[u8; 32]) -> Result<TxDigest, DecodeError> {
    let tx = tx::decode_into(&mut Reader::new(payload), payload_hash, &mut ())?;
    of(payload, &tx)
}

/// Digests the `payload` of which [`super::body::decode`] made `tx`: hashes nothing.
pub fn of(payload: &[u8], tx: &Tx) -> Result<TxDigest, DecodeError> {
    let mut parts = Parts {
        inputs: Vec::with_capacity((tx.inputs as usize).min(payload.len() / tx::MIN_INPUT)),
        outputs: Vec::with_capacity((tx.outputs as usize).min(payload.len() / tx::MIN_OUTPUT)),
    };
    tx::scan(&mut Reader::new(payload), &mut parts)?;
    let non_standard_reason = standard::transaction(tx, &parts.inputs, &parts.outputs);
    let is_possible = standard::is_possible(tx, &parts.inputs, &parts.outputs);
    Ok(TxDigest {
        tx: *tx,
        inputs: parts.inputs.into_boxed_slice(),
        outputs: parts.outputs.into_boxed_slice(),
        non_standard_reason,
        is_possible,
    })
}

/// A transaction out of a block; hashes its bytes, and what they are without witnesses.
fn raw(raw: &RawTx<'_>) -> Option<TxDigest> {
    tx(raw.bytes, &raw.wtxid().0).ok()
}

/// The transactions given whole in the `payload` of a `cmpctblock` that decoded, with their indexes in the
/// block; up to the fault of one that did not.
pub fn prefilled(payload: &[u8]) -> Vec<(u16, TxDigest)> {
    compact::prefilled(payload).map_while(|(index, tx)| Some((index, raw(&tx)?))).collect()
}

/// The transactions of the `payload` of a `blocktxn` that decoded, in the order asked for; up to the fault of
/// one that did not.
pub fn block_transactions(payload: &[u8]) -> Vec<TxDigest> {
    compact::transactions(payload).map_while(|tx| raw(&tx)).collect()
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
