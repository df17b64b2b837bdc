//! Against crate `bitcoin`'s `bip152`, and the cases of BIP 152 that go wrong.

use super::*;
use crate::message::compact as wire;
use bitcoin::bip152::{HeaderAndShortIds, ShortId};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{Block, Transaction, TxIn, TxOut, Witness};

const NONCE: u64 = 0x0123_4567_89ab_cdef;

/// A block with `count` transactions, every second one with a witness.
fn sample(count: u32) -> Block {
    let mut block = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    for n in 1..count {
        let witness = if n % 2 == 0 { Witness::from_slice(&[[n as u8; 8]]) } else { Witness::new() };
        block.txdata.push(Transaction {
            version: bitcoin::transaction::Version::TWO,
            lock_time: bitcoin::absolute::LockTime::from_consensus(n),
            input: vec![TxIn { witness, ..TxIn::default() }],
            output: vec![TxOut::NULL],
        });
    }
    block
}

fn ids(tx: &Transaction) -> (Hash256, Hash256) {
    (Hash256(tx.compute_txid().to_byte_array()), Hash256(tx.compute_wtxid().to_byte_array()))
}

fn header(block: &Block) -> [u8; HEADER_BYTES] {
    serialize(&block.header).try_into().unwrap()
}

/// Rebuild from the message that crate `bitcoin` makes, read with the own decoder; handles are txids.
fn received(block: &Block, version: u32, prefill: &[usize]) -> Rebuild<Hash256> {
    let payload = serialize(&HeaderAndShortIds::from_block(block, NONCE, version, prefill).unwrap());
    let prefilled = wire::prefilled(&payload).map(|(index, tx)| (index, tx.txid()));
    let version = Version::from_number(version.into()).unwrap();
    Rebuild::new(&header(block), NONCE, version, wire::short_ids(&payload), prefilled).unwrap()
}

/// A rebuild with handles of the test's choice and no prefilled transaction.
fn bare(short_ids: Vec<u64>) -> Rebuild<char> {
    Rebuild::new(&[7; HEADER_BYTES], 5, Version::Wtxid, short_ids.into_iter(), []).unwrap()
}

fn short(n: u8) -> u64 {
    ShortIds::new(&[7; HEADER_BYTES], 5).of(&Hash256([n; 32]))
}

#[test]
fn short_ids_are_those_of_crate_bitcoin() {
    let block = sample(40);
    let keys = ShortId::calculate_siphash_keys(&block.header, NONCE);
    let own = ShortIds::new(&header(&block), NONCE);
    assert_eq!((own.k0, own.k1), keys);
    for tx in &block.txdata {
        let theirs = ShortId::with_siphash_keys(&tx.compute_wtxid().to_raw_hash(), keys).to_bytes();
        assert_eq!(own.of(&ids(tx).1).to_le_bytes()[..6], theirs);
        assert_eq!(own.of(&ids(tx).1) >> 48, 0);
    }
}

#[test]
fn both_versions_are_rebuilt_from_a_mempool() {
    let block = sample(300);
    let txids: Vec<_> = block.txdata.iter().map(|tx| ids(tx).0).collect();
    let pool: Vec<_> = sample(1000).txdata.iter().skip(1).rev().map(ids).collect();
    for version in [1, 2] {
        let mut rebuild = received(&block, version, &[1, 2, 7, 299]);
        assert_eq!(rebuild.slots().len(), 300);
        assert_eq!(rebuild.missing().count(), 295);
        for (txid, wtxid) in &pool {
            rebuild.offer(txid, wtxid, || *txid);
        }
        assert_eq!(rebuild.missing().next(), None);
        assert_eq!(rebuild.transactions().unwrap(), txids);
        assert!(matches!(rebuild.slots()[7], Slot::Given(_)) && matches!(rebuild.slots()[8], Slot::Matched(_)));
    }
    // Version 2 asks for the witnesses too: the other form of a transaction is not the one.
    let mut rebuild = received(&block, 2, &[]);
    for (txid, _) in &pool {
        rebuild.offer(txid, txid, || *txid);
    }
    assert!(rebuild.missing().all(|i| i % 2 == 0));
    assert_eq!(rebuild.missing().count(), 149);
}

