//! Hostile bytes: no panic, offsets inside the payload, the same verdict as crate `bitcoin` on transactions.

use super::body::{Body, decode};
use super::command::Command;
use super::hash::sha256d;
use super::read::DecodeError;
use super::samples::{self, samples};
use super::{addr, block, compact, fields, headers, info, inventory, package};
use bitcoin::Transaction;
use bitcoin::consensus::encode::{deserialize_partial, serialize};
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;

/// Decodes, and walks every view there is over the payload.
fn check(command: Command, payload: &[u8]) -> Result<(Body, u32), DecodeError> {
    let result = decode(command, payload, &sha256d(payload).0);
    match &result {
        Ok((body, trailing)) => {
            assert!(*trailing as usize <= payload.len());
            let line = info::line(command.name(), body);
            assert!(!line.chars().any(char::is_control), "{line:?}");
            fields::fields(body, &mut serde_json::Map::new());
        }
        Err(e) => assert!(e.offset <= payload.len(), "{e}"),
    }
    // Every item of every view takes bytes of the payload.
    let items = [
        inventory::entries(payload).count(),
        headers::entries(payload).count(),
        headers::locator_hashes(payload).count(),
        addr::entries(payload, false).count(),
        addr::entries(payload, true).count(),
        block::transactions(payload).count(),
        compact::short_ids(payload).count(),
        compact::prefilled(payload).count(),
        compact::requested(payload).count(),
        compact::transactions(payload).count(),
        package::entries(payload).count(),
    ];
    assert!(items.iter().all(|&n| n <= payload.len()));
    result
}

#[test]
fn truncation_at_every_byte() {
    for (command, payload) in samples() {
        let (whole, _) = check(command, &payload).unwrap();
        for end in 0..payload.len() {
            match check(command, &payload[..end]) {
                // A shorter message that is valid says something else, or left out an optional end.
                Ok((body, _)) => assert_ne!(body, whole, "{} cut at {end}", command.name()),
                Err(e) => assert!(e.needed != e.had, "{} cut at {end}: {e}", command.name()),
            }
        }
    }
}

#[test]
fn claimed_counts_allocate_and_loop_no_further_than_the_bytes() {
    // 32 MiB entries claimed, nothing there.
    for command in Command::all() {
        for head in [0, 1, 4, 32, 36, 80, 88, 89] {
            let mut payload = vec![0; head];
            payload.extend([0xfe, 0, 0, 0, 2]);
            let _ = check(command, &payload);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        for command in Command::all().chain([Command::UNKNOWN]) {
            let _ = check(command, &payload);
        }
    }

    #[test]
    fn small_numbers(payload in prop::collection::vec(0_u8..6, 0..300)) {
        for command in Command::all() {
            let _ = check(command, &payload);
        }
    }

    #[test]
    fn mutated_samples(pick: prop::sample::Index, edits in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..5)) {
        let all = samples();
        let (command, mut payload) = all[pick.index(all.len())].clone();
        for (at, byte) in edits {
            if !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
        }
        let _ = check(command, &payload);
    }

    #[test]
    fn transactions_get_the_verdict_of_the_bitcoin_crate(
        segwit: bool,
        edits in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3),
        cut in 0_usize..400,
    ) {
        let mut payload = serialize(&if segwit { samples::segwit_tx() } else { samples::legacy_tx() });
        for (at, byte) in edits {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        payload.truncate(payload.len().max(40) - cut.saturating_sub(360));
        let ours = check(Command::TX, &payload);
        match (ours, deserialize_partial::<Transaction>(&payload)) {
            (Ok((Body::Tx(t), trailing)), Ok((tx, used))) => {
                prop_assert_eq!(t.txid.0, tx.compute_txid().to_byte_array());
                prop_assert_eq!(t.wtxid.0, tx.compute_wtxid().to_byte_array());
                prop_assert_eq!(u64::from(t.weight), tx.weight().to_wu());
                prop_assert_eq!(payload.len() - used, trailing as usize);
            }
            (Err(_), Err(_)) => {}
            // The crate writes and reads transactions without inputs in a form of its own.
            (ours, theirs) => prop_assert!(
                payload[4] == 0 && (payload[5] == 0 || payload[5..7] == [1, 0]),
                "{:?} {:?}", ours, theirs
            ),
        }
    }
}
