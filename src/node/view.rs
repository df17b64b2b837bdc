//! The node stage: events in, messages and points out.

use super::coins::Coins;
use super::connection::Connection;
use super::key::Key;
use super::learn::{Learner, Pending};
use super::ledger::Incoming;
use super::output::{Direction, Output, SeenMessage};
use super::report::Report;
use super::spec::NodeSpec;
use super::totals::{Node, growth, place};
use super::trouble::Trouble;
use super::watch::Watch;
use crate::flow::{At, CloseReason, Conversation, DirectionStats, PacketIndex};
use crate::health::Tally;
use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::event::{Event, Message, What};
use crate::message::transport::Transport;
use crate::series::sensor::{self, Counters};
use crate::series::{Point, id};
use crate::time::{SECOND, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Capture time for finding the nodes in files, ns.
pub const LEARN_FILES: i64 = 60 * SECOND;
/// The same where somebody watches: a pipe, a file that grows, ns.
pub const LEARN_WATCHED: i64 = 5 * SECOND;
/// Ended connections stay known this long: their last figures are still to come, ns.
const REMEMBER: i64 = 30 * SECOND;
/// Ended connections that stay known at most.
const REMEMBERED: usize = 65_536;
/// A v2 attempt without answer and a v1 connection within this time are one fallback, ns.
const FALLBACK: i64 = 60 * SECOND;
/// v2 attempts without answer that are remembered at most.
const ATTEMPTS: usize = 4096;

/// Replays have the same results each time.
const SEED: u64 = 0x6f75_7470_6f69;

/// What the node stage needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The watched nodes; empty: they are found.
    pub nodes: Vec<NodeSpec>,
    /// Length of an interval, ns.
    pub interval: i64,
    /// Bitcoin ports, sorted.
    pub ports: Arc<[u16]>,
    /// Capture time for finding the nodes when none is given, ns.
    pub learn: i64,
}

/// The watched nodes and their connections.
pub struct View {
    config: Config,
    watch: Watch,
    learner: Learner,
    connections: HashMap<PacketIndex, Box<Connection>, ahash::RandomState>,
    ended: VecDeque<(Timestamp, PacketIndex)>,
    attempts: VecDeque<(Timestamp, IpAddr, SocketAddr)>,
    nodes: Vec<Node>,
    coins: Coins,
    troubles: Tally<Trouble>,
    counters: Counters,
    unattributed: u64,
    /// End of the running interval, and of the last one that was closed.
    interval_end: Option<Timestamp>,
    closed: Option<Timestamp>,
}

impl View {
    /// Events that [`View::ahead`] looks at, at most.
    pub const AHEAD: usize = 16;

