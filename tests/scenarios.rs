//! One file a case under `tests/scenarios`: what it shows, which rules, the packets, what must come out.
//!
//! Every case runs at six initial sequence numbers (R36, I5), mirrored (I9) and at other times (I8), with the same
//! result. `BLESS=1 cargo test --test scenarios` rewrites the expectations: read every changed line, the
//! expectations follow from the rules and not from the program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop at the first surprise

mod support;

use btcdmon::flow::{Checksums, Config};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::ISNS;
use support::run::{Runner, START, Variant};

/// Rules that must have a case.
const RULES: [&str; 33] = [
    "R05", "R06", "R10", "R11", "R12", "R13", "R14", "R15", "R16", "R17", "R18", "R19", "R20", "R21", "R30", "R31",
    "R32", "R33", "R34", "R35", "R36", "R37", "R38", "R40", "R41", "R42", "R43", "R44", "R45", "R46", "R47", "R48",
    "R49",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What it shows, one or two sentences.
    purpose: String,
    rules: Vec<String>,
    /// Where the idea comes from.
    source: String,
    /// Port of the first `a`, port of `b`.
    ports: Option<[u16; 2]>,
    service_ports: Option<Vec<u16>>,
    checksums: Option<String>,
    #[serde(default)]
    limits: BTreeMap<String, i64>,
    steps: String,
    expect: String,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files
}

fn load(file: &Path) -> Scenario {
    toml::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn config(s: &Scenario) -> Config {
    let mut config = Config { checksums: Checksums::Off, ..Config::default() };
    config.service_ports = s.service_ports.clone().unwrap_or_else(|| vec![8333]).into();
    config.checksums = match s.checksums.as_deref() {
        None | Some("off") => Checksums::Off,
        Some("on") => Checksums::On,
        Some("auto") => Checksums::Auto,
        Some(other) => panic!("checksums = {other:?}"),
    };
    for (name, &value) in &s.limits {
        let l = &mut config.limits;
        match name.as_str() {
            "held_bytes" => l.held_bytes = value as usize,
            "held_segments" => l.held_segments = value as usize,
            "partition_held_bytes" => l.partition_held_bytes = value as usize,
            "conversations" => l.conversations = value as usize,
            other => panic!("unknown limit {other:?}"),
        }
    }
    config
}

fn bless(file: &Path, lines: &[String]) {
    let text = fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once("expect = '''\n").expect("an expectation");
    let (_, after) = rest.split_once("'''").expect("its end");
    fs::write(file, format!("{before}expect = '''\n{}\n'''{after}", lines.join("\n"))).unwrap();
}

#[test]
fn every_scenario_gives_what_it_expects() {
    let mut wrong = Vec::new();
    for file in files() {
        let scenario = load(&file);
        let steps = support::script::parse(&scenario.steps).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let ports = scenario.ports.unwrap_or([50_000, 8333]);
        let run = |variant| Runner::new(config(&scenario), ports, variant).run(&steps);
        let first = run(Variant { isn: [1000, 2000], start: START, mirrored: false });
        if std::env::var_os("BLESS").is_some() {
            bless(&file, &first);
        }
        let expected: Vec<String> = load(&file).expect.lines().map(str::to_owned).collect();
        if first != expected {
            let diff = first.join("\n");
            wrong.push(format!("{}\n--- gave\n{diff}\n--- expected\n{}", file.display(), expected.join("\n")));
        }
        for (k, &isn) in ISNS.iter().enumerate() {
            for (mirrored, start) in [(false, 0), (true, START + 123_456_789_123)] {
                let variant = Variant { isn: [isn, ISNS[(k + 2) % 6]], start, mirrored };
                let lines = run(variant);
                assert_eq!(lines, first, "{}: {variant:?} changes the result", file.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn every_rule_has_a_scenario() {
    let mut count: BTreeMap<String, usize> = RULES.iter().map(|&r| (r.to_owned(), 0)).collect();
    for file in files() {
        let s = load(&file);
        assert!(s.purpose.len() > 20 && !s.source.is_empty(), "{} says too little", file.display());
        for rule in s.rules {
            let n = count.get_mut(&rule).unwrap_or_else(|| panic!("{}: no rule {rule}", file.display()));
            *n += 1;
        }
    }
    let without: Vec<_> = count.iter().filter(|(_, n)| **n == 0).map(|(r, _)| r).collect();
    assert!(without.is_empty(), "rules without a scenario: {without:?}");
}
