//! Heights, tips, reorganisations, what leaves first.

use super::*;

fn id(n: u32) -> Hash256 {
    let mut hash = Hash256::default();
    hash.0[..4].copy_from_slice(&n.to_be_bytes());
    hash.0[31] = 1;
    hash
}

fn block(n: u32, prev: u32) -> Header {
    Header { hash: id(n), prev: id(prev), time: 1000 + n, bits: 0x207f_ffff }
}

/// Nothing known, `headers` in all.
fn empty(headers: usize, side: usize, unlinked: usize) -> Chain {
    Chain::with_caps(None, Caps { headers, side, unlinked })
}

/// Block 0 as genesis, then 1 to `n` on it.
fn linear(n: u32) -> Chain {
    let mut chain = Chain::with_caps(Some(block(0, u32::MAX)), Caps::default());
    for i in 1..=n {
        assert_eq!(chain.header(block(i, i - 1)), Added { new: true, parent_known: true, height: Some(i) });
    }
    chain
}

fn ids(list: &[u32]) -> Vec<Hash256> {
    list.iter().map(|&n| id(n)).collect()
}

#[test]
fn a_named_network_counts_from_its_genesis() {
    for network in Network::NAMED {
        let mut chain = Chain::new(network);
        let genesis = genesis(network).unwrap();
        let first = Header { prev: genesis.hash, ..block(1, 0) };
        assert_eq!(chain.header(first).height, Some(1));
        assert_eq!(chain.get(&first.hash).map(|k| (k.height_is_sure, k.place)), Some((true, Place::Side)));
        assert_eq!(chain.median_time(&genesis.hash), Some(genesis.time));
    }
}

#[test]
fn headers_in_any_order_get_their_heights() {
    let mut chain = Chain::with_caps(Some(block(0, u32::MAX)), Caps::default());
    for i in [5, 3, 4, 2, 6] {
        let added = chain.header(block(i, i - 1));
        assert_eq!((added.new, added.height), (true, None));
    }
    assert!(!chain.header(block(4, 3)).new);
    assert_eq!(chain.header(block(1, 0)), Added { new: true, parent_known: true, height: Some(1) });
    for i in 0..=6 {
        assert_eq!(chain.height(&id(i)), Some(i));
    }
    assert_eq!(chain.len(), 7);
    assert_eq!(chain.height(&id(7)), None);
}

#[test]
fn a_block_of_the_chain_tells_the_heights_of_all_its_relatives() {
    let mut chain = empty(100, 50, 50);
    for i in 101..=105 {
        chain.header(block(i, i - 1));
    }
    chain.header(block(999, 102));
    // A claim counts forwards only, until the node follows it.
    assert_eq!(chain.height_of(&id(103), 803), Some(803));
    let heights = |c: &Chain| [101, 102, 103, 104, 105, 999].map(|n| c.height(&id(n)));
    assert_eq!(heights(&chain), [None, None, Some(803), Some(804), Some(805), None]);
    assert!(!chain.get(&id(104)).unwrap().height_is_sure);
    assert_eq!(chain.set_tip(&id(104)).unwrap().height, Some(804));
    assert_eq!(heights(&chain), [801, 802, 803, 804, 805, 803].map(Some));
    assert!(chain.get(&id(999)).unwrap().height_is_sure);
    // What comes later contradicts in vain.
    assert_eq!(chain.height_of(&id(105), 9), Some(805));
    assert_eq!(chain.height_of(&id(101), u32::MAX), Some(801));
    assert_eq!(chain.doubts().get(Doubt::HeightConflict), 1);
    assert_eq!(chain.doubts().get(Doubt::HeightImplausible), 1);
    // An ancestor that comes late has its height by its child.
    assert_eq!(chain.header(block(100, 99)).height, Some(800));
    assert_eq!(chain.get(&id(100)).unwrap().place, Place::Active);
}

