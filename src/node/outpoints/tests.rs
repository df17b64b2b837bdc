//! Against a map, at capacity, and in numbers.

use super::*;
use crate::message::hash::sha256d;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::HashMap;

fn txid(n: u32) -> Hash256 {
    sha256d(&n.to_le_bytes())
}

fn coin(value: i64) -> Coin {
    Coin { value, kind: value as u8, flags: (value >> 8) as u8 }
}

/// Cheap keys for large tests: the index hashes them anyway.
fn raw(n: u32) -> Hash256 {
    let mut hash = Hash256::default();
    hash.0[..4].copy_from_slice(&n.to_le_bytes());
    hash
}

#[test]
fn a_slot_has_32_bytes() {
    assert_eq!(size_of::<Slot>(), 32);
}

#[test]
fn keeps_what_it_is_given() {
    let mut index = Outpoints::new(Key::fixed(1), 100);
    let all = [coin(i64::MAX), coin(i64::MIN), coin(0x1234), coin(0)];
    for (n, c) in (0..).zip(all) {
        assert!(index.insert(&txid(1), n, c));
        assert!(index.insert(&txid(2), n, coin(-5)));
    }
    for (n, c) in (0..).zip(all) {
        assert_eq!(index.get(&txid(1), n), Some(Found { coin: c, spent: None }));
    }
    assert_eq!(index.get(&txid(1), 4), None);
    assert!(!index.insert(&txid(1), 0, coin(7)));
    assert_eq!(index.peek(&txid(1), 0).unwrap().coin, Coin { flags: all[0].flags | coin(7).flags, ..coin(7) });
    index.clear_flags(&txid(1), 0, u8::MAX);
    assert_eq!(index.peek(&txid(1), 0).unwrap().coin, Coin { flags: 0, ..coin(7) });
    assert_eq!(index.len(), 8);
    assert_eq!(index.counters(), Counters { hits: 4, misses: 1, ..Counters::default() });
}

#[test]
fn spent_outputs_leave_when_their_block_is_100_deep() {
    let mut index = Outpoints::new(Key::fixed(1), 100);
    for n in 0..4 {
        index.insert(&txid(n), 0, coin(1));
    }
    index.prune(1000);
    assert!(index.spend(&txid(0), 0, 1000) && index.spend(&txid(1), 0, 1001) && index.spend(&txid(2), 0, 1000));
    assert!(!index.spend(&txid(9), 0, 1000) && !index.unspend(&txid(9), 0));
    // The block of the tip is one deep.
    index.prune(1098);
    assert_eq!(index.get(&txid(0), 0).unwrap().spent, Some(1000));
    assert!(index.unspend(&txid(2), 0));
    assert!(!index.insert(&txid(0), 0, coin(2)), "seen again: still spent");
    assert_eq!(index.peek(&txid(0), 0), Some(Found { coin: coin(2), spent: Some(1000) }));
    index.prune(1099);
    assert_eq!(
        [0, 1, 2, 3].map(|n| index.peek(&txid(n), 0).map(|f| f.spent)),
        [None, Some(Some(1001)), Some(None), Some(None)]
    );
    assert_eq!((index.len(), index.counters().pruned), (3, 1));
    // Old blocks that pass by later, at heights long gone.
    assert!(index.insert(&txid(0), 0, coin(1)));
    assert!(index.spend(&txid(0), 0, 17));
    assert_eq!(index.peek(&txid(0), 0), None);
    assert_eq!((index.get(&txid(0), 0), index.len()), (None, 3));
    // Nothing overflows.
    assert!(index.spend(&txid(1), 0, u32::MAX));
    assert_eq!(index.peek(&txid(1), 0).unwrap().spent, Some(u32::MAX - 1));
    index.prune(u32::MAX);
    assert_eq!(index.peek(&txid(1), 0).unwrap().spent, Some(u32::MAX - 1));
    index.prune(0);
}

#[test]
fn memory_of_spent_outputs_is_free_within_32_blocks() {
    let mut index = Outpoints::with_segments(Key::fixed(1), 10_000, 100);
    for n in 0..5000 {
        index.insert(&raw(n), 0, coin(1));
        index.spend(&raw(n), 0, 10);
    }
    for tip in 0..109 {
        index.prune(tip);
    }
    assert_eq!(index.len(), 5000);
    index.prune(109);
    assert!((0..5000).all(|n| index.peek(&raw(n), 0).is_none()));
    assert!(index.len() > 4000);
    for tip in 110..141 {
        index.prune(tip);
    }
    assert_eq!((index.len(), index.counters().pruned), (0, 5000));
}

#[test]
fn never_exceeds_its_capacity_and_keeps_what_was_of_use_lately() {
    for (capacity, segments) in [(1, 1), (2, 2), (10, 3), (1000, 1), (4096, 7)] {
        let mut index = Outpoints::with_segments(Key::fixed(3), capacity, segments);
        for n in 0..4 * capacity as u32 {
            assert!(index.insert(&raw(n), n, coin(n.into())));
            assert!(index.len() <= capacity);
            assert!(index.peek(&raw(n), n).is_some());
            // One that is looked up now and then outlives all.
            if (n as usize).is_multiple_of(capacity / 4 + 1) {
                assert!(capacity < 1000 || index.get(&raw(0), 0).is_some(), "{n} of {capacity}");
            }
        }
        if capacity >= 1000 {
            let kept = |from: usize, to: usize| {
                let range = 4 * capacity - to..4 * capacity - from;
                range.filter(|&n| index.peek(&raw(n as u32), n as u32).is_some()).count()
            };
            assert_eq!(kept(0, capacity * 3 / 4), capacity * 3 / 4, "the newest three quarters are all there");
            assert!(kept(capacity * 5 / 4, capacity * 3) == 0, "and none that is much older");
            assert!(index.len() >= capacity * 7 / 8);
        }
        assert_eq!(index.counters().evicted as usize + index.len(), 4 * capacity);
    }
}

