//! The transactions of one watched node: first sights, and the points of their series.

use super::coins::fee;
use super::key::Key;
use super::ledger::Pen;
use super::report::ledger::Histogram;
use super::seen::{CAPACITY, Seen};
use crate::flow::PacketIndex;
use crate::message::digest::TxDigest;
use crate::series::tx_inputs::Prevout;
use crate::series::{Value, id, tx, tx_fees, tx_inputs, tx_outputs};
use crate::time::Timestamp;

/// Transactions that were seen in `tx` messages.
#[derive(Clone, Debug)]
pub struct Transactions {
    seen: Seen,
    /// First sights so far.
    pub count: u64,
    /// Of those, not standard by the static rules.
    pub non_standard: u64,
    /// In the running interval: transactions of which all that they spend was known, others, and others of
    /// before whose fee became known.
    coverage: [u64; 3],
    /// Of those, with a known fee, also when it became known later.
    pub fees_known: u64,
    /// Their fee rates.
    pub fee_rates: Histogram,
    /// Sizes of all.
    pub sizes: Histogram,
    /// The node's newest `feefilter`, sat/kvB.
    pub min_rate: Option<u64>,
}

impl Transactions {
    /// None yet.
    pub fn new() -> Self {
        let seen = Seen::new(Key::fixed(SEED), CAPACITY);
        Self {
            seen,
            count: 0,
            non_standard: 0,
            coverage: [0; 3],
            fees_known: 0,
            fee_rates: Histogram::of_fee_rates(),
            sizes: Histogram::of_sizes(),
            min_rate: None,
        }
    }

    /// Whether a transaction is seen for the first time, as far as is remembered; remembers it.
    pub fn first_sight(&mut self, tx: &TxDigest, at: Timestamp, connection: PacketIndex) -> bool {
        self.seen.note(&tx.tx.wtxid, at, connection).is_none()
    }

    /// Transactions that were forgotten since the last call: seen again, they are new.
    pub fn take_forgotten(&mut self) -> u64 {
        self.seen.take_forgotten()
    }

    /// Writes the points of a transaction that is seen for the first time.
    pub fn points(&mut self, pen: &mut Pen<'_>, now: Timestamp, d: &TxDigest, prevouts: &[Option<Prevout>]) {
        self.count += 1;
        self.non_standard += u64::from(d.non_standard_reason.is_some());
        self.sizes.count(u64::from(d.tx.vsize()), 1);
        pen.event(id::TX, now, || tx::values("v1", d));
        if pen.wanted {
            for values in tx_inputs::points("v1", d, |n| prevouts.get(n).copied().flatten()) {
                pen.event(id::TX_INPUTS, now, || values);
            }
            for values in tx_outputs::points("v1", d) {
                pen.event(id::TX_OUTPUTS, now, || values);
            }
        }
        let fee = fee(d, prevouts);
        self.coverage[usize::from(fee.is_none())] += 1;
        if let Some(fee) = fee {
            self.fee(pen, now, d, fee);
        }
    }

    fn fee(&mut self, pen: &mut Pen<'_>, now: Timestamp, d: &TxDigest, fee: u64) {
        self.fees_known += 1;
        self.fee_rates.count(fee, u64::from(d.tx.vsize()));
        pen.event(id::TX_FEES, now, || tx_fees::values("v1", d, fee, self.min_rate));
    }

    /// Writes the fee of a transaction that was seen before, now that it is known.
    pub fn late_fee(&mut self, pen: &mut Pen<'_>, now: Timestamp, d: &TxDigest, fee: u64) {
        self.coverage[2] += 1;
        self.fee(pen, now, d, fee);
    }

    /// The values of `tx_fee_coverage` for the interval that ends now.
    pub fn take_coverage(&mut self) -> Vec<Value> {
        tx_fees::coverage("v1", std::mem::take(&mut self.coverage))
    }
}

impl Default for Transactions {
    fn default() -> Self {
        Self::new()
    }
}

/// Replays have the same results each time.
const SEED: u64 = 0x7478_7365_656e;
