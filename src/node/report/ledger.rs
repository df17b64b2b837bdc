//! Chain, blocks, mempool and transactions of a node in the report.

use super::Counts;
use crate::message::hash::Hash256;
use crate::node::blocks::Record;
use crate::node::ledger::Ledger;
use serde::Serialize;

/// Newest blocks listed one by one.
pub const BLOCKS_LISTED: usize = 10;

/// Upper bounds of the classes of fee rates, sat/vB.
const FEE_RATES: [u64; 8] = [1, 2, 5, 10, 20, 50, 100, 500];
/// Upper bounds of the classes of sizes, vbytes.
const SIZES: [u64; 7] = [150, 250, 500, 1000, 5000, 20_000, 100_000];

/// A histogram: counts below each bound, and the rest.
#[derive(Clone, Debug, Serialize)]
pub struct Histogram {
    /// Upper bounds of the classes, not in them; the last class has none.
    pub below: &'static [u64],
    /// Counts, one more than bounds.
    pub counts: Vec<u64>,
}

impl Histogram {
    fn new(below: &'static [u64]) -> Self {
        Self { below, counts: vec![0; below.len() + 1] }
    }

    /// Fee rates in sat/vB.
    pub fn of_fee_rates() -> Self {
        Self::new(&FEE_RATES)
    }

    /// Sizes in vbytes.
    pub fn of_sizes() -> Self {
        Self::new(&SIZES)
    }

    /// Counts one whose value is `numerator` / `denominator`.
    pub fn count(&mut self, numerator: u64, denominator: u64) {
        let value = |bound: &&u64| u128::from(numerator) >= u128::from(**bound) * u128::from(denominator);
        let class = self.below.iter().take_while(value).count();
        self.counts[class] += 1;
    }
}

/// What the node follows.
#[derive(Clone, Debug, Serialize)]
pub struct ChainReport {
    /// Height of its tip.
    pub best_height: Option<u32>,
    /// Hash of its tip.
    pub best_block: Option<String>,
    /// The newest blocks that came to it, newest last.
    pub blocks: Vec<BlockReport>,
    /// Blocks that came to it, by status, as far as they are remembered.
    pub status: Counts,
    /// The same by the way they came.
    pub via: Counts,
}

/// A block.
#[derive(Clone, Debug, Serialize)]
pub struct BlockReport {
    /// When its data was complete at the node, ns since 1970.
    pub time: i64,
    /// Hash.
    pub sha: String,
    /// Height.
    pub height: Option<u32>,
    /// Bytes.
    pub size: Option<u32>,
    /// Transactions.
    pub num_tx: u32,
    /// What the node made of it.
    pub status: &'static str,
    /// How it came.
    pub via: &'static str,
    /// Transactions that the node asked for.
    pub missing_tx: Option<u32>,
    /// The peer that announced it first.
    pub first_announcer: Option<String>,
    /// From its data to the node's announcement, microseconds.
    pub process_time: Option<i64>,
}

/// The shadow mempool at the end, and the transactions that were seen.
#[derive(Clone, Debug, Serialize)]
pub struct MempoolReport {
    /// Transactions in it.
    pub num_tx: u64,
    /// Their bytes.
    pub size: u64,
    /// Their virtual bytes.
    pub vsize: u64,
    /// Orphans.
    pub num_orphans: u64,
    /// The node's newest feefilter, sat/kvB.
    pub min_fee_rate: Option<u64>,
    /// Share of the transactions of the last blocks that it had before.
    pub coverage: Option<f64>,
    /// Transactions seen.
    pub transactions: u64,
    /// Of those, not standard.
    pub non_standard: u64,
    /// Of those, with a known fee.
    pub fees_known: u64,
    /// Outputs that a second transaction was seen to spend.
    pub double_spends: u64,
    /// Fee rates of the transactions seen, sat/vB.
    pub fee_rates: Histogram,
    /// Sizes of the transactions seen, vbytes.
    pub sizes: Histogram,
}

fn block(r: &Record, ledger: &Ledger) -> BlockReport {
    let d = &r.data;
    BlockReport {
        time: d.at.nanos(),
        sha: r.header.hash.to_string(),
        height: d.height.or_else(|| ledger.chain.as_ref()?.height(&r.header.hash)),
        size: d.size,
        num_tx: d.num_tx,
        status: r.status().name(),
        via: d.via.name(),
        missing_tx: d.missing.map(|(n, _)| n),
        first_announcer: r.announced.map(|(_, peer)| peer.to_string()),
        process_time: r.shown.map(|at| at.since(d.at) / 1000).filter(|us| *us >= 0),
    }
}

impl ChainReport {
    /// What `ledger` knows.
    pub fn new(ledger: &Ledger) -> Self {
        let received = || ledger.blocks.iter().filter(|r| r.data.from.is_some());
        let (mut status, mut via) = (Counts::new(), Counts::new());
        for r in received() {
            *status.entry(r.status().name().to_owned()).or_default() += 1;
            *via.entry(r.data.via.name().to_owned()).or_default() += 1;
        }
        let mut blocks: Vec<_> = received().rev().take(BLOCKS_LISTED).map(|r| block(r, ledger)).collect();
        blocks.reverse();
        let tip = ledger.chain.as_ref().and_then(crate::node::chain::Chain::tip);
        let best_block = tip.map(|t| t.header.hash).filter(|h| *h != Hash256::default()).map(|h| h.to_string());
        Self { best_height: tip.and_then(|t| t.height).max(ledger.best_height()), best_block, blocks, status, via }
    }
}

impl MempoolReport {
    /// What `ledger` knows.
    pub fn new(ledger: &Ledger) -> Self {
        let (totals, t) = (ledger.mempool.totals(), &ledger.transactions);
        Self {
            num_tx: totals.num_tx,
            size: totals.size,
            vsize: totals.vsize,
            num_orphans: totals.num_orphans,
            min_fee_rate: t.min_rate,
            coverage: ledger.coverage(),
            transactions: t.count,
            non_standard: t.non_standard,
            fees_known: t.fees_known,
            double_spends: ledger.double_spends_in_all(),
            fee_rates: t.fee_rates.clone(),
            sizes: t.sizes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_class_above() {
        let mut h = Histogram::of_fee_rates();
        for (fee, vsize) in [(0, 100), (99, 100), (100, 100), (199, 100), (200, 100), (50_000, 100), (u64::MAX, 1)] {
            h.count(fee, vsize);
        }
        assert_eq!(h.counts, [2, 2, 1, 0, 0, 0, 0, 0, 2]);
    }
}
