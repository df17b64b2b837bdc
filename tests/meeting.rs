//! Where the clear and the encrypted meet: transactions and blocks recognised on encrypted connections, held against
//! the payloads' checksums that the node logged beside the capture.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

use btcdmon::flow::Checksums;
use btcdmon::message::body::Body;
use btcdmon::series::{Point, SERIES, Value};
use corpus::run::{Run, run_with, settings};
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// The node logs a message when it gets to it, not when it comes, ns.
const LOGGED: i64 = 500_000_000;

fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("BTCDMON_SHARED").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "SKIPPED: a Core node with plain and encrypted peers; set BTCDMON_SHARED to the folder that holds captures/core31-mixed"
        );
    }
    folder
}

fn text(v: &Value) -> String {
    match v {
        Value::Text(t) => t.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => x.to_string(),
        other => format!("{other:?}"),
    }
}

/// The points of a series, as text by column.
fn rows<'a>(run: &'a Run, series: &str) -> Vec<(&'a Point, HashMap<&'static str, String>)> {
    let place = SERIES.iter().position(|s| s.name == series).unwrap();
    let of = run.points.iter().filter(move |p| p.series == place);
    of.map(|p| (p, SERIES[place].columns.iter().map(|c| c.name).zip(p.values.iter().map(text)).collect())).collect()
}

fn plain(peer: &str) -> String {
    peer.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// A transfer on an encrypted connection, as logged.
struct Logged {
    peer: String,
    direction: String,
    message: String,
    id: String,
    size: i64,
    time: i64,
}

/// What the log tells of the encrypted connections, as far as something with the same checksum was seen in the clear.
fn logged(folder: &Path, run: &Run) -> Vec<Logged> {
    let mut ids: HashMap<(String, [u8; 4]), String> = HashMap::new();
    for m in &run.messages {
        let id = match &m.content.body {
            Ok(Body::Tx(tx)) => tx.txid,
            Ok(Body::Block(b)) => b.hash,
            Ok(Body::CompactBlock(b)) => b.hash,
            _ => continue,
        };
        ids.insert((m.content.command.clone(), m.content.checksum.unwrap()), id.to_string());
    }
    let clear: HashSet<String> = run.messages.iter().map(|m| plain(&m.peer.to_string())).collect();
    let file = std::fs::File::open(folder.join("messages.jsonl.gz")).unwrap();
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let mut all = Vec::new();
    for line in lines {
        let m: Json = serde_json::from_str(&line.unwrap()).unwrap();
        let field = |name: &str| m[name].as_str().unwrap_or_default().to_owned();
        let peer = plain(&field("peer"));
        if clear.contains(&peer) {
            continue;
        }
        let checksum = u32::from_str_radix(&field("checksum"), 16).unwrap().to_be_bytes();
        if let Some(id) = ids.get(&(field("command"), checksum)) {
            all.push(Logged {
                peer,
                direction: field("dir"),
                message: field("command"),
                id: id.clone(),
                size: m["len"].as_i64().unwrap(),
                time: m["t_us"].as_i64().unwrap() * 1000,
            });
        }
    }
    all
}

/// Recall and precision of the matches of one kind of message, of those at least as sure as `confidence`.
fn score(run: &Run, logged: &[Logged], messages: &[&str], confidence: f64) -> (f64, f64, usize, usize) {
    let mut open: Vec<&Logged> = logged.iter().filter(|l| messages.contains(&&*l.message)).collect();
    let all = open.len();
    let (mut right, mut told) = (0, 0);
    for (p, r) in rows(run, "matches") {
        if !messages.contains(&&*r["message"]) || r["confidence"].parse::<f64>().unwrap() < confidence {
            continue;
        }
        told += 1;
        let is = |l: &&Logged| {
            l.peer == plain(&r["peer"])
                && l.direction == r["direction"]
                && l.message == r["message"]
                && l.id == r["id"]
                && l.size.to_string() == r["size"]
                && (l.time - p.time.nanos()).abs() < LOGGED
        };
        if let Some(i) = open.iter().position(is) {
            open.swap_remove(i);
            right += 1;
        }
    }
    (right as f64 / all as f64, f64::from(right) / f64::from(told), all, told as usize)
}

#[test]
fn what_is_seen_in_the_clear_is_recognised_encrypted() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("captures/core31-mixed");
    let packets = corpus::read(&[folder.join("capture.pcap.zst")]);
    let run = run_with(&packets, &settings(Some("core=10.77.0.1,fd77::1"), Checksums::Auto));
    let logged = logged(&folder, &run);
    let (tx, compact, block) = (&["tx"][..], &["cmpctblock"][..], &["block"][..]);
    let floors = [
        (tx, 0.0, 0.92, 0.92),
        (tx, 0.5, 0.72, 0.95),
        (tx, 0.9, 0.6, 0.97),
        (compact, 0.0, 0.95, 0.95),
        (compact, 0.9, 0.05, 0.9),
        (block, 0.0, 0.7, 0.95),
    ];
    for (messages, confidence, recall, precision) in floors {
        let (found, right, all, told) = score(&run, &logged, messages, confidence);
        println!(
            "{messages:?} from {confidence}: {all} seen in the clear too, {told} told, recall {found:.4}, precision {right:.4}"
        );
        assert!(found >= recall && right >= precision, "{messages:?} from {confidence}: {found:.4} {right:.4}");
    }
}
