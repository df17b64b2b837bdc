//! Whether the node will have taken a transaction: what is known to speak against it.

use super::Mempool;
use super::entry::{Entry, Standing};
use crate::message::hash::Hash256;
use crate::node::coins::{CoinState, Coins};

/// Lowest fee rate that nodes relay, sat/kvB, while the node has not said another (Bitcoin Core
/// `DEFAULT_MIN_RELAY_TX_FEE`).
pub const LEAST_RATE: u64 = 100;
/// What a replacement pays at least beyond what it replaces, sat/kvB (BIP 125 rule 4): the incremental relay
/// fee, which is 100 in Bitcoin Core since 30 and 1000 in older nodes and in btcd, as is their least fee.
const INCREMENTAL_RATES: (u64, u64) = (100, 1000);
/// Transactions that one may replace, descendants included (BIP 125 rule 5).
const REPLACED: usize = 100;
/// Lock times from here on are times, below they are heights (`LOCKTIME_THRESHOLD`).
const LOCK_TIME_IS_TIME: u32 = 500_000_000;
/// A sequence number that takes no part in lock times.
const FINAL: u32 = u32::MAX;

/// What the node goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Its newest `feefilter`, sat/kvB.
    pub min_rate: Option<u64>,
    /// Height of the next block.
    pub next_height: Option<u32>,
    /// Median time of the tip, seconds since 1970.
    pub median_time: Option<u32>,
}

/// What is to become of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The node takes it, and throws these out for it.
    Enters(Vec<u32>),
    /// Transactions that it spends outputs of are not known to be there.
    Missing(Vec<Hash256>),
    /// Something speaks against it: the node has to show it.
    Held,
}

impl Mempool {
    /// Judges the entry at `at`, by all that is known, or only by what it spends (`returns`: the node had it).
    pub(super) fn judge(&self, at: u32, coins: &Coins, returns: bool) -> Verdict {
        let Some(e) = self.entries.get(at) else { return Verdict::Held };
        if e.tx.is_coinbase() || !e.tx.is_possible {
            return Verdict::Held;
        }
        let (mut missing, mut conflicts) = (Vec::new(), Vec::new());
        let mut spent = false;
        for input in &e.tx.inputs {
            let prevout = &input.prevout;
            match self.entries.spender(prevout) {
                Some(other) if other != at && !conflicts.contains(&other) => conflicts.push(other),
                _ => {}
            }
            let parent = self.entries.find(&prevout.txid).and_then(|p| self.entries.get(p));
            let in_pool = parent.is_some_and(|p| {
                p.standing == Standing::In
                    && p.tx.tx.txid == prevout.txid
                    && (prevout.index as usize) < p.tx.outputs.len()
            });
            match coins.state(prevout) {
                _ if in_pool => {}
                CoinState::Unspent => {}
                CoinState::Spent => spent = true,
                CoinState::Unknown | CoinState::Unconfirmed if missing.contains(&prevout.txid) => {}
                CoinState::Unknown | CoinState::Unconfirmed => missing.push(prevout.txid),
            }
        }
        if spent {
            return Verdict::Held;
        }
        if !missing.is_empty() {
            return Verdict::Missing(missing);
        }
        if returns {
            return if conflicts.is_empty() { Verdict::Enters(conflicts) } else { Verdict::Held };
        }
        let rate = self.policy.min_rate.unwrap_or(LEAST_RATE);
        let acceptable = e.tx.non_standard_reason.is_none() && e.pays(rate) == Some(true) && self.is_final(e);
        if !acceptable || !self.replaces(e, &conflicts) {
            return Verdict::Held;
        }
        Verdict::Enters(conflicts)
    }

    /// Whether its lock time has come (Bitcoin Core `IsFinalTx`), as far as the chain is known.
    fn is_final(&self, e: &Entry) -> bool {
        let lock = e.tx.tx.lock_time;
        let bound = if lock < LOCK_TIME_IS_TIME { self.policy.next_height } else { self.policy.median_time };
        lock == 0 || bound.is_none_or(|b| lock < b) || e.tx.inputs.iter().all(|i| i.sequence == FINAL)
    }

    /// Whether it may replace `conflicts` (BIP 125; every transaction may be replaced).
    fn replaces(&self, e: &Entry, conflicts: &[u32]) -> bool {
        if conflicts.is_empty() {
            return true;
        }
        let (Some(fee), vsize) = (e.fee, u64::from(e.tx.tx.vsize())) else { return false };
        let mut all = Vec::new();
        for &c in conflicts {
            let Some(other) = self.entries.get(c) else { return false };
            let Some(paid) = other.fee else { return false };
            let (theirs, ours) =
                (u128::from(paid) * u128::from(vsize), u128::from(fee) * u128::from(other.tx.tx.vsize()));
            if ours <= theirs {
                return false;
            }
            self.descendants(c, &mut all);
        }
        if all.len() > REPLACED {
            return false;
        }
        let (least, most) = INCREMENTAL_RATES;
        let rate = self.policy.min_rate.map_or(most, |rate| rate.clamp(least, most));
        let paid = all.iter().try_fold(0_u64, |sum, &d| sum.checked_add(self.entries.get(d)?.fee?));
        paid.is_some_and(|paid| fee >= paid.saturating_add(rate.saturating_mul(vsize).div_ceil(1000)))
    }

    /// Adds the entry at `at` and all of the mempool that descend from it to `all`.
    pub(super) fn descendants(&self, at: u32, all: &mut Vec<u32>) {
        let mut todo = vec![at];
        while let Some(next) = todo.pop() {
            if !all.contains(&next) {
                all.push(next);
                todo.extend(self.entries.children(next));
            }
        }
    }
}
