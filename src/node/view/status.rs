//! The watched nodes at a glance, made once a second: what a status line shows.

use super::View;
use crate::node::totals::Node;
use crate::time::Timestamp;
use std::sync::Arc;

/// The nodes as of a tick. Cheap to make: it walks no connection, no block, no transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Time of the tick.
    pub time: Timestamp,
    /// The nodes found or given, with a name.
    pub nodes: Vec<NodeStatus>,
}

/// One node; figures of its Bitcoin connections.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Open connections that peers opened.
    pub inbound: u64,
    /// Open connections that it opened.
    pub outbound: u64,
    /// Open connections that can be read.
    pub v1: u64,
    /// Open connections that are encrypted.
    pub v2: u64,
    /// Messages to it and from it since the start.
    pub messages: u64,
    /// Bytes of IP packets to it since the start.
    pub wire_bytes_recv: u64,
    /// Bytes of IP packets from it since the start.
    pub wire_bytes_sent: u64,
    /// Height of its tip, as far as it is known.
    pub height: Option<u32>,
    /// Transactions in its mempool, inferred.
    pub mempool_tx: u64,
    /// Their virtual bytes.
    pub mempool_vsize: u64,
}

impl View {
    /// The nodes now.
    pub fn status(&self, time: Timestamp) -> Status {
        Status { time, nodes: self.nodes.iter().filter(|n| n.named).map(NodeStatus::new).collect() }
    }
}

impl NodeStatus {
    fn new(n: &Node) -> Self {
        let mempool = n.ledger.mempool.totals();
        let tip = n.ledger.chain.as_ref().and_then(crate::node::chain::Chain::tip).and_then(|t| t.height);
        Self {
            name: Arc::clone(&n.name),
            inbound: n.gauges.inbound.into(),
            outbound: (n.gauges.total - n.gauges.inbound).into(),
            v1: n.shares[0].connections,
            v2: n.shares[1].connections,
            messages: n.messages_in_all(),
            wire_bytes_recv: n.recv.wire_bytes,
            wire_bytes_sent: n.sent.wire_bytes,
            height: tip.max(n.ledger.best_height()),
            mempool_tx: mempool.num_tx,
            mempool_vsize: mempool.vsize,
        }
    }
}
