//! The rows of the snapshot's tables: a peer, a block, a step of a block's way.

use super::follow::Followed;
use crate::flow::handler::RoleEvidence;
use crate::flow::{PacketIndex, Side};
use crate::message::command::COMMANDS;
use crate::message::hash::Hash256;
use crate::message::transport::Transport;
use crate::message::version::services_text;
use crate::node::blocks::Record;
use crate::node::connection::Connection;
use crate::node::ledger::Ledger;
use crate::series::{SERIES, Value, id};
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Microseconds since 1970, the API's unit of time: they fit the doubles of JavaScript.
pub fn micros(time: Timestamp) -> i64 {
    time.nanos().div_euclid(1000)
}

/// Messages by command.
pub type Counts = BTreeMap<&'static str, u64>;

/// Messages of both directions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ByDirection {
    /// To the node.
    pub recv: Counts,
    /// From the node.
    pub sent: Counts,
}

/// A peer of a node: one connection.
#[derive(Clone, Debug, Serialize)]
pub struct PeerRow {
    /// Number of the connection, unique in the run.
    pub id: String,
    /// The node.
    pub node: String,
    /// The peer's address and port.
    pub address: String,
    /// `inbound`: the peer opened it.
    pub direction: &'static str,
    /// `v1`, `v2`, `undecided`, `not_bitcoin`.
    pub transport: &'static str,
    /// `ipv4`, `ipv6`, `cjdns`, `local`.
    pub network: &'static str,
    /// What it calls itself, escaped.
    pub user_agent: Option<String>,
    /// Protocol version.
    pub protocol_version: Option<i32>,
    /// Names of its service bits.
    pub services: Option<Vec<String>>,
    /// Height that it told.
    pub start_height: Option<i32>,
    /// When it was established or joined, µs.
    pub since: i64,
    /// When it ended, µs.
    pub until: Option<i64>,
    /// Unique payload to the node.
    pub bytes_recv: u64,
    /// Unique payload from the node.
    pub bytes_sent: u64,
    /// Messages to the node.
    pub messages_recv: u64,
    /// Messages from the node.
    pub messages_sent: u64,
    /// By command.
    pub messages: ByDirection,
    /// Last round trip of a ping, µs.
    pub ping_us: Option<u64>,
    /// Shortest.
    pub ping_min_us: Option<u64>,
    /// Round trip of the TCP handshake, µs.
    pub tcp_rtt_us: Option<i64>,
    /// The last block that it announced first.
    pub last_block: Option<String>,
    /// When, µs.
    pub last_block_time: Option<i64>,
    /// When its last transaction came, µs.
    pub last_tx_time: Option<i64>,
    /// When the last one came that nobody had sent before, µs.
    pub last_tx_first: Option<i64>,
    /// Blocks that it announced first.
    pub first_blocks: u64,
    /// Transactions that it sent first.
    pub first_txs: u64,
    /// Whether both sides said `verack`; not known of encrypted connections.
    pub handshake: Option<bool>,
    /// Its messages are estimated from sizes and times.
    pub estimated: bool,
}

impl PeerRow {
    /// What there is to say of a connection of a node on `side`.
    pub fn new(id: PacketIndex, c: &Connection, side: Side, node: &str, followed: Option<&Followed>) -> Self {
        let (ours, theirs) = (side as usize, side.other() as usize);
        let peer = c.conversation.endpoints[theirs];
        let encrypted = c.transport == Transport::V2;
        let none = Followed::default();
        let f = followed.unwrap_or(&none);
        let said = f.said[theirs].as_deref();
        let tally = |side: usize| -> Counts {
            let name = |command: u8| COMMANDS.get(usize::from(command)).map_or("unknown", |c| c.name);
            f.counts[side].iter().map(|(command, n)| (name(*command), *n)).collect()
        };
        let messages = ByDirection { recv: tally(theirs), sent: tally(ours) };
        let whole_handshake = c.conversation.evidence == RoleEvidence::Syn;
        Self {
            id: id.0.to_string(),
            node: node.to_owned(),
            address: peer.to_string(),
            direction: if c.conversation.initiator == side { "outbound" } else { "inbound" },
            transport: match c.transport {
                Transport::V1(_) => "v1",
                Transport::V2 => "v2",
                Transport::Unknown => "undecided",
                Transport::NotBitcoin => "not_bitcoin",
            },
            network: network(peer),
            user_agent: said.map(|s| s.user_agent.clone()),
            protocol_version: said.map(|s| s.version),
            services: said.map(|s| match s.services {
                0 => Vec::new(),
                bits => services_text(bits).split('|').map(str::to_owned).collect(),
            }),
            start_height: said.and_then(|s| s.start_height),
            since: micros(c.established),
            until: c.ended.map(micros),
            bytes_recv: c.stats[theirs].payload_bytes,
            bytes_sent: c.stats[ours].payload_bytes,
            messages_recv: messages.recv.values().sum(),
            messages_sent: messages.sent.values().sum(),
            messages,
            ping_us: f.ping,
            ping_min_us: f.ping_min,
            tcp_rtt_us: whole_handshake.then(|| c.established.since(c.conversation.started) / 1000),
            last_block: f.last_block.map(|(hash, _)| hash.to_string()),
            last_block_time: f.last_block.map(|(_, at)| micros(at)),
            last_tx_time: f.last_tx.map(micros),
            last_tx_first: f.last_tx_first.map(micros),
            first_blocks: f.first_blocks,
            first_txs: f.first_txs,
            handshake: (!encrypted).then_some(f.veracks == [true, true]),
            estimated: encrypted,
        }
    }
}

/// The network that an address is of. Connections of Tor and I2P come from a proxy on this host as a rule.
fn network(peer: SocketAddr) -> &'static str {
    match peer.ip().to_canonical() {
        ip if ip.is_loopback() => "local",
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(ip) if ip.octets()[0] == 0xfc => "cjdns",
        IpAddr::V6(_) => "ipv6",
    }
}

/// A block that came to a node.
#[derive(Clone, Debug)]
pub struct BlockRow {
    /// Its hash.
    pub hash: Hash256,
    /// The node.
    pub node: String,
    /// Its time, µs: that of its point in the store.
    pub time: i64,
    /// As an object, with the names of the columns of `processed_blocks`.
    pub object: Map<String, Json>,
}

impl BlockRow {
    /// The row of a record.
    pub fn of_record(r: &Record, ledger: &Ledger, node: &str) -> Self {
        Self::new(r.header.hash, node, r.point, &ledger.processed(r))
    }

    /// The row of the values of a point.
    pub fn new(hash: Hash256, node: &str, time: Timestamp, values: &[Value]) -> Self {
        let mut object = Map::new();
        for (c, v) in SERIES[id::PROCESSED_BLOCKS].columns.iter().zip(values) {
            object.insert(api_name(c.name).to_owned(), json(v));
        }
        object.insert("time".to_owned(), micros(time).into());
        object.insert("node".to_owned(), node.into());
        Self { hash, node: node.to_owned(), time: micros(time), object }
    }
}

/// The API's name of a column of `processed_blocks`.
pub fn api_name(column: &str) -> &str {
    if column == "sha" { "hash" } else { column }
}

/// A value as JSON has it.
pub fn json(v: &Value) -> Json {
    match v {
        Value::Absent => Json::Null,
        Value::Integer(n) => (*n).into(),
        Value::Float(x) => (*x).into(),
        Value::Boolean(b) => (*b).into(),
        Value::Text(t) => t.as_ref().into(),
    }
}
