//! What the node's messages say of its blocks, and what they do not.

use super::wire::{FromNode, ToNode, Wire, genesis, hash, mine};
use super::{node, processed, replay, rows, start, text};
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use btcdmon::series::Value;

fn ask_for_headers(wire: &mut Wire, peer: usize) {
    let all = bitcoin::BlockHash::all_zeros();
    wire.say(peer, ToNode, NetworkMessage::GetHeaders(GetHeadersMessage::new(vec![hash(&genesis())], all)));
}

#[test]
fn a_block_that_the_node_serves_is_not_its_tip() {
    // Joined in the middle: a peer downloads the chain.
    let mut wire = Wire::regtest();
    let peer = wire.joined();
    let mut chain = vec![genesis()];
    for height in 1..=30 {
        chain.push(mine(chain.last().unwrap(), height, &[], 0, 0));
    }
    for block in &chain[1..20] {
        wire.say(peer, FromNode, NetworkMessage::Block(block.clone()));
    }
    wire.wait(5000);
    wire.say(peer, ToNode, NetworkMessage::Ping(1));
    assert!(rows(&replay(&wire), "blocks").is_empty());
    wire.announce(peer, &chain[30]);
    wire.wait(1500);
    let run = replay(&wire);
    assert_eq!(node(&run).chain.best_block, Some(hash(&chain[30]).to_string()));
    assert_eq!(rows(&run, "blocks").len(), 1);
}

#[test]
fn a_block_that_the_node_announces_before_it_is_seen_is_its_tip_once_it_is_served() {
    // It came to the node by an encrypted connection.
    let (mut wire, peers, chain) = start();
    let block = mine(&chain[3], 4, &[], 0, 0);
    wire.say(peers[1], FromNode, NetworkMessage::Inv(vec![Inventory::Block(hash(&block))]));
    wire.say(peers[1], ToNode, NetworkMessage::GetData(vec![Inventory::WitnessBlock(hash(&block))]));
    let before = node(&replay(&wire)).chain.best_height;
    wire.say(peers[1], FromNode, NetworkMessage::Block(block.clone()));
    let run = replay(&wire);
    assert_eq!((before, node(&run).chain.best_height), (Some(3), Some(4)));
    assert_eq!(node(&run).chain.best_block, Some(hash(&block).to_string()));
}

#[test]
fn an_answer_to_a_question_does_not_bound_the_time_of_validation() {
    let (mut wire, peers, chain) = start();
    let block = mine(&chain[3], 4, &[], 0, 0);
    wire.compact(peers[0], ToNode, &block);
    wire.wait(5000);
    ask_for_headers(&mut wire, peers[1]);
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let row = processed(&replay(&wire), &block);
    assert_eq!((&row["status"], &row["process_time"]), (&text("accepted"), &Value::Absent));
    // Later headers without a question do.
    wire.announce(peers[1], &block);
    wire.wait(1500);
    let row = processed(&replay(&wire), &block);
    assert!(matches!(row["process_time"], Value::Integer(6_000_000..8_000_000)), "{row:?}");
}

#[test]
fn the_height_in_the_nodes_version_shows_its_blocks() {
    let (mut wire, peers, chain) = start();
    let block = mine(&chain[3], 4, &[], 0, 0);
    wire.block(peers[0], &block);
    wire.wait(40);
    wire.peer_at(4);
    wire.wait(1500);
    let row = processed(&replay(&wire), &block);
    assert_eq!(row["status"], text("accepted"));
    assert!(matches!(row["process_time"], Value::Integer(40_000..42_000)), "{row:?}");
}

#[test]
fn a_node_that_stops_rejects_nothing() {
    let (mut wire, peers, chain) = start();
    let block = mine(&chain[3], 4, &[], 0, 0);
    for first in [0, 1] {
        let mut wire = wire.clone();
        wire.block(peers[0], &block);
        wire.wait(500);
        wire.close(peers[first], FromNode);
        wire.wait(300);
        wire.close(peers[1 - first], FromNode);
        assert_eq!(processed(&replay(&wire), &block)["status"], text("unknown"));
    }
    // Nor does one that closes the connection long after.
    wire.block(peers[0], &block);
    wire.wait(5000);
    wire.close(peers[0], FromNode);
    assert_eq!(processed(&replay(&wire), &block)["status"], text("unknown"));
}
