//! The half that runs in the node stage.

use super::follow::Follow;
use super::rows::{BlockRow, PeerRow, micros};
use super::shared::{Shared, Tables};
use super::status::{Pulse, status};
use super::subscribers::Serving;
use super::timeline::{BLOCKS, Timelines};
use crate::flow::PacketIndex;
use crate::message::body::Body;
use crate::message::hash::Hash256;
use crate::node::connection::Connection;
use crate::node::view::look::Seen;
use crate::node::{Gone, SeenEstimate, SeenMessage, View};
use crate::series::{Point, SERIES, Value, id};
use crate::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows of the table of peers at most, those with most bytes; a node has some hundred peers.
pub const MAX_PEERS: usize = 4096;
/// Connections that ended and are still shown.
pub const MAX_CLOSED: usize = 1000;
/// Blocks told to the streams in one second at most, new ones of each node and those of which more is known; a node that
/// catches up takes hundreds.
const BLOCKS_TOLD: usize = 16;
/// The status and the tables are made at most so often, ms: a replay has many seconds in one of ours.
const PAUSE: u64 = 100;
/// Ticks between two looks for connections that are no longer known.
const SWEEP: u64 = 60;

/// What the capture itself tells, beside what the node stage counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capture {
    /// Frames captured by now.
    pub frames: Option<u64>,
    /// Frames that interface and kernel dropped by now.
    pub dropped: Option<u64>,
    /// Points that the sinks lost.
    pub points_lost: u64,
}

/// Follows what passes the node stage, and lays down what the server shows.
pub struct Watcher {
    shared: Arc<Shared>,
    follow: Follow,
    timelines: Timelines,
    serving: Serving,
    /// The last point was of a transaction that was not seen before.
    new_tx: bool,
    pulse: Pulse,
    /// The newest block told, by node.
    newest: HashMap<usize, Hash256>,
    /// Blocks of which more has become known, to be told at the next tick.
    again: VecDeque<BlockRow>,
    closed: VecDeque<PeerRow>,
    last_tick: Timestamp,
    ticks: u64,
    told: u64,
    made: u64,
}

