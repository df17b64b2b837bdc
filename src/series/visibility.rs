//! `visibility`: what share of the traffic the other series can see.

use super::Kind::Exact;
use super::{Cadence, Column, Series, Value, integer, tag};
use crate::flow::DirectionStats;

/// The description.
pub const VISIBILITY: Series = Series {
    name: "visibility",
    cadence: Cadence::Interval,
    help: "Connections and bytes by transport: what share of the traffic the series made of messages can see.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 10] = [
    tag(
        "transport",
        Exact,
        "v1 (readable), v2 (encrypted, BIP 324), unknown (too few bytes to tell), not_bitcoin. For connections joined in the middle v2 is inferred from the lack of any message.",
    ),
    integer("connections", Exact, "connections", "Open connections."),
    integer("connections_seen", Exact, "connections", "Connections since the sensor started, closed ones included."),
    integer("bytes_recv", Exact, "bytes", "Unique TCP payload to the node, cumulative."),
    integer("bytes_sent", Exact, "bytes", "Unique TCP payload from the node, cumulative."),
    integer(
        "packets_recv",
        Exact,
        "packets",
        "TCP segments to the node, frames captured twice counted once, cumulative.",
    ),
    integer(
        "packets_sent",
        Exact,
        "packets",
        "TCP segments from the node, frames captured twice counted once, cumulative.",
    ),
    integer(
        "fallbacks",
        super::Kind::Inferred,
        "connections",
        "Cumulative, transport v2 only: attempts that got no answer and were followed within 60 s by a v1 connection between the same addresses in the same direction.",
    ),
    integer("explained_recv", super::Kind::Estimated, "bytes", EXPLAINED),
    integer("explained_sent", super::Kind::Estimated, "bytes", EXPLAINED),
];

const EXPLAINED: &str = "Cumulative, transport v2 only: bytes of encrypted connections in messages that were inferred from sizes, order and time. Beside bytes_recv and bytes_sent it tells, without any key, how much of them the inference can account for.";

/// Figures of one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Open connections.
    pub connections: u64,
    /// Connections seen in all.
    pub seen: u64,
    /// Payload to the node.
    pub bytes_recv: u64,
    /// Payload from the node.
    pub bytes_sent: u64,
    /// Segments to the node.
    pub packets_recv: u64,
    /// Segments from the node.
    pub packets_sent: u64,
    /// v2 attempts repeated as v1.
    pub fallbacks: u64,
    /// Payload to the node that inferred messages explain.
    pub explained_recv: u64,
    /// Payload from the node, likewise.
    pub explained_sent: u64,
}

/// A point's values.
pub fn values(transport: &str, s: &Share) -> Vec<Value> {
    let encrypted = |n: u64| if transport == "v2" { Value::from(n) } else { Value::Absent };
    let last = [s.fallbacks, s.explained_recv, s.explained_sent].map(encrypted);
    let numbers = [s.connections, s.seen, s.bytes_recv, s.bytes_sent, s.packets_recv, s.packets_sent].map(Value::from);
    std::iter::once(Value::Text(transport.into())).chain(numbers).chain(last).collect()
}

impl Share {
    /// Adds what connections carried.
    pub fn carry(&mut self, recv: &DirectionStats, sent: &DirectionStats) {
        self.bytes_recv += recv.payload_bytes;
        self.bytes_sent += sent.payload_bytes;
        self.packets_recv += recv.packets;
        self.packets_sent += sent.packets;
    }

    /// Takes away what a connection carried that turned out to be of another transport.
    pub fn give_up(&mut self, recv: &DirectionStats, sent: &DirectionStats) {
        self.bytes_recv -= recv.payload_bytes;
        self.bytes_sent -= sent.payload_bytes;
        self.packets_recv -= recv.packets;
        self.packets_sent -= sent.packets;
    }
}
