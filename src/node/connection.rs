//! One connection as the node stage knows it.

use super::encrypted::handshake::Handshake;
use super::watch::Attribution;
use crate::flow::{Conversation, DirectionStats, Side};
use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::event::Message;
use crate::message::transport::Transport;
use crate::message::v2::Estimate;
use crate::message::v2::kind::Kind;
use crate::message::version::Version;
use crate::series::peers::Gauges;
use crate::time::Timestamp;

/// `NODE_NETWORK` and `NODE_NETWORK_LIMITED` (BIP 159): the peer offers full blocks.
const FULL: u64 = 1 | 1 << 10;

/// What a side said of itself that decides a gauge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// Its `version` was seen.
    pub version: bool,
    /// Service bits.
    pub services: u64,
    /// It wants transactions.
    pub relay: bool,
    /// It loaded a bloom filter or asked for compact filters.
    pub filters: bool,
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Ends and roles.
    pub conversation: Conversation,
    /// What it speaks.
    pub transport: Transport,
    /// One of its ports is a Bitcoin port.
    pub bitcoin_port: bool,
    /// No FIN and no RST yet.
    pub open: bool,
    /// When it was established.
    pub established: Timestamp,
    /// Who sent the first FIN, and when.
    pub closed_first: Option<(Side, Timestamp)>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Newest figures, by sender.
    pub stats: [DirectionStats; 2],
    /// Its handshake, when it is encrypted.
    pub handshake: Option<Box<Handshake>>,
    /// The newest `ping` without an answer, by sender, and its nonce when it can be read.
    pings: [Option<(Timestamp, Option<u64>)>; 2],
    /// By sender.
    pub said: [Said; 2],
    /// It is Bitcoin and touches no watched node: counted.
    pub is_unattributed: bool,
    /// The watched nodes at its ends.
    pub nodes: [Option<Attribution>; 2],
    /// What it adds to the gauges of its nodes now.
    pub counted: [Gauges; 2],
    /// The transport under which it is counted in `visibility` now.
    pub counted_as: Option<(Transport, bool)>,
}

impl Connection {
    /// A connection that was just established.
    pub fn new(conversation: Conversation, established: Timestamp, bitcoin_port: bool) -> Self {
        Self {
            conversation,
            transport: Transport::Unknown,
            bitcoin_port,
            open: true,
            established,
            closed_first: None,
            ended: None,
            stats: Default::default(),
            handshake: None,
            pings: [None; 2],
            said: Default::default(),
            is_unattributed: false,
            nodes: [None; 2],
            counted: Default::default(),
            counted_as: None,
        }
    }

    /// Whether it is one of the node's Bitcoin connections: whatever the peer says on a Bitcoin port, the
    /// node counts it as a peer; on other ports only what speaks v1.
    pub fn is_bitcoin(&self) -> bool {
        self.bitcoin_port || matches!(self.transport, Transport::V1(_))
    }

    /// Notes a `version` message; the first one tells who opened a connection of which nothing else does.
    pub fn version(&mut self, side: Side, v: &Version) {
        let first = !self.said.iter().any(|s| s.version);
        if first && self.conversation.evidence == crate::flow::handler::RoleEvidence::FirstPacket {
            self.conversation.initiator = side;
            self.conversation.evidence = crate::flow::handler::RoleEvidence::Port;
        }
        let said = &mut self.said[side as usize];
        *said = Said { version: true, services: v.services, relay: v.wants_transactions(), filters: said.filters };
    }

    /// Whether its handshake is complete, of an encrypted one.
    fn is_shaken(&self) -> bool {
        self.handshake.as_ref().is_some_and(|h| h.complete.is_some())
    }

    /// Notes a `ping`; of a `pong` that answers one tells how long that took, µs.
    pub fn round_trip(&mut self, m: &Message, at: Timestamp) -> Option<u64> {
        let Ok(Body::Nonce(nonce)) = m.body else { return None };
        match m.command {
            Command::PING => self.ping(m.side, nonce, at),
            Command::PONG => self.pong(m.side, nonce, at),
            _ => None,
        }
    }

    /// The same of an inferred message: its nonce is not known.
    pub fn estimated_round_trip(&mut self, e: &Estimate) -> Option<u64> {
        match e.kind {
            Kind::Ping => self.ping(e.side, None, e.time),
            Kind::Pong => self.pong(e.side, None, e.time),
            _ => None,
        }
    }

    fn ping(&mut self, side: Side, nonce: Option<u64>, at: Timestamp) -> Option<u64> {
        self.pings[side as usize] = Some((at, nonce));
        None
    }

    fn pong(&mut self, side: Side, nonce: Option<u64>, at: Timestamp) -> Option<u64> {
        let asked = &mut self.pings[side.other() as usize];
        let (since, _) = asked.take_if(|(_, asked)| *asked == nonce)?;
        u64::try_from(at.since(since) / 1000).ok()
    }

    /// What it adds to the gauges of a node on `side`.
    pub fn gauges(&self, side: Side) -> Gauges {
        if !self.open || !self.is_bitcoin() {
            return Gauges::default();
        }
        let peer = &self.said[side.other() as usize];
        let full = peer.version && peer.services & FULL != 0;
        let spv = peer.filters || (peer.version && !full && !peer.relay);
        Gauges {
            total: 1,
            inbound: u32::from(self.conversation.initiator != side),
            fullnode: u32::from(full),
            spv: u32::from(spv),
            readable: u32::from(matches!(self.transport, Transport::V1(_))),
            handshakes_v2: u32::from(self.transport == Transport::V2 && self.is_shaken()),
        }
    }
}