#[test]
fn settled_spends_make_room_first() {
    let mut index = Outpoints::new(Key::fixed(3), 1000);
    for n in 0..1000 {
        index.insert(&raw(n), 0, coin(1));
    }
    // The newest are spent: 60 of them six deep, 60 five deep.
    for n in 880..1000 {
        index.spend(&raw(n), 0, if n < 940 { 95 } else { 96 });
    }
    index.prune(100);
    index.insert(&raw(5000), 0, coin(1));
    let gone: Vec<u32> = (0..1000).filter(|&n| index.peek(&raw(n), 0).is_none()).collect();
    // A sixteenth of 1000 is 63, rounded up: the 60, and 3 of the oldest.
    assert_eq!(gone.len(), 63);
    assert_eq!(gone.iter().filter(|&&n| (880..940).contains(&n)).count(), 60);
    assert!(gone.iter().all(|&n| n < 32 || (880..940).contains(&n)), "{gone:?}");
}

#[test]
fn the_same_key_gives_the_same_index() {
    let run = |key| {
        let mut index = Outpoints::with_segments(key, 500, 4);
        for n in 0..3000 {
            index.insert(&raw(n), 1, coin(1));
            index.get(&raw(n / 2), 1);
        }
        (0..3000).map(|n| index.peek(&raw(n), 1).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(run(Key::fixed(5)), run(Key::fixed(5)));
    assert_ne!(run(Key::fixed(5)), run(Key::random()));
}

#[test]
fn probes_are_short_and_memory_is_as_promised() {
    let capacity = 400_000;
    let mut index = Outpoints::new(Key::fixed(9), capacity);
    assert!(index.memory_bytes() < 4096);
    for n in 0..capacity as u32 {
        index.insert(&raw(n), 0, coin(1));
        if n == 1000 {
            assert!(index.memory_bytes() < 1001 * 64, "{}", index.memory_bytes());
        }
    }
    assert_eq!((index.len(), index.counters().evicted), (capacity, 0), "nothing leaves before it is full");
    let each = index.memory_bytes() as f64 / capacity as f64;
    assert!((36.0..40.0).contains(&each), "{each} bytes each");
    let distances: Vec<usize> = index.segments.iter().flat_map(Segment::distances).collect();
    assert_eq!(distances.len(), capacity);
    let mean = distances.iter().sum::<usize>() as f64 / capacity as f64;
    assert!(mean < 4.0, "{mean}");
    assert!(distances.iter().all(|&d| d < 64), "{:?}", distances.iter().max());
    // At capacity it does not grow any more.
    for n in 0..capacity as u32 {
        index.insert(&raw(n), 1, coin(1));
    }
    assert!(index.memory_bytes() as f64 / (capacity as f64) < 40.0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        // Cases that failed once stand beside the tests.
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    /// Within capacity it is a map.
    #[test]
    fn is_a_map(
        segments in 1_usize..5,
        steps in prop::collection::vec((0_u8..10, 0_u32..40, 0_u32..3, any::<i64>()), 1..600)
    ) {
        let mut index = Outpoints::with_segments(Key::fixed(11), 10_000, segments);
        let mut model: HashMap<(u32, u32), Found> = HashMap::new();
        let (mut tip, mut hits, mut misses) = (500, 0, 0);
        index.prune(tip);
        for (what, n, vout, value) in steps {
            let (id, outpoint) = (raw(n), (n, vout));
            match what {
                0..=3 => {
                    let known = model.get(&outpoint).copied();
                    prop_assert_eq!(index.insert(&id, vout, coin(value)), known.is_none());
                    let mut coin = coin(value);
                    coin.flags |= known.map_or(0, |f| f.coin.flags);
                    model.insert(outpoint, Found { coin, spent: known.and_then(|f| f.spent) });
                }
                4..=5 => {
                    let found = model.get(&outpoint).copied();
                    prop_assert_eq!(index.get(&id, vout), found);
                    if found.is_some() { hits += 1 } else { misses += 1 }
                }
                6..=7 => {
                    let height = tip - 98 + (value as u32 % 100);
                    let known = model.get_mut(&outpoint).map(|f| f.spent = Some(height));
                    prop_assert_eq!(index.spend(&id, vout, height), known.is_some());
                }
                8 => {
                    let known = model.get_mut(&outpoint).map(|f| f.spent = None);
                    prop_assert_eq!(index.unspend(&id, vout), known.is_some());
                }
                _ => {
                    tip += value as u32 % 20;
                    index.prune(tip);
                    model.retain(|_, f| f.spent.is_none_or(|s| tip < s + 99));
                }
            }
        }
        prop_assert_eq!((index.counters().hits, index.counters().misses), (hits, misses));
        for n in 0..40 {
            for vout in 0..3 {
                prop_assert_eq!(index.peek(&raw(n), vout), model.get(&(n, vout)).copied());
            }
        }
        // 32 blocks later each segment has been looked through.
        tip += 32;
        index.prune(tip);
        model.retain(|_, f| f.spent.is_none_or(|s| tip < s + 99));
        prop_assert_eq!(index.len(), model.len());
    }
}
