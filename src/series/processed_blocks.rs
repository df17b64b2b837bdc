//! `processed_blocks`: an event for each block whose data is complete at the node, from a peer.

use super::Kind::{Estimated, Exact, Inferred};
use super::{Cadence, Column, Series, Value, boolean, float, integer, tag, text};

/// The description.
pub const PROCESSED_BLOCKS: Series = Series {
    name: "processed_blocks",
    cadence: Cadence::Event,
    help: "Blocks that came to the node from a peer, at the time when their data was complete there. A point is written again when more becomes known of the block. Rows of transport v2 are apart: arrivals on encrypted connections, estimated.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 20] = [
    tag(
        "transport",
        Exact,
        "v1 (read off the wire), or v2 (encrypted, BIP 324): those rows are estimated from sizes, order and time, and have size, via, relay_time, missing_tx, missing_bytes, compact_size and confidence only. The two are never added: a block may have a row of each.",
    ),
    text("sha", Exact, "Hash of the block, in display order."),
    integer(
        "height",
        Exact,
        "blocks",
        "Height of this block: BIP 34 coinbase height (version 2 and above), else its place in the chain.",
    ),
    integer(
        "size",
        Exact,
        "bytes",
        "Serialized size with witnesses; absent when a compact block could not be rebuilt, on v2 for all compact blocks.",
    ),
    integer("weight", Exact, "WU", "Weight (BIP 141); absent when a compact block could not be rebuilt."),
    integer("num_tx", Exact, "transactions", "Transactions of this block."),
    integer("total_tx_fees", Exact, "sat", "Sum of the coinbase's outputs less the subsidy of its height."),
    text(
        "status",
        Inferred,
        "`accepted`: the node announces it, serves it, builds on it or names it in a locator; `rejected`: no such sign, and the node sends reject, or within 3 s closes the connection that brought it and no other; `unrequested`: it came without a getdata and was no compact block; `unknown`: nothing shows within 60 s or before the capture ends.",
    ),
    boolean(
        "is_orphan",
        Inferred,
        "The node did not know its parent: it answered with getheaders or getblocks instead of announcing it.",
    ),
    integer(
        "process_time",
        Inferred,
        "us",
        "From the last byte of the block's data at the node to the node's first announcement of it by headers or inv that answers no question, or to its next version or locator that contains it: an upper bound of the time of validation. Absent when that takes a minute.",
    ),
    integer(
        "relay_time",
        Inferred,
        "us",
        "From the same byte to the first cmpctblock of it that the node sent: before full validation to high-bandwidth peers.",
    ),
    integer("reject_code", Exact, "code", "Code of the node's reject message, if any."),
    text("reject_reason", Exact, "Reason in the node's reject message, control characters escaped."),
    text(
        "via",
        Exact,
        "How the data came: `block`, `cmpctblock`, `cmpctblock+blocktxn`, or `block fallback` after a compact block that the node could not complete.",
    ),
    integer("missing_tx", Exact, "transactions", "Transactions that the node asked for by getblocktxn."),
    integer("missing_bytes", Exact, "bytes", "Their bytes."),
    text("first_announcer", Exact, "The peer that announced it first, address and port."),
    integer("announce_to_data", Exact, "us", "From that announcement to complete data."),
    integer("compact_size", Estimated, "bytes", "Rows of transport v2: bytes of the compact block (cmpctblock)."),
    float(
        "confidence",
        Estimated,
        "",
        "Rows of transport v2: how sure it is that the message was what via says, 0 to 1.",
    ),
];

/// A block as its point has it.
#[derive(Clone, Debug, Default)]
pub struct Processed {
    /// Hash.
    pub sha: String,
    /// Height.
    pub height: Option<u32>,
    /// Size in bytes.
    pub size: Option<u32>,
    /// Weight units.
    pub weight: Option<u32>,
    /// Transactions.
    pub num_tx: u32,
    /// Fees in satoshi.
    pub total_tx_fees: Option<u64>,
    /// Status.
    pub status: &'static str,
    /// Its parent was not known.
    pub is_orphan: bool,
    /// Microseconds.
    pub process_time: Option<i64>,
    /// Microseconds.
    pub relay_time: Option<i64>,
    /// Code and escaped reason.
    pub reject: Option<(u8, String)>,
    /// The way it came.
    pub via: &'static str,
    /// Transactions asked for, and their bytes.
    pub missing: Option<(u32, u32)>,
    /// Address and port.
    pub first_announcer: Option<String>,
    /// Microseconds.
    pub announce_to_data: Option<i64>,
}

/// A point's values.
pub fn values(p: &Processed) -> Vec<Value> {
    let text = |t: &str| Value::Text(t.into());
    let number = |n: Option<u32>| n.map_or(Value::Absent, Value::from);
    let time = |n: Option<i64>| n.map_or(Value::Absent, Value::Integer);
    vec![
        text("v1"),
        text(&p.sha),
        number(p.height),
        number(p.size),
        number(p.weight),
        p.num_tx.into(),
        p.total_tx_fees.map_or(Value::Absent, Value::from),
        text(p.status),
        Value::Boolean(p.is_orphan),
        time(p.process_time),
        time(p.relay_time),
        number(p.reject.as_ref().map(|(code, _)| u32::from(*code))),
        p.reject.as_ref().map_or(Value::Absent, |(_, reason)| text(reason)),
        text(p.via),
        number(p.missing.map(|(n, _)| n)),
        number(p.missing.map(|(_, bytes)| bytes)),
        p.first_announcer.as_deref().map_or(Value::Absent, text),
        time(p.announce_to_data),
        Value::Absent,
        Value::Absent,
    ]
}

/// A block that came on an encrypted connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// Bytes, when it came whole.
    pub size: Option<u32>,
    /// Bytes of the compact block, when it came as one.
    pub compact_size: Option<u32>,
    /// Microseconds to the first compact block of that size that the node sent.
    pub relay_time: Option<i64>,
    /// The way it came.
    pub via: &'static str,
    /// Transactions asked for, and their bytes.
    pub missing: Option<(u32, u32)>,
    /// Thousandths.
    pub confidence: u16,
}

/// The values of its point.
pub fn estimated(a: &Arrival) -> Vec<Value> {
    let mut values = vec![Value::Absent; COLUMNS.len()];
    let number = |n: Option<u32>| n.map_or(Value::Absent, Value::from);
    let known = [
        ("transport", Value::Text("v2".into())),
        ("size", number(a.size)),
        ("relay_time", a.relay_time.map_or(Value::Absent, Value::Integer)),
        ("via", Value::Text(a.via.into())),
        ("missing_tx", number(a.missing.map(|(n, _)| n))),
        ("missing_bytes", number(a.missing.map(|(_, bytes)| bytes))),
        ("compact_size", number(a.compact_size)),
        ("confidence", Value::Float(f64::from(a.confidence) / 1000.0)),
    ];
    for (name, value) in known {
        if let Some(i) = COLUMNS.iter().position(|c| c.name == name) {
            values[i] = value;
        }
    }
    values
}
