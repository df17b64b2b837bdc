//! Time in the shadow mempool.

use super::*;
use crate::message::digest;
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint as Spent, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

/// Transactions that have nothing to do with each other.
fn tx(n: u8) -> Arc<TxDigest> {
    let input = TxIn {
        previous_output: Spent { txid: Txid::from_byte_array([n; 32]), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(1000), script_pubkey: ScriptBuf::new() };
    let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] };
    let payload = serialize(&tx);
    Arc::new(digest::tx(&payload, &sha256d::Hash::hash(&payload).to_byte_array()).unwrap())
}

/// Without it what comes after the clock is set back waits behind what came before.
#[test]
fn a_clock_that_was_ahead_keeps_nothing_for_longer() {
    let start = Timestamp::from_parts(1_700_000_000, 0);
    let mut pool = Mempool::new(Key::fixed(1));
    let never = |_: &Entry| false;
    let ahead = start.plus(10 * EXPIRY);
    pool.tick(ahead, never);
    pool.insert(&tx(1), ahead);
    let at = pool.insert(&tx(2), ahead);
    pool.enter(at, ahead);
    pool.tick(start, never);
    pool.insert(&tx(3), start);
    let at = pool.insert(&tx(4), start);
    pool.enter(at, start);
    assert_eq!((pool.num_pending, pool.totals().num_tx), (2, 2));
    pool.tick(start.plus(PENDING), never);
    assert_eq!((pool.num_pending, pool.totals().num_tx), (0, 2));
    pool.tick(start.plus(EXPIRY), never);
    assert_eq!(pool.totals().num_tx, 0, "they are pending once more");
    pool.tick(start.plus(EXPIRY + PENDING), never);
    assert_eq!(pool.entries.len(), 0);
}
