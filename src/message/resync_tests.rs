//! The pieces of the search: magic across seams, candidates, budget.

use super::*;
use std::cell::Cell;

thread_local! {
    /// Bytes hashed to judge candidates, for the tests of hostile streams.
    pub(in crate::message) static HASHED: Cell<u64> = const { Cell::new(0) };
}

const MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];
const OTHER: [u8; 4] = [0xf9, 0xf9, 0xf9, 0xbe];

/// Offsets of what follows the magics that are found when `bytes` come in pieces of `size`, and the bytes passed.
fn search(bytes: &[u8], size: usize, magics: &[[u8; 4]]) -> (Vec<usize>, u64) {
    let (mut scan, mut found, mut past, mut passed) = (Scan::default(), Vec::new(), 0, 0);
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        past += piece.len();
        while !rest.is_empty() {
            let (behind, magic) = scan.run(rest, magics);
            passed += scan.take_passed();
            rest = behind;
            if magic.is_some() {
                found.push(past - rest.len());
            }
        }
    }
    (found, passed + scan.take_all())
}

#[test]
fn r60_finds_the_magic_across_every_seam_and_counts_what_it_passes() {
    let bytes = [&[1, 0xf9, 0xbe, 0xb4][..], &MAGIC, &[0xf9, 0xf9], &MAGIC, &[0xf9, 0xbe]].concat();
    for size in 1..=bytes.len() {
        assert_eq!(search(&bytes, size, &[MAGIC]), (vec![8, 14], 4 + 2 + 2), "pieces of {size}");
        // The first of two that overlap.
        assert_eq!(search(&bytes, size, &[MAGIC, OTHER]), (vec![8, 12], 4 + 4), "pieces of {size}");
    }
    assert_eq!(search(&[0xf9], 1, &[MAGIC]), (vec![], 1));
    assert_eq!(search(&MAGIC, 4, &[]), (vec![], 4));
}

#[test]
fn a_header_alone_needs_what_it_claims_and_then_one_more_header() {
    let header = |command: &[u8], length: u32| {
        let mut b = MAGIC.to_vec();
        b.extend(command);
        b.resize(16, 0);
        b.extend(length.to_le_bytes());
        b.extend([0; 4]);
        b
    };
    let bytes = header(b"tx", 10);
    assert_eq!(look(&bytes[..23]), Look::Needs(24));
    assert_eq!(look(&bytes), Look::Needs(34));
    let bytes = [bytes, vec![5; 10]].concat();
    // The checksum is wrong.
    assert_eq!(look(&bytes), Look::Needs(58));
    assert_eq!(look(&[bytes.clone(), vec![5; 23]].concat()), Look::Needs(58));
    assert_eq!(look(&[bytes.clone(), vec![5; 24]].concat()), Look::No(10));
    assert!(matches!(look(&[bytes.clone(), header(b"inv", 4_000_000)].concat()), Look::Message(h) if h.is("tx")));
    assert_eq!(look(&[bytes, header(b"inv", 4_000_001)].concat()), Look::No(10));
    assert_eq!(look(&header(b"\x01", 1)), Look::No(0));
    assert_eq!(look(&header(b"tx", 4_000_001)), Look::No(0));
}

#[test]
fn the_budget_is_refilled_by_the_stream_and_no_further_than_full() {
    let mut budget = Budget::default();
    assert!(budget.take(BUDGET, 100));
    assert!(!budget.take(1, 100));
    assert!(!budget.take(201, 200));
    assert!(budget.take(200, 200));
    assert!(!budget.take(BUDGET + 1, u64::MAX));
    assert!(budget.take(BUDGET, u64::MAX));
}
