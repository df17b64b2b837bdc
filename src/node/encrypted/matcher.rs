//! Where the clear and the encrypted meet: a transaction or block seen in the clear is recognised on encrypted
//! connections by its exact size and the time.
//!
//! Rules: each is sent on a connection once, and comes to the node once. What the node got in the clear first, it did not
//! get encrypted. What it sends, it has. Nodes announce to many peers at one time and are asked at once, so that of
//! several that it may be the one is most probable that went to another peer at nearly the same time: each counts by
//! the inverse of that time, and the confidence is the share of the one that is taken.

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
/// … and at most so many (some 6 MB); beyond, the oldest is forgotten and not recognised any more.
const KNOWN: usize = 32_768;
/// … of one size: with more of them nothing is told apart.
const OF_ONE_SIZE: usize = 256;
/// Connections remembered of each: nodes have up to 125; on further ones it may be recognised again.
const CONNECTIONS: usize = 128;
/// Times remembered at which each was sent in the clear; beyond, the oldest is forgotten.
const SHOWN: usize = 16;
/// Answers to peers that were told of a transaction together come within this time, ns.
const TOGETHER: i64 = SECOND / 100;
/// Messages that wait until what is seen in the clear after them is known, at most (some 6 MB); beyond, the oldest is
/// looked at early.
const WAITING: usize = 65_536;

/// Something seen in the clear.
#[derive(Clone, Debug)]
struct Known {
    /// Number of its place in the order.
    n: u64,
    id: Hash256,
    first: Timestamp,
    /// It came to the node in the clear first.
    received: bool,
    /// It is recognised in what came encrypted.
    came: bool,
    /// When the node sent it in the clear.
    shown: Vec<Timestamp>,
    on: Vec<PacketIndex>,
}

impl Known {
    /// How far a message at `time` is from where this is seen in the clear, ns.
    fn nearest(&self, time: Timestamp) -> i64 {
        let shown = self.shown.iter().map(|t| time.since(*t).saturating_abs()).min();
        shown.unwrap_or_else(|| time.since(self.first).saturating_abs())
    }

    /// The same for comparing: what only came in the clear says less of when it goes.
    fn distance(&self, time: Timestamp) -> i64 {
        let less = if self.shown.is_empty() { SECOND } else { TOGETHER };
        self.nearest(time).saturating_add(less)
    }

    fn show(&mut self, at: Timestamp) {
        if self.shown.len() >= SHOWN {
            self.shown.remove(0);
        }
        self.shown.push(at);
    }
}

type Size = (Kind, u32);

/// Which transaction or block a message is.
#[derive(Clone, Debug)]
pub struct Found {
    id: Hash256,
    candidates: u32,
    /// Share of the one that was taken.
    share: f64,
    delay: i64,
}

/// What is known, and what waits to be recognised.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    known: BTreeMap<Size, VecDeque<Known>>,
    order: VecDeque<(u64, Timestamp, Size)>,
    taken: u64,
    /// Transactions, and blocks, which wait less.
    waiting: [VecDeque<Sighting>; 2],
}

/// The place of a kind among those that wait.
fn queue(kind: Kind) -> usize {
    usize::from(kind != Kind::Tx)
}

impl Matcher {
    /// Something is seen in the clear.
    pub fn clear(&mut self, size: Size, id: &Hash256, at: Timestamp, direction: Direction) {
        let all = self.known.entry(size).or_default();
        let received = direction == Direction::Recv;
        if let Some(k) = all.iter_mut().find(|k| k.id == *id) {
            if !received {
                k.show(at);
            }
            return;
        }
        if all.len() >= OF_ONE_SIZE {
            all.pop_front();
        }
        self.taken += 1;
        let shown = if received { Vec::new() } else { vec![at] };
        all.push_back(Known { n: self.taken, id: *id, first: at, received, came: false, shown, on: Vec::new() });
        self.order.push_back((self.taken, at, size));
        if self.order.len() > KNOWN {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((n, _, size)) = self.order.pop_front() else { return };
        let Some(all) = self.known.get_mut(&size) else { return };
        all.pop_front_if(|k| k.n == n);
        if all.is_empty() {
            self.known.remove(&size);
        }
    }

    /// Forgets what is too old at `now`.
    pub fn forget(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(_, at, _)| now.since(*at) > REMEMBERED) {
            self.forget_oldest();
        }
    }

    /// Takes a message, to be looked at later; returns the oldest when too many wait.
    pub fn wait(&mut self, s: Sighting) -> Option<Sighting> {
        let waiting = &mut self.waiting[queue(s.kind)];
        waiting.push_back(s);
        if waiting.len() > WAITING { waiting.pop_front() } else { None }
    }

    /// The oldest that waits, when it has waited long enough at `now`.
    pub fn due(&mut self, now: Timestamp) -> Option<Sighting> {
        let [txs, blocks] = &mut self.waiting;
        let block = blocks.pop_front_if(|s| now.since(s.time) > BLOCK);
        block.or_else(|| txs.pop_front_if(|s| now.since(s.time) > RELAY))
    }

    /// The oldest that waits.
    pub fn oldest(&mut self) -> Option<Sighting> {
        self.waiting.iter_mut().find_map(VecDeque::pop_front)
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
            let in_time = match (s.kind, s.direction) {
                // The node passes it on after it came.
                (Kind::Tx, Direction::Recv) => !k.received && !k.came && (-RELAY..=0).contains(&delay),
                (Kind::Tx, Direction::Sent) => (!k.received || delay >= 0) && k.nearest(s.time) <= RELAY,
                _ => k.nearest(s.time) <= BLOCK,
            };
            in_time && !k.on.contains(&s.connection)
        };
        let weight = |k: &Known| 1.0 / k.distance(s.time) as f64;
        let (candidates, weights) =
            all.iter().filter(|k| fits(k)).fold((0, 0.0), |(n, sum), k| (n + 1, sum + weight(k)));
        let k = all.iter_mut().filter(|k| fits(k)).min_by_key(|k| k.distance(s.time))?;
        if k.on.len() < CONNECTIONS {
            k.on.push(s.connection);
        }
        k.came |= s.direction == Direction::Recv;
        Some(Found { id: k.id, candidates, share: weight(k) / weights, delay: s.time.since(k.first) / 1000 })
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
            confidence: f64::from(s.confidence) / 1000.0 * self.share,
            delay: self.delay,
        })
    }
}
