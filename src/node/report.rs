//! What a run saw, as one value: the summary on the terminal and the object of `--json`.

pub mod encrypted;
pub mod ledger;

use self::encrypted::{EncryptedReport, ExchangeReport, exchanges};
use self::ledger::{ChainReport, MempoolReport};
use super::connection::Connection;
use super::totals::{Messages, Node, TRANSPORTS, place};
use crate::flow::{PacketIndex, Side};
use crate::health::{Tally, Vocabulary};
use crate::message::command::COMMANDS;
use crate::series::sensor::Counters;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Connections listed one by one at most.
pub const LISTED: usize = 200;

/// Counts by name, those that are not zero.
pub type Counts = BTreeMap<String, u64>;

/// What a run saw.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The capture as a whole.
    pub capture: Capture,
    /// The watched nodes.
    pub nodes: Vec<NodeReport>,
    /// Bitcoin connections that touch no watched node, because there were too many nodes.
    pub unattributed_connections: u64,
}

/// The capture as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct Capture {
    /// Time of the first frame, ns since 1970.
    pub first: Option<i64>,
    /// Time of the last frame.
    pub last: Option<i64>,
    /// Frames captured.
    pub frames: u64,
    /// Their bytes on the wire.
    pub frame_bytes: u64,
    /// Frames that gave a TCP segment.
    pub frames_used: u64,
    /// Frames skipped, by reason; with `frames_used` they add up to `frames`.
    pub frames_skipped: Counts,
    /// What else decoding saw.
    pub decode_notes: Counts,
    /// Frames dropped by the interface and by the capturing system, as far as the capture tells.
    pub dropped: u64,
    /// TCP oddities.
    pub tcp_anomalies: Counts,
    /// Gaps in streams, by cause.
    pub gaps: Counts,
    /// Their bytes.
    pub gap_bytes: Counts,
    /// Message stream troubles.
    pub message_troubles: Counts,
}

/// One watched node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// Networks its readable connections were on.
    pub networks: Vec<String>,
    /// Connections by transport.
    pub transports: BTreeMap<&'static str, TransportReport>,
    /// v2 attempts that were repeated as v1.
    pub v2_fallbacks: u64,
    /// Bytes.
    pub bandwidth: Bandwidth,
    /// Messages by command.
    pub messages: BTreeMap<String, MessageReport>,
    /// The same of encrypted connections, estimated from sizes, order and time.
    pub estimated_messages: BTreeMap<String, MessageReport>,
    /// Bytes of encrypted connections that those account for.
    pub explained_bytes: u64,
    /// What else was estimated of encrypted connections.
    pub encrypted: EncryptedReport,
    /// Announcements, requests and pings, by transport.
    pub exchanges: BTreeMap<&'static str, ExchangeReport>,
    /// Commands that the sensor does not know.
    pub unknown_commands: Counts,
    /// Messages that were truncated, had a wrong checksum, or did not decode.
    pub faulty_messages: u64,
    /// `version` messages received, by user agent.
    pub user_agents: Counts,
    /// Open connections at the end.
    pub open: Open,
    /// What the node follows, and the blocks that came to it.
    pub chain: ChainReport,
    /// The shadow mempool at the end, and the transactions that were seen.
    pub mempool: MempoolReport,
    /// Distinct addresses gossiped to the node in the last 24 hours, estimated.
    pub gossiped_addresses: u64,
    /// The connections that carried most.
    pub connections: Vec<ConnectionReport>,
}

/// Connections and bytes of one transport.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TransportReport {
    /// Connections seen.
    pub connections: u64,
    /// Open at the end.
    pub open: u64,
    /// Unique payload bytes to the node.
    pub bytes_recv: u64,
    /// Unique payload bytes from the node.
    pub bytes_sent: u64,
    /// Segments to the node.
    pub packets_recv: u64,
    /// Segments from the node.
    pub packets_sent: u64,
}

/// Bytes of the node's Bitcoin connections.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bandwidth {
    /// Unique payload to the node.
    pub bytes_recv: u64,
    /// Unique payload from the node.
    pub bytes_sent: u64,
    /// IP packets to the node.
    pub wire_bytes_recv: u64,
    /// IP packets from the node.
    pub wire_bytes_sent: u64,
    /// Payload to the node seen again.
    pub retransmitted_bytes_recv: u64,
    /// Payload from the node seen again.
    pub retransmitted_bytes_sent: u64,
}

/// Messages of one command.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MessageReport {
    /// Messages to the node.
    pub recv: u64,
    /// Their bytes, headers included.
    pub recv_bytes: u64,
    /// Messages from the node.
    pub sent: u64,
    /// Their bytes, headers included.
    pub sent_bytes: u64,
}

/// Gauges at the end.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Open {
    /// All.
    pub total: u64,
    /// Opened by the peer.
    pub inbound: u64,
    /// Opened by the node.
    pub outbound: u64,
    /// Peers with full blocks.
    pub fullnode: u64,
    /// Light clients.
    pub spv: u64,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionReport {
    /// The peer's address and port.
    pub peer: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// Transport.
    pub transport: &'static str,
    /// Whether it was open at the end.
    pub open: bool,
    /// Unique payload bytes to the node.
    pub bytes_recv: u64,
    /// Unique payload bytes from the node.
    pub bytes_sent: u64,
    /// When it was established or joined, ns since 1970.
    pub since: i64,
}

