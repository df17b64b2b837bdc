//! `tx_fees`: an event for each transaction of `tx` whose fee is known; `tx_fee_coverage`: of how many it is.

use super::Kind::{Exact, Inferred};
use super::tx::{TRANSPORT, hash};
use super::{Cadence, Column, Series, Value, float, integer, text};
use crate::message::digest::TxDigest;

/// Lowest rate that a minimum fee is reckoned with, sat/kvB (Bitcoin Core `DEFAULT_MIN_RELAY_TX_FEE`).
pub const LEAST_MIN_RATE: u64 = 100;

/// The description of `tx_fees`.
pub const TX_FEES: Series = Series {
    name: "tx_fees",
    cadence: Cadence::Event,
    help: "Fees of the transactions of tx, when the sensor has seen every output they spend.",
    columns: &FEES,
};

const FEES: [Column; 8] = [
    TRANSPORT,
    text("txid", Exact, "The transaction, as in tx."),
    integer("tx_fee", Exact, "sat", "Values of the outputs it spends less those of its own."),
    integer("tx_size", Exact, "bytes", "Size, witnesses included."),
    integer("vsize", Exact, "vbytes", "Virtual size: weight / 4, rounded up (BIP 141)."),
    integer(
        "min_fee",
        Inferred,
        "sat",
        "Least fee that the node relays: the rate of its newest feefilter, at least 0.1 sat/vB, times vsize, rounded up. Absent before its first feefilter.",
    ),
    float("fee_ratio", Inferred, "", "tx_fee / min_fee."),
    float("fee_rate", Exact, "sat/vB", "tx_fee / vsize."),
];

/// The description of `tx_fee_coverage`.
pub const TX_FEE_COVERAGE: Series = Series {
    name: "tx_fee_coverage",
    cadence: Cadence::Interval,
    help: "Transactions of tx in the interval by whether their fee is known: what share tx_fees shows.",
    columns: &COVERAGE,
};

const COVERAGE: [Column; 4] = [
    TRANSPORT,
    integer(
        "known",
        Exact,
        "transactions",
        "Transactions of which every output they spend had been seen when they came.",
    ),
    integer("unknown", Exact, "transactions", "Transactions that spend an output the sensor had not seen."),
    integer(
        "late",
        Exact,
        "transactions",
        "Transactions counted as unknown before, whose fee became known in this interval.",
    ),
];

/// Least fee of a transaction of `vsize` vbytes, satoshi, at `rate` sat/kvB.
pub const fn min_fee(rate: u64, vsize: u32) -> u64 {
    let rate = if rate < LEAST_MIN_RATE { LEAST_MIN_RATE } else { rate };
    rate.saturating_mul(vsize as u64).div_ceil(1000)
}

/// The values of a `tx_fees` point; `fee` in satoshi, `min_rate` of the node in sat/kvB when it is known.
pub fn values(transport: &str, tx: &TxDigest, fee: u64, min_rate: Option<u64>) -> Vec<Value> {
    let vsize = tx.tx.vsize();
    let least = min_rate.map(|rate| min_fee(rate, vsize));
    vec![
        Value::Text(transport.into()),
        hash(&tx.tx.txid),
        fee.into(),
        tx.tx.size.into(),
        vsize.into(),
        least.map_or(Value::Absent, Value::from),
        least.map_or(Value::Absent, |least| ratio(fee, least)),
        ratio(fee, vsize.into()),
    ]
}

/// The values of a `tx_fee_coverage` point.
pub fn coverage(transport: &str, [known, unknown, late]: [u64; 3]) -> Vec<Value> {
    vec![Value::Text(transport.into()), known.into(), unknown.into(), late.into()]
}

/// `a` / `b`, absent when that is not a number.
fn ratio(a: u64, b: u64) -> Value {
    if b == 0 { Value::Absent } else { Value::Float(a as f64 / b as f64) }
}