#[test]
fn an_invented_block_does_not_move_the_chain() {
    let mut chain = empty(100, 50, 50);
    for i in 101..=103 {
        chain.header(block(i, i - 1));
    }
    chain.header(block(666, 103));
    assert_eq!(chain.height_of(&id(666), 7), Some(7));
    chain.set_tip(&id(103));
    assert_eq!(chain.height(&id(103)), None);
    // The real one does, and corrects the other.
    assert_eq!(chain.height_of(&id(103), 803), Some(803));
    assert_eq!(chain.height(&id(666)), Some(804));
}

#[test]
fn the_genesis_block_corrects_what_was_claimed() {
    let mut chain = Chain::with_caps(Some(block(0, u32::MAX)), Caps::default());
    for i in [2, 3] {
        chain.header(block(i, i - 1));
    }
    chain.set_tip(&id(3));
    assert_eq!(chain.height_of(&id(3), 50), Some(50));
    assert_eq!(chain.height(&id(2)), Some(49));
    assert_eq!(chain.header(block(1, 0)).height, Some(1));
    assert_eq!([2, 3].map(|n| chain.height(&id(n))), [Some(2), Some(3)]);
}

#[test]
fn parts_that_say_different_heights_are_counted() {
    let mut chain = empty(100, 50, 50);
    for (n, height) in [(1, 10), (3, 40)] {
        chain.header(block(n, n - 1));
        chain.set_tip(&id(n));
        chain.height_of(&id(n), height);
    }
    assert_eq!(chain.header(block(2, 1)).height, Some(11));
    assert_eq!(chain.height(&id(3)), Some(40));
    assert_eq!(chain.doubts().get(Doubt::HeightConflict), 1);
}

#[test]
fn heights_end_before_lock_times_begin() {
    let mut chain = empty(100, 50, 50);
    for n in 1..=3 {
        chain.header(block(n, n - 1));
    }
    assert_eq!(chain.height_of(&id(1), MAX_HEIGHT - 1), Some(MAX_HEIGHT - 1));
    assert_eq!([2, 3].map(|n| chain.height(&id(n))), [Some(MAX_HEIGHT), None]);
    assert_eq!(chain.header(block(4, 2)).height, None);
    // And begin at 0.
    chain.set_tip(&id(3));
    let mut low = empty(100, 50, 50);
    for n in 1..=3 {
        low.header(block(n, n - 1));
    }
    low.set_tip(&id(3));
    assert_eq!(low.height_of(&id(3), 1), Some(1));
    assert_eq!([1, 2].map(|n| low.height(&id(n))), [None, Some(0)]);
}

#[test]
fn the_tip_moves_forward_and_around() {
    let mut chain = linear(5);
    assert_eq!(chain.set_tip(&id(77)), None);
    let first = chain.set_tip(&id(3)).unwrap();
    assert_eq!(first, Step { height: Some(3), connected: ids(&[3]), disconnected: vec![], linked: true });
    assert!(chain.is_active(&id(0)) && chain.is_active(&id(2)) && !chain.is_active(&id(4)));
    let next = chain.set_tip(&id(5)).unwrap();
    assert_eq!(next, Step { height: Some(5), connected: ids(&[4, 5]), disconnected: vec![], linked: true });
    assert_eq!(chain.set_tip(&id(5)).unwrap(), Step { height: Some(5), linked: true, ..Step::default() });

    // A branch from 3 overtakes.
    for (n, prev) in [(14, 3), (15, 14), (16, 15)] {
        chain.header(block(n, prev));
    }
    let place = |c: &Chain, n| c.get(&id(n)).unwrap().place;
    assert_eq!(place(&chain, 14), Place::Side);
    let around = chain.set_tip(&id(16)).unwrap();
    let expected = Step { height: Some(6), connected: ids(&[14, 15, 16]), disconnected: ids(&[5, 4]), linked: true };
    assert_eq!(around, expected);
    assert_eq!([3, 4, 5, 14].map(|n| place(&chain, n)), [Place::Active, Place::Stale, Place::Stale, Place::Active]);

    // And back, by a block of the node's own past.
    let back = chain.set_tip(&id(2)).unwrap();
    assert_eq!(back, Step { height: Some(2), connected: vec![], disconnected: ids(&[16, 15, 14, 3]), linked: true });
    assert_eq!(chain.tip().map(|t| (t.header.hash, t.height)), Some((id(2), Some(2))));
}