impl Watcher {
    /// Nothing seen yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            follow: Follow::default(),
            timelines: Timelines::default(),
            serving: Serving::default(),
            new_tx: false,
            pulse: Pulse::default(),
            newest: HashMap::new(),
            again: VecDeque::new(),
            closed: VecDeque::new(),
            last_tick: Timestamp::from_nanos(i64::MIN),
            ticks: 0,
            told: 0,
            made: 0,
        }
    }

    /// A message passes.
    pub fn message(&mut self, seen: &SeenMessage<'_>) {
        let new_tx = std::mem::take(&mut self.new_tx) && matches!(seen.message.body, Ok(Body::Tx(_)));
        self.follow.message(seen, new_tx);
        self.timelines.message(seen);
        self.serving.update(&self.shared.subscribers);
        self.serving.message(seen);
    }

    /// An inferred message passes.
    pub fn estimate(&mut self, seen: &SeenEstimate<'_>) {
        self.follow.estimate(seen);
        self.serving.update(&self.shared.subscribers);
        self.serving.estimate(seen);
    }

    /// A point of an event passes; that of a transaction comes before its message.
    pub fn point(&mut self, p: &Point) {
        match p.series {
            id::TX => self.new_tx = true,
            id::BLOCKS => {
                self.pulse.tips.insert(Arc::clone(&p.node), p.time);
            }
            id::PROCESSED_BLOCKS if self.shared.blocks.receiver_count() > 0 => {
                // More has become known of it. One of an encrypted connection has no hash.
                let sha = SERIES[p.series].columns.iter().zip(&p.values).find(|(c, _)| c.name == "sha");
                let Some((_, Value::Text(sha))) = sha else { return };
                if let Some(hash) = hash(sha) {
                    // Of many the newest ones are told.
                    if self.again.len() == BLOCKS_TOLD {
                        self.again.pop_front();
                    }
                    self.again.push_back(BlockRow::new(hash, &p.node, p.time, &p.values));
                }
            }
            _ => {}
        }
    }

    fn tell(&self, block: &BlockRow) {
        if self.shared.blocks.receiver_count() > 0 {
            let text = serde_json::Value::Object(block.object.clone()).to_string();
            let _ = self.shared.blocks.send(text.into());
        }
    }

    /// One second of capture time has passed.
    pub fn ticked(&mut self, time: Timestamp, view: &View, capture: Capture) {
        self.ticks += 1;
        self.serving.tidy();
        self.new_blocks(view);
        for rates in self.pulse.rates.values_mut() {
            rates.tick();
        }
        for (_, node) in view.nodes() {
            self.pulse.rates.entry(node.name.to_string()).or_default().note(time, node);
        }
        if self.ticks.is_multiple_of(SWEEP) {
            self.follow.sweep(|id| view.connection(PacketIndex(id)).is_some());
        }
        self.last_tick = time;
        let age = self.shared.age();
        if age >= self.told + PAUSE {
            self.told = age;
            self.lay_down_status(time, view, capture);
        }
        if age >= self.made + PAUSE && self.shared.is_looked_at() {
            self.lay_down_tables(view);
            self.made = self.shared.age();
        }
    }

    /// Nothing more comes.
    pub fn finished(&mut self, time: Timestamp, view: &View, capture: Capture) {
        self.new_blocks(view);
        for (_, node) in view.nodes() {
            self.pulse.rates.entry(node.name.to_string()).or_default().note(time, node);
        }
        self.lay_down_tables(view);
        self.shared.finished.store(true, Ordering::Relaxed);
        self.lay_down_status(time, view, capture);
    }

    fn lay_down_status(&mut self, time: Timestamp, view: &View, capture: Capture) {
        self.pulse.followed = self.follow.figures();
        let status = status(&self.shared, time, view, capture, &self.pulse);
        self.shared.status.send_replace(Arc::new(status));
    }

    fn new_blocks(&mut self, view: &View) {
        for (place, node) in view.nodes() {
            let ledger = &node.ledger;
            let known = self.newest.get(&place).copied();
            let fresh: Vec<_> = ledger.blocks.iter().rev().take_while(|r| Some(r.header.hash) != known).collect();
            let Some(newest) = fresh.first() else { continue };
            self.newest.insert(place, newest.header.hash);
            for (i, r) in fresh.iter().enumerate() {
                self.timelines.arrived(&r.header.hash);
                let first = self.timelines.get(&r.header.hash).and_then(|w| w.first());
                if let Some((connection, at)) = first
                    && r.data.from.is_some()
                    && let Some(f) = self.follow.get_mut(connection)
                {
                    f.first_blocks += 1;
                    if f.last_block.is_none_or(|(_, before)| before < at) {
                        f.last_block = Some((r.header.hash, at));
                    }
                }
                if i < BLOCKS_TOLD && r.data.from.is_some() {
                    self.tell(&BlockRow::of_record(r, ledger, &node.name));
                }
            }
        }
        for row in std::mem::take(&mut self.again) {
            self.tell(&row);
        }
    }

    /// A connection is forgotten: it stays in the table for a while.
    pub fn forgotten(&mut self, gone: &Gone<'_>) {
        let row = PeerRow::new(gone.id, gone.connection, gone.side, gone.node, self.follow.get(gone.id.0));
        self.closed.push_front(row);
        self.closed.truncate(MAX_CLOSED);
        self.follow.remove(gone.id.0);
    }

    fn lay_down_tables(&self, view: &View) {
        let names: HashMap<usize, &str> = view.nodes().map(|(i, n)| (i, n.name.as_ref())).collect();
        let mut open: Vec<_> = view.open_connections().filter(|(_, _, node, _)| names.contains_key(node)).collect();
        let all = open.len();
        if all > MAX_PEERS {
            let carried = |c: &Connection| c.stats.iter().map(|s| s.payload_bytes).sum::<u64>();
            open.select_nth_unstable_by_key(MAX_PEERS, |(_, c, ..)| std::cmp::Reverse(carried(c)));
            open.truncate(MAX_PEERS);
        }
        open.sort_unstable_by_key(|(id, ..)| *id);
        let row = |(id, c, node, side): Seen<'_>| {
            PeerRow::new(id, c, side, names.get(&node).copied().unwrap_or_default(), self.follow.get(id.0))
        };
        let peers = open.iter().map(|p| row(*p)).collect();
        let mut blocks = Vec::new();
        let mut ways = HashMap::new();
        for (_, node) in view.nodes() {
            let received = node.ledger.blocks.iter().rev().filter(|r| r.data.from.is_some()).take(BLOCKS);
            for r in received {
                blocks.push(BlockRow::of_record(r, &node.ledger, &node.name));
                if let Some(way) = self.timelines.get(&r.header.hash) {
                    ways.insert(r.header.hash, Arc::clone(way));
                }
            }
        }
        blocks.sort_by_key(|b| std::cmp::Reverse(b.time));
        let ended = view.ended_connections().filter(|(_, _, node, _)| names.contains_key(node)).map(row);
        let closed = ended.chain(self.closed.iter().cloned()).take(MAX_CLOSED).collect();
        let made = self.shared.age();
        let tables = Tables { made, peers, left_out: (all.saturating_sub(MAX_PEERS)) as u64, closed, blocks, ways };
        self.shared.tables.send_replace(Arc::new(tables));
    }

    /// Time of the last tick, µs.
    pub fn now(&self) -> i64 {
        micros(self.last_tick)
    }
}

/// A hash in display order.
pub fn hash(text: &str) -> Option<Hash256> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = Hash256::default();
    for (i, byte) in hash.0.iter_mut().rev().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(hash)
}
