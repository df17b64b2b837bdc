//! What the pages show of one connection beyond what the node stage needs of it.

use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::hash::Hash256;
use crate::message::version::Version;
use crate::node::{Direction, SeenEstimate, SeenMessage};
use crate::time::Timestamp;
use std::collections::HashMap;

/// Connections followed at most, some 500 bytes each; of further ones the table has what the node stage knows.
pub const MAX_FOLLOWED: usize = 16_384;

/// What a side said of itself.
#[derive(Clone, Debug)]
pub struct Said {
    /// Protocol version.
    pub version: i32,
    /// Service bits.
    pub services: u64,
    /// User agent, escaped.
    pub user_agent: String,
    /// Height.
    pub start_height: Option<i32>,
}

impl Said {
    fn new(v: &Version) -> Self {
        let user_agent = v.user_agent_text();
        Self { version: v.version, services: v.services, user_agent, start_height: v.start_height }
    }
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// By sender.
    pub said: [Option<Box<Said>>; 2],
    /// Messages by sender and place of the command; few commands are ever used on one connection.
    pub counts: [Vec<(u8, u64)>; 2],
    /// Both sides' `verack`.
    pub veracks: [bool; 2],
    /// Last round trip of a ping of the node, µs.
    pub ping: Option<u64>,
    /// The shortest.
    pub ping_min: Option<u64>,
    /// The last block that the peer announced before any other.
    pub last_block: Option<(Hash256, Timestamp)>,
    /// How many there were.
    pub first_blocks: u64,
    /// When its last transaction came.
    pub last_tx: Option<Timestamp>,
    /// When the last one came that was new.
    pub last_tx_first: Option<Timestamp>,
    /// How many were.
    pub first_txs: u64,
    /// The last message, so that one between two watched nodes is counted once.
    last: Option<(u8, u64)>,
}

impl Followed {
    fn count(&mut self, side: usize, command: Command, offset: u64) -> bool {
        if self.last.replace((side as u8, offset)) == Some((side as u8, offset)) {
            return false;
        }
        let place = command.index() as u8;
        match self.counts[side].iter_mut().find(|(c, _)| *c == place) {
            Some((_, n)) => *n += 1,
            None => self.counts[side].push((place, 1)),
        }
        true
    }

    fn message(&mut self, seen: &SeenMessage<'_>, new_tx: bool) {
        let (m, now) = (seen.message, seen.at.time);
        if !self.count(m.side as usize, m.command, m.offset) || !m.checksum_valid {
            return;
        }
        let recv = seen.direction == Direction::Recv;
        match &m.body {
            Ok(Body::Version(v)) if self.said[m.side as usize].is_none() => {
                self.said[m.side as usize] = Some(Box::new(Said::new(v)));
            }
            Ok(Body::Tx(_)) if recv => {
                self.last_tx = Some(now);
                if new_tx {
                    self.last_tx_first = Some(now);
                    self.first_txs += 1;
                }
            }
            Ok(Body::Empty) if m.command == Command::VERACK => self.veracks[m.side as usize] = true,
            _ => {}
        }
    }

    /// Takes the round trip of an answer to the node.
    fn answered(&mut self, direction: Direction, took: Option<u64>) {
        if let (Direction::Recv, Some(took)) = (direction, took) {
            self.ping = Some(took);
            self.ping_min = Some(self.ping_min.map_or(took, |min| min.min(took)));
        }
    }
}

/// All that are followed.
#[derive(Debug, Default)]
pub struct Follow {
    connections: HashMap<u64, Followed, ahash::RandomState>,
    /// Messages of connections beyond the cap.
    unfollowed: u64,
}

impl Follow {
    /// A connection.
    pub fn get(&self, connection: u64) -> Option<&Followed> {
        self.connections.get(&connection)
    }

    /// A connection that is followed.
    pub fn get_mut(&mut self, connection: u64) -> Option<&mut Followed> {
        self.connections.get_mut(&connection)
    }

    fn enter(&mut self, connection: u64) -> Option<&mut Followed> {
        if self.connections.len() >= MAX_FOLLOWED && !self.connections.contains_key(&connection) {
            self.unfollowed += 1;
            return None;
        }
        Some(self.connections.entry(connection).or_default())
    }

    /// Takes a message; `new_tx`: it is a transaction that was not seen before.
    pub fn message(&mut self, seen: &SeenMessage<'_>, new_tx: bool) {
        if let Some(f) = self.enter(seen.connection.0) {
            f.message(seen, new_tx);
            f.answered(seen.direction, seen.round_trip);
        }
    }

    /// Takes an inferred message.
    pub fn estimate(&mut self, seen: &SeenEstimate<'_>) {
        let Some(command) = seen.estimate.kind.command() else { return };
        if let Some(f) = self.enter(seen.connection.0) {
            f.count(seen.estimate.side as usize, command, seen.estimate.offset);
            f.answered(seen.direction, seen.round_trip);
        }
    }

    /// Forgets a connection.
    pub fn remove(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// Forgets those that `known` does not know.
    pub fn sweep(&mut self, known: impl Fn(u64) -> bool) {
        self.connections.retain(|id, _| known(*id));
    }

    /// Connections followed, and messages of those beyond the cap.
    pub fn figures(&self) -> (u64, u64) {
        (self.connections.len() as u64, self.unfollowed)
    }
}