#[test]
fn a_tip_beyond_missing_headers_extends_the_chain() {
    let mut chain = linear(5);
    chain.set_tip(&id(5));
    for n in [8, 9] {
        chain.header(block(n, n - 1));
    }
    chain.height_of(&id(9), 9);
    let step = chain.set_tip(&id(9)).unwrap();
    assert_eq!(step, Step { height: Some(9), connected: ids(&[8, 9]), disconnected: vec![], linked: false });
    assert!(chain.is_active(&id(5)));
    // Headers between come late: they are of the chain at once, and a fork among them is found.
    for n in [6, 7] {
        chain.header(block(n, n - 1));
    }
    assert!(chain.is_active(&id(6)) && chain.is_active(&id(7)));
    chain.header(block(17, 6));
    let step = chain.set_tip(&id(17)).unwrap();
    assert_eq!(step, Step { height: Some(7), connected: ids(&[17]), disconnected: ids(&[9, 8, 7]), linked: true });
}

#[test]
fn heights_tell_what_was_left_when_the_fork_is_not_seen() {
    let mut chain = linear(8);
    chain.set_tip(&id(8));
    for n in [107, 108, 109] {
        chain.header(block(n, n - 1));
    }
    chain.height_of(&id(107), 7);
    let step = chain.set_tip(&id(109)).unwrap();
    let expected =
        Step { height: Some(9), connected: ids(&[107, 108, 109]), disconnected: ids(&[8, 7]), linked: false };
    assert_eq!(step, expected);
    assert!(chain.is_active(&id(6)) && !chain.is_active(&id(7)));
}

#[test]
fn a_reorganisation_across_missing_headers_leaves_nothing_behind() {
    let mut chain = linear(5);
    chain.set_tip(&id(5));
    chain.header(block(9, 8));
    chain.set_tip(&id(9));
    // From 3: below the hole between 5 and 9.
    for (n, prev) in [(14, 3), (15, 14)] {
        chain.header(block(n, prev));
    }
    let step = chain.set_tip(&id(15)).unwrap();
    assert_eq!(step, Step { height: Some(5), connected: ids(&[14, 15]), disconnected: ids(&[9]), linked: false });
    let active: Vec<u32> = [0, 1, 2, 3, 4, 5, 9, 14, 15].into_iter().filter(|&n| chain.is_active(&id(n))).collect();
    assert_eq!(active, [0, 1, 2, 3, 14, 15]);
}

#[test]
fn median_of_the_last_eleven() {
    let mut chain = Chain::with_caps(Some(block(0, u32::MAX)), Caps::default());
    let times = [7, 3, 9, 1, 8, 2, 6, 4, 5, 0, 30, 20, 10];
    for (i, time) in times.into_iter().enumerate() {
        let n = i as u32 + 1;
        chain.header(Header { time, ..block(n, n - 1) });
    }
    // Genesis (1000), 7 and 3: the middle of 3, 7, 1000.
    assert_eq!(chain.median_time(&id(2)), Some(7));
    // An even number, as near genesis only: the upper of the two in the middle, as Bitcoin Core has it.
    assert_eq!(chain.median_time(&id(1)), Some(1000));
    // 9, 1, 8, 2, 6, 4, 5, 0, 30, 20, 10 sorted: 0 1 2 4 5 6 8 9 10 20 30.
    assert_eq!(chain.median_time(&id(13)), Some(6));
    let mut late = empty(100, 50, 50);
    for n in 1..=11 {
        assert_eq!(late.median_time(&id(n)), None);
        late.header(block(n, n - 1));
    }
    assert_eq!(late.median_time(&id(11)), Some(1006));
    assert_eq!(late.median_time(&id(10)), None);
}

