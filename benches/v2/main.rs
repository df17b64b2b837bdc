//! Learns the habits of nodes on encrypted connections from recordings, and tells how well that works.
//!
//! ```text
//! cargo run --release --example v2 -- learn FOLDER... > src/message/v2/table.txt
//! cargo run --release --example v2 -- cross FOLDER...
//! ```
//! A folder holds `capture.pcap.zst` and `messages.jsonl.gz` (peer, dir, command, len of every message in order), and
//! is followed by `@` and the watched node's addresses: `core@10.77.0.1,fd77::1`. `cross` reads each recording with
//! what was learnt from the others.

mod learn;
mod recording;
mod score;

use anyhow::{Context as _, Result, bail};
use btcdmon::message::v2::counts::Counts;
use btcdmon::message::v2::model::Model;
use recording::Recording;
use score::Change;
use std::path::Path;

const CHANGES: [Change; 10] = [
    Change::None,
    Change::Recut(1448, false),
    Change::Recut(1448, true),
    Change::Recut(536, false),
    Change::Recut(536, true),
    Change::Coalesced(2),
    Change::Coalesced(8),
    Change::Joined,
    Change::Lost(1000),
    Change::Lost(100),
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((what, folders)) = words.split_first().filter(|(_, f)| !f.is_empty()) else {
        bail!("usage: v2 learn|cross|show|doubt|test FOLDER@ADDRESS,ADDRESS...");
    };
    let mut recordings = Vec::new();
    for folder in folders {
        let (path, node) = folder.split_once('@').with_context(|| format!("{folder}: no @ADDRESS of the node"))?;
        let node = node.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
        recordings.push(Recording::read(Path::new(path), &node)?);
    }
    let counts: Vec<Counts> = recordings.iter().map(learn::counts).collect();
    let sum = |leave_out: Option<usize>| {
        let mut all = Counts::default();
        counts.iter().enumerate().filter(|(i, _)| Some(*i) != leave_out).for_each(|(_, c)| all.merge(c));
        all
    };
    match what.as_str() {
        "learn" => {
            println!("# Learnt by benches/v2 from recordings of real nodes; see docs/v2.md.");
            print!("{}", sum(None).to_text());
        }
        "cross" => {
            for (i, r) in recordings.iter().enumerate() {
                report(&Model::new(&sum(Some(i))), r);
            }
        }
        "show" => {
            for (i, r) in recordings.iter().enumerate() {
                let model = Model::new(&sum(Some(i)));
                println!("= {}", r.name);
                r.streams.iter().for_each(|s| score::show(&model, s));
            }
        }
        "doubt" => {
            for (i, r) in recordings.iter().enumerate() {
                let model = Model::new(&sum(Some(i)));
                println!("= {}", r.name);
                r.streams.iter().for_each(|s| learn::doubts(&model, s));
            }
        }
        "test" => recordings.iter().for_each(|r| report(Model::learnt(), r)),
        _ => bail!("{what}: learn, cross, show, doubt or test"),
    }
    Ok(())
}

fn report(model: &Model, r: &Recording) {
    for change in CHANGES {
        let s = score::recording(model, r, change);
        let mut confused: Vec<_> = s.confused.iter().collect();
        confused.sort_by(|a, b| b.1.cmp(a.1));
        let confused: Vec<String> =
            confused.iter().take(8).map(|((what, as_what), n)| format!("{what}>{as_what} {n}")).collect();
        println!(
            "{:<16} {:<18} {:>6} messages  recall {:.4}  precision {:.4}  {}",
            r.name,
            format!("{change:?}"),
            s.known,
            s.recall(),
            s.precision(),
            confused.join(", ")
        );
    }
}
