//! `tx_outputs`: an event for each output of the transactions of `tx`.

use super::Kind::Exact;
use super::tx::{TRANSPORT, hash};
use super::{Cadence, Column, Series, Value, boolean, integer, tag, text};
use crate::health::Vocabulary as _;
use crate::message::digest::TxDigest;
use crate::message::script::ScriptType;

/// The description.
pub const TX_OUTPUTS: Series = Series {
    name: "tx_outputs",
    cadence: Cadence::Event,
    help: "Outputs of the transactions of tx, all of them; txid and n join them.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 10] = [
    tag(
        "script_type",
        Exact,
        "Type of the script: pubkey, pubkeyhash, scripthash, multisig, nulldata, nonstandard, witness_v0_keyhash, witness_v0_scripthash, witness_v1_taproot, anchor, witness_unknown.",
    ),
    TRANSPORT,
    text("txid", Exact, "The transaction that it is an output of, as in tx."),
    integer("n", Exact, "index", "Which of its outputs, from 0."),
    integer("size", Exact, "bytes", "Length of the script."),
    integer("value", Exact, "sat", "Value, as sent."),
    integer("num_pubkeys", Exact, "keys", "Public keys of a bare multisig; absent for other types."),
    integer("num_keys", Exact, "signatures", "Signatures that a bare multisig needs; absent for other types."),
    boolean(
        "is_standard",
        Exact,
        "Whether the script is of a known type, and a bare multisig of 3 keys at most (in tx: scriptpubkey, bare_multisig).",
    ),
    boolean(
        "is_dust",
        Exact,
        "Whether the value is under 3 sat/vB × (size of the output + 148 to spend it, 67 for witness programs). Never of what cannot be spent: scripts that start with OP_RETURN or are longer than 10 000 bytes.",
    ),
];

/// The values of the points of all outputs, in order.
pub fn points<'a>(transport: &'a str, tx: &'a TxDigest) -> impl Iterator<Item = Vec<Value>> + 'a {
    let txid = hash(&tx.tx.txid);
    tx.outputs.iter().enumerate().map(move |(n, output)| {
        let of_multisig =
            |n: u8| if output.kind == ScriptType::Multisig { Value::Integer(n.into()) } else { Value::Absent };
        vec![
            Value::Text(output.kind.name().into()),
            Value::Text(transport.into()),
            txid.clone(),
            Value::from(n as u64),
            output.script_size.into(),
            Value::Integer(output.value),
            of_multisig(output.num_pubkeys),
            of_multisig(output.num_keys),
            Value::Boolean(output.non_standard_reason().is_none()),
            Value::Boolean(output.is_dust),
        ]
    })
}
