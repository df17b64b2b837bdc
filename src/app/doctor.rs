//! `btcdmon doctor`: looks at everything a live capture depends on, and says what to do.

use super::live::node_here;
use super::log::wall;
use super::privileges;
use super::stage::{Consumer, Settings, Stages};
use super::verdicts::{Mark, Seen, Traffic, Verdict, drops};
use crate::capture::{Live, LiveOptions, device};
use crate::node::{Output, SeenMessage};
use crate::series::Point;
use crate::sink::summary::bytes;
use crate::sink::{SinkConfig, alerts, influx};
use crate::wrap::fill;
use anyhow::Result;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Less free space than this is told.
const SPACE: u64 = 1 << 30;
/// Signs of a program that keeps the clock right.
const CLOCK_KEEPERS: [&str; 5] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chronyd.pid",
    "/run/ntpd.pid",
    "/run/openntpd.pid",
];

/// What to look at.
pub struct Examination {
    /// What would be captured.
    pub capture: LiveOptions,
    /// What the stages need to know.
    pub settings: Settings,
    /// The store that would be written.
    pub store: PathBuf,
    /// Whether that is in the program's own folder, which root makes for the user that the sensor becomes.
    pub own_folder: bool,
    /// Where the points would go besides the store.
    pub sinks: Vec<SinkConfig>,
    /// How long to wait for Bitcoin packets.
    pub wait: Duration,
    /// Columns of the terminal that the findings go to.
    pub width: Option<usize>,
}

/// Lines as they come, and whether one of them was bad.
struct Findings {
    well: bool,
    width: Option<usize>,
}

impl Findings {
    fn tell(&mut self, verdict: &Verdict) -> Result<()> {
        let Verdict { mark, what, text } = verdict;
        let mark = match mark {
            Mark::Ok => "ok",
            Mark::Warn => "warn",
            Mark::Fail => "FAIL",
        };
        self.well &= verdict.mark != Mark::Fail;
        // Each line as soon as it is known: the capture takes a while.
        let mut out = std::io::stdout().lock();
        let head = format!("{mark:<5} {what:<11} ");
        match self.width {
            None => writeln!(out, "{head}{text}")?,
            Some(width) => {
                let (at, mut line) = (head.len(), head);
                fill(&mut line, text, at, at, width);
                write!(out, "{line}")?;
            }
        }
        Ok(out.flush()?)
    }

    fn ok(&mut self, what: &'static str, text: &impl Display) -> Result<()> {
        self.tell(&Verdict::ok(what, text.to_string()))
    }

    fn warn(&mut self, what: &'static str, text: &impl Display) -> Result<()> {
        self.tell(&Verdict::warn(what, text.to_string()))
    }

    fn fail(&mut self, what: &'static str, text: &impl Display) -> Result<()> {
        self.tell(&Verdict::fail(what, text.to_string()))
    }
}

/// Looks at everything; whether all is well.
pub fn examine(e: &Examination) -> Result<bool> {
    let mut found = Findings { well: true, width: e.width };
    let live = Live::open(&e.capture);
    let made_by_root = e.own_folder && privileges::is_root();
    if made_by_root {
        disk(&mut found, &e.store)?;
    }
    // As a sensor does: packets are read, and the store is written, without any right.
    give_up(&e.store)?;
    match live {
        Ok(live) => {
            interfaces(&mut found, &live)?;
            found.ok("rights", &"the capture can be opened")?;
            packets(&mut found, e, live)?;
        }
        Err(error) => found.fail("capture", &error)?,
    }
    clock_keeper(&mut found)?;
    if !made_by_root {
        disk(&mut found, &e.store)?;
    }
    e.sinks.iter().try_for_each(|s| sink(&mut found, s))?;
    Ok(found.well)
}

fn sink(found: &mut Findings, sink: &SinkConfig) -> Result<()> {
    match sink {
        // Datagrams go nowhere in particular.
        SinkConfig::Influx(c) if c.url.starts_with("udp:") => Ok(()),
        SinkConfig::Influx(c) => match influx::probe(c) {
            Ok(()) => found.ok("sink", &format!("{} answers, and takes points", c.url)),
            Err(error) => found.fail("sink", &error.to_string().replace('\n', "; ")),
        },
        SinkConfig::Prometheus { listen } => match std::net::TcpListener::bind(listen) {
            Ok(_) => found.ok("sink", &format!("{listen} is free for Prometheus to ask at")),
            Err(error) => found.warn("sink", &format!("nobody can listen at {listen} for Prometheus: {error}; if that is a running sensor all is well, else name another address with --prometheus")),
        },
        SinkConfig::AlertWebhook { url, .. } => match alerts::probe(url) {
            Ok(()) => found.ok("sink", &"something listens where alerts are posted"),
            Err(why) => found.fail("sink", &format!("alerts cannot be posted: {why}")),
        },
        SinkConfig::Store { .. } => Ok(()),
    }
}

