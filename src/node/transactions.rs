//! The transactions of one watched node: first sights, and the points of their series.

use crate::message::digest::TxDigest;
use crate::message::hash::Hash256;
use crate::series::{Point, Value, id, tx, tx_inputs, tx_outputs};
use crate::time::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;

/// Wtxids remembered in each of two generations: the older one is dropped when the newer one is full.
pub const REMEMBERED: usize = 250_000;

/// Transactions that were seen in `tx` messages.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    young: HashSet<Hash256, ahash::RandomState>,
    old: HashSet<Hash256, ahash::RandomState>,
    /// First sights so far.
    pub seen: u64,
    /// Of those, not standard by the static rules.
    pub non_standard: u64,
}

impl Transactions {
    /// Whether `wtxid` is seen for the first time, as far as is remembered; remembers it.
    pub fn first_sight(&mut self, wtxid: &Hash256) -> bool {
        if self.young.contains(wtxid) {
            return false;
        }
        let known = self.old.contains(wtxid);
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*wtxid);
        !known
    }

    /// The points of a transaction that is seen for the first time; `time` gives each one a time of its own.
    pub fn points(&mut self, node: &Arc<str>, d: &TxDigest, mut time: impl FnMut() -> Timestamp) -> Vec<Point> {
        self.seen += 1;
        self.non_standard += u64::from(d.non_standard_reason.is_some());
        let mut all = Vec::with_capacity(1 + d.inputs.len() + d.outputs.len());
        let mut push = |series: usize, values: Vec<Value>| {
            all.push(Point { series, time: time(), node: Arc::clone(node), values });
        };
        push(id::TX, tx::values("v1", d));
        // What the inputs spend is not known yet: outputs are remembered with the series of fees.
        tx_inputs::points("v1", d, |_| None).for_each(|values| push(id::TX_INPUTS, values));
        tx_outputs::points("v1", d).for_each(|values| push(id::TX_OUTPUTS, values));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_at_least_one_generation_and_at_most_two() {
        let mut t = Transactions::default();
        let hash = |n: u32| {
            let mut h = Hash256::default();
            h.0[..4].copy_from_slice(&n.to_le_bytes());
            h
        };
        for n in 0..3 * REMEMBERED as u32 {
            assert!(t.first_sight(&hash(n)));
            assert!(!t.first_sight(&hash(n)));
        }
        assert!(t.young.len() + t.old.len() <= 2 * REMEMBERED);
        let newest = 3 * REMEMBERED as u32 - 1;
        assert!(!t.first_sight(&hash(newest - REMEMBERED as u32 + 2)));
    }
}