    /// Nothing seen yet.
    pub fn new(config: Config) -> Self {
        let watch = Watch::new(config.nodes.clone());
        let nodes = watch.nodes().iter().map(|w| Node::new(Arc::clone(&w.name), w.is_named())).collect();
        Self {
            config,
            watch,
            learner: Learner::default(),
            connections: HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4)),
            ended: VecDeque::new(),
            attempts: VecDeque::new(),
            nodes,
            coins: Coins::new(Key::fixed(SEED)),
            troubles: Tally::default(),
            counters: Counters::default(),
            unattributed: 0,
            interval_end: None,
            closed: None,
        }
    }

    /// Takes the next event. What it is made of stays in `event`, so that the thread that has allocated it
    /// can free it, unless it has to wait until the nodes are known: then something empty stays there.
    pub fn event(&mut self, event: &mut Event, out: &mut impl Output) {
        if self.watch.is_given() || !self.is_strange(event) {
            return self.apply(event, out);
        }
        let time = event.at.time;
        let Event { at, connection, .. } = *event;
        self.learner.hold(std::mem::replace(event, Event { at, connection, what: What::Revived }));
        self.decide(time, out);
    }

    /// These events come next. With thousands of connections each is far away in memory: looked up together they are
    /// fetched side by side, not one after the other.
    pub fn ahead(&self, events: &[Event]) {
        let mut connections = [None; Self::AHEAD];
        let mut messages = 0;
        for (c, event) in connections.iter_mut().zip(events) {
            *c = self.connections.get(&event.connection);
            messages ^= event.what.estimates().first().map_or(0, |e| e.len);
        }
        let look = |c: &Connection| {
            let [a, b] = &c.conversation.endpoints;
            look_at(&c.stats)
                ^ c.conversation.id.0
                ^ u64::from(c.nodes[0].is_some())
                ^ u64::from(a.port() ^ b.port())
                ^ u64::from(c.bitcoin_port)
        };
        black_box((messages, connections.into_iter().flatten().fold(0, |a, c| a ^ look(c))));
    }

    /// Whether an event waits until it is known which end of its connection is a watched node.
    fn is_strange(&mut self, event: &Event) -> bool {
        if self.learner.holds(event.connection) {
            return true;
        }
        let conversation = match &event.what {
            What::Established(c) if self.has_bitcoin_port(c) => **c,
            What::Transport(Transport::V1(_)) => match self.connections.get(&event.connection) {
                Some(c) if c.nodes[0].is_none() => c.conversation,
                _ => return false,
            },
            _ => return false,
        };
        let strange = self.watch.attribute(&conversation)[0].is_none() && self.watch.has_room();
        if strange {
            self.learner.stranger(&conversation);
        }
        strange
    }

    fn has_bitcoin_port(&self, c: &Conversation) -> bool {
        c.endpoints.iter().any(|e| self.config.ports.binary_search(&e.port()).is_ok())
    }

    /// Whether [`View::tick`] needs counters at `time`: making them costs more than the tick.
    pub fn wants_counters(&self, time: Timestamp) -> bool {
        self.holds_ticks() || self.interval_end.is_none_or(|end| time >= end)
    }

    /// Ticks wait with the first strangers, so that nothing is counted in a later interval than it was seen in.
    fn holds_ticks(&self) -> bool {
        self.nodes.is_empty() && !self.learner.is_idle()
    }

    /// One second of capture time has passed, all of whose events were taken.
    pub fn tick(&mut self, time: Timestamp, counters: Option<Counters>, out: &mut impl Output) {
        if self.holds_ticks() {
            self.learner.hold_tick(time, counters.unwrap_or_default());
        } else {
            self.apply_tick(time, counters, out);
        }
        if !self.learner.is_idle() {
            self.decide(time, out);
        }
    }

    /// The capture ends at `time`: the running interval is closed there.
    pub fn finish(&mut self, time: Timestamp, counters: Counters, out: &mut impl Output) {
        self.find_nodes(out);
        self.counters = counters;
        for node in &mut self.nodes {
            node.wanted = out.wants_points();
            node.named = true;
            node.finish();
            self.troubles.merge(&node.ledger.take_troubles());
            node.points.drain(..).for_each(|p| out.point(p));
        }
        // A point of its own also when the last frame lies on the border of an interval.
        let end = self.closed.map_or(time, |closed| time.max(closed.plus(1)));
        // … and apart from the events of that frame.
        let events = self.nodes.iter().map(|n| n.last_event).filter(|last| last.since(end) < SECOND).max();
        let end = events.map_or(end, |last| end.max(last.plus(1)));
        self.close_interval(end, out);
    }

    /// What was seen, for people.
    pub fn report(&self) -> Report {
        Report::new(&self.nodes, &self.connections, &self.counters, self.unattributed)
    }

    fn decide(&mut self, now: Timestamp, out: &mut impl Output) {
        if self.learner.is_due(now, self.config.learn, self.config.learn <= LEARN_WATCHED) {
            self.find_nodes(out);
        }
    }

    /// The nodes among the strangers are found now: everything held back goes its way.
    fn find_nodes(&mut self, out: &mut impl Output) {
        let (strangers, pending) = self.learner.take();
        self.watch.find(&strangers);
        for w in &self.watch.nodes()[self.nodes.len()..] {
            self.nodes.push(Node::new(Arc::clone(&w.name), true));
        }
        // Connections that were no strangers, since they are not Bitcoin, may touch a node all the same.
        let mut others: Vec<_> =
            self.connections.iter().filter(|(_, c)| c.nodes[0].is_none()).map(|(id, _)| *id).collect();
        others.sort_unstable();
        for id in others {
            self.take_up(id);
        }
        for pending in pending {
            match pending {
                Pending::Event(event) => self.apply(&event, out),
                Pending::Tick(time, counters) => self.apply_tick(time, Some(*counters), out),
            }
        }
    }

    fn apply(&mut self, event: &Event, out: &mut impl Output) {
        let id = event.connection;
        let time = event.at.time;
        match &event.what {
            What::Established(conversation) => {
                let port = self.has_bitcoin_port(conversation);
                self.connections.insert(id, Box::new(Connection::new(**conversation, time, port)));
                self.take_up(id);
            }
            What::Transport(transport) => self.transport(id, *transport, time),
            What::Message(message) => self.message(id, event.at, message, out),
            What::Estimates(estimates) => self.estimates(id, event.at, estimates, out),
            What::Progress(stats, estimates) => {
                if !estimates.is_empty() {
                    self.estimates(id, event.at, estimates, out);
                }
                self.progress(id, stats);
            }
            What::HalfClosed(side) => {
                self.closed_by(id, *side, time);
                self.set_open(id, false);
            }
            // What is open when the capture ends stays open in its figures.
            What::Closed(CloseReason::EndOfCapture) => {}
            What::Closed(reason) => {
                self.close(id, *reason, time);
                self.set_open(id, false);
                self.end(id, time, out);
            }
            What::Revived => self.set_open(id, true),
        }
    }

    /// Counts a connection for the nodes that it touches, with all that it has carried so far.
    fn take_up(&mut self, id: PacketIndex) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        c.nodes = self.watch.attribute(&c.conversation);
        // While nodes are still looked for, what is left over is no Bitcoin after all.
        if c.nodes[0].is_none() && c.is_bitcoin() && !c.is_unattributed && !self.watch.has_room() {
            c.is_unattributed = true;
            self.unattributed += 1;
        }
        for (node, side) in c.nodes.into_iter().flatten() {
            let (sent, recv) = (c.stats[side as usize], c.stats[side.other() as usize]);
            self.nodes[node].shares[place(c.transport)].carry(&recv, &sent);
            if c.is_bitcoin() {
                self.nodes[node].recv_sent(&recv, &sent);
            }
        }
        self.name_nodes(id);
        self.recount(id);
    }

    /// A node given without name and port has its name from its first Bitcoin connection.
    fn name_nodes(&mut self, id: PacketIndex) {
        let Some(c) = self.connections.get(&id).filter(|c| c.is_bitcoin()) else { return };
        for (node, side) in c.nodes.iter().flatten() {
            let ports = &self.config.ports;
            let name = self.watch.name_by(*node, &c.conversation, *side, |p| ports.binary_search(&p).is_ok());
            self.nodes[*node].name = name;
            self.nodes[*node].named = true;
            if let Some(network) = c.transport.network() {
                self.nodes[*node].network(network);
            }
        }
    }

    fn transport(&mut self, id: PacketIndex, transport: Transport, time: Timestamp) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        let (before, counted_before) = (c.transport, c.is_bitcoin());
        c.transport = transport;
        if c.nodes[0].is_none() {
            self.take_up(id);
        } else {
            // What was counted under another transport, or not at all, moves.
            for (node, side) in c.nodes.into_iter().flatten() {
                let node = &mut self.nodes[node];
                let (sent, recv) = (c.stats[side as usize], c.stats[side.other() as usize]);
                node.shares[place(before)].give_up(&recv, &sent);
                node.shares[place(transport)].carry(&recv, &sent);
                if !counted_before && c.is_bitcoin() {
                    node.recv_sent(&recv, &sent);
                }
            }
            self.name_nodes(id);
        }
        let Some(c) = self.connections.get(&id) else { return };
        let ends = c.conversation.endpoints;
        let (initiator, responder) =
            (ends[c.conversation.initiator as usize], ends[c.conversation.initiator.other() as usize]);
        if matches!(transport, Transport::V1(_)) {
            let found = self
                .attempts
                .iter()
                .position(|(t, from, to)| *from == initiator.ip() && *to == responder && time.since(*t) <= FALLBACK);
            if let Some(i) = found {
                self.attempts.remove(i);
                for (node, _) in c.nodes.iter().flatten() {
                    self.nodes[*node].shares[1].fallbacks += 1;
                }
            }
        }
        self.recount(id);
    }

    fn message(&mut self, id: PacketIndex, at: At, message: &Message, out: &mut impl Output) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        // Nodes drop a message with a wrong checksum, and any `version` after the first.
        let valid = message.checksum_valid && !message.truncated;
        let version = match &message.body {
            Ok(Body::Version(v)) if valid && !c.said[message.side as usize].version => Some(v),
            _ => None,
        };
        if let Some(v) = version {
            c.version(message.side, v);
        }
        let round_trip = if valid { c.round_trip(message, at.time) } else { None };
        let filters = [Command::FILTERLOAD, Command::GETCFILTERS, Command::GETCFHEADERS, Command::GETCFCHECKPT];
        let filters = valid && filters.contains(&message.command);
        c.said[message.side as usize].filters |= filters;
        for (node, side) in c.nodes.into_iter().flatten() {
            let direction = if message.side == side { Direction::Sent } else { Direction::Recv };
            let peer = c.conversation.endpoints[side.other() as usize];
            let node = &mut self.nodes[node];
            node.wanted = out.wants_points();
            let bytes = u64::from(message.payload_bytes) + u64::from(message.header_bytes);
            node.message(direction, message.command.index(), bytes, message.unknown_name.as_deref());
            if valid {
                node.exchanges.message(direction, message, round_trip);
                node.clear(direction, message, at.time);
            }
            node.faulty += u64::from(message.body.is_err() || message.truncated || !message.checksum_valid);
            if let (Some(v), Direction::Recv) = (version, direction) {
                let inbound = c.conversation.initiator != side;
                node.version_point(at.time, inbound, v, id.0);
            }
            let network = c.transport.network();
            // The node answers no second version, and reads no message that is damaged.
            if valid && (version.is_some() || message.command != Command::VERSION) {
                node.read(&Incoming { at, connection: id, peer, side, direction, network, message }, &mut self.coins);
            }
            node.points.drain(..).for_each(|p| out.point(p));
            let node = &node.name;
            out.message(&SeenMessage { at, connection: id, node, peer, direction, network, message, round_trip });
        }
        if version.is_some() || filters {
            self.recount(id);
        }
    }

    fn progress(&mut self, id: PacketIndex, stats: &[DirectionStats; 2]) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        let grown = [growth(&c.stats[0], &stats[0]), growth(&c.stats[1], &stats[1])];
        c.stats = *stats;
        for (node, side) in c.nodes.into_iter().flatten() {
            self.nodes[node].grow(c, side, &grown, c.transport);
        }
    }

    fn set_open(&mut self, id: PacketIndex, open: bool) {
        if let Some(c) = self.connections.get_mut(&id) {
            c.open = open;
            if open {
                c.ended = None;
            }
        }
        self.recount(id);
    }

    /// Brings the gauges of a connection's nodes up to date.
    fn recount(&mut self, id: PacketIndex) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        for (i, (node, side)) in c.nodes.into_iter().flatten().enumerate() {
            let gauges = c.gauges(side);
            let peer = c.conversation.endpoints[side.other() as usize].ip();
            self.nodes[node].recount(peer, &c.counted[i], &gauges);
            c.counted[i] = gauges;
        }
        let now = (c.transport, c.open);
        if c.counted_as != Some(now) && c.nodes[0].is_some() {
            for (node, _) in c.nodes.iter().flatten() {
                let Node { shares, encrypted, .. } = &mut self.nodes[*node];
                encrypted.meets_clear |= matches!(now.0, Transport::V1(_));
                if let Some((transport, open)) = c.counted_as {
                    shares[place(transport)].connections -= u64::from(open);
                    shares[place(transport)].seen -= 1;
                }
                shares[place(now.0)].connections += u64::from(now.1);
                shares[place(now.0)].seen += 1;
            }
            c.counted_as = Some(now);
        }
    }

    fn apply_tick(&mut self, time: Timestamp, counters: Option<Counters>, out: &mut impl Output) {
        while self.ended.front().is_some_and(|(t, _)| time.since(*t) > REMEMBER) {
            self.forget_oldest(out);
        }
        for node in &mut self.nodes {
            node.wanted = out.wants_points();
            node.tick(time);
            self.troubles.merge(&node.ledger.take_troubles());
            if node.named {
                node.points.drain(..).for_each(|p| out.point(p));
            }
        }
        let [outputs, followers] = self.coins.take_evicted();
        self.troubles.add(Trouble::EvictedOutput, outputs);
        self.troubles.add(Trouble::EvictedFollower, followers);
        let length = self.config.interval;
        let end = *self.interval_end.get_or_insert(time.plus(length - 1).floor(length));
        if time < end {
            // The clock was set back: the running interval ends at the next border from here.
            if end.since(time) > length {
                self.interval_end = Some(time.floor(length).plus(length));
            }
            return;
        }
        if let Some(counters) = counters {
            self.counters = counters;
        }
        // After a silence the interval closes where it ended, not where the next frame is.
        self.close_interval(end, out);
        self.closed = Some(end);
        self.interval_end = Some(time.floor(length).plus(length));
    }

    fn close_interval(&mut self, time: Timestamp, out: &mut impl Output) {
        let mut points = Vec::new();
        let mut doubts = Tally::default();
        for chain in self.nodes.iter().filter_map(|n| n.ledger.chain.as_ref()) {
            doubts.merge(chain.doubts());
        }
        for node in self.nodes.iter_mut().filter(|n| n.named) {
            node.close_interval(time, &mut points);
        }
        points.push(Point {
            series: id::SENSOR,
            time,
            node: "".into(),
            values: sensor::values(&self.counters, &self.troubles, &doubts, out.delivery().as_ref()),
        });
        out.interval(points);
    }
}

/// Looks at a little of each line of the cache.
fn look_at([low, high]: &[DirectionStats; 2]) -> u64 {
    low.packets ^ low.gap_bytes ^ high.gap_bytes
}

mod ends;
mod estimates;
pub mod look;
pub mod status;

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
