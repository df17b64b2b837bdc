//! `tx_inputs`: an event for each input of the transactions of `tx`.

use super::Kind::Exact;
use super::tx::{TRANSPORT, hash, reason};
use super::{Cadence, Column, Series, Value, boolean, integer, text};
use crate::health::Vocabulary as _;
use crate::message::digest::TxDigest;
use crate::message::script::ScriptType;

/// The description.
pub const TX_INPUTS: Series = Series {
    name: "tx_inputs",
    cadence: Cadence::Event,
    help: "Inputs of the transactions of tx; txid and n join them.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 11] = [
    TRANSPORT,
    text("txid", Exact, "The transaction that it is an input of, as in tx."),
    integer("n", Exact, "index", "Which of its inputs, from 0."),
    integer("sig_script_len", Exact, "bytes", "Length of the scriptSig."),
    integer("sequence_num", Exact, "number", "Sequence number."),
    integer("witness_items", Exact, "items", "Elements of the witness; 0 without one."),
    integer(
        "witness_bytes",
        Exact,
        "bytes",
        "Size of the witness, its count and lengths included; 0 when the transaction has no witnesses.",
    ),
    boolean("is_standard", Exact, "Whether the scriptSig keeps the static rules of policy."),
    text(
        "non_standard_reason",
        Exact,
        "script_sig_too_large (over 1650 bytes) or non_canonical_data_push (not pushes only).",
    ),
    integer("prevout_value", Exact, "sat", "Value of the output it spends, when the sensor has seen that output."),
    text(
        "prevout_type",
        Exact,
        "script_type of the output it spends, as in tx_outputs, when the sensor has seen that output.",
    ),
];

/// What is known of the output that an input spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prevout {
    /// Its value, satoshi.
    pub value: i64,
    /// Type of its script.
    pub kind: ScriptType,
}

/// The values of the points of all inputs, in order; `prevout` knows the output that input `n` spends.
pub fn points<'a>(
    transport: &'a str,
    tx: &'a TxDigest,
    mut prevout: impl FnMut(usize) -> Option<Prevout> + 'a,
) -> impl Iterator<Item = Vec<Value>> + 'a {
    let txid = hash(&tx.tx.txid);
    tx.inputs.iter().enumerate().map(move |(n, input)| {
        let non_standard = input.non_standard_reason();
        let spent = prevout(n);
        vec![
            Value::Text(transport.into()),
            txid.clone(),
            Value::from(n as u64),
            input.sig_script_len().into(),
            input.sequence.into(),
            input.witness_items.into(),
            input.witness_bytes.into(),
            Value::Boolean(non_standard.is_none()),
            reason(non_standard),
            spent.map_or(Value::Absent, |p| Value::Integer(p.value)),
            spent.map_or(Value::Absent, |p| Value::Text(p.kind.name().into())),
        ]
    })
}
