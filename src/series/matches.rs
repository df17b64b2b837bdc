//! `matches`: what was seen in the clear, recognised on an encrypted connection.

use super::Kind::{Estimated, Exact};
use super::{Cadence, Column, Series, Value, float, integer, tag, text};

/// The description.
pub const MATCHES: Series = Series {
    name: "matches",
    cadence: Cadence::Event,
    help: "Transactions and blocks seen in the clear that were recognised on encrypted connections (BIP 324) of the same node by their exact size and the time; the time of a point is that of the encrypted message.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 9] = [
    tag("direction", Exact, "recv (the encrypted peer sent it to the node) or sent."),
    tag("message", Estimated, "`tx`, `block` or `cmpctblock`."),
    text("id", Estimated, "Txid or hash of the block, in display order."),
    integer("size", Estimated, "bytes", "Bytes of the message's payload: of a transaction or block its size."),
    text("peer", Exact, "The peer of the encrypted connection, address and port."),
    integer("connection", Exact, "", "Number of the frame that opened that connection."),
    integer(
        "candidates",
        Estimated,
        "candidates",
        "How many transactions or blocks of that size it may have been, this one included: seen in the clear within the time and not yet recognised on that connection.",
    ),
    float(
        "confidence",
        Estimated,
        "",
        "How sure that is: the confidence of the message, by its share among the candidates, each counted by the inverse of the time between it and the nearest sight in the clear. What was never seen in the clear is not counted against it.",
    ),
    integer(
        "delay",
        Estimated,
        "us",
        "From the first sight in the clear to the encrypted message; negative when the encrypted connection had it first.",
    ),
];

/// One recognition.
#[derive(Clone, Debug)]
pub struct Match {
    /// `recv` or `sent`.
    pub direction: &'static str,
    /// Type of the message.
    pub message: &'static str,
    /// Txid or hash.
    pub id: String,
    /// Bytes of the payload.
    pub size: u32,
    /// Address and port.
    pub peer: String,
    /// Frame that opened the connection.
    pub connection: u64,
    /// Candidates.
    pub candidates: u32,
    /// 0 to 1.
    pub confidence: f64,
    /// Microseconds.
    pub delay: i64,
}

/// A point's values.
pub fn values(m: &Match) -> Vec<Value> {
    let text = |t: &str| Value::Text(t.into());
    vec![
        text(m.direction),
        text(m.message),
        text(&m.id),
        m.size.into(),
        text(&m.peer),
        m.connection.into(),
        m.candidates.into(),
        Value::Float(m.confidence),
        Value::Integer(m.delay),
    ]
}
