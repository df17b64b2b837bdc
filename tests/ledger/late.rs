//! What becomes known after a block: how it really came, what it has, what is missing for good.

use super::wire::{FromNode, ToNode, again, hash, mine, out, spend};
use super::{first_spend, node, processed, replay, rows, start, text};
use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::p2p::message_bloom::{BloomFlags, FilterLoad};
use bitcoin::p2p::message_compact_blocks::{BlockTxn, CmpctBlock, GetBlockTxn, SendCmpct};
use bitcoin::{Amount, Block, ScriptBuf, Transaction, TxOut, Witness};
use btcdmon::series::Value;

fn size(b: &Block) -> Value {
    Value::Integer(b.total_size() as i64)
}

#[test]
fn a_block_that_the_node_asks_for_whole_came_as_fallback() {
    let (mut wire, peers, chain) = start();
    let tx = first_spend(&chain[1], 1000);
    wire.tx(peers[0], &tx);
    let block = mine(&chain[3], 4, &[tx], 1000, 0);
    wire.compact(peers[0], ToNode, &block);
    wire.say(peers[0], FromNode, NetworkMessage::GetData(vec![Inventory::WitnessBlock(hash(&block))]));
    wire.wait(700);
    wire.say(peers[0], ToNode, NetworkMessage::Block(block.clone()));
    wire.wait(5);
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let row = processed(&replay(&wire), &block);
    assert_eq!((&row["via"], &row["size"]), (&text("block fallback"), &size(&block)));
    assert!(matches!(row["process_time"], Value::Integer(5000..6000)), "{row:?}");
    assert!(matches!(row["announce_to_data"], Value::Integer(700_000..701_000)), "{row:?}");
}

#[test]
fn a_transaction_that_a_block_was_missing_completes_it() {
    let (mut wire, peers, chain) = start();
    let (tx, next) = (first_spend(&chain[1], 1000), first_spend(&chain[2], 1000));
    let child = spend(&[out(&tx, 0)], &[1_000_000]);
    // The node has it, the sensor does not.
    let block = mine(&chain[3], 4, &[tx.clone(), child.clone()], 1000, 0);
    wire.compact(peers[0], ToNode, &block);
    wire.announce(peers[1], &block);
    wire.wait(5000);
    let before = replay(&wire);
    assert_eq!((&processed(&before, &block)["size"], node(&before).mempool.num_tx), (&Value::Absent, 0));
    for tx in [&next, &child, &tx] {
        wire.say(peers[1], FromNode, NetworkMessage::Tx(tx.clone()));
    }
    wire.wait(1500);
    let run = replay(&wire);
    assert_eq!(node(&run).mempool.num_tx, 1, "what a block has is not in the mempool");
    assert_eq!(processed(&run, &block)["size"], size(&block));
    assert_eq!(node(&run).mempool.coverage, Some(0.0), "known beforehand it was not");
}

#[test]
fn what_other_peers_sent_of_a_block_that_is_whole_is_forgotten() {
    let (mut wire, peers, chain) = start();
    let (mut parent, mut tx) = (chain[3].clone(), first_spend(&chain[1], 1000));
    // More than are kept under way, by far not as many as come in the time for which the first peer's are.
    for height in 4..74 {
        let block = mine(&parent, height, std::slice::from_ref(&tx), 1000, 0);
        for &peer in &peers {
            wire.compact(peer, ToNode, &block);
        }
        let txs_request = BlockTransactionsRequest { block_hash: hash(&block), indexes: vec![1] };
        let transactions = BlockTransactions::from_request(&txs_request, &block).unwrap();
        wire.say(peers[0], FromNode, NetworkMessage::GetBlockTxn(GetBlockTxn { txs_request }));
        wire.say(peers[0], ToNode, NetworkMessage::BlockTxn(BlockTxn { transactions }));
        wire.wait(1500);
        tx = spend(&[out(&tx, 1)], &[1000, tx.output[1].value.to_sat() - 2000]);
        parent = block;
    }
    let run = replay(&wire);
    assert_eq!(node(&run).chain.best_height, Some(73));
    assert!(rows(&run, "sensor").iter().all(|r| r["evicted_compact_block"] == Value::Integer(0)));
}

/// A block that commits to its witnesses.
fn committed(parent: &Block, txs: &[Transaction]) -> Block {
    let mut block = mine(parent, 4, txs, 0, 0);
    let root = block.witness_root().unwrap();
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]).to_byte_array();
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &commitment].concat();
    let output = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) };
    block.txdata[0].output.push(output);
    again(block)
}

#[test]
fn a_block_without_its_witnesses_has_no_size() {
    let (mut wire, peers, chain) = start();
    let block = committed(&chain[3], &[]);
    let mut stripped = block.clone();
    stripped.txdata[0].input[0].witness = Witness::new();
    wire.block(peers[0], &stripped);
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let row = processed(&replay(&wire), &block);
    assert_eq!((&row["size"], &row["weight"], &row["num_tx"]), (&Value::Absent, &Value::Absent, &Value::Integer(1)));
    // Served whole later, it has.
    wire.say(peers[1], FromNode, NetworkMessage::Block(block.clone()));
    wire.wait(1500);
    assert_eq!(processed(&replay(&wire), &block)["size"], size(&block));
}

