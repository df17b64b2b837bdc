//! The bundled recordings, held against what the watched node said of itself at the same time.
//!
//! `captures/README.md` says what btcd counts differently; each difference is
//! named here, and nothing else may differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

#[path = "recordings/chain.rs"]
mod chain;
#[path = "recordings/ledger.rs"]
mod ledger;
#[path = "recordings/parts.rs"]
mod parts;
#[path = "recordings/peers.rs"]
mod peers;
#[path = "recordings/store.rs"]
mod store;

use btcdmon::flow::Checksums;
use btcdmon::series::{SERIES, Value as Column};
use btcdmon::time::SECOND;
use corpus::run::{Run, run_with, settings};
use serde_json::Value;
use std::fs;

/// A recording, what the sensor saw and what the node said.
struct Recording {
    run: Run,
    node: Value,
    polls: Vec<Value>,
    actions: Vec<Value>,
}

fn recording(name: &str) -> Recording {
    let capture = corpus::captures().iter().find(|c| c.name == name).unwrap();
    let text = |file: &str| fs::read_to_string(capture.folder.join(file)).unwrap();
    let lines = |file: &str| text(file).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    // As short as an interval may be: the polls are a second apart.
    let mut settings = settings(None, Checksums::Auto);
    settings.node.interval = SECOND;
    Recording {
        run: run_with(&capture.packets, &settings),
        node: serde_json::from_str(&text("node.json")).unwrap(),
        polls: lines("polls.jsonl"),
        actions: lines("actions.jsonl"),
    }
}

/// An integer of the node's account.
fn int(v: &Value) -> i64 {
    v.as_i64().unwrap_or_else(|| panic!("{v} is no integer"))
}

/// A time of the node's account, ns.
fn time(v: &Value) -> i64 {
    (v.as_f64().unwrap() * 1e9) as i64
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_else(|| panic!("{v} is no text"))
}

impl Recording {
    /// Times and values of `column` in the points of `series` whose tags hold all of `tags`.
    fn column(&self, series: &str, tags: &[&str], column: &str) -> Vec<(i64, i64)> {
        let s = SERIES.iter().find(|s| s.name == series).unwrap();
        let at = s.columns.iter().position(|c| c.name == column).unwrap();
        let has = |values: &[Column], tag: &str| values.contains(&Column::Text(tag.into()));
        (self.run.points.iter())
            .filter(|p| SERIES[p.series].name == series && tags.iter().all(|t| has(&p.values, t)))
            .filter_map(|p| match p.values[at] {
                Column::Integer(n) => Some((p.time.nanos(), n)),
                _ => None,
            })
            .collect()
    }

    /// Smallest and largest value of a column between the ticks around `at`, with a second to spare on either side.
    fn around(points: &[(i64, i64)], at: i64) -> (i64, i64) {
        let before = points.iter().rev().find(|p| p.0 <= at - SECOND).map_or(0, |p| p.1);
        let near = points.iter().filter(|p| (p.0 - at).abs() <= 2 * SECOND).map(|p| p.1);
        let all: Vec<i64> = near.chain([before]).collect();
        (*all.iter().min().unwrap(), *all.iter().max().unwrap())
    }

    /// The last value of a column.
    fn last(&self, series: &str, tags: &[&str], column: &str) -> i64 {
        self.column(series, tags, column).last().unwrap().1
    }
}

/// Bytes by the sensor and by the node, received and sent, at the end.
fn totals(r: &Recording) -> [(i64, i64); 2] {
    let b = r.run.report.nodes[0].bandwidth;
    let said = &r.node["getnettotals"];
    assert_eq!(b.bytes_recv as i64, r.last("bandwidth", &[], "bytes_recv"));
    assert_eq!(b.bytes_sent as i64, r.last("bandwidth", &[], "bytes_sent"));
    [(b.bytes_recv as i64, int(&said["totalbytesrecv"])), (b.bytes_sent as i64, int(&said["totalbytessent"]))]
}

