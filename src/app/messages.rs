//! What `btcdmon messages` prints: one message a line.

use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::event::Message;
use crate::message::v2::Estimate;
use crate::message::v2::kind::Kind;
use crate::message::{fields, info, text};
use crate::node::{Direction, SeenEstimate, SeenMessage};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// How messages are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// A table like tshark's.
    Text,
}

/// Name of a message as on the wire; bytes of an unknown one are printable already.
fn name(m: &Message) -> &str {
    m.unknown_name.as_deref().unwrap_or(m.command.name())
}

/// Prints one message.
pub fn print(out: &mut impl Write, format: Format, seen: &SeenMessage<'_>) -> io::Result<()> {
    match format {
        Format::Json => print_json(out, seen),
        Format::Text => print_text(out, seen),
    }
}

/// Prints one inferred message.
pub fn print_estimate(out: &mut impl Write, format: Format, seen: &SeenEstimate<'_>) -> io::Result<()> {
    let Estimate { kind, offset, len, time, index, confidence, .. } = *seen.estimate;
    let name = kind.command().map_or("", Command::name);
    let contents = contents(seen.estimate);
    if format == Format::Text {
        let arrow = arrow(seen.direction);
        let node = text::escape(seen.node.as_bytes());
        let (frame, time, peer) = (index.0, time.to_string(), seen.peer.to_string());
        let info = contents.map_or(String::new(), |(what, n)| format!(", {what} {n}"));
        return writeln!(
            out,
            "{frame:>9}  {time:<30}  {node:<24} {arrow} {peer:<28}  {name:<12} {len:>9}  v2, estimated ({:.1} %){info}",
            f64::from(confidence) / 10.0
        );
    }
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
    if let Some((what, n)) = contents {
        put(what, n.into());
    }
    serde_json::to_writer(&mut *out, &o)?;
    out.write_all(b"\n")
}

/// What the length of an inferred message says of its contents.
fn contents(e: &Estimate) -> Option<(&'static str, u32)> {
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

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Recv => "<-",
        Direction::Sent => "->",
    }
}

/// The head of the table.
pub fn print_head(out: &mut impl Write, format: Format) -> io::Result<()> {
    if format == Format::Text {
        writeln!(
            out,
            "{:>9}  {:<30}  {:<24} {:<2} {:<28}  {:<12} {:>9}  info",
            "frame", "time (UTC)", "node", "", "peer", "command", "bytes"
        )?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn print_json(out: &mut impl Write, seen: &SeenMessage<'_>) -> io::Result<()> {
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
    serde_json::to_writer(&mut *out, &o)?;
    out.write_all(b"\n")
}

fn print_text(out: &mut impl Write, seen: &SeenMessage<'_>) -> io::Result<()> {
    let m = seen.message;
    let arrow = arrow(seen.direction);
    let mut notes = String::new();
    if m.truncated {
        notes = format!("truncated, {} bytes missing", m.missing);
    } else if !m.checksum_valid {
        "wrong checksum".clone_into(&mut notes);
    }
    let info = match &m.body {
        Err(e) => format!("does not decode: {e}"),
        Ok(Body::Unknown) if m.truncated || m.command != Command::UNKNOWN => String::new(),
        Ok(body) => info::line(name(m), body),
    };
    let sep = if notes.is_empty() || info.is_empty() { "" } else { "; " };
    let node = text::escape(seen.node.as_bytes());
    let (frame, time, peer) = (seen.at.index.0, seen.at.time.to_string(), seen.peer.to_string());
    writeln!(
        out,
        "{frame:>9}  {time:<30}  {node:<24} {arrow} {peer:<28}  {:<12} {:>9}  {notes}{sep}{info}",
        name(m),
        m.payload_bytes
    )
}