#[test]
fn a_block_with_other_witnesses_than_it_commits_to_is_mutated() {
    let (mut wire, peers, chain) = start();
    let block = committed(&chain[3], &[first_spend(&chain[1], 1000)]);
    let mut mutated = block.clone();
    mutated.txdata[1].input[0].witness.push([1; 500]);
    wire.block(peers[0], &mutated);
    wire.wait(10);
    wire.block(peers[1], &block);
    wire.announce(peers[0], &block);
    wire.wait(1500);
    let run = replay(&wire);
    let row = processed(&run, &block);
    assert_eq!((&row["size"], &row["status"]), (&size(&block), &text("accepted")));
    assert_eq!(rows(&run, "sensor").last().unwrap()["mutated_block"], Value::Integer(1));
}

#[test]
fn an_announced_block_of_which_not_even_the_header_was_seen_lowers_the_coverage() {
    let (mut wire, peers, chain) = start();
    let unseen = mine(&chain[3], 4, &[], 0, 0);
    wire.say(peers[1], FromNode, NetworkMessage::Inv(vec![Inventory::Block(hash(&unseen))]));
    wire.wait(1500);
    wire.say(peers[1], FromNode, NetworkMessage::Ping(1));
    assert_eq!(node(&replay(&wire)).mempool.coverage, Some(0.0));
}

#[test]
fn compact_blocks_of_version_1_have_no_witnesses() {
    let (mut wire, peers, chain) = start();
    let tx = first_spend(&chain[1], 1000);
    let block = committed(&chain[3], std::slice::from_ref(&tx));
    wire.tx(peers[0], &tx);
    wire.say(peers[0], FromNode, NetworkMessage::SendCmpct(SendCmpct { send_compact: true, version: 1 }));
    let compact_block = HeaderAndShortIds::from_block(&block, 7, 1, &[]).unwrap();
    wire.say(peers[0], ToNode, NetworkMessage::CmpctBlock(CmpctBlock { compact_block }));
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let run = replay(&wire);
    let row = processed(&run, &block);
    assert_eq!((&row["num_tx"], &row["via"], node(&run).mempool.num_tx), (&Value::Integer(2), &text("cmpctblock"), 0));
    assert_eq!((&row["size"], &row["weight"]), (&Value::Absent, &Value::Absent));
}

#[test]
fn a_block_whose_contents_nobody_saw_lowers_the_coverage() {
    let (mut wire, peers, chain) = start();
    let (one, other) = (first_spend(&chain[1], 1000), first_spend(&chain[2], 1000));
    wire.tx(peers[0], &one);
    let block = mine(&chain[3], 4, std::slice::from_ref(&one), 1000, 0);
    wire.block(peers[0], &block);
    wire.announce(peers[1], &block);
    wire.wait(1500);
    assert_eq!(node(&replay(&wire)).mempool.coverage, Some(1.0));
    let unseen = mine(&block, 5, &[other], 1000, 0);
    wire.announce(peers[1], &unseen);
    wire.wait(1500);
    assert_eq!(node(&replay(&wire)).mempool.coverage, Some(0.5));
    // The node serves it: now it is known what it has, though not beforehand.
    wire.say(peers[1], FromNode, NetworkMessage::Block(unseen));
    wire.wait(1500);
    let run = replay(&wire);
    assert_eq!((node(&run).mempool.coverage, node(&run).mempool.num_tx), (Some(0.5), 0));
}

#[test]
fn a_peer_with_a_bloom_filter_is_not_told_everything() {
    let (mut wire, peers, chain) = start();
    wire.tx(peers[0], &first_spend(&chain[1], 1000));
    let filter = FilterLoad { filter: vec![1; 8], hash_funcs: 1, tweak: 0, flags: BloomFlags::None };
    wire.say(peers[1], ToNode, NetworkMessage::FilterLoad(filter));
    wire.wait(70_000);
    wire.say(peers[0], ToNode, NetworkMessage::Ping(1));
    wire.wait(1500);
    wire.say(peers[0], ToNode, NetworkMessage::Ping(2));
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 1);
    // Without one it is: what it is not told of, the node has not taken.
    wire.say(peers[1], ToNode, NetworkMessage::FilterClear);
    wire.tx(peers[0], &first_spend(&chain[2], 1000));
    wire.wait(70_000);
    wire.say(peers[0], ToNode, NetworkMessage::Ping(3));
    wire.wait(1500);
    wire.say(peers[0], ToNode, NetworkMessage::Ping(4));
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 1);
}

#[test]
fn no_point_has_the_time_of_another() {
    use std::collections::HashSet;
    let (mut wire, peers, chain) = start();
    // A double spend in the last frame, and one on the border of an interval.
    let tx = |fee| first_spend(&chain[1], fee);
    wire.tx(peers[0], &tx(1));
    wire.now = (wire.now / 1_000_000_000 + 2) * 1_000_000_000;
    wire.tx(peers[0], &tx(2));
    wire.now += 500_000_000;
    wire.tx(peers[0], &tx(3));
    let run = replay(&wire);
    assert_eq!(rows(&run, "mempool").iter().filter(|r| r["prev_out"] != Value::Absent).count(), 2);
    let mut seen = HashSet::new();
    for p in &run.points {
        let tags = btcdmon::series::SERIES[p.series].columns.iter().zip(&p.values).filter(|(c, _)| c.tag);
        let tags: Vec<_> = tags.map(|(_, v)| format!("{v:?}")).collect();
        let rewritten = btcdmon::series::SERIES[p.series].name == "processed_blocks";
        assert!(seen.insert((p.series, p.time, p.node.clone(), tags)) || rewritten, "{p:?}");
    }
}
