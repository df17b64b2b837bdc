//! Replays into a store, read again by SQL.

use super::corpus::run::settings;
use super::corpus::{Packet, bundled, captures};
use btcdmon::app::run::{Job, Outcome, replay};
use btcdmon::app::shutdown::Shutdown;
use btcdmon::capture::write::{PcapOptions, PcapWriter};
use btcdmon::capture::{LinkType, Options};
use btcdmon::flow::Checksums;
use btcdmon::series::SERIES;
use btcdmon::sink::SinkConfig;
use btcdmon::sink::query::{Limits, query};
use btcdmon::sink::rows::JsonRows;
use btcdmon::time::Timestamp;
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn fill(store: &Path, files: &[PathBuf]) -> Outcome {
    let job = Job {
        files: files.to_vec(),
        capture: Options::default(),
        settings: settings(None, Checksums::Auto),
        sinks: vec![SinkConfig::store(store)],
        sensor: "test".to_owned(),
        watched: false,
        quiet: true,
    };
    replay::<io::Sink>(&job, None, &Shutdown::default()).unwrap()
}

fn rows(store: &Path, sql: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let now = Timestamp::from_parts(1_795_381_000, 0);
    query(store, sql, now, Limits::default(), &mut JsonRows::new(&mut out)).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// All rows of all series.
fn dump(store: &Path) -> Vec<(String, Vec<Value>)> {
    (SERIES.iter())
        .map(|s| (s.name.to_owned(), rows(store, &format!("SELECT * FROM {} ORDER BY 1, 2, 3, 4, 5", s.name))))
        .collect()
}

fn capture(name: &str) -> PathBuf {
    bundled(name).join("capture.pcap.zst")
}

fn pcap(path: &Path, packets: &[Packet]) -> PathBuf {
    let mut w = PcapWriter::new(Vec::new(), PcapOptions::new(LinkType(1))).unwrap();
    for p in packets {
        w.packet(Timestamp::from_nanos(p.time), p.wire_len, &p.data).unwrap();
    }
    fs::write(path, w.into_inner()).unwrap();
    path.to_owned()
}

#[test]
fn the_same_capture_gives_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    for c in captures() {
        let (name, capture) = (c.name, c.folder.join("capture.pcap.zst"));
        let store = |what: &str| folder.path().join(format!("{name}-{what}.db"));
        fill(&store("once"), std::slice::from_ref(&capture));
        let once = dump(&store("once"));
        let empty: Vec<_> =
            once.iter().filter(|(_, rows)| rows.is_empty()).map(|(series, _)| series.as_str()).collect();
        // In the encrypted recording no block is readable, and so not what the readable transactions spend; where all
        // connections are readable nothing is recognised on encrypted ones.
        let expected: &[&str] = match name {
            "btcd-v2" => &["tx_fees"],
            "core31-mixed" => &[],
            _ => &["matches"],
        };
        assert_eq!(empty, expected, "{name}: series without rows");
        // Again into the same store: nothing is there twice.
        fill(&store("once"), std::slice::from_ref(&capture));
        assert!(once == dump(&store("once")), "{name}: replayed again into the same store");
        fill(&store("other"), std::slice::from_ref(&capture));
        assert!(once == dump(&store("other")), "{name}: replayed into another store");
        // As two files, in the wrong order.
        let (first, second) = c.packets.split_at(c.packets.len() * 2 / 5);
        let halves = [pcap(&folder.path().join("z"), second), pcap(&folder.path().join("a"), first)];
        fill(&store("halves"), &halves);
        assert!(once == dump(&store("halves")), "{name}: replayed as two halves");
    }
}

#[test]
fn the_store_holds_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a.db");
    let outcome = fill(&store, &[capture("btcd-v1")]);
    let node = &outcome.report.nodes[0];
    let one = |sql: &str| rows(&store, sql)[0].as_object().unwrap().values().next().unwrap().as_u64().unwrap();
    assert_eq!(one("SELECT max(bytes_recv) FROM bandwidth"), node.bandwidth.bytes_recv);
    assert_eq!(one("SELECT bytes_sent FROM bandwidth ORDER BY time DESC LIMIT 1"), 560_720, "getnettotals");
    for (command, m) in &node.messages {
        assert_eq!(one(&format!("SELECT sum(\"{command}\") FROM msg_recv")), m.recv, "{command}");
        assert_eq!(one(&format!("SELECT sum(\"{command}\") FROM msg_sent")), m.sent, "{command}");
        assert_eq!(one(&format!("SELECT sum(\"{command}\") FROM msg_recv_bytes")), m.recv_bytes, "{command}");
        assert_eq!(one(&format!("SELECT sum(\"{command}\") FROM msg_sent_bytes")), m.sent_bytes, "{command}");
    }
    assert_eq!(one("SELECT frames FROM sensor ORDER BY time DESC LIMIT 1"), 2420, "tcpdump's count");
    assert_eq!(one("SELECT count(DISTINCT node) FROM bandwidth"), 1);
}

/// Statements as dashboards ask them: a range of time, buckets, the newest row.
#[test]
fn queries_over_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a.db");
    fill(&store, &[capture("btcd-v1")]);
    let buckets = rows(
        &store,
        "SELECT time_bucket(20s, time) AS t, max(bytes_recv) AS n FROM bandwidth WHERE time > now() - 2m AND time <= now() GROUP BY t ORDER BY t",
    );
    let n: Vec<u64> = buckets.iter().map(|r| r["n"].as_u64().unwrap()).collect();
    assert!(n.len() >= 2 && n.is_sorted(), "{buckets:?}");
    assert_eq!(n.last(), Some(&420_418), "getnettotals and the 687 bytes that btcd does not count");
    let none = rows(&store, "SELECT * FROM bandwidth WHERE time < '2026-11-22T20:00:00Z'");
    assert!(none.is_empty());
    let agents =
        rows(&store, "SELECT user_agent, count(*) AS n FROM peers WHERE user_agent <> '' GROUP BY 1 ORDER BY 2 DESC");
    assert_eq!(agents[0]["user_agent"], "/btcwire:0.5.0/btcd:0.26.0/");
    assert_eq!(agents[0]["n"], 4);
}
