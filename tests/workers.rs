//! I10: the number of workers and the size of their batches change no result.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

use assert_cmd::Command;
use btcdmon::app::batch::BatchLimits;
use btcdmon::flow::Checksums;
use corpus::run::{Run, run_with, settings};
use corpus::{Packet, Random, recordings};
use std::path::Path;

/// Everything a run said, as text: messages, points, report.
fn said(run: &Run) -> Vec<String> {
    let messages = run.messages.iter().map(|m| format!("{m:?}"));
    let points = run.points.iter().map(|p| format!("{p:?}"));
    messages.chain(points).chain([serde_json::to_string(&run.report).unwrap()]).collect()
}

fn run(packets: &[Packet], workers: usize, batches: BatchLimits) -> Vec<String> {
    let mut settings = settings(None, Checksums::Auto);
    (settings.workers, settings.batches) = (workers, batches);
    said(&run_with(packets, &settings))
}

fn assert_same(what: &str, one: &[String], other: &[String]) {
    let first = one.iter().zip(other).position(|(a, b)| a != b);
    if let Some(i) = first {
        panic!("{what}: {i} is\n{}\ninstead of\n{}", other[i], one[i]);
    }
    assert_eq!(one.len(), other.len(), "{what}");
}

#[test]
fn i10_workers_and_batches_change_nothing() {
    let mut random = Random(10);
    for capture in recordings() {
        let name = capture.name;
        let oracle = run(&capture.packets, 0, BatchLimits::default());
        assert!(oracle.len() > 100, "{name}: {} results", oracle.len());
        for workers in [1, 2, 3, 8] {
            assert_same(
                &format!("{name}, {workers} workers"),
                &oracle,
                &run(&capture.packets, workers, BatchLimits::default()),
            );
            let batches = BatchLimits {
                bytes: 1 + random.below(20_000),
                items: 1 + random.below(300) as u32,
                age: random.one_in(2).then(|| random.below(100_000_000) as i64),
            };
            let what = format!("{name}, {workers} workers, {batches:?}");
            assert_same(&what, &oracle, &run(&capture.packets, workers, batches));
        }
    }
}

fn btcdmon(args: &[&str], workers: &str) -> Vec<u8> {
    let out =
        Command::cargo_bin("btcdmon").unwrap().args(args).args(["--quiet", "--workers", workers]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// Every row of every table, in order.
fn dump(store: &Path) -> String {
    let db = rusqlite::Connection::open(store).unwrap();
    let mut text = String::new();
    for series in btcdmon::series::SERIES {
        let mut query = db.prepare(&format!("SELECT * FROM {} ORDER BY 1, 2, 3, 4, 5, 6", series.name)).unwrap();
        let n = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..n).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
            text += &(series.name.to_owned() + " " + &values.join(" ") + "\n");
        }
    }
    text
}

#[test]
fn what_the_program_prints_and_stores_is_the_same_for_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    for capture in recordings() {
        let file = capture.folder.join("capture.pcap.zst");
        let file = file.to_str().unwrap();
        let all = |workers: &str| {
            let store = folder.path().join(format!("{}-{workers}.db", capture.name));
            let store_name = store.to_str().unwrap();
            let printed = [
                btcdmon(
                    &["replay", "--json", "--sensor", "x", "--interval", "1s", "--store", store_name, file],
                    workers,
                ),
                btcdmon(&["messages", file], workers),
                btcdmon(&["messages", "--format", "text", file], workers),
            ];
            (printed, dump(&store))
        };
        let (printed, stored) = all("0");
        assert!(printed.iter().all(|p| p.len() > 1000) && stored.len() > 10_000, "{}", capture.name);
        for workers in ["1", "2", "3", "8"] {
            let (other, other_stored) = all(workers);
            assert!(printed == other, "{}: {workers} workers print something else", capture.name);
            assert!(stored == other_stored, "{}: {workers} workers store something else", capture.name);
        }
    }
}
