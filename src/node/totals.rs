//! Sums and gauges of one watched node.

use super::coins::Coins;
use super::connection::Connection;
use super::encrypted::{Encrypted, Sighting};
use super::exchange::Exchanges;
use super::groups::Groups;
use super::key::Key;
use super::ledger::{Incoming, Ledger, Pen};
use super::output::Direction;
use super::report::{ConnectionReport, LISTED, largest};
use crate::flow::{DirectionStats, Side};
use crate::message::body::Body;
use crate::message::command::COMMANDS;
use crate::message::event::Message;
use crate::message::network::Network;
use crate::message::transport::Transport;
use crate::message::v2::kind::Kind;
use crate::message::version::Version;
use crate::series::msg::PerCommand;
use crate::series::peers::Gauges;
use crate::series::visibility::Share;
use crate::series::{Point, Value, bandwidth, id, mempool, msg, peers, visibility};
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Distinct user agents kept a day; the others are `other` (they are tags, and peers choose them).
pub const USER_AGENTS: usize = 500;
/// What stands for user agents beyond the cap.
pub const OTHER: &str = "other";
/// Replays have the same results each time.
const SEED: u64 = 0x6c65_6467_6572;
/// Nanoseconds in a day.
const DAY: i64 = 86_400 * SECOND;
/// Names of unknown commands kept; the others are counted under [`OTHER`].
pub const UNKNOWN_NAMES: usize = 64;

/// Connections of unknown nodes that wait at most.
pub const REMEMBERED_STRANGERS: usize = 20_000;
/// Networks kept.
const NETWORKS: usize = 8;

/// The transports, in the order of the series `visibility`.
pub const TRANSPORTS: [&str; 4] = ["v1", "v2", "unknown", "not_bitcoin"];

/// Place of a transport in [`TRANSPORTS`].
pub fn place(transport: Transport) -> usize {
    match transport {
        Transport::V1(_) => 0,
        Transport::V2 => 1,
        Transport::Unknown => 2,
        Transport::NotBitcoin => 3,
    }
}

/// Counts of messages of one direction.
#[derive(Clone, Debug)]
pub struct Messages {
    /// Messages.
    pub count: PerCommand,
    /// Their bytes, headers included.
    pub bytes: PerCommand,
}

impl Default for Messages {
    fn default() -> Self {
        Self { count: [0; COMMANDS.len() + 1], bytes: [0; COMMANDS.len() + 1] }
    }
}

impl Messages {
    fn add(&mut self, command: usize, bytes: u64) {
        self.count[command] += 1;
        self.bytes[command] += bytes;
    }

    fn merge(&mut self, other: &Self) {
        for i in 0..self.count.len() {
            self.count[i] += other.count[i];
            self.bytes[i] += other.bytes[i];
        }
    }
}

/// One watched node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the name is final: points are not written before.
    pub named: bool,
    /// Bytes to it.
    pub recv: DirectionStats,
    /// Bytes from it.
    pub sent: DirectionStats,
    /// Messages since the start, closed intervals only; by [`Direction`].
    pub messages: [Messages; 2],
    /// Of the running interval.
    interval: [Messages; 2],
    /// Inferred messages of encrypted connections, likewise.
    pub estimates: [Messages; 2],
    interval_estimates: [Messages; 2],
    /// Announcements, requests, pings.
    pub exchanges: Exchanges,
    /// What the inferred messages add up to.
    pub encrypted: Encrypted,
    /// Gauges now.
    pub gauges: Gauges,
    /// Inbound peers now, by network group.
    groups: Groups,
    /// By transport.
    pub shares: [Share; 4],
    /// Messages whose payload did not decode, truncated ones, wrong checksums.
    pub faulty: u64,
    /// What its messages add up to.
    pub ledger: Ledger,
    /// Points of its events that are still to be handed on.
    pub points: Vec<Point>,
    /// Somebody wants them.
    pub wanted: bool,
    /// Networks of its readable connections, by magic.
    pub networks: Vec<Network>,
    /// Names of unknown commands.
    pub unknown: BTreeMap<Box<str>, u64>,
    /// User agents of the day, and how often each was said.
    agents: BTreeSet<String>,
    agents_day: i64,
    /// User agents since the start, for the report.
    pub agent_counts: BTreeMap<String, u64>,
    /// Connections that are no longer known, the largest ones.
    pub past: Vec<ConnectionReport>,
    /// Time of the last event point, so that no two share one.
    pub last_event: Timestamp,
}

