//! A connection as the node's own protocol logic sees it: what the node tells this peer, and what it should.

use crate::flow::Side;
use crate::message::command::Command;
use crate::time::Timestamp;
use std::net::SocketAddr;

/// A peer on a readable connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The node's side of the connection.
    pub node_side: Side,
    /// Its place in sets of peers.
    pub place: Option<u8>,
    /// It wants transactions announced; none before its `version`.
    pub wants_tx: Option<bool>,
    /// The node lets transactions be relayed here: it said so in its `version`. None before.
    pub node_relays: Option<bool>,
    /// When its `verack` came.
    pub ready: Option<Timestamp>,
    /// It loaded a bloom filter (BIP 37): only what matches is announced to it.
    pub filtered: bool,
    /// The node announced a transaction here.
    pub was_told: bool,
    /// Its `feefilter`, sat/kvB.
    pub fee_filter: u64,
    /// Its last `getheaders` or `getblocks` names where to stop.
    pub stops: bool,
    /// The node owes it an answer to that: its next `headers`, or `inv` of blocks, announces nothing.
    pub asked_chain: bool,
    /// The version of compact blocks that the node asked it for.
    pub compact_version: u64,
}

impl Peer {
    /// A peer of which nothing was seen.
    pub fn new(address: SocketAddr, node_side: Side, place: Option<u8>) -> Self {
        Self {
            address,
            node_side,
            place,
            wants_tx: None,
            node_relays: None,
            ready: None,
            filtered: false,
            was_told: false,
            fee_filter: 0,
            stops: false,
            asked_chain: false,
            compact_version: 2,
        }
    }

    /// Whether the node announces transactions here that it took at `since`: it must have been ready by then.
    pub fn is_told_since(&self, since: Timestamp) -> bool {
        match (self.wants_tx, self.node_relays) {
            _ if self.filtered => false,
            (Some(wants), Some(relays)) => wants && relays && self.ready.is_some_and(|ready| ready <= since),
            // Joined in the middle: known only by what the node does.
            _ => self.was_told && self.ready.is_none_or(|ready| ready <= since),
        }
    }

    /// Notes a message without contents.
    pub fn note(&mut self, command: Command, from_peer: bool, at: Timestamp) {
        if command == Command::VERACK && from_peer {
            self.ready.get_or_insert(at);
        } else if command == Command::FILTERCLEAR && from_peer {
            (self.filtered, self.wants_tx) = (false, Some(true));
        }
    }
}
