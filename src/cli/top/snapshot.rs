//! What is shown, wherever it was read from.

use serde_json::Value;

/// The transport of encrypted connections (BIP 324): what is told of their messages is estimated.
pub const ENCRYPTED: &str = "v2";
/// Stands before what is estimated.
pub const ESTIMATED: &str = "≈ ";

/// The figures of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Where they come from: an address or a file.
    pub origin: String,
    /// The sensor's name.
    pub sensor: String,
    /// `live`, `replay`, `store`.
    pub mode: String,
    /// Capture time, µs since 1970.
    pub time: Option<i64>,
    /// The watched nodes.
    pub nodes: Vec<Node>,
    /// Open connections of the chosen node; nothing where that is not known.
    pub peers: Option<Vec<Peer>>,
    /// Blocks that came to it, newest first.
    pub blocks: Vec<Block>,
    /// Its messages of the last minutes by command: received, sent.
    pub messages: Vec<(String, [f64; 2])>,
    /// What the sensor skipped or lost, and how often.
    pub losses: Vec<(String, u64)>,
}

/// A watched node at a glance; what is not known is absent.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub name: String,
    pub height: Option<i64>,
    /// When the tip became the tip, µs since 1970.
    pub tip_time: Option<i64>,
    pub inbound: Option<i64>,
    pub outbound: Option<i64>,
    /// Connections that can be read, and encrypted ones.
    pub v1: Option<i64>,
    pub v2: Option<i64>,
    pub messages_per_s: Option<f64>,
    /// Some of these messages are estimated.
    pub estimated: bool,
    pub bytes_recv_per_s: Option<f64>,
    pub bytes_sent_per_s: Option<f64>,
    pub mempool_tx: Option<i64>,
    pub mempool_vsize: Option<i64>,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    pub address: String,
    pub direction: String,
    pub transport: String,
    /// As the peer sent it: whoever shows it escapes it.
    pub user_agent: String,
    /// µs since 1970.
    pub since: Option<i64>,
    pub bytes_recv: Option<i64>,
    pub bytes_sent: Option<i64>,
    pub messages: Option<i64>,
    pub ping: Option<i64>,
    pub first_blocks: Option<i64>,
    pub first_txs: Option<i64>,
}

/// A block.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub time: Option<i64>,
    pub height: Option<i64>,
    pub hash: String,
    pub size: Option<i64>,
    pub num_tx: Option<i64>,
    pub fees: Option<i64>,
    pub via: String,
    pub first_announcer: String,
    pub process_time: Option<i64>,
    pub status: String,
    /// It came on an encrypted connection: that it was a block is estimated.
    pub estimated: bool,
}

/// Text of a field.
pub fn text(v: &Value, field: &str) -> String {
    v[field].as_str().unwrap_or_default().to_owned()
}

/// A whole number.
pub fn int(v: &Value, field: &str) -> Option<i64> {
    v[field].as_i64()
}

impl Node {
    /// From the API's object, or a row of the same names.
    pub fn from_json(v: &Value) -> Self {
        Self {
            name: text(v, "name"),
            height: int(v, "height"),
            tip_time: int(v, "tip_time"),
            inbound: int(v, "inbound"),
            outbound: int(v, "outbound"),
            v1: int(v, "v1"),
            v2: int(v, "v2"),
            messages_per_s: v["messages_per_s"].as_f64(),
            estimated: int(v, "messages_estimated").is_some_and(|n| n > 0),
            bytes_recv_per_s: v["bytes_recv_per_s"].as_f64(),
            bytes_sent_per_s: v["bytes_sent_per_s"].as_f64(),
            mempool_tx: int(v, "mempool_tx"),
            mempool_vsize: int(v, "mempool_vsize"),
        }
    }
}

impl Peer {
    /// From the API's object.
    pub fn from_json(v: &Value) -> Self {
        let messages = ["messages_recv", "messages_sent"].map(|f| int(v, f));
        Self {
            address: text(v, "address"),
            direction: text(v, "direction"),
            transport: text(v, "transport"),
            user_agent: text(v, "user_agent"),
            since: int(v, "since"),
            bytes_recv: int(v, "bytes_recv"),
            bytes_sent: int(v, "bytes_sent"),
            messages: messages[0].map(|m| m + messages[1].unwrap_or(0)),
            ping: int(v, "ping_us"),
            first_blocks: int(v, "first_blocks"),
            first_txs: int(v, "first_txs"),
        }
    }
}

impl Block {
    /// From the API's object, or a row of the same names.
    pub fn from_json(v: &Value) -> Self {
        let hash = text(v, "hash");
        Self {
            time: int(v, "time"),
            height: int(v, "height"),
            hash,
            size: int(v, "size"),
            num_tx: int(v, "num_tx"),
            fees: int(v, "total_tx_fees"),
            via: text(v, "via"),
            first_announcer: text(v, "first_announcer"),
            process_time: int(v, "process_time"),
            status: text(v, "status"),
            estimated: text(v, "transport") == ENCRYPTED,
        }
    }
}
