//! Peers that lie: what they invent changes nothing that is told of the node.

use super::wire::{FromNode, ToNode, Wire, again, genesis, hash, mine, out, spend};
use super::{first_spend, node, processed, replay, rows, start, text};
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::GetHeadersMessage;
use bitcoin::{Block, CompactTarget, OutPoint, Txid};
use btcdmon::series::Value;
use std::ops::Range;

fn counted(run: &super::Run, trouble: &str) -> Value {
    rows(run, "sensor").last().unwrap()[trouble].clone()
}

#[test]
fn a_peer_of_another_network_does_not_hide_the_nodes() {
    let mut wire = Wire::regtest();
    let stranger = wire.connects();
    for n in 0..5 {
        wire.say_as(Magic::TESTNET4, stranger, ToNode, NetworkMessage::Ping(n));
    }
    let (honest, second) = (wire.peer(), wire.peer());
    wire.say_as(Magic::TESTNET4, stranger, ToNode, NetworkMessage::Ping(9));
    let block = mine(&genesis(), 1, &[], 0, 0);
    wire.block(honest, &block);
    wire.announce(second, &block);
    wire.wait(1500);
    assert_eq!(node(&replay(&wire)).chain.best_height, Some(1));
}

/// Blocks on the main network's first one, each as easy as can be.
fn easy(count: u32) -> Vec<Block> {
    let mut chain = vec![bitcoin::constants::genesis_block(bitcoin::Network::Bitcoin)];
    for height in 1..=count {
        let mut parent = chain.last().unwrap().clone();
        parent.header.bits = CompactTarget::from_consensus(0x207f_ffff);
        let mut block = mine(&parent, height, &[], 0, 0);
        block.header.prev_blockhash = hash(chain.last().unwrap());
        chain.push(again(block));
    }
    chain.split_off(1)
}

#[test]
fn headers_and_blocks_without_work_are_counted_and_not_taken() {
    let mut wire = Wire::new(Magic::BITCOIN, 8333, 1_700_000_000);
    let (liar, other) = (wire.peer(), wire.peer());
    let chain = easy(500);
    wire.say(liar, ToNode, NetworkMessage::Headers(chain.iter().map(|b| b.header).collect()));
    wire.block(liar, &chain[0]);
    wire.compact(liar, ToNode, &chain[1]);
    wire.wait(5000);
    wire.say(other, ToNode, NetworkMessage::Ping(1));
    let run = replay(&wire);
    // The block was announced by its header once more.
    assert_eq!(counted(&run, "no_work"), Value::Integer(503));
    assert!(rows(&run, "blocks").iter().all(|r| r["best_height"] == Value::Integer(0)));
    assert!(rows(&run, "processed_blocks").is_empty());
}

#[test]
fn the_chain_with_most_work_is_followed_not_the_longest() {
    let (mut wire, peers, chain) = start();
    // Four times as hard as the others.
    let mut hard = mine(&chain[3], 4, &[], 0, 0);
    hard.header.bits = CompactTarget::from_consensus(0x201f_ffff);
    let hard = again(hard);
    wire.block(peers[0], &hard);
    let mut parent = chain[3].clone();
    for height in 4..7 {
        let block = mine(&parent, height, &[], 0, 9);
        wire.block(peers[1], &block);
        parent = block;
    }
    wire.wait(5000);
    wire.say(peers[0], ToNode, NetworkMessage::Ping(1));
    assert_eq!(node(&replay(&wire)).chain.best_block, Some(hash(&hard).to_string()));
    for height in 7..9 {
        let block = mine(&parent, height, &[], 0, 9);
        wire.block(peers[1], &block);
        parent = block;
    }
    assert_eq!(node(&replay(&wire)).chain.best_block, Some(hash(&parent).to_string()));
}

#[test]
fn impossible_amounts_and_inputs_have_no_fee() {
    let (mut wire, peers, chain) = start();
    let money = 21_000_000 * 100_000_000;
    let rich = spend(&[out(&chain[1].txdata[0], 0)], &[money + 1, 1000]);
    let heir = spend(&[out(&rich, 0)], &[1000]);
    let twice = spend(&[out(&chain[2].txdata[0], 0); 2], &[6_000_000_000]);
    let sum = spend(&[out(&chain[2].txdata[0], 0)], &[money, money]);
    for tx in [&rich, &heir, &twice, &sum] {
        wire.tx(peers[0], tx);
    }
    wire.wait(1500);
    let run = replay(&wire);
    assert_eq!((node(&run).mempool.transactions, node(&run).mempool.num_tx), (4, 0));
    assert!(rows(&run, "tx_fees").is_empty());
}

