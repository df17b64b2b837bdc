//! `docs/series.md` is what the list of series says, with points of a real replay as examples.
//!
//! `BLESS=1 cargo test --test reference` writes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

use btcdmon::series::reference::markdown;
use btcdmon::series::{Point, SERIES, Value};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A point in InfluxDB's line protocol, without what is absent or zero.
fn line(p: &Point) -> String {
    let s = &SERIES[p.series];
    let mut tags = format!("{},node={}", s.name, p.node);
    let mut fields = Vec::new();
    for (c, v) in s.columns.iter().zip(&p.values) {
        let value = match v {
            Value::Absent | Value::Integer(0) => continue,
            Value::Text(t) if c.tag && t.is_empty() => continue,
            Value::Text(t) if c.tag => {
                let _ = write!(tags, ",{}={t}", c.name);
                continue;
            }
            Value::Integer(n) => format!("{n}i"),
            Value::Float(f) => format!("{f:.4}"),
            Value::Boolean(b) => b.to_string(),
            Value::Text(t) => format!("{t:?}"),
        };
        fields.push(format!("{}={value}", c.name));
    }
    format!("{tags} {} {}", fields.join(","), p.time.nanos())
}

/// For each series the last of its points, and where there are two kinds one of each.
fn examples() -> String {
    let capture = corpus::captures().iter().find(|c| c.name == "btcd-v1").unwrap();
    let run = corpus::run::run(&capture.packets);
    let mut text = "## Examples\n\nPoints of a replay of `captures/btcd-v1` in InfluxDB's line protocol, without what is zero.\n\n```\n".to_owned();
    for (i, s) in SERIES.iter().enumerate() {
        let present = |p: &Point| p.values.iter().map(|v| *v != Value::Absent).collect::<Vec<_>>();
        let (mut shown, mut kinds) = (Vec::new(), Vec::new());
        for p in run.points.iter().rev().filter(|p| p.series == i) {
            // Events and gauges fill other columns.
            let kind = present(p)[s.columns.iter().take_while(|c| c.tag).count()];
            if !kinds.contains(&kind) {
                kinds.push(kind);
                shown.push(line(p));
            }
        }
        assert!(!shown.is_empty() || s.name == "matches", "{}", s.name);
        for l in shown {
            text += &(l + "\n");
        }
    }
    text + "```\n" + &encrypted()
}

/// The same of what is estimated of encrypted connections.
fn encrypted() -> String {
    let capture = corpus::captures().iter().find(|c| c.name == "btcd-v2").unwrap();
    let run = corpus::run::run(&capture.packets);
    let mut text =
        "\nEstimated points of a replay of `captures/btcd-v2`, where a node has plain and encrypted peers.\n\n```\n"
            .to_owned();
    for (i, s) in SERIES.iter().enumerate() {
        let estimated = |p: &&Point| {
            let tags = s.columns.iter().zip(&p.values).filter(|(c, _)| c.tag);
            let is = |v: &Value, word: &str| *v == Value::Text(word.into());
            p.series == i && (s.name == "matches" || tags.into_iter().any(|(_, v)| is(v, "v2") || is(v, "encrypted")))
        };
        if let Some(p) = run.points.iter().rev().find(estimated) {
            text += &(line(p) + "\n");
        }
    }
    for name in ["tx", "processed_blocks", "peers", "msg_recv", "announcements", "ping", "matches"] {
        assert!(text.contains(&format!("\n{name},")), "no estimated point of {name}");
    }
    text + "```\n"
}

#[test]
fn generated_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/series.md");
    let generated = format!("{}\n\n{}", markdown(SERIES).trim_end(), examples());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/series.md is not what the list of series says: run `BLESS=1 cargo test --test reference`"
    );
}
