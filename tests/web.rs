//! The dashboard's server end to end: its numbers are those of the store and of the summary, and nobody gets more out
//! of it than he may.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::float_cmp, reason = "tests")]

#[path = "web/client.rs"]
mod client;
mod corpus;
#[path = "web/gate.rs"]
mod gate;
#[path = "web/live.rs"]
mod live;
#[path = "web/schema.rs"]
mod schema;
mod wire;

use bitcoin::p2p::message::NetworkMessage;
use client::{Sensor, btcdmon};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use wire::{FromNode, ToNode, Wire, genesis, mine};

const CAPTURES: [&str; 4] = ["btcd-v1", "btcd-v2", "btcd-ipv6", "btcd-v2-messages"];

fn capture(name: &str) -> String {
    format!("{}/captures/{name}/capture.pcap.zst", env!("CARGO_MANIFEST_DIR"))
}

/// The packets as a file.
fn file(wire: &Wire, folder: &Path) -> String {
    let mut bytes = Vec::new();
    bytes.extend([0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for p in &wire.packets {
        let (seconds, nanos) = (p.time / 1_000_000_000, p.time % 1_000_000_000);
        for n in [seconds as u32, nanos as u32, p.data.len() as u32, p.wire_len] {
            bytes.extend(n.to_le_bytes());
        }
        bytes.extend(&p.data);
    }
    let path = folder.join("wire.pcap");
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn summary(file: &str) -> Value {
    let out = btcdmon(&["replay", "--json", "-q", file]).output().unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn snapshots_are_the_summary() {
    for name in CAPTURES {
        let file = capture(name);
        let report = summary(&file);
        let sensor = Sensor::replay(&file, &[]);
        let status = sensor.json("/api/v1/status");
        assert_eq!(status["finished"], true);
        assert_eq!(status["nodes"].as_array().unwrap().len(), report["nodes"].as_array().unwrap().len(), "{name}");
        let (shown, node) = (&status["nodes"][0], &report["nodes"][0]);
        for (a, b) in [
            (&shown["name"], &node["node"]),
            (&shown["height"], &node["chain"]["best_height"]),
            (&shown["tip_hash"], &node["chain"]["best_block"]),
            (&shown["inbound"], &node["open"]["inbound"]),
            (&shown["outbound"], &node["open"]["outbound"]),
            (&shown["wire_bytes_recv"], &node["bandwidth"]["wire_bytes_recv"]),
            (&shown["wire_bytes_sent"], &node["bandwidth"]["wire_bytes_sent"]),
            (&shown["mempool_tx"], &node["mempool"]["num_tx"]),
            (&shown["mempool_vsize"], &node["mempool"]["vsize"]),
            (&shown["v2"], &node["transports"]["v2"]["open"]),
            (&status["sensor_figures"]["frames"], &report["capture"]["frames"]),
            (&status["sensor_figures"]["frames_skipped"], &report["capture"]["frames_skipped"]),
            (&status["sensor_figures"]["tcp_anomalies"], &report["capture"]["tcp_anomalies"]),
        ] {
            assert_eq!(a, b, "{name}");
        }
        // The table of peers has each connection, and all their messages.
        let peers = sensor.json("/api/v1/peers?closed=true");
        let peers = peers["peers"].as_array().unwrap();
        let listed: BTreeMap<(&str, i64), (&Value, &Value)> = (node["connections"].as_array().unwrap().iter())
            .map(|c| {
                let key = (c["peer"].as_str().unwrap(), c["since"].as_i64().unwrap() / 1000);
                (key, (&c["bytes_recv"], &c["bytes_sent"]))
            })
            .collect();
        assert_eq!(peers.len(), node["connections"].as_array().unwrap().len(), "{name}");
        let mut sums: BTreeMap<(bool, String), u64> = BTreeMap::new();
        for p in peers {
            let (recv, sent) = listed[&(p["address"].as_str().unwrap(), p["since"].as_i64().unwrap())];
            assert_eq!((&p["bytes_recv"], &p["bytes_sent"]), (recv, sent), "{name}: {p}");
            for (is_sent, direction) in [(false, "recv"), (true, "sent")] {
                for (command, n) in p["messages"][direction].as_object().unwrap() {
                    *sums.entry((is_sent, command.clone())).or_default() += n.as_u64().unwrap();
                }
            }
            let one = sensor.json(&format!("/api/v1/peers/{}", p["id"].as_str().unwrap()));
            assert_eq!(&one, p, "{name}");
        }
        let mut expected: BTreeMap<(bool, String), u64> = BTreeMap::new();
        for table in ["messages", "estimated_messages"] {
            for (command, m) in node[table].as_object().unwrap() {
                *expected.entry((false, command.clone())).or_default() += m["recv"].as_u64().unwrap();
                *expected.entry((true, command.clone())).or_default() += m["sent"].as_u64().unwrap();
            }
        }
        expected.retain(|_, n| *n > 0);
        assert_eq!(sums, expected, "{name}");
    }
}

#[test]
fn history_is_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    let sensor = Sensor::replay(&capture("btcd-v1"), &["--store", store.to_str().unwrap()]);
    let number = |v: &Value| v.as_f64().unwrap_or_default();
    // One bucket: largest, sum and count of every number of every series.
    let list = sensor.json("/api/v1/series");
    for series in list["series"].as_array().unwrap() {
        let name = series["name"].as_str().unwrap();
        for (agg, function) in [("max", "max"), ("min", "min"), ("sum", "sum"), ("count", "count")] {
            let answer = sensor.json(&format!("/api/v1/series/{name}?points=1&agg={agg}"));
            let lines = answer["lines"].as_array().unwrap();
            let column = |line: &Value| format!("{function}(\"{}\")", line["column"].as_str().unwrap());
            let columns: Vec<String> = lines.iter().map(column).collect();
            let rows = sensor.sql(&format!("SELECT {} FROM {name}", columns.join(", ")));
            for (line, expected) in lines.iter().zip(&rows[0]) {
                assert_eq!(number(&line["values"][0]), number(expected), "{name} {line} {agg}");
            }
        }
    }
    // Rates are the differences from bucket to bucket, by the time between; a counter begins at 0.
    let rows = sensor.sql("SELECT time, bytes_recv FROM bandwidth ORDER BY time");
    let answer = sensor.json("/api/v1/series/bandwidth?columns=bytes_recv");
    let values = answer["lines"][0]["values"].as_array().unwrap();
    assert_eq!(answer["lines"][0]["agg"], "rate");
    let step = answer["step"].as_i64().unwrap();
    let mut before = (rows[0][0].as_i64().unwrap() - 10_000_000_000, 0.0);
    for (bucket, rate) in answer["time"].as_array().unwrap().iter().zip(values) {
        let bucket = bucket.as_i64().unwrap();
        let mut inside = rows.iter().filter(|r| (r[0].as_i64().unwrap() / 1000 - bucket).div_euclid(step) == 0);
        let Some(last) = inside.next_back() else {
            assert!(rate.is_null());
            continue;
        };
        let now = (last[0].as_i64().unwrap(), number(&last[1]));
        let expected = (now.1 - before.1) / ((now.0 - before.0) as f64 / 1e9);
        assert!((number(rate) - expected).abs() < 1e-6, "{rate} {expected}");
        before = now;
    }
    // By tag, with a condition, a percentile.
    let answer = sensor.json("/api/v1/series/tx_outputs?columns=value&agg=sum&points=1&by=script_type");
    let lines = answer["lines"].as_array().unwrap();
    let rows = sensor.sql("SELECT script_type, sum(value) FROM tx_outputs GROUP BY script_type ORDER BY script_type");
    let found: Vec<Value> = lines.iter().map(|l| json!([l["tags"]["script_type"], number(&l["values"][0])])).collect();
    let expected: Vec<Value> = rows.iter().map(|r| json!([r[0], number(&r[1])])).collect();
    assert_eq!(found, expected);
    let answer = sensor.json("/api/v1/series/tx?columns=tx_size&agg=p50&points=1&where=num_inputs:1");
    let rows = sensor.sql("SELECT percentile(tx_size, 50) FROM tx WHERE num_inputs = 1");
    assert_eq!(number(&answer["lines"][0]["values"][0]), number(&rows[0][0]));
    // Blocks: each row of the store, the newest first, and the rest behind `before`.
    let rows = sensor.sql("SELECT sha, height, num_tx, total_tx_fees, status FROM processed_blocks ORDER BY time DESC");
    let mut blocks = Vec::new();
    let mut path = "/api/v1/blocks?limit=100".to_owned();
    loop {
        let page = sensor.json(&path);
        let page = page["blocks"].as_array().unwrap().clone();
        let Some(last) = page.last() else { break };
        path = format!("/api/v1/blocks?limit=100&before={}", last["time"]);
        blocks.extend(page);
    }
    let found: Vec<Value> = (blocks.iter())
        .map(|b| json!([b["hash"], b["height"], b["num_tx"], b["total_tx_fees"], b["status"]]))
        .collect();
    assert_eq!(json!(found), json!(rows));
    let hash = blocks[0]["hash"].as_str().unwrap();
    let steps = sensor.json(&format!("/api/v1/blocks/{hash}"))["timeline"].clone();
    let first = steps.as_array().unwrap().iter().find(|s| s["direction"] == "recv").unwrap();
    assert_eq!((&first["what"], &first["peer"]), (&json!("inv"), &blocks[0]["first_announcer"]));
    // One transaction with all its parts.
    let rows =
        sensor.sql("SELECT txid, num_inputs, num_outputs, vsize FROM tx ORDER BY num_outputs DESC, time LIMIT 1");
    let tx = sensor.json(&format!("/api/v1/transactions/{}", rows[0][0].as_str().unwrap()));
    assert_eq!(json!([tx["txid"], tx["num_inputs"], tx["num_outputs"], tx["vsize"]]), json!(rows[0]));
    assert_eq!(json!(tx["inputs"].as_array().unwrap().len()), rows[0][1]);
    assert_eq!(json!(tx["outputs"].as_array().unwrap().len()), rows[0][2]);
    assert_eq!(sensor.get(&format!("/api/v1/transactions/{}", "0".repeat(64))).status, 404);
    // The temporary folder of a replay without --store goes with it; the store stays.
    assert_eq!(sensor.interrupt(), Some(0));
    assert!(store.exists());
}

#[test]
fn csv_has_the_same_rows() {
    let sensor = Sensor::replay(&capture("btcd-v1"), &[]);
    for path in
        ["/api/v1/peers", "/api/v1/blocks", "/api/v1/series/bandwidth", "/api/v1/query?sql=SELECT%20*%20FROM%20tx"]
    {
        let sep = if path.contains('?') { '&' } else { '?' };
        let reply = sensor.get(&format!("{path}{sep}format=csv"));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/csv; charset=utf-8")), "{path}");
        let answer = sensor.json(path);
        let rows = ["peers", "blocks", "time", "rows"].iter().find_map(|n| answer[*n].as_array()).unwrap();
        assert_eq!(reply.body.lines().count(), rows.len() + 1, "{path}: {}", reply.body);
        if path.ends_with("blocks") {
            // All that is known of a block, also how it is known.
            let head: HashSet<_> = reply.body.lines().next().unwrap().split(',').collect();
            assert_eq!(head, rows[0].as_object().unwrap().keys().map(String::as_str).collect());
        }
    }
}

#[test]
fn what_a_peer_says_is_text() {
    let agent = "/<script>alert(1)</script>\u{1b}]0;x\u{7}\"'&\u{202e}/";
    let mut wire = Wire::regtest();
    wire.peer_as(0, agent);
    wire.peer_as(0, "=HYPERLINK(\"http://evil.example\")");
    wire.wait(3000);
    wire.say(0, ToNode, NetworkMessage::Ping(7));
    let folder = tempfile::tempdir().unwrap();
    let sensor = Sensor::replay(&file(&wire, folder.path()), &["--node", wire::NODE]);
    for path in ["/api/v1/peers", "/api/v1/peers?format=csv", "/api/v1/query?sql=SELECT%20user_agent%20FROM%20peers"] {
        let reply = sensor.get(path);
        assert_eq!(reply.status, 200, "{path}");
        // It is there, but no browser takes it for a page, and no terminal acts on it.
        assert!(reply.body.contains("<script>alert(1)"), "{path}: {}", reply.body);
        let kind = reply.header("content-type").unwrap();
        assert!(kind == "application/json" || kind.starts_with("text/csv"), "{kind}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(!reply.body.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{path}");
    }
    let csv = sensor.get("/api/v1/peers?format=csv").body;
    assert!(csv.contains("\"'=HYPERLINK(\"\"http"), "{csv}");
}

/// Blocks and messages of a peer, to follow while they come.
fn story() -> Wire {
    let mut wire = Wire::regtest();
    let peer = wire.peer();
    let mut tip = genesis();
    for height in 1..=3 {
        wire.wait(2000);
        tip = mine(&tip, height, &[], 0, 0);
        wire.block(peer, &tip);
        // The second is told of before the node shows what it takes it for.
        wire.wait(if height == 2 { 1500 } else { 20 });
        wire.announce(peer, &tip);
        wire.say(peer, FromNode, NetworkMessage::Ping(u64::from(height)));
        wire.wait(5);
        wire.say(peer, ToNode, NetworkMessage::Pong(u64::from(height)));
    }
    wire.wait(4000);
    wire.say(peer, ToNode, NetworkMessage::Ping(9));
    wire
}

#[test]
fn events_come_as_the_capture_goes() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&story(), folder.path());
    let args = ["replay", "--serve", "--speed", "2x", "--web", "127.0.0.1:0", "-q", "--node", wire::NODE, &file];
    let sensor = Sensor::start(&args);
    let mut messages = sensor.events("/api/v1/messages?command=block,pong&direction=recv&fields=true");
    let mut events = sensor.events("/api/v1/events");
    let status = events.wait("status");
    assert_eq!(
        (&status["mode"], &status["finished"], &status["speed"]),
        (&json!("replay"), &json!(false), &json!(2.0))
    );
    let mut told: Vec<Value> = Vec::new();
    loop {
        let (name, data) = events.next();
        match name.as_str() {
            "block" => told.push(data),
            "end" => break,
            _ => {}
        }
    }
    let mut hashes: Vec<Value> = Vec::new();
    for block in &told {
        if !hashes.contains(&block["hash"]) {
            hashes.push(block["hash"].clone());
        }
    }
    assert!(hashes.len() >= 2, "the last ones at least: {hashes:?}");
    // Again when more is known.
    let second: Vec<_> = told.iter().filter(|b| b["height"] == json!(2)).collect();
    let (first, last) = (second[0], second[second.len() - 1]);
    assert_eq!((&first["status"], &first["process_time"]), (&json!("unknown"), &Value::Null));
    assert_eq!(last["status"], "accepted");
    assert!(last["process_time"].as_i64().unwrap() >= 1_500_000, "{last}");
    let blocks = sensor.json("/api/v1/blocks");
    let newest = &blocks["blocks"][0];
    assert_eq!(newest["hash"], hashes[hashes.len() - 1]);
    let peer = &sensor.json("/api/v1/peers")["peers"][0];
    assert_eq!((&peer["last_block"], &peer["first_blocks"]), (&newest["hash"], &json!(3)));
    assert!(peer["ping_us"].as_i64().unwrap() >= 5000 && peer["tcp_rtt_us"] == json!(200), "{peer}");
    let mut last = Value::Null;
    for _ in 0..6 {
        last = messages.wait("message");
        assert!(["block", "pong"].contains(&last["command"].as_str().unwrap()) && last["direction"] == "recv");
        if last["fields"]["block"] == newest["hash"] {
            break;
        }
    }
    assert_eq!(last["fields"]["block"], newest["hash"], "{last}");
    assert_eq!(sensor.json("/api/v1/status")["nodes"][0]["height"], json!(3));
}
