//! What the sensor infers of a made-up node: chain, blocks, mempool, from packets to points.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;
#[path = "ledger/hostile.rs"]
mod hostile;
#[path = "ledger/late.rs"]
mod late;
#[path = "ledger/signs.rs"]
mod signs;
mod wire;

use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::{Block, Transaction};
use btcdmon::flow::Checksums;
use btcdmon::node::report::NodeReport;
use btcdmon::series::{SERIES, Value};
use btcdmon::time::SECOND;
use corpus::run::{Run, run_with, settings};
use std::collections::BTreeMap;
use wire::{FromNode, NODE, ToNode, Wire, genesis, hash, mine, out, spend};

fn replay(wire: &Wire) -> Run {
    let mut settings = settings(Some(NODE), Checksums::Auto);
    settings.node.interval = SECOND;
    run_with(&wire.packets, &settings)
}

fn node(run: &Run) -> &NodeReport {
    &run.report.nodes[0]
}

/// The rows of a series, by column.
fn rows(run: &Run, series: &str) -> Vec<BTreeMap<&'static str, Value>> {
    let s = SERIES.iter().find(|s| s.name == series).unwrap();
    let of = run.points.iter().filter(|p| SERIES[p.series].name == series);
    of.map(|p| s.columns.iter().map(|c| c.name).zip(p.values.iter().cloned()).collect()).collect()
}

/// The last row about a block.
fn processed(run: &Run, block: &Block) -> BTreeMap<&'static str, Value> {
    let sha = Value::Text(hash(block).to_string().into());
    rows(run, "processed_blocks").into_iter().rfind(|r| r["sha"] == sha).unwrap()
}

fn text(v: &str) -> Value {
    Value::Text(v.into())
}

/// A chain of two blocks at the node, announced to a second peer; coinbases to spend.
fn start() -> (Wire, Vec<usize>, Vec<Block>) {
    let mut wire = Wire::regtest();
    let peers = vec![wire.peer(), wire.peer()];
    let mut chain = vec![genesis()];
    for height in 1..=3 {
        let block = mine(chain.last().unwrap(), height, &[], 0, 0);
        wire.block(peers[0], &block);
        wire.announce(peers[1], &block);
        wire.wait(100);
        chain.push(block);
    }
    wire.wait(2000);
    (wire, peers, chain)
}

/// Spends the coinbase of a block and pays `fee`.
fn first_spend(block: &Block, fee: u64) -> Transaction {
    spend(&[out(&block.txdata[0], 0)], &[2_500_000_000, 2_500_000_000 - fee])
}

#[test]
fn a_transaction_enters_at_arrival_and_leaves_with_its_block() {
    let (mut wire, peers, chain) = start();
    let tx = first_spend(&chain[1], 1000);
    wire.tx(peers[0], &tx);
    wire.wait(1500);
    let before = replay(&wire);
    assert_eq!((node(&before).mempool.num_tx, node(&before).chain.best_height), (1, Some(3)));
    assert_eq!(node(&before).mempool.vsize, tx.vsize() as u64);
    let block = mine(&chain[3], 4, std::slice::from_ref(&tx), 1000, 0);
    wire.compact(peers[0], ToNode, &block);
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let after = replay(&wire);
    let (n, row) = (node(&after), processed(&after, &block));
    assert_eq!((n.mempool.num_tx, n.chain.best_height, n.mempool.coverage), (0, Some(4), Some(1.0)));
    assert_eq!((&row["via"], &row["status"]), (&text("cmpctblock"), &text("accepted")));
    assert_eq!(row["size"], Value::Integer(block.total_size() as i64));
    assert_eq!(row["weight"], Value::Integer(block.weight().to_wu() as i64));
    assert_eq!((&row["total_tx_fees"], &row["height"]), (&Value::Integer(1000), &Value::Integer(4)));
}

#[test]
fn what_the_node_asks_for_makes_a_compact_block_complete() {
    use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest};
    use bitcoin::p2p::message_compact_blocks::{BlockTxn, GetBlockTxn};
    let (mut wire, peers, chain) = start();
    let (known, unknown) = (first_spend(&chain[1], 1000), first_spend(&chain[2], 2000));
    wire.tx(peers[0], &known);
    let block = mine(&chain[3], 4, &[known, unknown.clone()], 3000, 0);
    wire.compact(peers[0], ToNode, &block);
    let txs_request = BlockTransactionsRequest { block_hash: hash(&block), indexes: vec![2] };
    wire.say(peers[0], FromNode, NetworkMessage::GetBlockTxn(GetBlockTxn { txs_request }));
    wire.wait(30);
    let transactions = BlockTransactions { block_hash: hash(&block), transactions: vec![unknown.clone()] };
    wire.say(peers[0], ToNode, NetworkMessage::BlockTxn(BlockTxn { transactions }));
    wire.wait(5);
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let run = replay(&wire);
    let row = processed(&run, &block);
    assert_eq!((&row["via"], &row["missing_tx"]), (&text("cmpctblock+blocktxn"), &Value::Integer(1)));
    assert_eq!(row["missing_bytes"], Value::Integer(unknown.total_size() as i64));
    assert_eq!(row["size"], Value::Integer(block.total_size() as i64));
    assert!(matches!(row["process_time"], Value::Integer(5000..6000)), "{row:?}");
    assert!(matches!(row["announce_to_data"], Value::Integer(30_000..31_000)), "{row:?}");
    assert_eq!(node(&run).mempool.coverage, Some(0.5));
}

