//! Against crate `bitcoin`, and each static rule by hand.

use super::*;
use crate::health::Vocabulary;
use crate::message::block_digest::{self, BlockDigest, MAX_TRANSACTIONS};
use crate::message::hash::sha256d;
use crate::message::merkle::MerkleCheck;
use crate::message::read::Reason;
use crate::message::{body, command::Command, samples};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, Block, ScriptBuf, Transaction, TxOut, Witness, transaction};
use proptest::prelude::*;

fn digest(t: &Transaction) -> TxDigest {
    let bytes = serialize(t);
    tx(&bytes, &sha256d(&bytes).0).unwrap()
}

fn same_sizes(d: &Tx, t: &Transaction) {
    assert_eq!(d.txid.0, t.compute_txid().to_byte_array());
    assert_eq!(d.wtxid.0, t.compute_wtxid().to_byte_array());
    assert_eq!((d.size as usize, d.stripped_size as usize), (t.total_size(), t.base_size()));
    assert_eq!((u64::from(d.weight), d.vsize() as usize), (t.weight().to_wu(), t.vsize()));
    assert_eq!((d.version, d.lock_time), (t.version.0 as u32, t.lock_time.to_consensus_u32()));
}

fn same_outputs(ours: &[TxOutput], theirs: &[TxOut]) {
    assert_eq!(ours.len(), theirs.len());
    for (o, t) in ours.iter().zip(theirs) {
        assert_eq!((o.value as u64, o.script_size as usize), (t.value.to_sat(), t.script_pubkey.len()));
        let s = &t.script_pubkey;
        assert_eq!(o.kind, script::classify(s.as_bytes()).kind);
        assert_eq!(o.is_dust, t.value < s.minimal_non_dust());
    }
}

fn same(d: &TxDigest, t: &Transaction) {
    same_sizes(&d.tx, t);
    assert_eq!(d.is_coinbase(), t.is_coinbase());
    assert_eq!(d.inputs.len(), t.input.len());
    for (i, t) in d.inputs.iter().zip(&t.input) {
        assert_eq!(i.prevout.to_string(), format!("{}:{}", t.previous_output.txid, t.previous_output.vout));
        assert_eq!((i.sequence, i.sig_script_len() as usize), (t.sequence.0, t.script_sig.len()));
        assert_eq!(i.witness_items as usize, t.witness.len());
        let bytes = if d.tx.has_witness { t.witness.size() } else { 0 };
        assert_eq!(i.witness_bytes as usize, bytes);
        let pushes = t.script_sig.is_push_only();
        assert_eq!(i.non_standard_reason().is_none(), pushes && t.script_sig.len() <= 1650);
    }
    same_outputs(&d.outputs, &t.output);
    assert_eq!(d.value_out(), Some(t.output.iter().map(|o| o.value.to_sat() as i64).sum()));
}

#[test]
fn is_compact_and_can_be_sent() {
    const fn send<T: Send + Sync + 'static>() {}
    send::<TxDigest>();
    send::<BlockDigest>();
    assert_eq!((size_of::<TxInput>(), size_of::<TxOutput>(), size_of::<OutPoint>()), (52, 16, 36));
    assert!(size_of::<TxDigest>() <= 144);
}

#[test]
fn transactions_as_the_crate_has_them() {
    for t in [samples::segwit_tx(), samples::legacy_tx(), samples::block_at(500_000).txdata.remove(0)] {
        let d = digest(&t);
        same(&d, &t);
        let bytes = serialize(&t);
        let (decoded, _) = body::decode(Command::TX, &bytes, &sha256d(&bytes).0).unwrap();
        let body::Body::Tx(decoded) = decoded else { panic!() };
        assert_eq!(of(&bytes, &decoded), Ok(d), "from what was decoded before");
    }
}

#[test]
fn two_allocations_a_transaction() {
    let bytes = serialize(&samples::segwit_tx());
    let hash = sha256d(&bytes).0;
    let info = allocation_counter::measure(|| {
        let _ = std::hint::black_box(tx(&bytes, &hash));
    });
    assert_eq!((info.count_total, info.bytes_total), (2, 2 * 52 + 2 * 16));
}

#[test]
fn bytes_after_the_transaction_are_not_of_it() {
    let t = samples::segwit_tx();
    let mut bytes = serialize(&t);
    bytes.push(0);
    same(&tx(&bytes, &sha256d(&bytes).0).unwrap(), &t);
}

