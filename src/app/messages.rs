//! What `btcdmon messages` prints: one message a line.

use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::v2::Estimate;
use crate::message::{info, text};
use crate::node::{Direction, SeenEstimate, SeenMessage, listing};
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

/// Prints one message.
pub fn print(out: &mut impl Write, format: Format, seen: &SeenMessage<'_>) -> io::Result<()> {
    match format {
        Format::Json => object(out, &listing::object(seen)),
        Format::Text => print_text(out, seen),
    }
}

/// Prints one inferred message.
pub fn print_estimate(out: &mut impl Write, format: Format, seen: &SeenEstimate<'_>) -> io::Result<()> {
    if format == Format::Text {
        let Estimate { kind, len, time, index, confidence, .. } = *seen.estimate;
        let name = kind.command().map_or("", Command::name);
        let arrow = arrow(seen.direction);
        let node = text::escape(seen.node.as_bytes());
        let (frame, time, peer) = (index.0, time.to_string(), seen.peer.to_string());
        let info = listing::contents(seen.estimate).map_or(String::new(), |(what, n)| format!(", {what} {n}"));
        return writeln!(
            out,
            "{frame:>9}  {time:<30}  {node:<24} {arrow} {peer:<28}  {name:<12} {len:>9}  v2, estimated ({:.1} %){info}",
            f64::from(confidence) / 10.0
        );
    }
    object(out, &listing::estimate_object(seen))
}

/// One object a line.
fn object(out: &mut impl Write, o: &Map<String, Value>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, o)?;
    out.write_all(b"\n")
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
        Ok(body) => info::line(listing::name(m), body),
    };
    let sep = if notes.is_empty() || info.is_empty() { "" } else { "; " };
    let node = text::escape(seen.node.as_bytes());
    let (frame, time, peer) = (seen.at.index.0, seen.at.time.to_string(), seen.peer.to_string());
    writeln!(
        out,
        "{frame:>9}  {time:<30}  {node:<24} {arrow} {peer:<28}  {:<12} {:>9}  {notes}{sep}{info}",
        listing::name(m),
        m.payload_bytes
    )
}