#[test]
fn circles_end() {
    let mut chain = empty(100, 50, 50);
    assert!(!chain.header(block(1, 1)).new);
    assert_eq!(chain.doubts().get(Doubt::OwnParent), 1);
    for (n, prev) in [(1, 3), (2, 1), (3, 2)] {
        chain.header(block(n, prev));
    }
    assert_eq!(chain.median_time(&id(2)), Some(1002));
    for n in [2, 1, 3, 2] {
        chain.set_tip(&id(n)).unwrap();
    }
    chain.header(block(4, 2));
    chain.header(block(5, 4));
    chain.set_tip(&id(5)).unwrap();
    chain.set_tip(&id(1)).unwrap();
    chain.height_of(&id(1), 2);
    assert!(chain.height(&id(5)).is_some());
    for n in 10..200 {
        chain.header(block(n, 5000));
    }
    assert!(chain.len() <= 100);
}

#[test]
fn invented_headers_push_out_each_other() {
    let mut chain = Chain::with_caps(Some(block(0, u32::MAX)), Caps { headers: 100, side: 30, unlinked: 10 });
    for n in 1..=60 {
        chain.header(block(n, n - 1));
        chain.set_tip(&id(n));
    }
    // Related to nothing; then children of the chain.
    for n in 1000..2000 {
        chain.header(block(n, n + 5000));
    }
    assert_eq!((chain.len(), chain.doubts().get(Doubt::EvictedUnlinked)), (71, 990));
    for n in 2000..3000 {
        assert_eq!(chain.header(block(n, 60)).height, Some(61));
    }
    assert_eq!(chain.len(), 100);
    assert_eq!(chain.doubts().get(Doubt::EvictedUnlinked), 1000);
    assert_eq!(chain.doubts().get(Doubt::EvictedSide), 961);
    assert!((0..=60).all(|n| chain.is_active(&id(n))));
    // The chain grows: what it never followed makes room down to its share, then the lowest heights leave.
    let mut tip = 60;
    for n in 61..=160 {
        chain.header(block(n, tip));
        chain.set_tip(&id(n));
        tip = n;
    }
    assert_eq!((chain.len(), chain.doubts().get(Doubt::EvictedConfirmed)), (100, 90));
    let kept: Vec<u32> = (0..=160).filter(|&n| chain.get(&id(n)).is_some()).collect();
    assert_eq!(kept, std::iter::once(0).chain(91..=160).collect::<Vec<_>>());
    assert_eq!(chain.height(&id(160)), Some(160));
    // One that left comes back and is again the first to leave.
    chain.header(block(90, 89));
    assert_eq!(chain.get(&id(90)).map(|k| (k.height, k.place)), None);
    assert_eq!(chain.doubts().get(Doubt::EvictedConfirmed), 91);
}

#[test]
fn old_headers_that_come_again_leave_before_newer_ones() {
    let mut chain = Chain::with_caps(Some(block(0, u32::MAX)), Caps { headers: 50, side: 0, unlinked: 10 });
    for n in 1..=100 {
        chain.header(block(n, n - 1));
        chain.set_tip(&id(n));
    }
    for n in (40..=51).rev() {
        chain.header(block(n, n - 1));
        assert!(chain.is_active(&id(100)) && chain.is_active(&id(60)));
        assert_eq!(chain.len(), 50);
    }
    assert!((53..=100).all(|n| chain.get(&id(n)).is_some()));
}

#[test]
fn a_tip_far_back_stays() {
    let mut chain = Chain::with_caps(None, Caps { headers: 5, side: 0, unlinked: 5 });
    for n in 1..=5 {
        chain.header(block(n, n - 1));
        chain.set_tip(&id(n));
    }
    chain.set_tip(&id(1));
    for n in 100..120 {
        chain.header(block(n, 2));
    }
    assert_eq!(chain.tip().unwrap().header.hash, id(1));
    assert_eq!(chain.len(), 5);
    let mut none = Chain::with_caps(None, Caps { headers: 0, side: 0, unlinked: 0 });
    none.header(block(1, 0));
    assert!(none.is_empty());
}

#[test]
fn two_hundred_thousand_headers_in_34_megabytes() {
    let mut chain = linear(1);
    chain.set_tip(&id(1));
    for n in 2..250_000 {
        chain.header(block(n, n - 1));
        chain.set_tip(&id(n));
    }
    assert_eq!(chain.len(), MAX_HEADERS);
    assert!(chain.memory_bytes() < 34 << 20, "{}", chain.memory_bytes());
}