#[test]
fn malformed_transactions_are_errors() {
    let bytes = serialize(&samples::segwit_tx());
    for end in 0..bytes.len() {
        assert_eq!(tx(&bytes[..end], &[0; 32]).unwrap_err().reason, Reason::Truncated, "{end}");
    }
    // Decoded from other bytes: no claimed count is believed.
    let mut other = digest(&samples::segwit_tx()).tx;
    (other.inputs, other.outputs) = (u32::MAX, u32::MAX);
    assert!(of(&bytes, &other).is_ok());
}

/// A standard transaction: one P2WPKH input, two outputs.
fn standard() -> Transaction {
    let mut t = samples::segwit_tx();
    t.input.truncate(2);
    t.input[0].script_sig = ScriptBuf::new();
    t.version = transaction::Version::TWO;
    t
}

fn reason(change: impl FnOnce(&mut Transaction)) -> Option<&'static str> {
    let mut t = standard();
    change(&mut t);
    digest(&t).non_standard_reason.map(Vocabulary::name)
}

fn script(bytes: &[u8]) -> ScriptBuf {
    ScriptBuf::from_bytes(bytes.to_vec())
}

fn out(value: u64, bytes: &[u8]) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey: script(bytes) }
}

/// A scriptSig of `n` bytes: one push.
fn push(n: usize) -> ScriptBuf {
    let data = n - 3;
    script(&[&[0x4d, data as u8, (data >> 8) as u8][..], &vec![0; data]].concat())
}

#[test]
fn versions() {
    assert_eq!(reason(|_| ()), None);
    for (version, standard) in [(0, false), (1, true), (2, true), (3, true), (4, false), (-1, false), (i32::MIN, false)]
    {
        let found = reason(|t| t.version = transaction::Version(version));
        assert_eq!(found, (!standard).then_some("invalid_version_number"), "{version}");
    }
}

#[test]
fn sizes() {
    // One output of OP_RETURN and one push fills up to any weight.
    let filled = |weight: usize| {
        move |t: &mut Transaction| {
            t.output = vec![out(0, &[&[0x6a, 0x4e, 0, 0, 0, 0][..]].concat())];
            let base = t.weight().to_wu() as usize;
            // The script's length takes 5 bytes when it is over 65 535, instead of 1.
            let data = (weight - base) / 4 - 4;
            let n = (data as u32).to_le_bytes();
            t.output[0].script_pubkey = script(&[&[0x6a, 0x4e], &n[..], &vec![0; data]].concat());
            // What four does not divide goes into the witness.
            let rest = (weight - t.weight().to_wu() as usize) % 4;
            t.input[0].witness = Witness::from_slice(&[vec![1; rest]]);
        }
    };
    let mut at_the_limit = standard();
    filled(399_999)(&mut at_the_limit);
    let weight = at_the_limit.weight().to_wu();
    assert!(weight <= 400_000, "{weight}");
    assert_eq!(digest(&at_the_limit).non_standard_reason, None);
    let mut witness = at_the_limit.input[0].witness.to_vec();
    let missing = 400_000 - weight as usize;
    witness[0].extend(vec![1; missing]);
    at_the_limit.input[0].witness = Witness::from_slice(&witness);
    assert_eq!((at_the_limit.weight().to_wu(), digest(&at_the_limit).non_standard_reason), (400_000, None));
    witness[0].push(1);
    at_the_limit.input[0].witness = Witness::from_slice(&witness);
    let found = digest(&at_the_limit).non_standard_reason;
    assert_eq!((at_the_limit.weight().to_wu(), found), (400_001, Some(NonStandard::TooLarge)));

    let small = |data: &'static [u8]| {
        move |t: &mut Transaction| {
            t.input.truncate(1);
            t.output = vec![out(0, data)];
        }
    };
    // 4 + 1 + 41 + 1 + 8 + 1 + script + 4 bytes without witnesses.
    assert_eq!(reason(small(&[0x6a, 3, 1, 1])), Some("size_too_small"), "64");
    assert_eq!(reason(small(&[0x6a, 3, 1, 1, 1])), None, "65");
}

