//! The programs that are measured.

use super::capture::Capture;
use super::measure::{self, Usage};
use super::options::Options;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The binary that cargo has built with this benchmark.
const BTCDMON: &str = env!("CARGO_BIN_EXE_btcdmon");
/// The node of the captures.
const NODE: &str = "bench=192.0.2.7,2001:db8::7";

/// A line of the table.
pub struct Row {
    /// What was run.
    pub program: String,
    /// Bytes and packets of what it read.
    pub bytes: u64,
    /// Its packets.
    pub packets: u64,
    /// What it took; or why it was not run.
    pub usage: Result<Usage, String>,
}

/// Runs btcdmon over a capture: without store first, which the others are compared with.
pub fn btcdmon(capture: &Capture, scratch: &Path, options: &Options) -> Result<Vec<Row>> {
    check(capture)?;
    let store = scratch.join("bench.db");
    let row = |name: &str, usage| row(name, capture, Ok(usage));
    let command = |sub: &str| {
        let mut c = Command::new(BTCDMON);
        c.args([sub, "--quiet", "--node", NODE]).arg(&capture.path);
        c
    };
    let replay = measure::best(options.runs, || Ok(command("replay")))?;
    let stored = measure::best(options.runs, || {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(scratch.join(format!("bench.db{suffix}"))); // absent at first
        }
        let mut c = command("replay");
        c.arg("--store").arg(&store);
        Ok(c)
    })?;
    let messages = measure::best(options.runs, || Ok(command("messages")))?;
    let mut rows =
        vec![row("btcdmon replay", replay), row("btcdmon replay --store", stored), row("btcdmon messages", messages)];
    for workers in ["0", "2"] {
        let usage = measure::best(options.runs, || {
            let mut c = command("replay");
            c.args(["--workers", workers]);
            Ok(c)
        })?;
        rows.push(row(&format!("btcdmon replay --workers {workers}"), usage));
    }
    Ok(rows)
}

/// Figures of a capture that the sensor misreads are worth nothing.
fn check(capture: &Capture) -> Result<()> {
    let output =
        Command::new(BTCDMON).args(["replay", "--quiet", "--json", "--node", NODE]).arg(&capture.path).output()?;
    ensure!(output.status.success(), "btcdmon: {}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).context("btcdmon replay --json")?;
    let seen = &report["capture"];
    for odd in ["frames_skipped", "tcp_anomalies", "gaps", "message_troubles"] {
        ensure!(seen[odd].as_object().is_some_and(serde_json::Map::is_empty), "{}: {odd}: {}", capture.name, seen[odd]);
    }
    ensure!(seen["frames"] == capture.packets, "{}: {} frames of {}", capture.name, seen["frames"], capture.packets);
    let nodes = &report["nodes"];
    ensure!(nodes[0]["faulty_messages"] == 0, "{}: faulty messages: {}", capture.name, nodes[0]["faulty_messages"]);
    ensure!(nodes[1].is_null() && report["unattributed_connections"] == 0, "{}: more than one node", capture.name);
    Ok(())
}

/// Runs other programs over a capture.
pub fn others(capture: &Capture, scratch: &Path, options: &Options) -> Result<Vec<Row>> {
    let first = capture.prefix(options.tshark_mb * 1_000_000)?;
    let mut rows = Vec::new();
    rows.push(other("tcpdump -w /dev/null", "tcpdump", capture, options.runs, |c| {
        c.arg("-r").arg(&capture.path).args(["-w", "/dev/null"]);
        Ok(())
    }));
    let folder = scratch.join("tcpflow");
    rows.push(other("tcpflow", "tcpflow", capture, options.runs, |c| {
        let _ = fs::remove_dir_all(&folder); // absent at first
        fs::create_dir_all(&folder)?;
        c.arg("-q").arg("-r").arg(&capture.path).arg("-o").arg(&folder);
        Ok(())
    }));
    let _ = fs::remove_dir_all(&folder); // absent without tcpflow
    let name = format!("tshark, first {} MB", (first.bytes + 500_000) / 1_000_000);
    rows.push(other(&name, "tshark", &first, 1, |c| {
        c.arg("-r").arg(&first.path).args(["-Y", "bitcoin", "-T", "fields", "-e", "bitcoin.command"]);
        Ok(())
    }));
    fs::remove_file(&first.path)?;
    Ok(rows)
}

fn other(
    name: &str,
    program: &str,
    read: &Capture,
    runs: u32,
    mut arguments: impl FnMut(&mut Command) -> Result<()>,
) -> Row {
    let usage = if installed(program) {
        measure::best(runs, || {
            let mut c = Command::new(program);
            arguments(&mut c)?;
            Ok(c)
        })
        .map_err(|e| format!("{e:#}"))
    } else {
        Err(format!("not installed: apt-get install {program}"))
    };
    row(name, read, usage)
}

fn row(name: &str, read: &Capture, usage: Result<Usage, String>) -> Row {
    Row { program: name.to_owned(), bytes: read.bytes, packets: read.packets, usage }
}

/// Whether a program of this name is on the path.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| folder.join(program).is_file())
}

/// SHA-256 of one core by OpenSSL in blocks of 16 KiB, bytes per second.
pub fn sha256() -> Result<f64, String> {
    if !installed("openssl") {
        return Err("not installed: apt-get install openssl".to_owned());
    }
    let mut command = Command::new("openssl");
    command.args(["speed", "-evp", "sha256", "-bytes", "16384", "-seconds", "2"]).stderr(Stdio::null());
    let output = command.output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "sha256         1530240.00k": thousands of bytes.
    let line = text.lines().rev().find(|l| l.to_ascii_lowercase().starts_with("sha256"));
    let number = line.and_then(|l| l.split_whitespace().last()?.strip_suffix('k')?.parse::<f64>().ok());
    number.map(|n| n * 1e3).ok_or_else(|| "its output was not understood".to_owned())
}

/// Versions of the other programs, as they print them.
pub fn versions() -> Vec<String> {
    let first = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let both = [output.stdout, output.stderr].concat();
        // tcpflow complains about being run as root first.
        let text = String::from_utf8_lossy(&both).into_owned();
        let line = text.lines().find(|l| l.bytes().any(|b| b.is_ascii_digit()))?;
        Some(line.trim().trim_end_matches('.').to_owned())
    };
    [("tcpdump", "--version"), ("tcpflow", "--version"), ("tshark", "--version"), ("openssl", "version")]
        .into_iter()
        .filter_map(|(program, argument)| first(program, argument))
        .collect()
}
