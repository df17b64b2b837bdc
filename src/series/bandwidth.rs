//! `bandwidth`: bytes of the node's Bitcoin connections, any transport.

use super::Kind::Exact;
use super::{Cadence, Column, Series, Value, integer};
use crate::flow::DirectionStats;

/// The description.
pub const BANDWIDTH: Series = Series {
    name: "bandwidth",
    cadence: Cadence::Interval,
    help: "Bytes of the node's Bitcoin connections, cumulative since the sensor started; any transport.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 6] = [
    integer(
        "bytes_recv",
        Exact,
        "bytes",
        "Unique TCP payload to the node, in order; retransmitted and duplicate frames count once.",
    ),
    integer(
        "bytes_sent",
        Exact,
        "bytes",
        "Unique TCP payload from the node, in order; retransmitted and duplicate frames count once.",
    ),
    integer(
        "wire_bytes_recv",
        Exact,
        "bytes",
        "IP total length of every packet to the node: acknowledgments, retransmissions and headers included.",
    ),
    integer(
        "wire_bytes_sent",
        Exact,
        "bytes",
        "IP total length of every packet from the node: acknowledgments, retransmissions and headers included.",
    ),
    integer("retransmitted_bytes_recv", Exact, "bytes", "Payload bytes to the node that were seen again."),
    integer("retransmitted_bytes_sent", Exact, "bytes", "Payload bytes from the node that were seen again."),
];

/// A point's values, from the sums over all connections.
pub fn values(recv: &DirectionStats, sent: &DirectionStats) -> Vec<Value> {
    [
        recv.payload_bytes,
        sent.payload_bytes,
        recv.wire_bytes,
        sent.wire_bytes,
        recv.retransmitted_bytes,
        sent.retransmitted_bytes,
    ]
    .map(Value::from)
    .into()
}