#[test]
fn inputs() {
    assert_eq!(reason(|t| t.input[0].script_sig = push(1650)), None);
    assert_eq!(reason(|t| t.input[1].script_sig = push(1651)), Some("script_sig_too_large"));
    assert_eq!(reason(|t| t.input[1].script_sig = script(&[0x61])), Some("non_canonical_data_push"), "OP_NOP");
    assert_eq!(reason(|t| t.input[1].script_sig = script(&[2, 1])), Some("non_canonical_data_push"), "cut push");
    assert_eq!(reason(|t| t.input[1].script_sig = script(&vec![0x61; 1651])), Some("script_sig_too_large"), "both");
    assert_eq!(reason(|t| t.input[1].script_sig = script(&[0, 0x4f, 0x50, 0x60])), None, "numbers");
    // The first input that is not standard decides, then the outputs.
    let both = reason(|t| {
        t.input[0].script_sig = script(&[0x61]);
        t.input[1].script_sig = push(1651);
        t.output[0] = out(1000, &[]);
    });
    assert_eq!(both, Some("non_canonical_data_push"));
}

#[test]
fn outputs() {
    let bare = |m: u8, n: u8| {
        let key = [&[33, 2][..], &[7; 32]].concat();
        [&[0x50 + m][..], &key.repeat(n.into()), &[0x50 + n, 0xae]].concat()
    };
    for (bytes, expected) in [
        (vec![], Some("scriptpubkey")),
        (vec![0x51], Some("scriptpubkey")),
        (vec![0, 2, 1, 1], Some("scriptpubkey")),
        (bare(1, 1), None),
        (bare(3, 3), None),
        (bare(1, 4), Some("bare_multisig")),
        (bare(16, 16), Some("bare_multisig")),
        (vec![0x51, 2, 0x4e, 0x73], None),
        (vec![0x60, 2, 1, 1], None),
    ] {
        assert_eq!(reason(|t| t.output.push(out(100_000, &bytes))), expected, "{bytes:?}");
    }
    let data =
        |t: &mut Transaction| t.output = vec![out(0, &[&[0x6a, 0x4d, 0x10, 0x27][..], &[1; 10_000]].concat()); 8];
    assert_eq!(reason(data), None, "nulldata of any size and number");
}

#[test]
fn dust() {
    let anchor = [0x51, 2, 0x4e, 0x73];
    let two = |a, b| reason(|t| t.output.extend([out(a, &anchor), out(b, &anchor)]));
    assert_eq!((two(240, 240), two(240, 239), two(0, 240)), (None, None, None), "one is allowed");
    assert_eq!(two(239, 0), Some("dust"));
    let late = reason(|t| t.output.extend([out(0, &anchor), out(0, &anchor), out(0, &[])]));
    assert_eq!(late, Some("scriptpubkey"), "the scripts come first");
    let d = digest(&{
        let mut t = standard();
        t.output = vec![out(u64::MAX, &anchor)];
        t
    });
    assert_eq!((d.outputs[0].value, d.outputs[0].is_dust, d.value_out()), (-1, true, None), "negative");
}

fn block_of(b: &Block) -> BlockDigest {
    block_digest::block(&serialize(b)).unwrap()
}

#[test]
fn blocks_as_the_crate_has_them() {
    let b = samples::block_at(500_000);
    let d = block_of(&b);
    assert_eq!(d.block.hash.0, b.block_hash().to_byte_array());
    assert_eq!(d.block.prev.0, b.header.prev_blockhash.to_byte_array());
    assert_eq!(d.merkle_root.0, b.header.merkle_root.to_byte_array());
    assert_eq!((d.block.time, d.block.bits, d.block.version), (1_700_000_000, 0x1703_4219, 0x2000_0000));
    assert_eq!((d.block.size as usize, u64::from(d.block.weight)), (b.total_size(), b.weight().to_wu()));
    assert_eq!((d.block.height, d.block.tx_count, d.merkle), (Some(500_000), 3, MerkleCheck::Valid));
    assert_eq!(d.block.coinbase_value, Some(312_500_000));
    assert_eq!(d.transactions().len(), 3);
    for (ours, t) in d.transactions().zip(&b.txdata) {
        assert_eq!(ours.txid.0, t.compute_txid().to_byte_array());
        assert_eq!((ours.size as usize, ours.stripped_size as usize), (t.total_size(), t.base_size()));
        assert_eq!((u64::from(ours.weight()), ours.is_coinbase()), (t.weight().to_wu(), t.is_coinbase()));
        let spent: Vec<_> = ours.spent.iter().map(OutPoint::to_string).collect();
        let theirs: Vec<_> =
            t.input.iter().map(|i| i.previous_output).map(|o| format!("{}:{}", o.txid, o.vout)).collect();
        assert_eq!(spent, theirs);
        same_outputs(ours.outputs, &t.output);
    }
    let (decoded, _) = body::decode(Command::BLOCK, &serialize(&b), &[0; 32]).unwrap();
    assert_eq!(decoded, body::Body::Block(d.block));
}

