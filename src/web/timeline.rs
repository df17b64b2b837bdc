//! The way of each new block past the node: who announced it, who asked for it, who sent it, when.

use super::rows::micros;
use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::contents::Digest;
use crate::message::hash::Hash256;
use crate::node::{Direction, SeenMessage};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// Blocks whose data came to a node that are remembered with their way: two days of the main network.
pub const BLOCKS: usize = 288;
/// Blocks that were named but did not come, remembered at most; anybody can name any number of hashes.
const NAMED: usize = 256;
/// Steps of one block kept at most; the further ones are counted.
pub const STEPS: usize = 512;
/// Headers of one message that may be an announcement (Bitcoin Core `MAX_BLOCKS_TO_ANNOUNCE`).
const ANNOUNCED: usize = 8;

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    time: Timestamp,
    peer: SocketAddr,
    connection: u64,
    direction: Direction,
    what: Command,
    bytes: u32,
}

impl Step {
    /// Whether a peer announces the block to the node.
    fn announces(&self) -> bool {
        self.direction == Direction::Recv && [Command::INV, Command::HEADERS, Command::CMPCTBLOCK].contains(&self.what)
    }

    fn object(&self) -> Value {
        json!({
            "time": micros(self.time), "peer": self.peer.to_string(), "peer_id": self.connection.to_string(),
            "direction": self.direction.name(), "what": self.what.name(), "bytes": self.bytes,
        })
    }
}

/// The steps of one block.
#[derive(Clone, Debug, Default)]
pub struct Way {
    steps: Vec<Step>,
    left_out: u64,
}

impl Way {
    /// The connection that announced it first, and when.
    pub fn first(&self) -> Option<(u64, Timestamp)> {
        self.steps.iter().find(|s| s.announces()).map(|s| (s.connection, s.time))
    }

    /// As JSON: the steps, and how many there were beyond.
    pub fn json(&self) -> (Vec<Value>, u64) {
        (self.steps.iter().map(Step::object).collect(), self.left_out)
    }
}

/// The ways of all blocks.
#[derive(Debug, Default)]
pub struct Timelines {
    ways: HashMap<Hash256, Arc<Way>, ahash::RandomState>,
    named: VecDeque<Hash256>,
    arrived: VecDeque<Hash256>,
}

impl Timelines {
    /// Takes a message, if it is about a block.
    pub fn message(&mut self, seen: &SeenMessage<'_>) {
        let m = seen.message;
        if !m.checksum_valid || m.truncated {
            return;
        }
        match (&m.body, m.digest.as_ref()) {
            (Ok(Body::Inventory(i)), Some(Digest::Inventory(list)))
                if [Command::INV, Command::GETDATA].contains(&m.command)
                    && list.iter().zip(0..ANNOUNCED).any(|(e, _)| e.kind.is_block())
                    && i.total() > 0 =>
            {
                for e in list.iter().take(ANNOUNCED).filter(|e| e.kind.is_block()) {
                    self.step(e.hash, seen);
                }
            }
            (Ok(Body::Headers(_)), Some(Digest::Headers(list))) if list.len() <= ANNOUNCED => {
                for h in list {
                    self.step(h.hash, seen);
                }
            }
            (Ok(Body::Block(b)), _) => self.step(b.hash, seen),
            (Ok(Body::CompactBlock(b)), _) => self.step(b.hash, seen),
            (Ok(Body::BlockTransactions(b)), _) => self.step(b.block, seen),
            _ => {}
        }
    }

    fn step(&mut self, hash: Hash256, seen: &SeenMessage<'_>) {
        let m = seen.message;
        let step = Step {
            time: seen.at.time,
            peer: seen.peer,
            connection: seen.connection.0,
            direction: seen.direction,
            what: m.command,
            bytes: m.payload_bytes + u32::from(m.header_bytes),
        };
        if !self.ways.contains_key(&hash) {
            if self.named.len() >= NAMED
                && let Some(old) = self.named.pop_front()
            {
                self.ways.remove(&old);
            }
            self.named.push_back(hash);
        }
        let way = Arc::make_mut(self.ways.entry(hash).or_default());
        if way.steps.len() < STEPS {
            way.steps.push(step);
        } else {
            way.left_out += 1;
        }
    }

    /// A block's data is complete at the node: its way is kept.
    pub fn arrived(&mut self, hash: &Hash256) {
        let Some(i) = self.named.iter().position(|h| h == hash) else { return };
        self.named.remove(i);
        self.arrived.push_back(*hash);
        if self.arrived.len() > BLOCKS
            && let Some(old) = self.arrived.pop_front()
        {
            self.ways.remove(&old);
        }
    }

    /// The way of a block.
    pub fn get(&self, hash: &Hash256) -> Option<&Arc<Way>> {
        self.ways.get(hash)
    }
}
