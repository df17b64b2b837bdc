//! `mempool`: gauges of the shadow mempool each interval, and an event for each double spend.

use super::Kind::{Exact, Inferred};
use super::{Cadence, Column, Series, Value, float, integer, text};

/// The description.
pub const MEMPOOL: Series = Series {
    name: "mempool",
    cadence: Cadence::IntervalAndEvent,
    help: "The shadow mempool: the transactions that the node has, by what it received and showed; and one event for each double spend.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 11] = [
    integer(
        "num_tx",
        Inferred,
        "transactions",
        "Transactions in the shadow mempool. One enters when it arrives and nothing known speaks against it, else when the node announces or serves it; it leaves with a block, a conflict, or when the node does not show it for 60 s though a peer should have been told.",
    ),
    integer("size", Inferred, "bytes", "Their serialized size."),
    integer("vsize", Inferred, "vbytes", "Their virtual size (BIP 141)."),
    integer(
        "num_orphans",
        Inferred,
        "transactions",
        "Transactions whose missing parent the node asked for by txid, until it comes, 20 min pass, or the peers that announced them leave.",
    ),
    integer(
        "double_spend",
        Exact,
        "events",
        "Outputs that a second transaction was seen to spend, of those the sensor has seen; in the interval.",
    ),
    text("tx_id", Exact, "Events: the second transaction."),
    text("prev_out", Exact, "Events: the output spent twice, `txid:n`."),
    integer(
        "tx_rate_limit",
        Inferred,
        "transactions",
        "Transactions of the interval that btcd's limiter of free ones would hold back: fee below the minimum, and the sum of their bytes, decaying by 1/600 a second, over 150 000.",
    ),
    integer("min_fee_rate", Exact, "sat/kvB", "The node's newest feefilter."),
    float(
        "coverage",
        Inferred,
        "",
        "Share of the transactions of the last 10 blocks that the shadow mempool had before; absent before the first block.",
    ),
    integer(
        "replaced",
        Inferred,
        "transactions",
        "Transactions that left the shadow mempool because a conflicting one entered it (BIP 125), their descendants not counted; in the interval.",
    ),
];

/// Gauges of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Transactions.
    pub num_tx: u64,
    /// Bytes.
    pub size: u64,
    /// Virtual bytes.
    pub vsize: u64,
    /// Orphans.
    pub num_orphans: u64,
    /// Double spends in the interval.
    pub double_spend: u64,
    /// Held back in the interval.
    pub tx_rate_limit: u64,
    /// sat/kvB.
    pub min_fee_rate: Option<u64>,
    /// Known share.
    pub coverage: Option<f64>,
    /// Replaced in the interval.
    pub replaced: u64,
}

/// A gauge point's values.
pub fn gauges(g: &Gauges) -> Vec<Value> {
    vec![
        g.num_tx.into(),
        g.size.into(),
        g.vsize.into(),
        g.num_orphans.into(),
        g.double_spend.into(),
        Value::Absent,
        Value::Absent,
        g.tx_rate_limit.into(),
        g.min_fee_rate.map_or(Value::Absent, Value::from),
        g.coverage.map_or(Value::Absent, Value::Float),
        g.replaced.into(),
    ]
}

/// The values of a double spend's point.
pub fn double_spend(txid: String, prevout: String) -> Vec<Value> {
    let mut values = vec![Value::Absent; COLUMNS.len()];
    values[5] = Value::Text(txid.into());
    values[6] = Value::Text(prevout.into());
    values
}
