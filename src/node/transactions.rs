//! The transactions of one watched node: first sights, and the points of their series.

use super::fees::fee;
use super::key::Key;
use super::seen::{CAPACITY, Seen};
use crate::flow::PacketIndex;
use crate::message::digest::TxDigest;
use crate::series::tx_inputs::Prevout;
use crate::series::{Point, Value, id, tx, tx_fees, tx_inputs, tx_outputs};
use crate::time::Timestamp;
use std::sync::Arc;

/// Transactions that were seen in `tx` messages.
#[derive(Clone, Debug)]
pub struct Transactions {
    seen: Seen,
    /// First sights so far.
    pub count: u64,
    /// Of those, not standard by the static rules.
    pub non_standard: u64,
    /// In the running interval: transactions of which all that they spend was known, and others.
    coverage: [u64; 2],
    /// The node's newest `feefilter`, sat/kvB.
    pub min_rate: Option<u64>,
}

impl Transactions {
    /// None yet.
    pub fn new() -> Self {
        let seen = Seen::new(Key::fixed(SEED), CAPACITY);
        Self { seen, count: 0, non_standard: 0, coverage: [0; 2], min_rate: None }
    }

    /// Whether a transaction is seen for the first time, as far as is remembered; remembers it.
    pub fn first_sight(&mut self, tx: &TxDigest, at: Timestamp, connection: PacketIndex) -> bool {
        self.seen.note(&tx.tx.wtxid, at, connection).is_none()
    }

    /// The points of a transaction that is seen for the first time; `time` gives each one a time of its own.
    pub fn points(
        &mut self,
        node: &Arc<str>,
        d: &TxDigest,
        prevouts: &[Option<Prevout>],
        mut time: impl FnMut() -> Timestamp,
    ) -> Vec<Point> {
        self.count += 1;
        self.non_standard += u64::from(d.non_standard_reason.is_some());
        let mut all = Vec::with_capacity(2 + d.inputs.len() + d.outputs.len());
        let mut push = |series: usize, values: Vec<Value>| {
            all.push(Point { series, time: time(), node: Arc::clone(node), values });
        };
        push(id::TX, tx::values("v1", d));
        tx_inputs::points("v1", d, |n| prevouts.get(n).copied().flatten()).for_each(|v| push(id::TX_INPUTS, v));
        tx_outputs::points("v1", d).for_each(|v| push(id::TX_OUTPUTS, v));
        let fee = fee(d, prevouts);
        self.coverage[usize::from(fee.is_none())] += 1;
        if let Some(fee) = fee {
            push(id::TX_FEES, tx_fees::values("v1", d, fee, self.min_rate));
        }
        all
    }

    /// The values of `tx_fee_coverage` for the interval that ends now.
    pub fn take_coverage(&mut self) -> Vec<Value> {
        let [known, unknown] = std::mem::take(&mut self.coverage);
        tx_fees::coverage("v1", known, unknown)
    }
}

impl Default for Transactions {
    fn default() -> Self {
        Self::new()
    }
}

/// Replays have the same results each time.
const SEED: u64 = 0x7478_7365_656e;
