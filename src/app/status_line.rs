//! The sensor at a glance, on one line.

use crate::node::{NodeStatus, Status};
use crate::sink::summary::number;
use std::fmt::Write as _;
use std::time::Duration;

/// What the sensor itself does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sensor {
    /// The interfaces.
    pub interfaces: String,
    /// Frames captured.
    pub frames: u64,
    /// Frames dropped by the kernel and the interfaces.
    pub dropped: u64,
    /// Points that are not in every sink.
    pub points_lost: u64,
    /// Whether the store cannot be written now.
    pub store_fails: bool,
    /// Frames that could not be kept in files.
    pub keep_lost: u64,
}

/// Figures a second, of all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    messages: f64,
    bits_in: f64,
    bits_out: f64,
}

impl Rates {
    /// From what grew in `time`.
    pub fn between(before: &Status, now: &Status, time: Duration) -> Self {
        let sum = |s: &Status, f: fn(&NodeStatus) -> u64| s.nodes.iter().map(f).sum::<u64>();
        let rate = |f| sum(now, f).saturating_sub(sum(before, f)) as f64 / time.as_secs_f64().max(0.001);
        Self {
            messages: rate(|n| n.messages),
            bits_in: 8.0 * rate(|n| n.wire_bytes_recv),
            bits_out: 8.0 * rate(|n| n.wire_bytes_sent),
        }
    }
}

/// The line, in at most `width` columns: where it does not fit, what is wrong comes first, and the rest has fewer words.
pub fn short(status: &Status, sensor: &Sensor, rates: &Rates, width: usize) -> String {
    let mut line = match status.nodes.as_slice() {
        [] => format!("no Bitcoin node seen yet on {}: {} packets", sensor.interfaces, number(sensor.frames)),
        [node] => of_node(node, rates),
        nodes => of_nodes(nodes, rates),
    };
    let _ = write!(line, "; dropped {}", number(sensor.dropped));
    if sensor.store_fails {
        line.push_str("; STORE NOT WRITTEN");
    }
    for (what, n) in [("points", sensor.points_lost), ("kept frames", sensor.keep_lost)] {
        if n > 0 {
            let _ = write!(line, "; {} {what} lost", number(n));
        }
    }
    let room = width.saturating_sub(1);
    // All of it is ASCII but for names, which may be anything printable.
    if line.chars().count() > room && !status.nodes.is_empty() {
        line = terse(&status.nodes, sensor, rates);
    }
    line.chars().take(room).collect()
}

/// The same figures for a terminal of 80 columns.
fn terse(nodes: &[NodeStatus], sensor: &Sensor, r: &Rates) -> String {
    let mut line = String::new();
    if sensor.store_fails {
        line.push_str("STORE NOT WRITTEN ");
    }
    if sensor.points_lost + sensor.keep_lost > 0 {
        line.push_str("LOST ");
    }
    let sum = |f: fn(&NodeStatus) -> u64| nodes.iter().map(f).sum::<u64>();
    let (peers, v1, v2) = (sum(|n| n.inbound) + sum(|n| n.outbound), sum(|n| n.v1), sum(|n| n.v2));
    let height = nodes.iter().filter_map(|n| n.height).max().map_or("?".to_owned(), |h| h.to_string());
    let mempool = nodes.iter().map(|n| n.mempool_tx).max().unwrap_or(0);
    let unit = r.bits_in.max(r.bits_out);
    let (unit, name) = if unit >= 1e6 { (1e6, "Mbit/s") } else { (1e3, "kbit/s") };
    let _ = write!(
        line,
        "{peers} peers v2 {}% {:.0} msg/s {:.1}/{:.1} {name} h {height} mp {mempool} drop {}",
        share_of_v2(v1, v2),
        r.messages,
        r.bits_in / unit,
        r.bits_out / unit,
        sensor.dropped
    );
    line
}

/// Percent of the connections that are encrypted.
fn share_of_v2(v1: u64, v2: u64) -> u64 {
    // What is left of 100, so that the two shares add up.
    (100 * v1).checked_div(v1 + v2).map_or(0, |of_v1| 100 - of_v1)
}

fn of_node(n: &NodeStatus, rates: &Rates) -> String {
    let mut line = format!("{}: {}", n.name, peers(n.inbound, n.outbound, n.v1, n.v2));
    push_rates(&mut line, rates);
    match n.height {
        Some(height) => _ = write!(line, ", height {height}"),
        None => line.push_str(", height unknown"),
    }
    let _ = write!(line, ", mempool {} tx {:.1} MvB", number(n.mempool_tx), n.mempool_vsize as f64 / 1e6);
    line
}

