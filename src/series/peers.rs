//! `peers`: gauges each interval, and an event for each peer's `version`.

use super::Kind::{Estimated, Exact, Inferred};
use super::{Cadence, Column, Series, Type, Value, integer, tag, text};
use crate::message::version::Version;

/// The description.
pub const PEERS: Series = Series {
    name: "peers",
    cadence: Cadence::IntervalAndEvent,
    help: "Open Bitcoin connections of the node, any transport; and one event for each version message it received, and for each handshake on an encrypted connection (BIP 324), estimated.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 18] = [
    tag("direction", Exact, "Events: inbound when the peer opened the connection, else outbound. Empty in gauges."),
    tag(
        "user_agent",
        Exact,
        "Events: the peer's user agent, control characters escaped; `other` beyond 500 distinct ones a day; `encrypted` for the handshake of an encrypted connection. Empty in gauges.",
    ),
    integer(
        "total_connected",
        Exact,
        "connections",
        "Open connections, from the end of the TCP handshake to the first FIN or RST.",
    ),
    integer(
        "inbound",
        Exact,
        "connections",
        "Of those, opened by the peer: by its SYN; for connections older than the sensor from ports, else from who sent version first.",
    ),
    integer("outbound", Exact, "connections", "Of those, opened by the node."),
    integer("fullnode", Exact, "connections", "Peers with NODE_NETWORK or NODE_NETWORK_LIMITED in their version."),
    integer(
        "spv",
        Exact,
        "connections",
        "Peers that loaded a bloom filter or ask for compact filters, or offer neither of those services and set relay = 0.",
    ),
    integer("readable", Exact, "connections", "Open connections whose messages can be read (v1)."),
    integer("version", Exact, "", "Events: protocol version."),
    integer("services", Exact, "", "Events: service bits."),
    integer("start_height", Exact, "blocks", "Events: height of the peer's best block."),
    Column {
        name: "relay",
        kind_of_value: Type::Boolean,
        kind: Exact,
        unit: "",
        tag: false,
        help: "Events: whether the peer wants transactions announced (BIP 37).",
    },
    integer(
        "num_addrs",
        Estimated,
        "addresses",
        "Distinct addresses gossiped to the node in the last 24 hours (HyperLogLog, standard error 1.6 %).",
    ),
    integer(
        "num_banned",
        Inferred,
        "addresses",
        "Source addresses of the last 24 hours whose connection the node accepted and closed within 2 s, without sending anything.",
    ),
    integer("connection", Exact, "", "Events: number of the frame that opened the connection."),
    integer(
        "handshakes_v2",
        Estimated,
        "connections",
        "Open encrypted connections whose handshake is complete: the verack of both sides was inferred.",
    ),
    text(
        "implementation",
        Estimated,
        "Events of encrypted connections: whose habits the peer's handshake has, `core` (it sends wtxidrelay) or `btcd`.",
    ),
    text(
        "features",
        Estimated,
        "Events of encrypted connections: what the peer's messages so far ask for or offer, of sendtxrcncl, wtxidrelay, sendaddrv2, sendheaders, sendcmpct, feefilter. The point is written again when there are more.",
    ),
];

/// What stands for the user agent of an encrypted connection.
pub const ENCRYPTED: &str = "encrypted";

/// Gauges of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Open connections.
    pub total: u32,
    /// Opened by the peer.
    pub inbound: u32,
    /// With full blocks to offer.
    pub fullnode: u32,
    /// Light clients.
    pub spv: u32,
    /// On v1.
    pub readable: u32,
    /// Encrypted, with a complete handshake.
    pub handshakes_v2: u32,
}

/// A gauge point's values; `num_addrs` and `num_banned` are gauges of the node, not sums over connections.
pub fn gauges(g: &Gauges, num_addrs: u64, num_banned: u64) -> Vec<Value> {
    let mut values = vec![Value::Absent; COLUMNS.len()];
    let known = [g.total, g.inbound, g.total - g.inbound, g.fullnode, g.spv, g.readable];
    for (slot, n) in values[2..].iter_mut().zip(known) {
        *slot = Value::from(n);
    }
    values[12] = Value::from(num_addrs);
    values[13] = Value::from(num_banned);
    values[15] = Value::from(g.handshakes_v2);
    values
}

/// The values of the event of a handshake on an encrypted connection.
pub fn encrypted(direction: &str, implementation: Option<&str>, features: &str, connection: u64) -> Vec<Value> {
    let mut values = vec![Value::Absent; COLUMNS.len()];
    values[0] = Value::Text(direction.into());
    values[1] = Value::Text(ENCRYPTED.into());
    values[14] = Value::from(connection);
    values[16] = implementation.map_or(Value::Absent, |i| Value::Text(i.into()));
    values[17] = Value::Text(features.into());
    values
}

/// An event point's values.
pub fn event(direction: &str, user_agent: &str, version: &Version, connection: u64) -> Vec<Value> {
    let mut values = vec![Value::Absent; COLUMNS.len()];
    values[0] = Value::Text(direction.into());
    values[1] = Value::Text(user_agent.into());
    values[8] = Value::Integer(version.version.into());
    values[9] = Value::Integer(version.services as i64);
    values[10] = version.start_height.map_or(Value::Absent, |h| Value::Integer(h.into()));
    values[11] = Value::Boolean(version.wants_transactions());
    values[14] = Value::from(connection);
    values
}
