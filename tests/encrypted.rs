//! What is inferred of encrypted connections, held against what the nodes logged, also with segments cut and lost.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "the laboratory in benches/v2 has more than is used here")]

#[path = "../benches/v2/learn.rs"]
mod learn;
#[path = "../benches/v2/recording.rs"]
mod recording;
#[path = "../benches/v2/score.rs"]
mod score;

use btcdmon::message::v2::counts::Counts;
use btcdmon::message::v2::model::Model;
use recording::Recording;
use score::Change;
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

/// Each recording by what was learnt from the others.
#[test]
fn core_by_what_others_do() {
    let Some(shared) = std::env::var_os("BTCDMON_SHARED").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: Core's encrypted connections; set BTCDMON_SHARED to the folder that holds captures/core31-v2"
        );
        return;
    };
    let node = ["10.77.0.1".parse().unwrap(), "fd77::1".parse().unwrap()];
    let names = ["core31-v2", "core31-v2-busy", "core31-v2-quiet", "core31-mixed"];
    let all = names.map(|n| Recording::read(&shared.join("captures").join(n), &node).unwrap());
    let counts = all.each_ref().map(learn::counts);
    for (i, r) in all.iter().enumerate() {
        let mut others = Counts::default();
        counts.iter().enumerate().filter(|(j, _)| *j != i).for_each(|(_, c)| others.merge(c));
        let model = Model::new(&others);
        hold(&model, r, Change::None, 0.99, 0.99);
        for (mss, all) in [(1448, false), (1448, true), (536, false), (536, true)] {
            hold(&model, r, Change::Recut(mss, all), 0.97, 0.97);
        }
        hold(&model, r, Change::Joined, 0.97, 0.97);
        hold(&model, r, Change::Lost(1000), 0.97, 0.97);
        hold(&model, r, Change::Lost(100), 0.9, 0.95);
    }
}
