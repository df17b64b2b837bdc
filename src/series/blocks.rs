//! `blocks`: an event each time the node's best tip changes.

use super::Kind::{Exact, Inferred};
use super::{Cadence, Column, Series, Value, integer};

/// The description.
pub const BLOCKS: Series = Series {
    name: "blocks",
    cadence: Cadence::Event,
    help: "The node's best tip changes: one point for each block that joins its chain.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 5] = [
    integer(
        "best_height",
        Inferred,
        "blocks",
        "Height of the tip that the node follows: of a block that it announces, or whose data is complete at the node and makes the longest chain it has; else start_height of its own version message. The height is the block's BIP 34 coinbase height or its place in the chain.",
    ),
    integer("size", Exact, "bytes", "Serialized size of that block with witnesses, when it was seen whole or rebuilt."),
    integer("num_tx", Exact, "transactions", "Transactions of that block."),
    integer("weight", Exact, "WU", "Weight of that block (BIP 141), when it was seen whole or rebuilt."),
    integer("median_time", Exact, "s", "Median of the times of the last 11 headers, seconds since 1970."),
];

/// A tip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// Height.
    pub height: Option<u32>,
    /// Size in bytes.
    pub size: Option<u32>,
    /// Transactions.
    pub num_tx: Option<u32>,
    /// Weight units.
    pub weight: Option<u32>,
    /// Median time.
    pub median_time: Option<u32>,
}

/// A point's values.
pub fn values(t: &Tip) -> Vec<Value> {
    [t.height, t.size, t.num_tx, t.weight, t.median_time]
        .into_iter()
        .map(|v| v.map_or(Value::Absent, Value::from))
        .collect()
}
