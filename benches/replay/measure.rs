//! Runs a program and measures its time, CPU time and memory, by `/proc`.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often memory is looked at.
const POLL: Duration = Duration::from_millis(2);
/// Clock ticks of `/proc/self/stat` in a second: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// What a run took.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Wall time, s.
    pub seconds: f64,
    /// CPU time, user and system, s; in steps of 10 ms.
    pub cpu: f64,
    /// Peak resident memory, bytes; none where the system does not tell.
    pub memory: Option<u64>,
}

/// Runs `command` to its end, its output thrown away.
pub fn run(command: &mut Command) -> Result<Usage> {
    let name = command.get_program().to_string_lossy().into_owned();
    let before = children_cpu();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let (status, done) = (format!("/proc/{}/status", child.id()), AtomicBool::new(false));
    let (result, seconds, memory) = std::thread::scope(|scope| {
        let poller = scope.spawn(|| {
            let mut peak = None;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(high_water_mark(&status));
                std::thread::sleep(POLL);
            }
            peak
        });
        let result = child.wait();
        let seconds = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        (result, seconds, poller.join().ok().flatten())
    });
    let result = result?;
    if !result.success() {
        bail!("{name}: {result}");
    }
    Ok(Usage { seconds, cpu: children_cpu() - before, memory })
}

/// The least of each figure in `runs` runs (memory: the most); `command` prepares each.
pub fn best(runs: u32, mut command: impl FnMut() -> Result<Command>) -> Result<Usage> {
    let mut best: Option<Usage> = None;
    for _ in 0..runs {
        let usage = run(&mut command()?)?;
        // Each for itself: what else the machine does adds to the time more than to the CPU time.
        best = Some(best.map_or(usage, |b| b.or_better(usage)));
    }
    best.context("no run")
}

impl Usage {
    /// The better of each figure of two runs.
    pub fn or_better(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.min(other.seconds),
            cpu: self.cpu.min(other.cpu),
            memory: self.memory.max(other.memory),
        }
    }
}

/// The most memory a process had so far, bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// CPU time of the children that have ended, s (cutime and cstime of proc(5)).
fn children_cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    // Field 3 of proc(5), the state, is the first here.
    fields.get(13..15).map_or(0.0, |f| (f[0] + f[1]) / TICKS)
}