impl Node {
    /// A node of which nothing was seen.
    pub fn new(name: Arc<str>, named: bool) -> Self {
        Self {
            name,
            named,
            recv: DirectionStats::default(),
            sent: DirectionStats::default(),
            messages: Default::default(),
            interval: Default::default(),
            estimates: Default::default(),
            interval_estimates: Default::default(),
            exchanges: Exchanges::default(),
            encrypted: Encrypted::default(),
            gauges: Gauges::default(),
            groups: Groups::default(),
            shares: Default::default(),
            faulty: 0,
            ledger: Ledger::new(Key::fixed(SEED)),
            points: Vec::new(),
            wanted: true,
            networks: Vec::new(),
            unknown: BTreeMap::new(),
            agents: BTreeSet::new(),
            agents_day: i64::MIN,
            agent_counts: BTreeMap::new(),
            past: Vec::new(),
            last_event: Timestamp::from_nanos(i64::MIN),
        }
    }

    /// Adds what a connection's figures grew by. `side` is the node's.
    pub fn grow(&mut self, c: &Connection, side: Side, growth: &[DirectionStats; 2], transport: Transport) {
        let (sent, recv) = (&growth[side as usize], &growth[side.other() as usize]);
        self.shares[place(transport)].carry(recv, sent);
        if c.is_bitcoin() {
            self.recv_sent(recv, sent);
        }
    }

    /// Adds to the bytes of its Bitcoin connections.
    pub fn recv_sent(&mut self, recv: &DirectionStats, sent: &DirectionStats) {
        add(&mut self.recv, recv);
        add(&mut self.sent, sent);
    }

    /// Messages since the start, the running interval included.
    pub fn messages_in_all(&self) -> u64 {
        self.messages.iter().chain(&self.interval).map(|m| m.count.iter().sum::<u64>()).sum()
    }

    /// Inferred messages since the start, likewise.
    pub fn estimates_in_all(&self) -> u64 {
        self.estimates.iter().chain(&self.interval_estimates).map(|m| m.count.iter().sum::<u64>()).sum()
    }

    /// Replaces what the connection of the peer at `address` adds to the gauges.
    pub fn recount(&mut self, address: IpAddr, before: &Gauges, after: &Gauges) {
        self.groups.recount(address, before.inbound, after.inbound);
        let g = &mut self.gauges;
        g.total = g.total + after.total - before.total;
        g.inbound = g.inbound + after.inbound - before.inbound;
        g.fullnode = g.fullnode + after.fullnode - before.fullnode;
        g.spv = g.spv + after.spv - before.spv;
        g.readable = g.readable + after.readable - before.readable;
        g.handshakes_v2 = g.handshakes_v2 + after.handshakes_v2 - before.handshakes_v2;
    }

    /// Keeps what there is to say of a connection that will be forgotten, if it is among the largest.
    pub fn remember(&mut self, c: ConnectionReport) {
        self.past.push(c);
        if self.past.len() >= 2 * LISTED {
            largest(&mut self.past);
        }
    }

    /// Notes a network; a few, since a peer may claim any magic.
    pub fn network(&mut self, network: Network) {
        if self.networks.len() < NETWORKS && !self.networks.contains(&network) {
            self.networks.push(network);
        }
    }