#[test]
fn what_is_missing_comes_in_the_order_asked_for() {
    let block = sample(50);
    let all: Vec<_> = block.txdata.iter().map(ids).collect();
    let mut rebuild = received(&block, 2, &[]);
    all.iter().filter(|(t, _)| t.0[0] % 3 != 0).for_each(|(t, w)| {
        rebuild.offer(t, w, || *t);
    });
    let missing: Vec<u16> = rebuild.missing().collect();
    assert!(missing.len() > 5);
    assert_eq!(rebuild.transactions(), None);
    let given: Vec<_> = missing.iter().map(|&i| all[usize::from(i)].0).collect();
    let count = RebuildError::Count { requested: missing.len(), given: missing.len() - 1 };
    assert_eq!(rebuild.complete(&missing, given[1..].iter().copied()), Err(count));
    let count = RebuildError::Count { requested: missing.len(), given: missing.len() + 1 };
    assert_eq!(rebuild.complete(&missing, std::iter::repeat(given[0])), Err(count));
    let index = RebuildError::RequestedIndex { index: 50, transactions: 50 };
    assert_eq!(rebuild.complete(&[50], [given[0]]), Err(index));
    assert_eq!(rebuild.missing().collect::<Vec<_>>(), missing);
    // The same answer without its request.
    let mut unasked = rebuild.clone();
    missing.iter().map(|&i| &all[usize::from(i)]).for_each(|(t, w)| {
        unasked.offer(t, w, || *t);
    });
    rebuild.complete(&missing, given).unwrap();
    for r in [rebuild, unasked] {
        assert_eq!(r.transactions().unwrap(), all.iter().map(|(t, _)| *t).collect::<Vec<_>>());
    }
}

#[test]
fn two_candidates_of_one_short_id_are_none() {
    // A real collision of 48 bits takes 2^24 hashes: here the block's side is forged instead, so that
    // the ids of three different transactions stand for one place.
    let mut rebuild = bare(vec![short(1), short(2)]);
    let other = rebuild.places[&short(1)];
    rebuild.places.insert(short(3), other);
    let hash = |n: u8| Hash256([n; 32]);
    assert!(rebuild.offer(&hash(9), &hash(1), || 'a'));
    assert!(rebuild.offer(&hash(9), &hash(1), || 'b'), "the same transaction again");
    assert_eq!(rebuild.slots(), [Slot::Matched('a'), Slot::Missing]);
    rebuild.places.get_mut(&short(3)).unwrap().by = Some(hash(1));
    assert!(rebuild.offer(&hash(9), &hash(3), || 'c'));
    assert_eq!(rebuild.slots(), [Slot::Ambiguous, Slot::Missing]);
    // A third, or the first again, does not settle it; only the block's sender does.
    rebuild.offer(&hash(9), &hash(1), || 'd');
    assert!(!rebuild.offer(&hash(9), &hash(8), || 'e'));
    assert_eq!(rebuild.missing().collect::<Vec<_>>(), [0, 1]);
    rebuild.complete(&[1, 0], ['y', 'x']).unwrap();
    assert_eq!(rebuild.transactions().unwrap(), ['x', 'y']);
}

#[test]
fn a_short_id_at_two_places_fills_neither() {
    let mut rebuild = bare(vec![short(1), short(2), short(1), short(1)]);
    let hash = |n: u8| Hash256([n; 32]);
    for n in 1..=2 {
        rebuild.offer(&hash(n), &hash(n), || 'a');
    }
    assert_eq!(rebuild.repeated_ids(), 2);
    assert_eq!(rebuild.missing().collect::<Vec<_>>(), [0, 2, 3]);
    rebuild.complete(&[0, 2, 3], ['x'; 3]).unwrap();
    assert_eq!(rebuild.transactions().unwrap(), ['x', 'a', 'x', 'x']);
}

#[test]
fn impossible_blocks_are_refused() {
    let new = |ids: usize, prefilled: Vec<u16>| {
        let ids: Vec<u64> = (0..ids as u64).collect();
        let prefilled = prefilled.into_iter().map(|i| (i, ()));
        Rebuild::new(&[0; HEADER_BYTES], 0, Version::Txid, ids.into_iter(), prefilled).map(|r| r.slots().len())
    };
    assert_eq!(new(0, vec![]), Ok(0));
    assert_eq!(new(65_534, vec![65_534]), Ok(65_535));
    assert_eq!(new(65_535, vec![0]), Err(RebuildError::TooMany(65_536)));
    assert_eq!(new(1, vec![2]), Err(RebuildError::PrefilledIndex(2)));
    assert_eq!(new(1, vec![0, 0]), Err(RebuildError::PrefilledIndex(0)));
    assert_eq!(Version::from_number(3), None);
}
