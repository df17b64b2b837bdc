//! A message as an object: what `btcdmon messages` prints and the web API streams.

use super::output::{SeenEstimate, SeenMessage};
use crate::message::command::Command;
use crate::message::event::Message;
use crate::message::fields;
use crate::message::v2::Estimate;
use crate::message::v2::kind::Kind;
use serde_json::{Map, Value};

/// Name of a message as on the wire; bytes of an unknown one are printable already.
pub fn name(m: &Message) -> &str {
    m.unknown_name.as_deref().unwrap_or(m.command.name())
}

/// An inferred message.
pub fn estimate_object(seen: &SeenEstimate<'_>) -> Map<String, Value> {
    let Estimate { kind, offset, len, time, index, confidence, .. } = *seen.estimate;
    let name = kind.command().map_or("", Command::name);
    let mut o = Map::new();
    let mut put = |k: &str, v: Value| {
        o.insert(k.to_owned(), v);
    };
    put("time", time.nanos().into());
    put("packet", index.0.into());
    put("node", seen.node.into());
    put("peer", seen.peer.to_string().into());
    put("direction", seen.direction.name().into());
    put("transport", "v2".into());
    put("estimated", true.into());
    put("confidence", (f64::from(confidence) / 1000.0).into());
    put("connection", seen.connection.0.into());
    put("command", name.into());
    put("wire_bytes", len.into());
    put("stream_offset", offset.into());
    if let Some((what, n)) = contents(seen.estimate) {
        put(what, n.into());
    }
    o
}

/// What the length of an inferred message says of its contents.
pub fn contents(e: &Estimate) -> Option<(&'static str, u32)> {
    Some(match e.kind {
        Kind::Inv | Kind::GetDataTx | Kind::GetDataBlock | Kind::NotFound | Kind::Headers | Kind::Addr => {
            ("entries", e.entries)
        }
        Kind::Tx => ("tx_size", e.payload_bytes()),
        Kind::Block => ("block_size", e.payload_bytes()),
        Kind::CmpctBlock => ("payload_bytes", e.payload_bytes()),
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// A message.
pub fn object(seen: &SeenMessage<'_>) -> Map<String, Value> {
    let m = seen.message;
    let mut o = Map::new();
    let mut put = |k: &str, v: Value| {
        o.insert(k.to_owned(), v);
    };
    put("time", seen.at.time.nanos().into());
    put("packet", seen.at.index.0.into());
    put("node", seen.node.into());
    put("peer", seen.peer.to_string().into());
    put("direction", seen.direction.name().into());
    put("transport", "v1".into());
    put("network", seen.network.map_or(Value::Null, |n| n.to_string().into()));
    put("connection", seen.connection.0.into());
    put("command", name(m).into());
    put("payload_bytes", m.payload_bytes.into());
    put("checksum", m.checksum.map_or(Value::Null, |c| hex(&c).into()));
    put("checksum_valid", m.checksum_valid.into());
    put("truncated", m.truncated.into());
    put("stream_offset", m.offset.into());
    if m.first != seen.at.time {
        put("first_byte_time", m.first.nanos().into());
    }
    if m.truncated {
        put("missing_bytes", m.missing.into());
    }
    if m.trailing > 0 {
        put("trailing_bytes", m.trailing.into());
    }
    match &m.body {
        Ok(body) => fields::fields(body, &mut o),
        Err(e) => {
            o.insert("error".to_owned(), e.to_string().into());
            o.insert("error_offset".to_owned(), e.offset.into());
        }
    }
    o
}
