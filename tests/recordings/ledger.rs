//! Chain, blocks, fees and the shadow mempool against the node's RPC.

use super::{Column, Recording, SERIES, int, recording, text, time};
use btcdmon::time::SECOND;
use std::collections::BTreeMap;

const READABLE: [&str; 2] = ["btcd-v1", "btcd-ipv6"];

/// The points of a series as columns by name; of points written again the last.
fn rows(r: &Recording, series: &str, key: &str) -> BTreeMap<String, BTreeMap<&'static str, Column>> {
    let s = SERIES.iter().find(|s| s.name == series).unwrap();
    let mut all = BTreeMap::new();
    for p in r.run.points.iter().filter(|p| SERIES[p.series].name == series) {
        let row: BTreeMap<_, _> = s.columns.iter().map(|c| c.name).zip(p.values.iter().cloned()).collect();
        if let Some(Column::Text(key)) = row.get(key) {
            all.insert(key.to_string(), row);
        }
    }
    all
}

fn integer(row: &BTreeMap<&'static str, Column>, column: &str) -> i64 {
    match row[column] {
        Column::Integer(n) => n,
        ref other => panic!("{column} is {other:?}"),
    }
}

#[test]
fn blocks_are_processed_as_the_node_has_them() {
    for name in READABLE {
        let r = recording(name);
        let processed = rows(&r, "processed_blocks", "sha");
        for b in r.node["chain"].as_array().unwrap().iter().filter(|b| int(&b["height"]) > 0) {
            let row = processed.get(text(&b["hash"])).unwrap_or_else(|| panic!("{name}: {b} is missing"));
            for column in ["height", "size", "weight", "num_tx"] {
                assert_eq!(integer(row, column), int(&b[column]), "{name}: {column} of {b}");
            }
            assert_eq!(row["status"], Column::Text("accepted".into()), "{name}: {b}");
        }
    }
}

/// At each poll the newest height is one that the node had within a second.
#[test]
fn the_tip_is_the_nodes() {
    for name in ["btcd-v1", "btcd-ipv6", "btcd-v2"] {
        let r = recording(name);
        // A tip that waited for a sign of the node is written after later ones.
        let mut heights = r.column("blocks", &[], "best_height");
        heights.sort_unstable();
        assert!(!heights.is_empty(), "{name}");
        if name == "btcd-v2" {
            // The blocks come over encrypted connections: only what the node says of itself is known.
            assert!(heights.iter().all(|h| h.1 <= int(&r.node["getblockcount"])), "{name}: {heights:?}");
            continue;
        }
        for poll in &r.polls {
            let at = time(&poll["time"]);
            let before = heights.iter().rev().find(|h| h.0 <= at - SECOND).map_or(0, |h| h.1);
            let near = heights.iter().filter(|h| (h.0 - at).abs() <= SECOND).map(|h| h.1);
            let all: Vec<i64> = near.chain([before]).collect();
            let said = int(&poll["getblockcount"]);
            let range = *all.iter().min().unwrap()..=*all.iter().max().unwrap();
            assert!(range.contains(&said), "{name}: {said} at {at} not in {range:?}");
        }
        assert_eq!(heights.last().unwrap().1, int(&r.node["getblockcount"]), "{name}");
    }
}

#[test]
fn fees_are_what_the_wallets_paid() {
    for name in READABLE {
        let r = recording(name);
        let fees = rows(&r, "tx_fees", "txid");
        let mut known = 0;
        for action in r.actions.iter().filter(|a| a["fee"].is_i64()) {
            let Some(row) = fees.get(text(&action["txid"])) else { continue };
            assert_eq!(integer(row, "tx_fee"), int(&action["fee"]), "{name}: {action}");
            known += 1;
        }
        let said = r.actions.iter().filter(|a| a["fee"].is_i64()).count();
        assert_eq!(known, said, "{name}: every fee is known, since the recording begins with an empty chain");
    }
}

#[test]
fn the_shadow_mempool_is_the_nodes() {
    for name in READABLE {
        let r = recording(name);
        let said = r.node["getrawmempool"].as_array().unwrap().len() as u64;
        assert_eq!(r.run.report.nodes[0].mempool.num_tx, said, "{name}: at the end");
        let points = r.column("mempool", &[], "num_tx");
        let (mut error, mut sum) = (0, 0);
        for poll in &r.polls {
            let (low, high) = Recording::around(&points, time(&poll["time"]));
            let n = int(&poll["getmempoolinfo"]["size"]);
            error += (low - n).max(n - high).max(0);
            sum += n;
        }
        assert!(error * 100 <= sum, "{name}: {error} off in {sum}");
    }
}

/// A second transaction that spends the same output, as the recorded actions have them.
#[test]
fn double_spends_are_told() {
    let r = recording("btcd-v1");
    let told = rows(&r, "mempool", "tx_id");
    assert_eq!(told.len() as u64, r.run.report.nodes[0].mempool.double_spends);
    assert!(!told.is_empty());
    for row in told.values() {
        assert!(matches!(&row["prev_out"], Column::Text(o) if o.len() > 65), "{row:?}");
    }
}