    /// Counts a message.
    pub fn message(&mut self, direction: Direction, command: usize, bytes: u64, unknown: Option<&str>) {
        self.interval[direction as usize].add(command, bytes);
        if let Some(name) = unknown {
            let known = self.unknown.contains_key(name) || self.unknown.len() < UNKNOWN_NAMES;
            *self.unknown.entry(if known { name } else { OTHER }.into()).or_default() += 1;
        }
    }

    /// Counts an inferred message.
    pub fn estimate(&mut self, direction: Direction, command: usize, bytes: u64) {
        self.interval_estimates[direction as usize].add(command, bytes);
        let share = &mut self.shares[1];
        match direction {
            Direction::Recv => share.explained_recv += bytes,
            Direction::Sent => share.explained_sent += bytes,
        }
    }

    /// What a message shows in the clear may be recognised on encrypted connections, when there are some.
    pub fn clear(&mut self, direction: Direction, m: &Message, at: Timestamp) {
        if self.shares[1].connections == 0 {
            return;
        }
        let (kind, id) = match &m.body {
            Ok(Body::Tx(tx)) => (Kind::Tx, &tx.txid),
            Ok(Body::Block(block)) => (Kind::Block, &block.hash),
            Ok(Body::CompactBlock(block)) => (Kind::CmpctBlock, &block.hash),
            _ => return,
        };
        self.encrypted.clear(kind, m.payload_bytes, id, at, direction);
    }

    /// Takes an inferred message of a kind that [`Encrypted::concerns`].
    pub fn sighting(&mut self, s: Sighting) {
        let (encrypted, mut pen) = self.estimate_pen();
        encrypted.note(s, &mut pen);
    }

    /// The point of a handshake on an encrypted connection, at `time` or, for the first time, a free one near it.
    pub fn handshake_point(
        &mut self,
        time: Result<Timestamp, Timestamp>,
        values: impl FnOnce() -> Vec<Value>,
    ) -> Timestamp {
        let (encrypted, mut pen) = self.estimate_pen();
        let time = time.unwrap_or_else(|near| encrypted.stamp_handshake(near));
        pen.write(id::PEERS, time, values);
        time
    }

    /// The point of a peer's `version`.
    pub fn version_point(&mut self, time: Timestamp, inbound: bool, version: &Version, connection: u64) {
        let day = time.floor(DAY).nanos();
        if day != self.agents_day {
            self.agents_day = day;
            self.agents.clear();
        }
        let mut agent = version.user_agent_text();
        if !self.agents.contains(&agent) {
            if self.agents.len() < USER_AGENTS {
                self.agents.insert(agent.clone());
            } else {
                OTHER.clone_into(&mut agent);
            }
        }
        if self.agent_counts.len() < USER_AGENTS || self.agent_counts.contains_key(&agent) {
            *self.agent_counts.entry(agent.clone()).or_default() += 1;
        } else {
            *self.agent_counts.entry(OTHER.to_owned()).or_default() += 1;
        }
        let direction = if inbound { "inbound" } else { "outbound" };
        self.pen().1.event(id::PEERS, time, || peers::event(direction, &agent, version, connection));
    }

    fn pen(&mut self) -> (&mut Ledger, Pen<'_>) {
        let Self { ledger, name, last_event, points, wanted, .. } = self;
        (ledger, Pen { node: name, last: last_event, points, wanted: *wanted })
    }

    fn estimate_pen(&mut self) -> (&mut Encrypted, Pen<'_>) {
        let Self { encrypted, name, last_event, points, wanted, .. } = self;
        (encrypted, Pen { node: name, last: last_event, points, wanted: *wanted })
    }

    /// Reads a whole message with a right checksum.
    pub fn read(&mut self, m: &Incoming<'_>, coins: &mut Coins) {
        let (ledger, mut pen) = self.pen();
        ledger.message(m, coins, &mut pen);
    }

    /// A second of capture time has passed.
    pub fn tick(&mut self, time: Timestamp) {
        let (ledger, mut pen) = self.pen();
        ledger.tick(time, &mut pen);
        let (encrypted, mut pen) = self.estimate_pen();
        encrypted.tick(time, &mut pen);
    }

