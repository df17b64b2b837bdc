//! `tx`: an event for each transaction, the first time it is seen in a `tx` message.

use super::Kind::{Estimated, Exact};
use super::{Cadence, Column, Series, Value, boolean, float, integer, tag, text};
use crate::health::Vocabulary as _;
use crate::message::digest::TxDigest;
use crate::message::hash::Hash256;
use crate::message::standard::NonStandard;

/// The description.
pub const TX: Series = Series {
    name: "tx",
    cadence: Cadence::Event,
    help: "Transactions, the first time each wtxid is seen in a tx message, in either direction. Rows of transport v2 are apart: one for each transaction that the node received on an encrypted connection, of which only the size is known, estimated.",
    columns: &COLUMNS,
};

/// The tag of all series made of transactions.
pub(super) const TRANSPORT: Column =
    tag("transport", Exact, "Transport of the connection that brought the transaction: v1.");

const COLUMNS: [Column; 12] = [
    tag(
        "transport",
        Exact,
        "v1 (read off the wire), or v2 (encrypted, BIP 324): those rows are estimated and have tx_size and confidence only. The two are never added: a transaction may have a row of each.",
    ),
    text("txid", Exact, "Hash without witnesses, in display order."),
    integer("version_num", Exact, "number", "Version of the transaction, unsigned."),
    integer(
        "tx_size",
        Exact,
        "bytes",
        "Size, witnesses included. On v2 estimated: the length of a message less its framing, exact when that was a tx.",
    ),
    integer("vsize", Exact, "vbytes", "Virtual size: weight / 4, rounded up (BIP 141)."),
    integer("weight", Exact, "WU", "Weight: three times the size without witnesses and once the size (BIP 141)."),
    integer("num_inputs", Exact, "inputs", "Number of inputs."),
    integer("num_outputs", Exact, "outputs", "Number of outputs."),
    integer("num_op_return_outs", Exact, "outputs", "Outputs of type nulldata: OP_RETURN and pushes only."),
    boolean(
        "is_standard",
        Exact,
        "Whether the transaction keeps the static rules of policy; prevouts, fee and signatures are not looked at.",
    ),
    text(
        "non_standard_reason",
        Exact,
        "The first rule broken: invalid_version_number (not 1 to 3), size_too_large (over 400 000 WU), size_too_small (under 65 bytes without witnesses), then those of tx_inputs, then those of tx_outputs, dust (more than one output).",
    ),
    float(
        "confidence",
        Estimated,
        "",
        "Rows of transport v2: how sure it is that the message was a transaction, 0 to 1.",
    ),
];

/// A point's values.
pub fn values(transport: &str, tx: &TxDigest) -> Vec<Value> {
    vec![
        Value::Text(transport.into()),
        hash(&tx.tx.txid),
        tx.tx.version.into(),
        tx.tx.size.into(),
        tx.tx.vsize().into(),
        tx.tx.weight.into(),
        tx.tx.inputs.into(),
        tx.tx.outputs.into(),
        Value::from(tx.op_return_outputs() as u64),
        Value::Boolean(tx.non_standard_reason.is_none()),
        reason(tx.non_standard_reason),
        Value::Absent,
    ]
}

/// The values of a point of an encrypted transaction: `size` bytes, `confidence` in thousandths.
pub fn estimated(size: u32, confidence: u16) -> Vec<Value> {
    let mut values = vec![Value::Absent; COLUMNS.len()];
    values[0] = Value::Text("v2".into());
    values[3] = size.into();
    values[11] = Value::Float(f64::from(confidence) / 1000.0);
    values
}

/// A hash in display order.
pub(super) fn hash(hash: &Hash256) -> Value {
    Value::Text(hash.to_string().into())
}

/// The name of `reason`, absent when there is none.
pub(super) fn reason(reason: Option<NonStandard>) -> Value {
    reason.map_or(Value::Absent, |r| Value::Text(r.name().into()))
}