#[test]
fn mutated_blocks() {
    let b = samples::block_at(500_000);
    let with = |change: &dyn Fn(&mut Block)| {
        let mut b = b.clone();
        change(&mut b);
        block_of(&b)
    };
    // Three transactions: the last repeated gives the same root.
    let repeated = with(&|b| b.txdata.push(b.txdata[2].clone()));
    assert_eq!((repeated.merkle, repeated.block.hash), (MerkleCheck::Repeated, block_of(&b).block.hash));
    assert_eq!(with(&|b| b.txdata.swap(1, 2)).merkle, MerkleCheck::Mismatch);
    assert_eq!(with(&|b| drop(b.txdata.pop())).merkle, MerkleCheck::Mismatch);
    assert_eq!(with(&|b| b.txdata[1].output[0].value = Amount::ZERO).merkle, MerkleCheck::Mismatch);
    let witness = with(&|b| b.txdata[1].input[1].witness = Witness::from_slice(&[[1]]));
    assert_eq!(witness.merkle, MerkleCheck::Valid, "witnesses are not in the tree");
    let headless = with(&|b| drop(b.txdata.remove(0)));
    assert_eq!((headless.coinbase(), headless.block.coinbase_value, headless.block.height), (None, None, None));
    assert_eq!(with(&|b| b.txdata.clear()).merkle, MerkleCheck::Mismatch);
}

#[test]
fn blocks_that_claim_too_much() {
    let header = [0; 80];
    let claim = |n: u32| [&header[..], &[0xfe], &n.to_le_bytes(), &vec![0; 10 * (MAX_TRANSACTIONS + 1)]].concat();
    assert_eq!(block_digest::block(&claim(MAX_TRANSACTIONS as u32)).unwrap().transactions().len(), MAX_TRANSACTIONS);
    assert_eq!(block_digest::block(&claim(MAX_TRANSACTIONS as u32 + 1)).unwrap_err().reason, Reason::TooMany);
    assert_eq!(block_digest::block(&claim(0x0200_0000)).unwrap_err().reason, Reason::TooMany);
}

#[test]
fn parts_of_compact_blocks() {
    let of = |command| samples::samples().into_iter().find(|(c, _)| *c == command).unwrap().1;
    let b = samples::block_at(500_000);
    let given = prefilled(&of(Command::CMPCTBLOCK));
    assert_eq!(given.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
    for (index, d) in &given {
        same(d, &b.txdata[usize::from(*index)]);
    }
    let payload = of(Command::BLOCKTXN);
    let given = block_transactions(&payload);
    assert_eq!(given.len(), 2);
    same(&given[0], &samples::segwit_tx());
    same(&given[1], &samples::legacy_tx());
    assert_eq!(block_transactions(&payload[..payload.len() - 1]).len(), 1, "up to the fault");
    assert!(block_transactions(&[]).is_empty() && prefilled(&[0; 100]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hostile_bytes(
        mut payload in prop::sample::select(samples::samples()).prop_map(|(_, p)| p),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, byte) in changes {
            if !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
        }
        payload.truncate(cut.index(payload.len() + 1));
        if let Ok(d) = tx(&payload, &sha256d(&payload).0) {
            prop_assert!(d.inputs.len() * 41 + d.outputs.len() * 9 <= payload.len());
            prop_assert_eq!(d.tx.inputs as usize, d.inputs.len());
            prop_assert_eq!(d.tx.outputs as usize, d.outputs.len());
        }
        if let Ok(d) = block_digest::block(&payload) {
            prop_assert_eq!(d.transactions().len(), d.block.tx_count as usize);
        }
        prop_assert!(prefilled(&payload).len() <= payload.len());
        prop_assert!(block_transactions(&payload).len() <= payload.len());
    }
}