#[test]
fn replacement_needs_a_higher_fee_and_tells_the_double_spend() {
    let (mut wire, peers, chain) = start();
    let (first, cheaper, dearer) =
        (first_spend(&chain[1], 1000), first_spend(&chain[1], 900), first_spend(&chain[1], 5000));
    let child = spend(&[out(&first, 0)], &[2_499_990_000]);
    for (tx, num_tx) in [(&first, 1), (&child, 2), (&cheaper, 2)] {
        wire.tx(peers[0], tx);
        wire.wait(1500);
        assert_eq!(node(&replay(&wire)).mempool.num_tx, num_tx);
    }
    // More than the first pays, less than it and its child do: the child's 10 000 stay.
    wire.tx(peers[0], &dearer);
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 2);
    let dearest = first_spend(&chain[1], 50_000);
    wire.tx(peers[0], &dearest);
    wire.wait(1500);
    let run = replay(&wire);
    assert_eq!((node(&run).mempool.num_tx, node(&run).mempool.double_spends), (1, 3));
    let events: Vec<_> = rows(&run, "mempool").into_iter().filter(|r| r["tx_id"] != Value::Absent).collect();
    assert_eq!(events[0]["tx_id"], text(&cheaper.compute_txid().to_string()));
    assert_eq!(events[0]["prev_out"], text(&out(&chain[1].txdata[0], 0).to_string()));
    // `first` was replaced; its child left with it, and `cheaper` and `dearer` never entered.
    let replaced: Vec<_> = rows(&run, "mempool").into_iter().map(|r| r["replaced"].clone()).collect();
    assert_eq!(replaced.iter().filter(|v| **v == Value::Integer(1)).count(), 1, "{replaced:?}");
    assert!(replaced.iter().all(|v| matches!(v, Value::Absent | Value::Integer(0 | 1))), "{replaced:?}");
}

#[test]
fn an_orphan_waits_for_its_parent() {
    let (mut wire, peers, chain) = start();
    let parent = first_spend(&chain[1], 1000);
    let child = spend(&[out(&parent, 0)], &[2_499_990_000]);
    wire.tx(peers[0], &child);
    assert_eq!(node(&replay(&wire)).mempool.num_orphans, 0, "the node has not asked yet");
    wire.say(peers[0], FromNode, NetworkMessage::GetData(vec![Inventory::WitnessTransaction(parent.compute_txid())]));
    let asked = replay(&wire);
    assert_eq!((node(&asked).mempool.num_orphans, node(&asked).mempool.num_tx), (1, 0));
    let mut left = replay_after(&mut wire, |w| w.close(0, ToNode));
    assert_eq!(node(&left).mempool.num_orphans, 0, "its only peer left");
    left = replay_after(&mut wire, |w| w.tx(1, &parent));
    let n = node(&left);
    assert_eq!((n.mempool.num_orphans, n.mempool.num_tx), (0, 2));
    // The child's fee became known with its parent.
    let fees: Vec<_> = rows(&left, "tx_fees").into_iter().map(|r| (r["txid"].clone(), r["tx_fee"].clone())).collect();
    assert!(fees.contains(&(text(&child.compute_txid().to_string()), Value::Integer(10_000))), "{fees:?}");
}

fn replay_after(wire: &mut Wire, change: impl FnOnce(&mut Wire)) -> Run {
    change(wire);
    replay(wire)
}

#[test]
fn what_is_never_shown_leaves_after_a_minute_when_a_peer_should_have_been_told() {
    let (mut wire, peers, chain) = start();
    let (silent, shown) = (first_spend(&chain[1], 1000), first_spend(&chain[2], 1000));
    wire.tx(peers[0], &silent);
    wire.tx(peers[0], &shown);
    wire.say(peers[1], FromNode, NetworkMessage::Inv(vec![Inventory::WTx(shown.compute_wtxid())]));
    let minute = |wire: &mut Wire| {
        (0..7).for_each(|n| {
            wire.wait(10_000);
            wire.say(peers[1], ToNode, NetworkMessage::Ping(n));
        });
    };
    minute(&mut wire);
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 1);
    // The node shows it after all.
    wire.say(peers[1], FromNode, NetworkMessage::Inv(vec![Inventory::WTx(silent.compute_wtxid())]));
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 2);
    // Then it tells that it has it no more.
    wire.say(peers[1], ToNode, NetworkMessage::GetData(vec![Inventory::WTx(silent.compute_wtxid())]));
    wire.say(peers[1], FromNode, NetworkMessage::NotFound(vec![Inventory::WTx(silent.compute_wtxid())]));
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 1);
}