    /// The capture ends.
    pub fn finish(&mut self) {
        let (ledger, mut pen) = self.pen();
        ledger.finish(&mut pen);
        let (encrypted, mut pen) = self.estimate_pen();
        encrypted.finish(&mut pen);
    }

    fn point(&self, series: usize, time: Timestamp, values: Vec<Value>) -> Point {
        Point { series, time, node: Arc::clone(&self.name), values }
    }

    /// The points of the interval that ends at `time`; the next interval begins.
    pub fn close_interval(&mut self, time: Timestamp, out: &mut Vec<Point>) {
        out.push(self.point(id::BANDWIDTH, time, bandwidth::values(&self.recv, &self.sent)));
        let interval = std::mem::take(&mut self.interval);
        let estimates = std::mem::take(&mut self.interval_estimates);
        let series = [(id::MSG_RECV, id::MSG_RECV_BYTES), (id::MSG_SENT, id::MSG_SENT_BYTES)];
        let inv_known = self.ledger.mempool.take_inv_known();
        for (messages, (count, bytes)) in interval.iter().zip(series) {
            let mut values = msg::values("v1", &messages.count);
            values.extend((count == id::MSG_SENT).then(|| inv_known.into()));
            out.push(self.point(count, time, values));
            out.push(self.point(bytes, time, msg::values("v1", &messages.bytes)));
        }
        for (total, messages) in self.messages.iter_mut().zip(&interval) {
            total.merge(messages);
        }
        // A node without encrypted connections has no rows of them.
        let encrypted = estimates.iter().zip(series).filter(|_| self.shares[1].seen > 0);
        for (messages, (count, bytes)) in encrypted {
            let mut values = msg::values("v2", &messages.count);
            values.extend((count == id::MSG_SENT).then_some(Value::Absent));
            out.push(self.point(count, time, values));
            out.push(self.point(bytes, time, msg::values("v2", &messages.bytes)));
        }
        for (total, messages) in self.estimates.iter_mut().zip(&estimates) {
            total.merge(messages);
        }
        let mut exchanged = Vec::new();
        self.exchanges.close(self.shares[1].seen > 0, |series, values| exchanged.push((series, values)));
        out.extend(exchanged.into_iter().map(|(series, values)| self.point(series, time, values)));
        let mempool = self.ledger.mempool_gauges();
        out.push(self.point(id::MEMPOOL, time, mempool::gauges(&mempool)));
        let (num_addrs, num_banned) = self.ledger.gossip(time);
        let beside = peers::Beside { num_addrs, num_banned, largest_group: self.groups.largest() };
        out.push(self.point(id::PEERS, time, peers::gauges(&self.gauges, &beside)));
        let coverage = self.ledger.transactions.take_coverage();
        out.push(self.point(id::TX_FEE_COVERAGE, time, coverage));
        for (name, share) in TRANSPORTS.iter().zip(&self.shares) {
            out.push(self.point(id::VISIBILITY, time, visibility::values(name, share)));
        }
    }
}

fn add(sum: &mut DirectionStats, growth: &DirectionStats) {
    sum.packets += growth.packets;
    sum.wire_bytes += growth.wire_bytes;
    sum.payload_bytes += growth.payload_bytes;
    sum.retransmitted_bytes += growth.retransmitted_bytes;
    sum.gaps += growth.gaps;
    sum.gap_bytes += growth.gap_bytes;
}

/// What `now` has more than `before`, of cumulative figures.
pub fn growth(before: &DirectionStats, now: &DirectionStats) -> DirectionStats {
    DirectionStats {
        packets: now.packets - before.packets,
        wire_bytes: now.wire_bytes - before.wire_bytes,
        payload_bytes: now.payload_bytes - before.payload_bytes,
        retransmitted_bytes: now.retransmitted_bytes - before.retransmitted_bytes,
        gaps: now.gaps - before.gaps,
        gap_bytes: now.gap_bytes - before.gap_bytes,
    }
}