fn of_nodes(nodes: &[NodeStatus], rates: &Rates) -> String {
    let sum = |f: fn(&NodeStatus) -> u64| nodes.iter().map(f).sum::<u64>();
    let peers = peers(sum(|n| n.inbound), sum(|n| n.outbound), sum(|n| n.v1), sum(|n| n.v2));
    let mut line = format!("{} nodes: {peers}", nodes.len());
    push_rates(&mut line, rates);
    match nodes.iter().filter_map(|n| n.height).max() {
        Some(height) => _ = write!(line, ", height {height}"),
        None => line.push_str(", height unknown"),
    }
    // Their transactions are mostly the same: a sum would say nothing.
    let most = nodes.iter().max_by_key(|n| n.mempool_tx).map_or((0, 0), |n| (n.mempool_tx, n.mempool_vsize));
    let _ = write!(line, ", mempool up to {} tx {:.1} MvB", number(most.0), most.1 as f64 / 1e6);
    line
}

fn peers(inbound: u64, outbound: u64, v1: u64, v2: u64) -> String {
    let (all, of_v2) = (inbound + outbound, share_of_v2(v1, v2));
    let of_v1 = if v1 + v2 == 0 { 0 } else { 100 - of_v2 };
    format!("{all} peers ({inbound} in, {outbound} out; v1 {of_v1} %, v2 {of_v2} %)")
}

fn push_rates(line: &mut String, r: &Rates) {
    let _ = write!(line, ", {:.0} messages/s, {} in, {} out", r.messages, bits(r.bits_in), bits(r.bits_out));
}

fn bits(rate: f64) -> String {
    match rate {
        r if r >= 1e9 => format!("{:.2} Gbit/s", r / 1e9),
        r if r >= 1e6 => format!("{:.2} Mbit/s", r / 1e6),
        r => format!("{:.1} kbit/s", r / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{SECOND, Timestamp};

    fn node(messages: u64, bytes: u64) -> NodeStatus {
        NodeStatus {
            name: "home".into(),
            inbound: 8,
            outbound: 2,
            v1: 2,
            v2: 8,
            messages,
            wire_bytes_recv: bytes,
            wire_bytes_sent: 2 * bytes,
            height: Some(871_234),
            mempool_tx: 12_345,
            mempool_vsize: 34_500_000,
        }
    }

    fn status(nodes: Vec<NodeStatus>) -> Status {
        Status { time: Timestamp::from_nanos(SECOND), nodes }
    }

    #[test]
    fn one_node() {
        let (before, now) = (status(vec![node(100, 1000)]), status(vec![node(300, 251_000)]));
        let rates = Rates::between(&before, &now, Duration::from_secs(2));
        let sensor = Sensor { dropped: 5, ..Sensor::default() };
        let line = short(&now, &sensor, &rates, usize::MAX);
        assert_eq!(
            line,
            "home: 10 peers (8 in, 2 out; v1 20 %, v2 80 %), 100 messages/s, 1.00 Mbit/s in, 2.00 Mbit/s out, \
             height 871234, mempool 12,345 tx 34.5 MvB; dropped 5"
        );
        // A terminal of the usual width has all of it, in fewer words.
        assert_eq!(
            short(&now, &sensor, &rates, 80),
            "10 peers v2 80% 100 msg/s 1.0/2.0 Mbit/s h 871234 mp 12345 drop 5"
        );
        let bad = Sensor { store_fails: true, keep_lost: 1, ..sensor };
        let line = short(&now, &bad, &rates, 80);
        assert!(line.starts_with("STORE NOT WRITTEN LOST 10 peers") && line.len() <= 79, "{line}");
        assert_eq!(short(&now, &Sensor::default(), &rates, 20), "10 peers v2 80% 100");
    }

    #[test]
    fn none_and_several() {
        let sensor =
            Sensor { interfaces: "eth0".into(), frames: 1234, store_fails: true, points_lost: 7, ..Sensor::default() };
        let none = short(&status(vec![]), &sensor, &Rates::default(), 200);
        assert_eq!(
            none,
            "no Bitcoin node seen yet on eth0: 1,234 packets; dropped 0; STORE NOT WRITTEN; 7 points lost"
        );
        let mut unknown = node(1, 1);
        (unknown.height, unknown.v1, unknown.v2) = (None, 0, 0);
        let two = short(&status(vec![unknown.clone(), unknown]), &Sensor::default(), &Rates::default(), 200);
        assert!(
            two.starts_with("2 nodes: 20 peers (16 in, 4 out; v1 0 %, v2 0 %)") && two.contains("height unknown"),
            "{two}"
        );
        assert!(two.contains("mempool up to 12,345 tx 34.5 MvB"), "{two}");
    }
}
