//! Where the clear and the encrypted meet: a transaction or block seen in the clear is recognised on encrypted
//! connections by its exact size and the time.
//!
//! Rules: each is sent on a connection once. What the node got in the clear first, it did not get encrypted. What it
//! sends, it has. Of several that it may be the one is taken that fits the time best, and the confidence is divided by
//! their number.

use super::Sighting;
use crate::flow::PacketIndex;
use crate::message::hash::Hash256;
use crate::message::v2::kind::Kind;
use crate::node::output::Direction;
use crate::series::Value;
use crate::series::matches::{self, Match};
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// A transaction goes to the node's other peers within this time: announcements wait for a timer of each (2 s on
/// average, 5 s for those that called, exponential), ns.
const RELAY: i64 = 30 * SECOND;
/// The same of a block, ns.
const BLOCK: i64 = 5 * SECOND;
/// What was seen in the clear is remembered so long, ns: a message is looked at [`RELAY`] after it was sent, and may
/// have been sent as long after.
const REMEMBERED: i64 = 2 * RELAY;
/// … and at most so many (some 3 MB); beyond, the oldest is forgotten and not recognised any more.
const KNOWN: usize = 32_768;
/// … of one size: with more of them nothing is told apart.
const OF_ONE_SIZE: usize = 64;
/// Connections remembered of each: nodes have up to 125; on further ones it may be recognised again.
const CONNECTIONS: usize = 128;
/// Messages that wait until what is seen in the clear after them is known, at most (some 6 MB); beyond, the oldest is
/// looked at early.
const WAITING: usize = 65_536;

/// Something seen in the clear.
#[derive(Clone, Debug)]
struct Known {
    id: Hash256,
    first: Timestamp,
    /// It came to the node in the clear.
    received: bool,
    on: Vec<PacketIndex>,
}

type Size = (Kind, u32);

/// Which transaction or block a message is.
#[derive(Clone, Debug)]
pub struct Found {
    id: Hash256,
    candidates: u32,
    delay: i64,
}

/// What is known, and what waits to be recognised.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    known: BTreeMap<Size, VecDeque<Known>>,
    order: VecDeque<(Timestamp, Size)>,
    waiting: VecDeque<Sighting>,
}

impl Matcher {
    /// Something is seen in the clear.
    pub fn clear(&mut self, size: Size, id: &Hash256, at: Timestamp, direction: Direction) {
        let all = self.known.entry(size).or_default();
        if all.iter().any(|k| k.id == *id) {
            return;
        }
        if all.len() >= OF_ONE_SIZE {
            all.pop_front();
        }
        let received = direction == Direction::Recv;
        all.push_back(Known { id: *id, first: at, received, on: Vec::new() });
        self.order.push_back((at, size));
        if self.order.len() > KNOWN {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((at, size)) = self.order.pop_front() else { return };
        let Some(all) = self.known.get_mut(&size) else { return };
        all.pop_front_if(|k| k.first == at);
        if all.is_empty() {
            self.known.remove(&size);
        }
    }

    /// Forgets what is too old at `now`.
    pub fn forget(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) > REMEMBERED) {
            self.forget_oldest();
        }
    }

    /// Takes a message, to be looked at later; returns the oldest when too many wait.
    pub fn wait(&mut self, s: Sighting) -> Option<Sighting> {
        self.waiting.push_back(s);
        if self.waiting.len() > WAITING { self.waiting.pop_front() } else { None }
    }

    /// The oldest that waits, when it has waited long enough at `now`.
    pub fn due(&mut self, now: Timestamp) -> Option<Sighting> {
        self.waiting.pop_front_if(|s| now.since(s.time) > RELAY)
    }

    /// The oldest that waits.
    pub fn oldest(&mut self) -> Option<Sighting> {
        self.waiting.pop_front()
    }

    /// Sizes, things known, places in their order: for tests of the caps.
    pub fn len(&self) -> (usize, usize, usize) {
        (self.known.len(), self.known.values().map(VecDeque::len).sum(), self.order.len())
    }

    /// What a message is.
    pub fn find(&mut self, s: &Sighting) -> Option<Found> {
        let all = self.known.get_mut(&(s.kind, s.size))?;
        let fits = |k: &Known| {
            let delay = s.time.since(k.first);
            let in_time = match (s.kind, s.direction, k.received) {
                (Kind::Tx, Direction::Recv, true) => false,
                // The node passes it on after it came.
                (Kind::Tx, Direction::Recv, false) => (-RELAY..=0).contains(&delay),
                (Kind::Tx, Direction::Sent, true) => (0..=RELAY).contains(&delay),
                (Kind::Tx, Direction::Sent, false) => (-RELAY..=RELAY).contains(&delay),
                _ => (-BLOCK..=BLOCK).contains(&delay),
            };
            in_time && !k.on.contains(&s.connection)
        };
        let candidates = all.iter().filter(|k| fits(k)).count();
        let k = all.iter_mut().filter(|k| fits(k)).min_by_key(|k| s.time.since(k.first).abs())?;
        if k.on.len() < CONNECTIONS {
            k.on.push(s.connection);
        }
        let delay = s.time.since(k.first) / 1000;
        Some(Found { id: k.id, candidates: u32::try_from(candidates).unwrap_or(u32::MAX), delay })
    }
}

impl Found {
    /// The values of its point.
    pub fn values(&self, s: &Sighting) -> Vec<Value> {
        matches::values(&Match {
            direction: s.direction.name(),
            message: s.kind.name(),
            id: self.id.to_string(),
            size: s.size,
            peer: s.peer.to_string(),
            connection: s.connection.0,
            candidates: self.candidates,
            confidence: f64::from(s.confidence) / 1000.0 / f64::from(self.candidates.max(1)),
            delay: self.delay,
        })
    }
}
