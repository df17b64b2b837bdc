//! Of a part of a recording less is told than of the whole, and nothing else: begun in the middle, without one
//! of the peers, with one peer only, with another host watched.

use super::corpus::run::{Run, run_with, settings};
use super::corpus::{Capture, Packet, captures, packet};
use super::{SECOND, SERIES};
use btcdmon::flow::Checksums;
use btcdmon::series::{Point, Value};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

/// Columns that are read off a transaction or a block, whoever brought it: series, key, columns.
const EXACT: [(&str, &str, &[&str]); 3] = [
    ("tx", "txid", &["version_num", "tx_size", "vsize", "weight", "num_inputs", "num_outputs", "is_standard"]),
    ("tx_fees", "txid", &["tx_fee", "tx_size", "vsize", "fee_rate"]),
    ("processed_blocks", "sha", &["height", "size", "weight", "num_tx", "total_tx_fees"]),
];

fn replay(packets: &[Packet], node: &str) -> Run {
    let mut settings = settings(Some(node), Checksums::Auto);
    settings.node.interval = SECOND;
    run_with(packets, &settings)
}

fn column<'a>(p: &'a Point, name: &str) -> &'a Value {
    let at = SERIES[p.series].columns.iter().position(|c| c.name == name).unwrap();
    &p.values[at]
}

fn points<'a>(run: &'a Run, series: &'a str) -> impl Iterator<Item = &'a Point> {
    run.points.iter().filter(move |p| SERIES[p.series].name == series)
}

/// What a run tells of transactions and blocks, as text by series, key and column.
fn told(run: &Run) -> HashMap<(&'static str, String, &'static str), String> {
    let mut all = HashMap::new();
    for (series, key, columns) in EXACT {
        // What is estimated of encrypted connections has no key.
        for p in points(run, series).filter(|p| *column(p, key) != Value::Absent) {
            for name in columns {
                let value = column(p, name);
                if *value != Value::Absent {
                    all.insert((series, format!("{:?}", column(p, key)), *name), format!("{value:?}"));
                }
            }
        }
    }
    all
}

/// No point would overwrite another; that of a block, and of an encrypted handshake, is written again when more is
/// known.
fn are_apart(run: &Run, what: &str) {
    let mut seen = HashMap::new();
    for p in &run.points {
        let s = &SERIES[p.series];
        let tags = s.columns.iter().zip(&p.values).filter(|(c, _)| c.tag).map(|(_, v)| format!("{v:?}"));
        let key = (s.name, p.time, p.node.clone(), tags.collect::<Vec<_>>());
        let subject = match s.name {
            "processed_blocks" => format!("{:?}", column(p, "sha")),
            "peers" if *column(p, "features") != Value::Absent => format!("{:?}", column(p, "connection")),
            _ => String::new(),
        };
        if let Some(before) = seen.insert(key, subject.clone()) {
            assert!(!subject.is_empty() && before == subject, "{what}: two points at one time: {p:?}");
        }
    }
}

/// Heights of the tip, with their times.
fn tips(run: &Run) -> Vec<(i64, i64)> {
    let height = |p: &Point| match column(p, "best_height") {
        Value::Integer(n) => Some((p.time.nanos(), *n)),
        _ => None,
    };
    let mut all: Vec<_> = points(run, "blocks").filter_map(height).collect();
    all.sort_unstable();
    all
}

/// Every tip was one of the whole run's at about that time.
fn are_tips_of(part: &Run, whole: &[(i64, i64)], what: &str) {
    for (time, height) in tips(part) {
        let first = whole.partition_point(|(t, _)| *t < time - 10 * SECOND).saturating_sub(1);
        let near = whole[first..].iter().take_while(|(t, _)| *t <= time + 10 * SECOND);
        let near: Vec<i64> = near.map(|(_, h)| *h).collect();
        assert!(near.contains(&height), "{what}: height {height} at {time}, the whole has {near:?}");
    }
}

fn hosts(c: &Capture) -> Vec<(BTreeSet<IpAddr>, &Packet)> {
    let ends = |p: &Packet| packet::tcp(p).map(|t| BTreeSet::from([t.src.ip(), t.dst.ip()])).unwrap_or_default();
    c.packets.iter().map(|p| (ends(p), p)).collect()
}

#[test]
fn a_part_tells_less_and_nothing_else() {
    for c in captures() {
        let whole = replay(&c.packets, c.node);
        are_apart(&whole, c.name);
        let (all, whole_tips) = (told(&whole), tips(&whole));
        let compare = |run: &Run, what: &str| {
            are_apart(run, what);
            for (key, value) in told(run) {
                // Of a block that the whole run could not rebuild it may tell more.
                assert!(all.get(&key).is_none_or(|v| *v == value), "{what}: {key:?} {value}, not {:?}", all[&key]);
            }
        };
        for share in [0.1, 0.25, 0.33, 0.5, 0.66, 0.9] {
            let what = format!("{} from {share}", c.name);
            let run = replay(&c.packets[(c.packets.len() as f64 * share) as usize..], c.node);
            compare(&run, &what);
            are_tips_of(&run, &whole_tips, &what);
        }
        let packets = hosts(c);
        let node: IpAddr = c.node.parse().unwrap();
        let others: HashSet<IpAddr> = packets.iter().flat_map(|(ends, _)| ends).copied().collect();
        for other in others.into_iter().filter(|h| *h != node) {
            let some = |of_it: bool| -> Vec<Packet> {
                packets.iter().filter(|(e, _)| e.contains(&other) == of_it).map(|(_, p)| (*p).clone()).collect()
            };
            compare(&replay(&some(false), c.node), &format!("{} without {other}", c.name));
            compare(&replay(&some(true), c.node), &format!("{} only {other}", c.name));
            compare(&replay(&c.packets, &other.to_string()), &format!("{} at {other}", c.name));
        }
    }
}