fn give_up(store: &Path) -> Result<()> {
    let user = if privileges::is_root() { Some(privileges::target(None, store.parent())?) } else { None };
    privileges::give_up(user.as_ref())
}

fn interfaces(found: &mut Findings, live: &Live) -> Result<()> {
    let all = device::interfaces()?;
    for (name, _) in live.inputs() {
        let Some(i) = all.iter().find(|i| i.name == name) else {
            found.ok("interface", &format!("{name}: all interfaces"))?;
            continue;
        };
        let addresses: Vec<String> = i.addresses.iter().map(ToString::to_string).collect();
        let addresses = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
        if i.up {
            found.ok("interface", &format!("{name}: up, {addresses}"))?;
        } else {
            found.fail("interface", &format!("{name} is down; bring it up with: ip link set {name} up"))?;
        }
    }
    Ok(())
}

struct Nothing;

impl Consumer for Nothing {}

impl Output for Nothing {
    fn message(&mut self, _: &SeenMessage<'_>) {}
    fn point(&mut self, _: Point) {}
    fn interval(&mut self, _: Vec<Point>) {}
}

fn packets(found: &mut Findings, e: &Examination, mut live: Live) -> Result<()> {
    let names: Vec<String> = live.inputs().map(|(name, _)| name.to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mtus: Vec<Option<u32>> = names.iter().map(|name| device::mtu(name)).collect();
    let mut settings = e.settings.clone();
    if settings.node.nodes.is_empty() {
        let here = node_here(&names, &settings.ports);
        match &here {
            Some(_) => found.ok("node", &"a node runs on this host")?,
            None => found.warn("node", &"no single node runs on this host: on a mirror port that is right; it will be found by its traffic, or named with --node")?,
        }
        settings.node.nodes.extend(here);
    }
    let (mut stages, mut seen) = (Stages::new(&settings, Nothing)?, Seen::default());
    let start = Instant::now();
    while start.elapsed() < e.wait {
        live.wait(Duration::from_millis(100))?;
        let (now, dropped) = (wall(), live.dropped());
        live.read(now, &mut |frame| {
            seen.frame(frame, now, mtus.get(frame.interface as usize).copied().flatten());
            stages.frame(frame, dropped);
        })?;
    }
    let dropped = live.count_drops();
    let report = stages.finish(dropped)?.report;
    let verdicts = Traffic::of(&report).verdicts(&seen, e.wait);
    let all = verdicts.into_iter().chain(seen.offloads(&names)).chain(seen.clock()).chain([drops(dropped)]);
    for verdict in all {
        found.tell(&verdict)?;
    }
    Ok(())
}

fn clock_keeper(found: &mut Findings) -> Result<()> {
    if CLOCK_KEEPERS.iter().any(|path| std::fs::exists(path).unwrap_or(false)) {
        found.ok("time", &"the clock is kept right by the network (NTP)")
    } else {
        found.warn("time", &"no program that keeps the clock right was found (systemd-timesyncd, chrony, ntpd); times of blocks and peers are as good as the clock")
    }
}

fn disk(found: &mut Findings, store: &Path) -> Result<()> {
    let folder = store.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that is still to be made lies in the nearest one that is there.
    let there = folder.ancestors().find(|a| a.is_dir()).unwrap_or(Path::new("/"));
    if access(there, AccessFlags::W_OK).is_err() {
        return found.fail(
            "disk",
            &format!(
                "the user {} may not write into {}; give it the folder (chown), or name another store with --store",
                privileges::name(),
                there.display()
            ),
        );
    }
    let space = statvfs(there).map(|s| s.blocks_available().saturating_mul(s.fragment_size()));
    let size = std::fs::metadata(store).map_or(0, |m| m.len());
    match space {
        Err(e) => found.warn("disk", &format!("{}: free space is not known: {}", there.display(), e.desc())),
        Ok(free) if free < SPACE => found.warn(
            "disk",
            &format!("{} free for {}; a busy node fills some 100 MB a day", bytes(free), store.display()),
        ),
        Ok(free) => {
            found.ok("disk", &format!("{} free, the store {} has {}", bytes(free), store.display(), bytes(size)))
        }
    }
}
