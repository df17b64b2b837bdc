//! What it costs to read encrypted connections by the lengths of their segments, against only counting their bytes:
//! `cargo bench --bench opaque`.
//!
//! The same conversations on Bitcoin's port, where lengths are read, and on another, where bytes are counted: CPU time
//! (user and system, the least of five runs) and memory, with few and with 10,000 connections. First recorded
//! conversations, copied (the bundled one, and those below the folder that `BTCDMON_SHARED` names), then made ones,
//! whose peers ask for any part of what is announced and are harder to read.

#![allow(dead_code, reason = "the generators and the measuring are shared with the benchmark `replay`")]

#[path = "replay/capture.rs"]
mod capture;
mod generate;
#[path = "replay/measure.rs"]
mod measure;

use anyhow::Result;
use capture::Capture;
use generate::copies::Recording;
use generate::encrypted::{self, Encrypted};
use measure::Usage;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary that cargo has built with this benchmark.
const BTCDMON: &str = env!("CARGO_BIN_EXE_btcdmon");
/// Runs of which the least time counts.
const RUNS: u32 = 5;
/// Few and many connections.
const CONNECTIONS: [u32; 2] = [100, 10_000];
/// Relays over each: of three minutes, so that handshakes are a small part, and the time that it takes a large one.
const ROUNDS: u32 = 36;
/// Where lengths are read, and where bytes are only counted.
const PORTS: [u16; 2] = [8333, 9999];

fn main() -> Result<()> {
    // `cargo test --benches` runs this program too, to see whether it builds.
    if !std::env::args().any(|a| a == "--bench") {
        println!("not run by `cargo bench`: nothing is measured");
        return Ok(());
    }
    let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    // Usage and packets with each port.
    let run = |connections, rounds| -> Result<Vec<(Usage, u64)>> {
        let mut captures = Vec::new();
        for port in PORTS {
            let name = format!("encrypted-{connections}-{rounds}-{port}");
            let path = generate::capture(&scratch, &name, 0, |path| {
                encrypted::write(path, Encrypted { connections, rounds, port })
            })?;
            captures.push(Capture::read("encrypted", path)?);
        }
        let usages = in_turn(&captures, |path| {
            let mut c = replay(path);
            c.args(["--node", "bench=192.0.2.7"]);
            c
        });
        for read in &captures {
            std::fs::remove_file(&read.path)?;
        }
        Ok(usages?.into_iter().zip(captures.iter().map(|read| read.packets)).collect())
    };
    for path in recordings() {
        let recording = Recording::read(&path)?;
        let name = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let copies = CONNECTIONS[1].div_ceil(recording.connections);
        let (mut captures, mut cpu) = (Vec::new(), Vec::new());
        for port in PORTS {
            let file = format!("copies-{name}-{}-{copies}-{port}", recording.frames.len());
            let copy = generate::capture(&scratch, &file, 0, |path| recording.write(path, copies, port))?;
            captures.push(Capture::read("copies", copy)?);
        }
        let usages = in_turn(&captures, |path| {
            let mut c = replay(path);
            for node in recording.nodes(copies) {
                c.args(["--node", &node.to_string()]);
            }
            c
        });
        for read in &captures {
            std::fs::remove_file(&read.path)?;
        }
        for ((read, usage), port) in captures.iter().zip(usages?).zip(PORTS) {
            let (packets, connections) = (read.packets, copies * recording.connections);
            let each = usage.cpu * 1e9 / packets as f64;
            println!(
                "{name}, {connections} connections, port {port}: {packets} packets, {:.2} s of CPU, {each:.0} ns a packet",
                usage.cpu
            );
            cpu.push(usage.cpu);
        }
        println!("{name}: CPU ratio {:.2}\n", cpu[0] / cpu[1]);
    }
    for rounds in [ROUNDS, 0] {
        let what = if rounds > 0 { "with relays" } else { "handshakes alone" };
        let mut many = Vec::new();
        let few = run(CONNECTIONS[0], rounds)?;
        let all = run(CONNECTIONS[1], rounds)?;
        for (((few, _), (all, packets)), port) in few.into_iter().zip(all).zip(PORTS) {
            let more = f64::from(CONNECTIONS[1] - CONNECTIONS[0]);
            let each = all.memory.unwrap_or(0).saturating_sub(few.memory.unwrap_or(0)) as f64 / more;
            println!(
                "{what}, port {port}: {packets} packets, {:.2} s of CPU, {:.0} ns a packet, {each:.0} bytes a connection",
                all.cpu,
                all.cpu * 1e9 / packets as f64
            );
            many.push((all.cpu, each));
        }
        println!(
            "{what}: CPU ratio {:.2}, {:.0} bytes more a connection\n",
            many[0].0 / many[1].0,
            many[0].1 - many[1].1
        );
    }
    Ok(())
}

/// The least of [`RUNS`] runs with each capture, one with each after the other: what else the machine does at the time adds
/// to both.
fn in_turn(captures: &[Capture], command: impl Fn(&Path) -> Command) -> Result<Vec<Usage>> {
    let mut best: Vec<Usage> = Vec::new();
    for _ in 0..RUNS {
        for (i, read) in captures.iter().enumerate() {
            let usage = measure::run(&mut command(&read.path))?;
            match best.get_mut(i) {
                Some(b) => *b = b.or_better(usage),
                None => best.push(usage),
            }
        }
    }
    Ok(best)
}

fn replay(path: &Path) -> Command {
    let mut c = Command::new(BTCDMON);
    c.args(["replay", "--quiet", "--workers", "1"]).arg(path);
    c
}

/// Recordings in which all connections are encrypted.
fn recordings() -> Vec<PathBuf> {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/btcd-v2-messages/capture.pcap.zst");
    let shared = std::env::var_os("BTCDMON_SHARED").map(PathBuf::from);
    let core = ["core31-v2", "core31-v2-busy", "core31-v2-quiet"];
    let of = |shared: &PathBuf| core.map(|name| shared.join("captures").join(name).join("capture.pcap.zst"));
    std::iter::once(bundled).chain(shared.as_ref().map(of).into_iter().flatten()).filter(|path| path.exists()).collect()
}