#[test]
fn with_one_peer_only_nothing_can_be_shown_and_nothing_leaves() {
    let mut wire = Wire::regtest();
    let peer = wire.peer();
    let block = mine(&genesis(), 1, &[], 0, 0);
    wire.block(peer, &block);
    wire.tx(peer, &first_spend(&block, 1000));
    for n in 0..20 {
        wire.wait(10_000);
        wire.say(peer, ToNode, NetworkMessage::Ping(n));
    }
    let run = replay(&wire);
    assert_eq!((node(&run).mempool.num_tx, node(&run).mempool.coverage), (1, None), "no block tells how well");
}

#[test]
fn a_reorganisation_brings_transactions_back() {
    let (mut wire, peers, chain) = start();
    let (seen, unseen) = (first_spend(&chain[1], 1000), first_spend(&chain[2], 1000));
    wire.tx(peers[0], &seen);
    let left = mine(&chain[3], 4, &[seen, unseen], 2000, 0);
    wire.block(peers[0], &left);
    wire.announce(peers[1], &left);
    wire.wait(1100);
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 0);
    let other = mine(&chain[3], 4, &[], 0, 1);
    let longer = mine(&other, 5, &[], 0, 1);
    wire.block(peers[0], &other);
    assert_eq!(node(&replay(&wire)).chain.best_block, Some(hash(&left).to_string()), "the first one stays");
    wire.block(peers[0], &longer);
    wire.announce(peers[1], &longer);
    wire.wait(1100);
    let run = replay(&wire);
    let n = node(&run);
    assert_eq!((n.chain.best_height, n.chain.best_block.clone()), (Some(5), Some(hash(&longer).to_string())));
    assert_eq!(n.mempool.num_tx, 2, "also what the sensor saw in the block only");
    // An inv that waited names the block that was left: the tip stays.
    wire.say(peers[1], FromNode, NetworkMessage::Inv(vec![Inventory::Block(hash(&left))]));
    assert_eq!(node(&replay(&wire)).chain.best_height, Some(5));
}

#[test]
fn a_block_after_which_the_node_hangs_up_is_rejected_and_changes_nothing() {
    let (mut wire, peers, chain) = start();
    let tx = first_spend(&chain[1], 1000);
    wire.tx(peers[1], &tx);
    // Its coinbase takes more than there is.
    let block = mine(&chain[3], 4, &[tx], 1_000_000, 0);
    wire.block(peers[0], &block);
    wire.wait(20);
    wire.close(peers[0], FromNode);
    wire.wait(90_000);
    wire.say(peers[1], ToNode, NetworkMessage::Ping(1));
    let run = replay(&wire);
    assert_eq!(processed(&run, &block)["status"], text("rejected"));
    let n = node(&run);
    assert_eq!((n.chain.best_height, n.mempool.num_tx), (Some(3), 1), "its transaction came back");
    let told: Vec<_> = rows(&run, "blocks").into_iter().map(|r| r["best_height"].clone()).collect();
    assert!(!told.contains(&Value::Integer(4)), "{told:?}");
}

#[test]
fn a_block_that_does_not_fit_its_header_is_counted_and_ignored() {
    let (mut wire, peers, chain) = start();
    let mut block = mine(&chain[3], 4, &[first_spend(&chain[1], 1)], 1, 0);
    block.txdata.pop();
    wire.block(peers[0], &block);
    wire.wait(1100);
    wire.say(peers[1], ToNode, NetworkMessage::Ping(1));
    let run = replay(&wire);
    assert_eq!(node(&run).chain.best_height, Some(3));
    assert_eq!(rows(&run, "sensor").last().unwrap()["mutated_block"], Value::Integer(1));
    assert_eq!(rows(&run, "processed_blocks").len(), 3);
}

#[test]
fn a_block_whose_parent_the_node_lacks_is_an_orphan() {
    let (mut wire, peers, chain) = start();
    let missing = mine(&chain[3], 4, &[], 0, 0);
    let block = mine(&missing, 5, &[], 0, 0);
    wire.say(peers[0], ToNode, NetworkMessage::Block(block.clone()));
    wire.say(
        peers[0],
        FromNode,
        NetworkMessage::GetHeaders(bitcoin::p2p::message_blockdata::GetHeadersMessage::new(
            vec![hash(&chain[3])],
            bitcoin::hashes::Hash::all_zeros(),
        )),
    );
    wire.wait(1100);
    let run = replay(&wire);
    let row = processed(&run, &block);
    assert_eq!((&row["is_orphan"], &row["status"]), (&Value::Boolean(true), &text("unrequested")));
    assert_eq!(node(&run).chain.best_height, Some(3));
}

#[test]
fn a_refused_source_counts_as_banned() {
    let (mut wire, _, _) = start();
    wire.refused(7);
    wire.wait(1100);
    wire.say(1, ToNode, NetworkMessage::Ping(1));
    wire.wait(1100);
    let run = replay(&wire);
    let banned = rows(&run, "peers").into_iter().rfind(|r| r["num_banned"] != Value::Absent).unwrap();
    assert_eq!(banned["num_banned"], Value::Integer(1));
}
