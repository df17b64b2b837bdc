//! Against an obviously correct model: parents in a map, the chain walked anew each time.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn id(n: usize) -> Hash256 {
    let mut hash = Hash256::default();
    hash.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
    hash
}

/// Block `n + 1` on one of the blocks before it; block 0 is the genesis block.
fn trees() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 1..60)
}

fn header(n: usize, parents: &[usize]) -> Header {
    let prev = if n == 0 { id(usize::MAX) } else { id(parents[n]) };
    Header { hash: id(n), prev, time: (n * 7919 % 1000) as u32, bits: 0 }
}

/// From `n` down to the genesis block.
fn ancestry(mut n: usize, parents: &[usize]) -> Vec<usize> {
    let mut list = vec![n];
    while n != 0 {
        n = parents[n];
        list.push(n);
    }
    list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the order of headers and tips: what joins and leaves, applied to a list, is the chain.
    #[test]
    fn steps_add_up_to_the_chain(
        picks in trees(), order in any::<prop::sample::Index>(), tips in prop::collection::vec(any::<prop::sample::Index>(), 1..40)
    ) {
        let mut parents = vec![0];
        for pick in &picks {
            // Mostly long branches: of two candidates the later.
            let n = parents.len();
            parents.push(pick.index(n).max(n.saturating_sub(3).min(pick.index(2 * n))));
        }
        let count = parents.len();
        let mut chain = Chain::with_caps(Some(header(0, &parents)), Caps::default());
        let start = order.index(count);
        for n in (start..count).chain(1..start) {
            chain.header(header(n, &parents));
        }
        let mut model: Vec<usize> = Vec::new();
        for tip in tips {
            let tip = tip.index(count);
            let mut expected = ancestry(tip, &parents);
            let step = chain.set_tip(&id(tip)).unwrap();
            prop_assert!(step.linked);
            prop_assert_eq!(step.height, Some(expected.len() as u32 - 1));
            expected.reverse();
            if model.is_empty() {
                prop_assert_eq!(&step.connected, &vec![id(tip)]);
                model.clone_from(&expected);
            }  else {
                for hash in &step.disconnected {
                    prop_assert_eq!(model.pop().map(id), Some(*hash));
                }
                let known: HashMap<_, _> = (0..count).map(|n| (id(n), n)).collect();
                model.extend(step.connected.iter().map(|h| known[h]));
            }
            prop_assert_eq!(&model, &expected);
            for n in 0..count {
                prop_assert_eq!(chain.is_active(&id(n)), expected.contains(&n));
                let line = ancestry(n, &parents);
                prop_assert_eq!(chain.height(&id(n)), Some(line.len() as u32 - 1));
                let mut times: Vec<u32> = line.iter().take(11).map(|&n| header(n, &parents).time).collect();
                times.sort_unstable();
                prop_assert_eq!(chain.median_time(&id(n)), Some(times[times.len() / 2]));
            }
        }
    }

    /// Any links, circles included, any caps: it ends, keeps within the caps, and keeps its tip.
    #[test]
    fn nonsense_ends(
        steps in prop::collection::vec((0_usize..30, 0_usize..30, 0_u32..40), 1..300), headers in 1_usize..20, side in 0_usize..10, unlinked in 0_usize..10
    ) {
        let mut chain = Chain::with_caps(None, Caps { headers, side, unlinked });
        for (n, prev, what) in steps {
            match what {
                0..=24 => {
                    chain.header(Header { hash: id(n), prev: id(prev), time: what, bits: 0 });
                }
                25..=30 => {
                    chain.height_of(&id(n), [0, 1, 20, 25, MAX_HEIGHT, u32::MAX][what as usize - 25]);
                }
                _ => {
                    if let Some(step) = chain.set_tip(&id(n)) {
                        prop_assert_eq!(step.connected.last().copied().unwrap_or(id(n)), id(n));
                    }
                }
            }
            prop_assert!(chain.len() <= headers);
            prop_assert!(chain.tip().is_none_or(|t| chain.is_active(&t.header.hash)));
            chain.median_time(&id(n));
        }
        let all: Vec<u32> = chain.arena.iter().collect();
        let listed = [Class::Unlinked, Class::Side, Class::Confirmed, Class::Pinned].map(|c| chain.arena.count(c));
        prop_assert_eq!(listed.iter().sum::<usize>(), all.len());
        // Links agree with each other.
        for &at in &all {
            let listed = chain.arena.parent(at).is_none_or(|p| chain.arena.children(p).any(|c| c == at));
            prop_assert!(listed);
            for child in chain.arena.children(at) {
                prop_assert_eq!(chain.arena.parent(child), Some(at));
            }
        }
    }
}