impl ConnectionReport {
    /// What there is to say of `c`, seen from its node on `side`.
    pub(super) fn new(c: &Connection, side: Side) -> Self {
        Self {
            peer: c.conversation.endpoints[side.other() as usize].to_string(),
            direction: if c.conversation.initiator == side { "outbound" } else { "inbound" },
            transport: TRANSPORTS[place(c.transport)],
            open: c.open,
            bytes_recv: c.stats[side.other() as usize].payload_bytes,
            bytes_sent: c.stats[side as usize].payload_bytes,
            since: c.established.nanos(),
        }
    }
}

/// Keeps the [`LISTED`] connections that carried most, in that order.
pub(super) fn largest(connections: &mut Vec<ConnectionReport>) {
    connections.sort_by(|a, b| {
        (b.bytes_recv + b.bytes_sent)
            .cmp(&(a.bytes_recv + a.bytes_sent))
            .then(a.since.cmp(&b.since))
            .then(a.peer.cmp(&b.peer))
    });
    connections.truncate(LISTED);
}

fn counts<V: Vocabulary>(tally: &Tally<V>) -> Counts {
    tally.nonzero().map(|(v, n)| (v.name().to_owned(), n)).collect()
}

impl Report {
    /// The report of `nodes` and their connections.
    pub(super) fn new<S>(
        nodes: &[Node],
        connections: &HashMap<PacketIndex, Box<Connection>, S>,
        c: &Counters,
        unattributed: u64,
    ) -> Self {
        let mut all: Vec<_> = connections.iter().map(|(id, c)| (id, &**c)).collect();
        all.sort_unstable_by_key(|(id, _)| **id);
        let capture = Capture {
            first: c.first.map(Timestamp::nanos),
            last: c.last.map(Timestamp::nanos),
            frames: c.frames,
            frame_bytes: c.frame_bytes,
            frames_used: c.used,
            frames_skipped: counts(&c.skipped),
            decode_notes: counts(&c.notes),
            dropped: c.interface_drops + c.kernel_drops,
            tcp_anomalies: counts(&c.streams.anomalies),
            gaps: counts(&c.streams.gaps),
            gap_bytes: counts(&c.streams.gap_bytes),
            message_troubles: counts(&c.streams.troubles),
        };
        let nodes = nodes.iter().enumerate().map(|(i, n)| node_report(i, n, &all)).collect();
        Self { capture, nodes, unattributed_connections: unattributed }
    }
}

fn node_report(index: usize, n: &Node, all: &[(&PacketIndex, &Connection)]) -> NodeReport {
    let known = (all.iter())
        .filter_map(|(_, c)| c.nodes.iter().flatten().find(|(node, _)| *node == index).map(|(_, side)| (*c, *side)))
        .filter(|(c, _)| c.is_bitcoin())
        .map(|(c, side)| ConnectionReport::new(c, side));
    let mut connections: Vec<ConnectionReport> = n.past.iter().cloned().chain(known).collect();
    largest(&mut connections);
    let transports = (TRANSPORTS.iter().zip(&n.shares))
        .map(|(name, s)| {
            (
                *name,
                TransportReport {
                    connections: s.seen,
                    open: s.connections,
                    bytes_recv: s.bytes_recv,
                    bytes_sent: s.bytes_sent,
                    packets_recv: s.packets_recv,
                    packets_sent: s.packets_sent,
                },
            )
        })
        .collect();
    let g = &n.gauges;
    NodeReport {
        node: n.name.to_string(),
        networks: n.networks.iter().map(ToString::to_string).collect(),
        transports,
        v2_fallbacks: n.shares[1].fallbacks,
        bandwidth: Bandwidth {
            bytes_recv: n.recv.payload_bytes,
            bytes_sent: n.sent.payload_bytes,
            wire_bytes_recv: n.recv.wire_bytes,
            wire_bytes_sent: n.sent.wire_bytes,
            retransmitted_bytes_recv: n.recv.retransmitted_bytes,
            retransmitted_bytes_sent: n.sent.retransmitted_bytes,
        },
        messages: messages(&n.messages),
        estimated_messages: messages(&n.estimates),
        encrypted: EncryptedReport::new(n),
        exchanges: exchanges(n),
        explained_bytes: n.shares[1].explained_recv + n.shares[1].explained_sent,
        unknown_commands: n.unknown.iter().map(|(k, v)| (k.to_string(), *v)).collect(),
        faulty_messages: n.faulty,
        user_agents: n.agent_counts.clone().into_iter().collect(),
        open: Open {
            total: g.total.into(),
            inbound: g.inbound.into(),
            outbound: (g.total - g.inbound).into(),
            fullnode: g.fullnode.into(),
            spv: g.spv.into(),
        },
        chain: ChainReport::new(&n.ledger),
        mempool: MempoolReport::new(&n.ledger),
        gossiped_addresses: n.ledger.gossiped(),
        connections,
    }
}

fn messages(totals: &[Messages; 2]) -> BTreeMap<String, MessageReport> {
    let [recv, sent] = totals;
    let names = COMMANDS.iter().map(|c| c.name).chain(["unknown"]);
    (names.enumerate())
        .map(|(i, name)| {
            let m = MessageReport {
                recv: recv.count[i],
                recv_bytes: recv.bytes[i],
                sent: sent.count[i],
                sent_bytes: sent.bytes[i],
            };
            (name.to_owned(), m)
        })
        .filter(|(_, m)| m.recv + m.sent > 0)
        .collect()
}
