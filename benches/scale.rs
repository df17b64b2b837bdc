//! What many connections and much traffic cost: `cargo bench --bench scale`.
//!
//! Connections: memory for each that is idle, and for each with half a message header; CPU time a packet with few
//! and with many of them. Traffic: the rate for captures of 1, 2 and 4 GB.

#![allow(dead_code, reason = "the generators and the measuring are shared with the benchmark `replay`")]

#[path = "replay/capture.rs"]
mod capture;
mod generate;
#[path = "replay/measure.rs"]
mod measure;

use anyhow::{Context as _, Result};
use capture::Capture;
use generate::block::Blocks;
use generate::crowd::{self, Crowd};
use measure::Usage;
use std::path::Path;
use std::process::Command;

/// The binary that cargo has built with this benchmark.
const BTCDMON: &str = env!("CARGO_BIN_EXE_btcdmon");
/// Runs of which the least time counts.
const RUNS: u32 = 3;
/// Few and many connections.
const CONNECTIONS: [u32; 2] = [100, 100_000];
/// Messages over them, for the time of a packet.
const MESSAGES: u32 = 1_000_000;
/// Sizes of the download, MB.
const SIZES: [u64; 3] = [1000, 2000, 4000];

fn run(path: &Path) -> Result<Usage> {
    measure::best(RUNS, || {
        let mut c = Command::new(BTCDMON);
        c.args(["replay", "--quiet", "--workers", "1", "--node", "bench=192.0.2.7"]).arg(path);
        Ok(c)
    })
}

fn main() -> Result<()> {
    // `cargo test --benches` runs this program too, to see whether it builds.
    if !std::env::args().any(|a| a == "--bench") {
        println!("not run by `cargo bench`: nothing is measured");
        return Ok(());
    }
    let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    let crowd = |connections, messages, half| -> Result<(Usage, u64)> {
        let name = format!("crowd-{connections}-{messages}-{}", if half { "half" } else { "idle" });
        let path =
            generate::capture(&scratch, &name, 0, |path| crowd::write(path, Crowd { connections, messages, half }))?;
        let read = Capture::read("crowd", path)?;
        let usage = run(&read.path)?;
        std::fs::remove_file(&read.path)?;
        Ok((usage, read.packets))
    };

    let mut memory = Vec::new();
    let mut times = Vec::new();
    for connections in CONNECTIONS {
        let (idle, before) = crowd(connections, 0, false)?;
        let (half, _) = crowd(connections, 0, true)?;
        let (busy, packets) = crowd(connections, MESSAGES, false)?;
        memory.push([idle, half].map(|u| u.memory.unwrap_or(0)));
        times.push((busy.cpu - idle.cpu) * 1e9 / (packets - before) as f64);
    }
    let more = f64::from(CONNECTIONS[1] - CONNECTIONS[0]);
    for (what, i) in [("idle", 0), ("with half a message header", 1)] {
        let each = memory[1][i].saturating_sub(memory[0][i]) as f64 / more;
        println!("memory for a connection, {what}: {each:.0} bytes");
    }
    for (connections, ns) in CONNECTIONS.iter().zip(&times) {
        println!("CPU time for a packet, {connections} connections: {ns:.0} ns");
    }
    println!("ratio: {:.2}\n", times[1] / times[0]);

    for mb in SIZES {
        let path = generate::capture(&scratch, "ibd", mb * 1_000_000, |path| {
            generate::ibd::write(path, mb * 1_000_000, Blocks::open(None)?)
        })?;
        let read = Capture::read("ibd", path).context("the download")?;
        let u = run(&read.path)?;
        let rate = read.bytes as f64 / u.seconds / 1e6;
        let memory = u.memory.unwrap_or(0) / 1_000_000;
        println!("{mb:5} MB: {rate:.0} MB/s, {:.2} CPU s/GB, {memory} MB", u.cpu / read.bytes as f64 * 1e9);
    }
    Ok(())
}
