//! Native histograms of Prometheus: buckets whose borders grow by a fixed factor, so that no list of them is needed.
//!
//! Bucket `i` of schema `s` holds the values above `2^((i - 1) / 2^s)`, up to and with `2^(i / 2^s)` (Prometheus
//! "Native Histograms" specification).

use std::collections::BTreeMap;

/// Schema at first: eight buckets for each doubling, so that a quantile is at most 4.4 % off.
const FINEST: i32 = 3;
/// Coarsest schema that there is.
const COARSEST: i32 = -4;
/// Buckets at most, as many as the Go library's manual advises: with more, every two become one.
const MOST: usize = 160;
/// Values up to this are zero: what the Go library takes, 2^-128.
pub const ZERO: f64 = 2.938_735_877_055_719e-39;

/// The buckets of one distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    /// How fine they are.
    pub schema: i32,
    /// Values that are zero. None of ours is negative.
    pub zero: u64,
    /// Values by number of the bucket.
    pub buckets: BTreeMap<i32, u64>,
}

impl Default for Native {
    /// Nothing yet.
    fn default() -> Self {
        Self { schema: FINEST, zero: 0, buckets: BTreeMap::new() }
    }
}

impl Native {
    /// Counts a value.
    pub fn add(&mut self, x: f64) {
        if x.is_nan() || x <= ZERO {
            self.zero += 1;
            return;
        }
        // Finite values are below 2^1024: numbers of buckets stay small.
        let bucket = (x.min(f64::MAX).log2() * f64::from(self.schema).exp2()).ceil() as i32;
        *self.buckets.entry(bucket).or_default() += 1;
        while self.buckets.len() > MOST && self.schema > COARSEST {
            self.schema -= 1;
            let mut coarser = BTreeMap::new();
            for (bucket, n) in &self.buckets {
                // Up to the border of an even bucket goes what two held.
                *coarser.entry((bucket + 1).div_euclid(2)).or_default() += n;
            }
            self.buckets = coarser;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn border(schema: i32, bucket: i32) -> f64 {
        (f64::from(bucket) / f64::from(schema).exp2()).exp2()
    }

    #[test]
    fn borders_belong_to_the_bucket_below() {
        let mut h = Native::default();
        for x in [1.0, 2.0, 2.0, 2.1, 0.5, 0.0] {
            h.add(x);
        }
        assert_eq!(h.buckets, BTreeMap::from([(-8, 1), (0, 1), (8, 2), (9, 1)]));
        assert_eq!(h.zero, 1);
    }

    #[test]
    fn hostile_values_are_counted() {
        let mut h = Native::default();
        for x in [f64::NAN, -1.0, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE] {
            h.add(x);
        }
        assert_eq!((h.zero, h.buckets.values().sum::<u64>()), (3, 2));
    }

    proptest! {
        #[test]
        fn every_value_lies_between_its_borders(values in prop::collection::vec(1e-6..1e15, 1..400)) {
            let mut h = Native::default();
            for x in &values {
                h.add(*x);
            }
            prop_assert!(h.buckets.len() <= MOST);
            prop_assert_eq!(h.buckets.values().sum::<u64>(), values.len() as u64);
            for (bucket, n) in &h.buckets {
                let (low, high) = (border(h.schema, bucket - 1), border(h.schema, *bucket));
                // Powers are rounded: a value beside a border may be on either side.
                let sure = values.iter().filter(|x| **x > low * (1.0 + 1e-9) && **x < high * (1.0 - 1e-9)).count();
                let likely = values.iter().filter(|x| **x > low * (1.0 - 1e-9) && **x < high * (1.0 + 1e-9)).count();
                prop_assert!((sure..=likely).contains(&(*n as usize)));
            }
        }
    }
}
