//! The blocks that came to the node or from it: records within a cap, compact blocks under way.

pub mod partial;
pub mod record;

pub use partial::Partial;
pub use record::{Body, Data, Record, Status, Via};

use super::key::Key;
use super::recent::Recent;
use crate::flow::PacketIndex;
use crate::message::hash::Hash256;
use crate::message::headers::Header;
use crate::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// Blocks remembered at most.
pub const MAX_RECORDS: usize = 4096;
/// Transactions of remembered blocks that are kept at most: those of the deepest blocks leave first. They only return to
/// a mempool when blocks are left for others, and these are those of a dozen full blocks.
pub const MAX_TRANSACTIONS: usize = 50_000;
/// Compact blocks under way at most; the oldest is given up.
pub const MAX_PARTIALS: usize = 64;
/// Announcements and requests of blocks remembered at most.
const MAX_HEARD: usize = 16_384;

/// What the node asked for of a block, on one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// By `getdata`, whole.
    pub whole: bool,
    /// By `getdata`, as a compact block.
    pub compact: bool,
}

/// The blocks.
#[derive(Clone, Debug)]
pub struct Blocks {
    key: Key,
    records: HashMap<Hash256, Record, ahash::RandomState>,
    order: VecDeque<Hash256>,
    bodies: VecDeque<(Hash256, usize)>,
    kept: usize,
    announced: Recent<(Timestamp, SocketAddr)>,
    asked: Recent<Asked>,
    partials: VecDeque<Partial>,
    /// Records whose points are still to be written, in the order in which they came.
    pub open: VecDeque<Hash256>,
}

impl Blocks {
    /// None yet.
    pub fn new(key: Key) -> Self {
        Self {
            key: key.derive(5),
            records: HashMap::default(),
            order: VecDeque::new(),
            bodies: VecDeque::new(),
            kept: 0,
            announced: Recent::new(MAX_HEARD),
            asked: Recent::new(MAX_HEARD),
            partials: VecDeque::new(),
            open: VecDeque::new(),
        }
    }

    /// A block that is known.
    pub fn get(&self, hash: &Hash256) -> Option<&Record> {
        self.records.get(hash)
    }

    /// A block that is known.
    pub fn get_mut(&mut self, hash: &Hash256) -> Option<&mut Record> {
        self.records.get_mut(hash)
    }

    /// All that are known, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> + Clone {
        self.order.iter().filter_map(|h| self.records.get(h))
    }

    /// Announcements and requests forgotten since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        self.announced.take_forgotten() + self.asked.take_forgotten()
    }

    /// A peer announced a block.
    pub fn announced(&mut self, hash: &Hash256, at: Timestamp, peer: SocketAddr) {
        let print = self.key.of_hash(hash);
        if self.announced.get_mut(print).is_none() {
            self.announced.insert(print, (at, peer));
        }
    }

    /// The node asked for a block on a connection.
    pub fn ask(&mut self, hash: &Hash256, connection: PacketIndex, whole: bool) {
        let print = self.asked_print(hash, connection);
        if self.asked.get_mut(print).is_none() {
            self.asked.insert(print, Asked::default());
        }
        if let Some(asked) = self.asked.get_mut(print) {
            asked.whole |= whole;
            asked.compact |= !whole;
        }
    }

    /// What the node asked for of a block on a connection.
    pub fn asked(&self, hash: &Hash256, connection: PacketIndex) -> Asked {
        self.asked.get(self.asked_print(hash, connection)).copied().unwrap_or_default()
    }

    fn asked_print(&self, hash: &Hash256, connection: PacketIndex) -> u64 {
        self.key.of_outpoint(hash, connection.0 as u32)
    }

    /// Puts in a block whose data is complete; returns one that had to leave and was still open.
    pub fn insert(&mut self, header: Header, data: Data, body: Option<Body>, point: Timestamp) -> Option<Record> {
        let announced = self.announced.get(self.key.of_hash(&header.hash)).copied();
        let record = Record {
            header,
            announced,
            data,
            body: None,
            accepted: false,
            rejected: None,
            doubted: false,
            reject: None,
            orphan: false,
            shown: None,
            relayed: None,
            taken: Vec::new(),
            connected: false,
            tip_point: None,
            point,
            open: true,
        };
        self.records.insert(header.hash, record);
        self.order.push_back(header.hash);
        self.open.push_back(header.hash);
        self.keep(&header.hash, body);
        let left = if self.order.len() > MAX_RECORDS { self.order.pop_front() } else { None };
        left.and_then(|hash| self.records.remove(&hash)).filter(|r| r.open)
    }

    /// Keeps the transactions of a block, those of the oldest ones leave.
    pub fn keep(&mut self, hash: &Hash256, body: Option<Body>) {
        let (Some(body), Some(record)) = (body, self.records.get_mut(hash)) else { return };
        let n = body.count();
        if record.body.replace(body).is_none() {
            self.bodies.push_back((*hash, n));
            self.kept += n;
        }
        while self.kept > MAX_TRANSACTIONS && self.bodies.len() > 1 {
            let Some((old, n)) = self.bodies.pop_front() else { break };
            self.kept -= n;
            if let Some(r) = self.records.get_mut(&old) {
                r.body = None;
                r.taken = Vec::new();
            }
        }
    }

    /// A compact block came; returns whether another had to be given up for it.
    pub fn start(&mut self, partial: Partial) -> bool {
        self.partials.retain(|p| p.connection != partial.connection || p.header.hash != partial.header.hash);
        self.partials.push_back(partial);
        self.partials.len() > MAX_PARTIALS && self.partials.pop_front().is_some()
    }

    /// The compact block under way on a connection.
    pub fn partial(&mut self, hash: &Hash256, connection: PacketIndex) -> Option<&mut Partial> {
        self.partials.iter_mut().find(|p| p.header.hash == *hash && p.connection == connection)
    }

    /// The compact blocks that lack transactions, though their data is complete at the node.
    pub fn unfinished(&mut self) -> impl Iterator<Item = &mut Partial> {
        let Self { partials, records, .. } = self;
        partials.iter_mut().filter(|p| records.contains_key(&p.header.hash) && p.is_open())
    }

    /// Whether the data of a block is complete at the node.
    pub fn has(&self, hash: &Hash256) -> bool {
        self.records.contains_key(hash)
    }

    /// The first compact block under way on any connection of which the node asked for nothing.
    pub fn unasked(&self, hash: &Hash256) -> Option<&Partial> {
        let asked = |p: &Partial| p.requested.is_some() || self.asked(hash, p.connection).whole;
        self.partials.iter().find(|p| p.header.hash == *hash && !asked(p))
    }

    /// Forgets the compact blocks under way that `gone` tells.
    /// Those whose data is complete wait for transactions that are still unknown, until `late` tells.
    pub fn forget(&mut self, mut gone: impl FnMut(&Partial) -> bool, mut late: impl FnMut(&Partial) -> bool) {
        let Self { partials, records, .. } = self;
        // Of a block that is known whole, what other peers sent tells nothing more.
        let spare = |p: &Partial| {
            let record = records.get(&p.header.hash).filter(|r| r.data.from != Some(p.connection));
            record.and_then(|r| r.body.as_ref()).is_some_and(Body::is_whole)
        };
        partials
            .retain(|p| !late(p) && !spare(p) && (!gone(p) || (records.contains_key(&p.header.hash) && p.is_open())));
    }
}
