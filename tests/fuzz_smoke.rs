//! The fuzz targets without a fuzzer: each runs on mutations of the bundled captures for a bounded time.
//!
//! `FUZZ_SECONDS` for each target (2 without it); `FUZZ_SEED` for other mutations than those of every run;
//! `FUZZ_CORPUS=folder` writes the inputs that everything starts from, a folder a target.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop at the first surprise

mod fuzz_seeds;

use btcdmon::fuzz::TARGETS;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest input, bytes.
const LONGEST: usize = 64 * 1024;

/// Xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n.max(1)
    }
}

/// Values at which counts and lengths go wrong.
const EDGES: [u32; 14] = [0, 1, 2, 4, 24, 127, 128, 0xfd, 0xff, 0x7fff, 0xffff, 4_000_000, 0x7fff_ffff, u32::MAX];

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let len = random.below(64.min(input.len() - at) + 1);
        let edge = EDGES[random.below(EDGES.len())];
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            2 => drop(input.drain(at..at + len)),
            3 => {
                let again = input[at..at + len].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, again);
            }
            4 if at + 4 <= input.len() => input[at..at + 4].copy_from_slice(&edge.to_le_bytes()),
            5 if at + 4 <= input.len() => input[at..at + 4].copy_from_slice(&edge.to_be_bytes()),
            6 if at + 2 <= input.len() => input[at..at + 2].copy_from_slice(&(edge as u16).to_be_bytes()),
            7 => {
                let from = random.below(other.len() + 1);
                let some = &other[from..(from + random.below(512)).min(other.len())];
                input.splice(at..at + len, some.iter().copied());
            }
            _ => input.truncate(at),
        }
    }
    input.truncate(LONGEST);
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

/// Runs a target; an input that breaks it is kept.
fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.crash"));
        std::fs::write(&path, input).unwrap();
        eprintln!("{name}: {} bytes broke an invariant; they are in {}", input.len(), path.display());
        std::panic::resume_unwind(panic);
    }
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|t| t.0 == name).unwrap().1;
    let seeds = fuzz_seeds::of(name);
    assert!(seeds.len() >= 5, "{name} has no seeds");
    if let Some(folder) = std::env::var_os("FUZZ_CORPUS") {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (i, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:03}")), seed).unwrap();
        }
    }
    for seed in &seeds {
        run(name, target, seed);
    }
    let end = Instant::now() + Duration::from_secs(variable("FUZZ_SECONDS").unwrap_or(2));
    let mut random = Random(variable("FUZZ_SEED").unwrap_or(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut runs = 0_u64;
    while Instant::now() < end {
        let mut input = seeds[random.below(seeds.len())].clone();
        let other = &seeds[random.below(seeds.len())];
        mutate(&mut input, other, &mut random);
        run(name, target, &input);
        runs += 1;
    }
    println!("{name}: {runs} mutations of {} seeds", seeds.len());
}

#[test]
fn frame_decode() {
    fuzz("frame_decode");
}

#[test]
fn segments() {
    fuzz("segments");
}

#[test]
fn framer() {
    fuzz("framer");
}

#[test]
fn connections() {
    fuzz("connections");
}

#[test]
fn payload() {
    fuzz("payload");
}

#[test]
fn capture_file() {
    fuzz("capture_file");
}

#[test]
fn every_target_is_run_here_and_under_the_fuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = std::fs::read_to_string(root.join("tests/fuzz_smoke.rs")).unwrap();
    let manifest = std::fs::read_to_string(root.join("tests/fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(here.contains(&format!("fuzz(\"{name}\")")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(root.join(format!("tests/fuzz/targets/{name}.rs")).is_file(), "{name}");
    }
}