#[test]
fn bandwidth_is_what_the_node_counts() {
    let [recv, sent] = totals(&recording("btcd-ipv6"));
    assert_eq!((recv.0, sent.0), (recv.1, sent.1));
    // Of a message whose header it refuses btcd counts 24 bytes: of 35 bytes HTTP, and of 700 random bytes.
    let [recv, sent] = totals(&recording("btcd-v1"));
    assert_eq!(recv.0 - recv.1, (35 - 24) + (700 - 24));
    assert_eq!(sent.0, sent.1);
}

/// Encrypted: btcd counts no handshake, and of a packet received only the plaintext.
#[test]
fn bandwidth_of_encrypted_connections_differs_by_the_handshakes() {
    let r = recording("btcd-v2");
    let [recv, sent] = totals(&r);
    let peers = r.node["getpeerinfo"].as_array().unwrap();
    let connections = &r.run.report.nodes[0].connections;
    let mut handshakes = 0;
    for peer in peers {
        let c = connections.iter().find(|c| c.open && c.peer == text(&peer["addr"])).unwrap();
        let (more_recv, more_sent) =
            (c.bytes_recv as i64 - int(&peer["bytesrecv"]), c.bytes_sent as i64 - int(&peer["bytessent"]));
        if peer["v2_connection"].as_bool().unwrap() {
            // Key 64, garbage 0 to 4095, terminator 16, version packet 20.
            assert!((100..=100 + 4095).contains(&more_sent), "{peer}: {more_sent}");
            assert!(more_recv >= 100 + 20, "{peer}: {more_recv}");
            handshakes += more_sent;
        } else {
            assert_eq!((more_recv, more_sent), (0, 0), "{peer}");
        }
    }
    // And what failed before a handshake was complete: the client with random bytes, and the attempt that `c` reset.
    let failed: i64 = connections.iter().filter(|c| !c.open && c.transport == "v2").map(|c| c.bytes_sent as i64).sum();
    assert_eq!(sent.0 - sent.1, handshakes + failed);
    assert!(recv.0 > recv.1);
}

/// At every poll the sensor's cumulative bytes enclose the node's.
#[test]
fn bandwidth_over_time() {
    for name in ["btcd-v1", "btcd-ipv6"] {
        let r = recording(name);
        let refused = if name == "btcd-v1" { 687 } else { 0 };
        let columns = [("bytes_recv", "totalbytesrecv", refused), ("bytes_sent", "totalbytessent", 0)];
        for (column, said, refused) in columns {
            let points = r.column("bandwidth", &[], column);
            assert!(points.windows(2).all(|w| w[0].1 <= w[1].1), "cumulative");
            for poll in &r.polls {
                let (low, high) = Recording::around(&points, time(&poll["time"]));
                let n = int(&poll["getnettotals"][said]);
                assert!((low - refused..=high).contains(&n), "{name} {column}: {n} at {poll} not in {low}..={high}");
            }
        }
    }
}

#[test]
fn the_report_is_json_for_others_to_read() {
    let r = recording("btcd-v1");
    let json: Value = serde_json::from_str(&serde_json::to_string(&r.run.report).unwrap()).unwrap();
    let node = &json["nodes"][0];
    assert_eq!(text(&node["node"]), "10.88.0.2:18444");
    assert_eq!(node["networks"][0], "regtest");
    assert_eq!(int(&json["capture"]["frames"]), int(&r.node["tcpdump"]["captured"]));
    let recv: i64 = node["messages"].as_object().unwrap().values().map(|m| int(&m["recv_bytes"])).sum();
    // All that was received is messages, but for what the HTTP and the random client sent.
    assert_eq!(recv + 35 + 700, int(&node["bandwidth"]["bytes_recv"]));
    let sent: i64 = node["messages"].as_object().unwrap().values().map(|m| int(&m["sent_bytes"])).sum();
    assert_eq!(sent, int(&node["bandwidth"]["bytes_sent"]));
}
