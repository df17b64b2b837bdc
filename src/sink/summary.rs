//! The summary of a replay on the terminal: what a node operator looks for first, on one page.

mod exchanges;
mod ledger;

use super::table::plain_table;
use crate::node::report::{Capture, Counts, MessageReport, NodeReport, Report};
use crate::time::Timestamp;
use crate::wrap::fold;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Rows of the lists of peers and user agents.
const ROWS: usize = 10;

/// Nodes shown in full.
const NODES: usize = 5;

/// How to print.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Headings in bold.
    pub colour: bool,
    /// Columns of the terminal; lines are as long as they are without.
    pub width: Option<usize>,
}

impl Style {
    /// What [`indent`]ed tables have.
    fn room(self) -> Option<usize> {
        self.width.map(|w| w.saturating_sub(2))
    }

    fn heading(self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `n` with thousands separators.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `n` bytes in the largest decimal unit below it.
pub fn bytes(n: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.iter().find(|(_, size)| n as f64 >= *size) {
        Some((unit, size)) => format!("{:.*} {unit}", if n as f64 / size < 10.0 { 2 } else { 1 }, n as f64 / size),
        None => format!("{n} B"),
    }
}

/// A length of time in the two largest units.
fn duration(ns: i64) -> String {
    let s = ns as f64 / 1e9;
    let whole = s as u64;
    match whole {
        0..60 => format!("{s:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// RFC 3339 without fractions.
fn time(ns: i64) -> String {
    let text = Timestamp::from_nanos(ns).to_string();
    text.split_once('.').map_or(text.clone(), |(date, _)| date.replace('T', " "))
}

fn list(counts: &Counts) -> String {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    all.iter().map(|(name, n)| format!("{name} {}", number(**n))).collect::<Vec<_>>().join(", ")
}

fn indent(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| all + "  " + line + "\n")
}

/// Prints `report`; `filtered` frames were left out by the user's filter.
pub fn print(out: &mut impl Write, report: &Report, filtered: u64, style: Style) -> io::Result<()> {
    let Some(width) = style.width else { return all(out, report, filtered, style) };
    let mut text = Vec::new();
    all(&mut text, report, filtered, style)?;
    out.write_all(fold(&String::from_utf8_lossy(&text), width).as_bytes())
}

fn all(out: &mut impl Write, report: &Report, filtered: u64, style: Style) -> io::Result<()> {
    capture(out, &report.capture, filtered, style)?;
    let (whole, brief) = report.nodes.split_at(report.nodes.len().min(NODES));
    for node in whole {
        writeln!(out)?;
        self::node(out, node, style)?;
    }
    if !brief.is_empty() {
        writeln!(out, "\n{}", style.heading("More nodes"))?;
        let rows: Vec<Vec<String>> = brief.iter().map(brief_row).collect();
        let table =
            plain_table(&["node", "connections", "received", "sent"], &rows, &[false, true, true, true], style.room());
        write!(out, "{}", indent(&table))?;
    }
    if report.nodes.iter().all(|n| n.transports.values().all(|t| t.connections == 0)) {
        writeln!(out, "\nNo Bitcoin connection of a watched node was found.{}", hint(report))?;
    }
    if report.unattributed_connections > 0 {
        let n = number(report.unattributed_connections);
        writeln!(out, "\n{n} Bitcoin connections touch no watched node")?;
    }
    losses(out, report, style)
}

fn brief_row(n: &NodeReport) -> Vec<String> {
    let seen: u64 = n.transports.values().map(|t| t.connections).sum();
    vec![n.node.clone(), number(seen), bytes(n.bandwidth.bytes_recv), bytes(n.bandwidth.bytes_sent)]
}

fn hint(report: &Report) -> &'static str {
    let c = &report.capture;
    if report.unattributed_connections > 0 {
        " Those that there are touch no node named by --node."
    } else if c.frames == 0 {
        " The capture holds no packets."
    } else if c.frames_used == 0 {
        " No frame held a TCP segment: the frames skipped above tell why."
    } else {
        " Was the right interface captured, and the node's port? Encrypted connections on another port than the usual ones need --port."
    }
}

fn capture(out: &mut impl Write, c: &Capture, filtered: u64, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.heading("Capture"))?;
    if let (Some(first), Some(last)) = (c.first, c.last) {
        writeln!(out, "  {} to {} UTC ({})", time(first), time(last), duration(last.saturating_sub(first).max(0)))?;
    }
    let skipped: u64 = c.frames_skipped.values().sum();
    write!(out, "  {} frames, {}: {} TCP segments", number(c.frames), bytes(c.frame_bytes), number(c.frames_used))?;
    if skipped > 0 {
        write!(out, ", {} skipped ({})", number(skipped), list(&c.frames_skipped))?;
    }
    writeln!(out)?;
    if filtered > 0 {
        writeln!(out, "  {} further frames did not match the filter", number(filtered))?;
    }
    if !c.decode_notes.is_empty() {
        writeln!(out, "  {}", list(&c.decode_notes))?;
    }
    Ok(())
}

fn node(out: &mut impl Write, n: &NodeReport, style: Style) -> io::Result<()> {
    let networks = if n.networks.is_empty() { String::new() } else { format!(" ({})", n.networks.join(", ")) };
    writeln!(out, "{}", style.heading(&format!("Node {}{networks}", super::escape::escape(&n.node))))?;
    let transports: Vec<_> = (n.transports.iter())
        .filter(|(_, t)| t.connections > 0)
        .map(|(name, t)| format!("{name} {} ({})", number(t.connections), bytes(t.bytes_recv + t.bytes_sent)))
        .collect();
    let o = &n.open;
    let seen: u64 = n.transports.values().map(|t| t.connections).sum();
    let rows = [
        ("Connections", format!("{} seen{}{}", number(seen), if seen > 0 { ": " } else { "" }, transports.join(", "))),
        (
            "Open at the end",
            format!(
                "{} ({} inbound, {} outbound; {} full nodes, {} light)",
                o.total, o.inbound, o.outbound, o.fullnode, o.spv
            ),
        ),
        (
            "Received",
            format!(
                "{} payload, {} on the wire, {} retransmitted",
                bytes(n.bandwidth.bytes_recv),
                bytes(n.bandwidth.wire_bytes_recv),
                bytes(n.bandwidth.retransmitted_bytes_recv)
            ),
        ),
        (
            "Sent",
            format!(
                "{} payload, {} on the wire, {} retransmitted",
                bytes(n.bandwidth.bytes_sent),
                bytes(n.bandwidth.wire_bytes_sent),
                bytes(n.bandwidth.retransmitted_bytes_sent)
            ),
        ),
    ];
    for (what, text) in rows {
        writeln!(out, "  {what:<16} {text}")?;
    }
    if n.v2_fallbacks > 0 {
        writeln!(
            out,
            "  {:<16} attempts at an encrypted connection that were repeated in plain: {}",
            "Fallbacks", n.v2_fallbacks
        )?;
    }
    exchanges::print(out, n)?;
    ledger::print(out, n, style)?;
    message_table(out, n, style)?;
    estimates(out, n, style)?;
    agents(out, n, style)?;
    peers(out, n, style)
}

/// Inferred messages of encrypted connections, apart from those that were read.
fn estimates(out: &mut impl Write, n: &NodeReport, style: Style) -> io::Result<()> {
    if n.estimated_messages.is_empty() {
        return Ok(());
    }
    let all = n.transports.get("v2").map_or(0, |t| t.bytes_recv + t.bytes_sent);
    let (explained, all) = (bytes(n.explained_bytes), bytes(all));
    command_table(out, &n.estimated_messages, "Messages (v2, estimated from sizes, order and time)", style)?;
    writeln!(out, "  they account for {explained} of {all}")?;
    exchanges::encrypted(out, n)
}

fn command_table(
    out: &mut impl Write,
    messages: &BTreeMap<String, MessageReport>,
    heading: &str,
    style: Style,
) -> io::Result<()> {
    let mut rows: Vec<_> = messages.iter().collect();
    rows.sort_by(|a, b| (b.1.recv_bytes + b.1.sent_bytes).cmp(&(a.1.recv_bytes + a.1.sent_bytes)).then(a.0.cmp(b.0)));
    let rows: Vec<Vec<String>> = (rows.iter())
        .map(|(name, m)| {
            vec![String::clone(name), number(m.recv), bytes(m.recv_bytes), number(m.sent), bytes(m.sent_bytes)]
        })
        .collect();
    writeln!(out, "\n  {}", style.heading(heading))?;
    let table = plain_table(
        &["command", "received", "bytes", "sent", "bytes"],
        &rows,
        &[false, true, true, true, true],
        style.room(),
    );
    write!(out, "{}", indent(&table))
}

fn message_table(out: &mut impl Write, n: &NodeReport, style: Style) -> io::Result<()> {
    if n.messages.is_empty() {
        return Ok(());
    }
    command_table(out, &n.messages, "Messages (v1)", style)?;
    if !n.unknown_commands.is_empty() {
        // Quoted: peers choose these names.
        let quoted: Counts = n.unknown_commands.iter().map(|(name, n)| (format!("{name:?}"), *n)).collect();
        writeln!(out, "  unknown: {}", super::escape::escape(&list(&quoted)))?;
    }
    Ok(())
}

fn agents(out: &mut impl Write, n: &NodeReport, style: Style) -> io::Result<()> {
    if n.user_agents.is_empty() {
        return Ok(());
    }
    let mut all: Vec<_> = n.user_agents.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let rows: Vec<Vec<String>> =
        all.iter().take(ROWS).map(|(agent, n)| vec![String::clone(agent), number(**n)]).collect();
    writeln!(out, "\n  {}", style.heading(&format!("User agents ({} of {})", rows.len(), all.len())))?;
    write!(out, "{}", indent(&plain_table(&["user agent", "versions"], &rows, &[false, true], style.room())))
}

fn peers(out: &mut impl Write, n: &NodeReport, style: Style) -> io::Result<()> {
    if n.connections.is_empty() {
        return Ok(());
    }
    let rows: Vec<Vec<String>> = (n.connections.iter().take(ROWS))
        .map(|c| {
            let open = if c.open { "open" } else { "ended" };
            vec![
                c.peer.clone(),
                c.direction.into(),
                c.transport.into(),
                bytes(c.bytes_recv),
                bytes(c.bytes_sent),
                open.into(),
            ]
        })
        .collect();
    writeln!(out, "\n  {}", style.heading("Connections with most bytes"))?;
    let table = plain_table(
        &["peer", "direction", "transport", "received", "sent", ""],
        &rows,
        &[false, false, false, true, true],
        style.room(),
    );
    write!(out, "{}", indent(&table))
}

/// What was lost or odd, so that nobody takes the figures for more than they are.
fn losses(out: &mut impl Write, report: &Report, style: Style) -> io::Result<()> {
    let c = &report.capture;
    let faulty: u64 = report.nodes.iter().map(|n| n.faulty_messages).sum();
    let gaps: u64 = c.gaps.values().sum();
    let rows = [
        (
            "Dropped",
            if c.dropped > 0 { format!("{} frames by the capturing system", number(c.dropped)) } else { String::new() },
        ),
        (
            "Gaps",
            if gaps > 0 {
                format!("{} ({}), {}", number(gaps), list(&c.gaps), bytes(c.gap_bytes.values().sum()))
            } else {
                String::new()
            },
        ),
        (
            "Messages",
            if faulty > 0 {
                format!("{} truncated, with a wrong checksum or undecodable", number(faulty))
            } else {
                String::new()
            },
        ),
        ("Framing", list(&c.message_troubles)),
        ("TCP", list(&c.tcp_anomalies)),
    ];
    if rows.iter().all(|(_, text)| text.is_empty()) {
        return writeln!(out, "\n{}: nothing lost, nothing odd", style.heading("Losses"));
    }
    writeln!(out, "\n{}", style.heading("Losses and oddities"))?;
    for (what, text) in rows.iter().filter(|(_, t)| !t.is_empty()) {
        writeln!(out, "  {what:<16} {text}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!([number(7), number(1234), number(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!(
            [bytes(999), bytes(1000), bytes(45_678), bytes(2_500_000_000)],
            ["999 B", "1.00 kB", "45.7 kB", "2.50 GB"]
        );
        assert_eq!(
            [duration(1_500_000_000), duration(61_000_000_000), duration(90_000_000_000_000)],
            ["1.5 s", "1 min 1 s", "1 d 1 h"]
        );
        assert_eq!(time(1_231_006_505_000_000_000), "2009-01-03 18:15:05");
    }
}
