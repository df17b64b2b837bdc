//! One connection as the node stage knows it.

use super::watch::Attribution;
use crate::flow::{Conversation, DirectionStats, Side};
use crate::message::transport::Transport;
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
    /// Bytes that inferred messages explain, by sender.
    pub explained: [u64; 2],
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
            explained: [0; 2],
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
        }
    }
}
