//! Encrypted connections in the report, and what is exchanged on connections of either kind.

use crate::node::exchange::Exchange;
use crate::node::totals::{Node, TRANSPORTS};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was estimated of encrypted connections beside the messages.
#[derive(Clone, Debug, Serialize)]
pub struct EncryptedReport {
    /// Open connections whose handshake is complete.
    pub handshakes: u64,
    /// Transactions that the node received.
    pub transactions: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Blocks that it received, by the way they came.
    pub blocks: BTreeMap<&'static str, u64>,
    /// Transactions, in either direction, recognised as ones that were seen in the clear.
    pub matched_transactions: u64,
    /// Blocks, likewise.
    pub matched_blocks: u64,
}

impl EncryptedReport {
    pub(super) fn new(n: &Node) -> Self {
        let t = &n.encrypted.totals;
        Self {
            handshakes: n.gauges.handshakes_v2.into(),
            transactions: t.transactions,
            tx_bytes: t.tx_bytes,
            blocks: t.blocks.clone(),
            matched_transactions: t.matches[0],
            matched_blocks: t.matches[1],
        }
    }
}

/// Announcements, requests and pings of one transport: read on v1, estimated on v2.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ExchangeReport {
    /// Whether the figures are estimated.
    pub estimated: bool,
    /// Transactions announced to the node.
    pub announced_recv: u64,
    /// Transactions announced by the node.
    pub announced_sent: u64,
    /// Transactions asked for by peers.
    pub requested_recv: u64,
    /// Transactions asked for by the node.
    pub requested_sent: u64,
    /// Pings of peers that the node answered.
    pub pings_recv: u64,
    /// How long that took on average, microseconds.
    pub ping_recv_mean: Option<u64>,
    /// Pings of the node that peers answered.
    pub pings_sent: u64,
    /// How long that took on average, microseconds.
    pub ping_sent_mean: Option<u64>,
}

/// By transport; of encrypted connections when there are some.
pub(super) fn exchanges(n: &Node) -> BTreeMap<&'static str, ExchangeReport> {
    let told = TRANSPORTS.iter().zip(&n.exchanges.total).zip(&n.shares);
    told.filter(|(_, share)| share.seen > 0).map(|((name, e), _)| (*name, exchange(e, *name == "v2"))).collect()
}

fn exchange(e: &Exchange, estimated: bool) -> ExchangeReport {
    let (a, [recv, sent]) = (&e.announcements, &e.pings);
    ExchangeReport {
        estimated,
        announced_recv: a.announced[0],
        announced_sent: a.announced[1],
        requested_recv: a.requested[0],
        requested_sent: a.requested[1],
        pings_recv: recv.answered,
        ping_recv_mean: recv.mean(),
        pings_sent: sent.answered,
        ping_sent_mean: sent.mean(),
    }
}
