//! What is inferred of encrypted connections, held against what the nodes logged, also with segments cut and lost.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "the laboratory in benches/v2 has more than is used here")]

#[path = "../benches/v2/learn.rs"]
mod learn;
#[path = "../benches/v2/recording.rs"]
mod recording;
#[path = "../benches/v2/score.rs"]
mod score;

use btcdmon::flow::Side;
use btcdmon::message::command::Command;
use btcdmon::message::v2::counts::Counts;
use btcdmon::message::v2::model::Model;
use recording::{Known, NodeSide as _, Recording, Seen, Stream};
use score::Change;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

fn hold(model: &Model, r: &Recording, change: Change, recall: f64, precision: f64) {
    let s = score::recording(model, r, change);
    assert!(s.known > 100, "{} {change:?}: {} messages", r.name, s.known);
    assert!(
        s.recall() >= recall && s.precision() >= precision,
        "{} {change:?}: recall {:.4}, precision {:.4}; {:?}",
        r.name,
        s.recall(),
        s.precision(),
        s.confused
    );
}

#[test]
fn btcd() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/btcd-v2-messages");
    let r = Recording::read(&folder, &["10.88.0.2".parse().unwrap()]).unwrap();
    for change in [Change::None, Change::Recut(1448, false), Change::Recut(536, false)] {
        hold(Model::learnt(), &r, change, 0.95, 0.95);
    }
    // A recorder that sets PSH on all pieces hides where writes end.
    hold(Model::learnt(), &r, Change::Recut(536, true), 0.93, 0.93);
    hold(Model::learnt(), &r, Change::Lost(1000), 0.85, 0.95);
}

const CORE: [&str; 4] = ["core31-v2", "core31-v2-busy", "core31-v2-quiet", "core31-mixed"];

fn node() -> [IpAddr; 2] {
    ["10.77.0.1".parse().unwrap(), "fd77::1".parse().unwrap()]
}

fn core() -> Option<[Recording; 4]> {
    let Some(shared) = std::env::var_os("BTCDMON_SHARED").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: Core's encrypted connections; set BTCDMON_SHARED to the folder that holds captures/core31-v2"
        );
        return None;
    };
    Some(CORE.map(|n| Recording::read(&shared.join("captures").join(n), &node()).unwrap()))
}

/// When the last byte of a message was captured, ns.
fn came(s: &Stream, side: Side, known: &Known) -> i64 {
    let end = known.offset + u64::from(known.len);
    let spans = s.seen.iter().filter(|x| x.1 == side).filter_map(|x| match x.2 {
        Seen::Span(p) => Some(p),
        Seen::Gap(_) => None,
    });
    spans.filter(|p| p.offset < end && p.offset + p.len >= end).map(|p| p.time.nanos()).next().unwrap()
}

/// Blocks that came to the node: how many there were, and which were not told with their exact size and time.
fn blocks(r: &Recording) -> (usize, Vec<String>) {
    let (mut all, mut wrong) = (0, Vec::new());
    for s in &r.streams {
        let side = s.conversation.initiator_or_other(&node()).unwrap().other();
        let told = score::estimates(Model::learnt(), Some(s.conversation.initiator), &s.seen);
        let told: HashMap<_, _> = told.iter().filter(|e| e.side == side).map(|e| (e.offset, e)).collect();
        let is_block = |k: &&Known| [Command::BLOCK, Command::CMPCTBLOCK].contains(&k.command);
        for known in s.truth[side as usize].iter().filter(is_block) {
            all += 1;
            let at = came(s, side, known);
            assert!(known.logged > at, "the node logs what has come");
            let found = told.get(&known.offset).filter(|e| {
                let near = (e.time.nanos() - at).abs() <= 1_000_000;
                e.kind.command() == Some(known.command) && e.len == known.len && near
            });
            if found.is_none() {
                let as_what = told.get(&known.offset).map(|e| (e.kind, e.len));
                wrong.push(format!(
                    "{} {} {}: {as_what:?}",
                    s.conversation.endpoints[0],
                    known.command.name(),
                    known.len
                ));
            }
        }
    }
    (all, wrong)
}

#[test]
fn blocks_that_come_are_told_with_size_and_time() {
    let Some(core) = core() else { return };
    for (r, (least, missing)) in core.iter().zip([(140, 0), (160, 2), (140, 2), (4, 0)]) {
        let (all, wrong) = blocks(r);
        assert!(all >= least && wrong.len() <= missing, "{}: {} of {all}: {wrong:?}", r.name, wrong.len());
    }
}

/// Each recording by what was learnt from the others.
#[test]
fn core_by_what_others_do() {
    let Some(all) = core() else { return };
    let counts = all.each_ref().map(learn::counts);
    for (i, r) in all.iter().enumerate() {
        let mut others = Counts::default();
        counts.iter().enumerate().filter(|(j, _)| *j != i).for_each(|(_, c)| others.merge(c));
        let model = Model::new(&others);
        hold(&model, r, Change::None, 0.995, 0.995);
        for (mss, all) in [(1448, false), (1448, true), (536, false), (536, true)] {
            hold(&model, r, Change::Recut(mss, all), 0.97, 0.97);
        }
        hold(&model, r, Change::Joined, 0.97, 0.97);
        hold(&model, r, Change::Lost(1000), 0.97, 0.97);
        hold(&model, r, Change::Lost(100), 0.9, 0.95);
    }
}