/// Transactions that spend what nobody ever sends: so many outputs each.
fn in_vain(wire: &mut Wire, peer: usize, transactions: Range<u32>, outputs: u32) {
    for n in transactions {
        let txid = |vout: u32| {
            let number = u64::from(n) << 32 | u64::from(vout);
            Txid::from_byte_array(std::array::from_fn(|i| number.to_le_bytes()[i % 8] ^ i as u8))
        };
        let inputs: Vec<_> = (0..outputs).map(|vout| OutPoint { txid: txid(vout), vout }).collect();
        wire.tx(peer, &spend(&inputs, &[1000]));
    }
    wire.wait(1500);
    wire.say(peer, ToNode, NetworkMessage::Ping(1));
}

#[test]
fn who_waits_in_vain_makes_room_for_others_to_wait() {
    let (mut wire, peers, chain) = start();
    // More than are waited for.
    in_vain(&mut wire, peers[0], 0..2100, 100);
    let parent = first_spend(&chain[1], 1000);
    wire.tx(peers[0], &spend(&[out(&parent, 0)], &[2_499_990_000]));
    in_vain(&mut wire, peers[0], 2100..2200, 100);
    wire.tx(peers[0], &parent);
    wire.wait(1500);
    let run = replay(&wire);
    assert_eq!(node(&run).mempool.num_tx, 2);
    // Those that waited longest wait no more.
    assert_eq!(counted(&run, "waiting_full"), Value::Integer(201));
}

#[test]
fn what_is_forgotten_waits_no_more() {
    let (mut wire, peers, _) = start();
    in_vain(&mut wire, peers[0], 0..1500, 100);
    // Pending transactions are kept for 20 minutes.
    (0..130).for_each(|n| {
        wire.wait(10_000);
        wire.say(peers[0], ToNode, NetworkMessage::Ping(n));
    });
    in_vain(&mut wire, peers[0], 1500..3000, 100);
    assert_eq!(counted(&replay(&wire), "waiting_full"), Value::Integer(0));
}

#[test]
fn of_many_missing_parents_all_are_waited_for_in_the_end() {
    let (mut wire, peers, chain) = start();
    let all: Vec<u64> = vec![10_000; 150];
    let parent = spend(&[out(&chain[1].txdata[0], 0)], &all);
    let middle: Vec<_> = (0..150).map(|i| spend(&[out(&parent, i)], &[9000])).collect();
    let inputs: Vec<_> = middle.iter().map(|tx| out(tx, 0)).collect();
    wire.tx(peers[0], &spend(&inputs, &[1_000_000]));
    wire.tx(peers[0], &parent);
    for tx in &middle {
        wire.tx(peers[0], tx);
    }
    wire.wait(1500);
    assert_eq!(node(&replay(&wire)).mempool.num_tx, 152);
}

#[test]
fn deep_reorganisations_bring_all_back_and_take_out_what_both_have() {
    let (mut wire, peers, chain) = start();
    let spends: Vec<_> = (1..4).map(|n| first_spend(&chain[n], 1000)).collect();
    for tx in &spends {
        wire.tx(peers[0], tx);
    }
    let mut old = chain[3].clone();
    for (height, tx) in (4..).zip(&spends) {
        old = mine(&old, height, std::slice::from_ref(tx), 1000, 0);
        wire.block(peers[0], &old);
        wire.announce(peers[1], &old);
        wire.wait(1100);
    }
    assert_eq!((node(&replay(&wire)).mempool.num_tx, node(&replay(&wire)).chain.best_height), (0, Some(6)));
    let mut new = chain[3].clone();
    for height in 4..8 {
        let txs = if height == 5 { &spends[1..2] } else { &[] };
        new = mine(&new, height, txs, 0, 7);
        wire.block(peers[1], &new);
    }
    wire.announce(peers[0], &new);
    wire.wait(1100);
    let run = replay(&wire);
    assert_eq!(node(&run).chain.best_block, Some(hash(&new).to_string()));
    assert_eq!(node(&run).mempool.num_tx, 2, "the second is in the other chain too");
    // And back again.
    for height in 7..9 {
        old = mine(&old, height, &[], 0, 0);
        wire.block(peers[0], &old);
    }
    wire.announce(peers[1], &old);
    wire.wait(1100);
    let run = replay(&wire);
    assert_eq!((node(&run).chain.best_height, node(&run).mempool.num_tx), (Some(8), 0));
}

#[test]
fn a_sensor_that_just_began_calls_nothing_an_orphan() {
    let mut wire = Wire::regtest();
    let peer = wire.joined();
    let parent = mine(&genesis(), 1, &[], 0, 0);
    let parent = mine(&parent, 2, &[], 0, 0);
    let block = mine(&parent, 3, &[], 0, 0);
    wire.block(peer, &block);
    let all = bitcoin::BlockHash::all_zeros();
    wire.say(peer, FromNode, NetworkMessage::GetHeaders(GetHeadersMessage::new(vec![hash(&parent)], all)));
    wire.wait(1500);
    let row = processed(&replay(&wire), &block);
    assert_eq!((&row["is_orphan"], &row["via"]), (&Value::Boolean(false), &text("block")));
}
