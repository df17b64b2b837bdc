//! A live run: from network interfaces to results, for months.
//!
//! The order of the start is that of the rights: what needs one (opening the capture, making the store's folder) comes
//! first, then all of them are given up, then the first thread starts and the first byte from the network is looked at.

use super::board::{Board, Teller, notify};
use super::keep::Keep;
use super::log;
use super::outlets::Outlets;
use super::privileges;
use super::sandbox::{self, Allowed};
use super::serve::{self, Web};
use super::signals::Signals;
use super::stage::{Consumer, Finished, Settings, Stages};
use crate::capture::device;
use crate::capture::rotate::RotateOptions;
use crate::capture::{Frame, Live, LiveOptions};
use crate::node::spec::NodeAddress;
use crate::node::{Gone, NodeSpec, Output, Report, SeenEstimate, SeenMessage, View};
use crate::series::Point;
use crate::series::delivery::{Delivery, Loss};
use crate::sink::SinkConfig;
use crate::sink::contract::Notices;
use crate::sink::queue::{Policy, WhenFull};
use crate::time::Timestamp;
use crate::web::Watcher;
use anyhow::{Context as _, Result};
use sd_notify::NotifyState;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for a frame: how late an interrupt may be noticed.
const WAIT: Duration = Duration::from_millis(100);
/// How often this host's addresses are looked at.
const LOOK: Duration = Duration::from_mins(1);
/// What was captured goes on to the results after this time at most.
const LATENCY: Duration = Duration::from_millis(20);
/// Without a frame for this long the machine's clock ticks.
const IDLE: Duration = Duration::from_secs(1);
/// At the end the kernel is given this long to hand over what it has collected.
const LAST: Duration = Duration::from_millis(30);
/// Reads at the end at most; a busy interface never runs dry.
const LAST_READS: u32 = 100;

/// What to do.
pub struct Job {
    /// What to capture.
    pub capture: LiveOptions,
    /// What the stages need to know.
    pub settings: Settings,
    /// Where the points go.
    pub sinks: Vec<SinkConfig>,
    /// The dashboard, if there is to be one.
    pub web: Option<Web>,
    /// The sensor's name in them.
    pub sensor: String,
    /// The folder for what such a program keeps, when it is used: it may be made, and given to the user to become.
    pub own_folder: Option<PathBuf>,
    /// Files to keep frames in.
    pub write: Option<RotateOptions>,
    /// How long; for ever without.
    pub duration: Option<Duration>,
    /// The user to become when started as root.
    pub user: Option<String>,
    /// Whether to confine the process.
    pub sandbox: bool,
    /// Files to read later (the configuration).
    pub readable: Vec<PathBuf>,
    /// Say nothing but warnings.
    pub quiet: bool,
    /// Time between two log lines.
    pub log_every: Duration,
}

/// What can change while it runs.
pub struct Reloaded {
    /// The capture filter.
    pub filter: String,
    /// Bytes of a file of kept frames.
    pub size: Option<u64>,
    /// Number of such files.
    pub keep: Option<u32>,
    /// What was changed, and what could not be.
    pub said: Vec<String>,
}

/// Results on their way.
struct Results {
    outlets: Outlets,
    board: Arc<Board>,
    /// Whoever serves them to browsers.
    web: Option<Watcher>,
    /// Points that the store had lost when the last interval ended.
    rolled_back: u64,
}

impl Output for Results {
    fn message(&mut self, seen: &SeenMessage<'_>) {
        if let Some(web) = &mut self.web {
            web.message(seen);
        }
    }

    fn estimate(&mut self, seen: &SeenEstimate<'_>) {
        if let Some(web) = &mut self.web {
            web.estimate(seen);
        }
    }

    fn forgotten(&mut self, gone: &Gone<'_>) {
        if let Some(web) = &mut self.web {
            web.forgotten(gone);
        }
    }

    fn point(&mut self, point: Point) {
        if let Some(web) = &mut self.web {
            web.point(&point);
        }
        self.outlets.point(point);
    }

    fn interval(&mut self, points: Vec<Point>) {
        self.outlets.interval(points);
        let lost = self.outlets.delivery().unwrap_or_default().lost;
        let rolled_back = lost.get(Loss::RolledBack);
        let fails = rolled_back > std::mem::replace(&mut self.rolled_back, rolled_back);
        self.board.sensor(|s| (s.points_lost, s.store_fails) = (lost.total(), fails));
    }

    fn delivery(&self) -> Option<Delivery> {
        self.outlets.delivery()
    }
}

impl Consumer for Results {
    fn ticked(&mut self, time: Timestamp, view: &View) {
        self.board.nodes(view.status(time));
        serve::ticked(self.web.as_mut(), &self.board, time, view);
    }
}

/// Captures until the duration is over, an interrupt comes, or no interface is left.
pub fn run(mut job: Job, reload: &mut dyn FnMut() -> Result<Reloaded>) -> Result<Report> {
    let mut live = Live::open(&job.capture)?;
    let interfaces: Vec<_> = live.inputs().map(|(name, link)| (name.to_owned(), link)).collect();
    let names: Vec<&str> = interfaces.iter().map(|(name, _)| name.as_str()).collect();
    // Of the node on this host every address is its own; they are looked at again while it runs.
    let mut here = None;
    if job.settings.node.nodes.is_empty() {
        job.settings.node.nodes.extend(node_here(&names, &job.settings.ports));
        here = (!job.settings.node.nodes.is_empty()).then(|| device::addresses(&names));
    }
    let door = serve::open(job.web.as_ref());
    let enforced = give_up(&job)?;
    let outlets =
        Outlets::open(&job.sinks, &job.sensor, Policy::live(WhenFull::DropOldest), &Notices::new(|t| log::warn(&t)))?;
    let signals = Signals::listen()?;
    let mut keep = job.write.clone().map(|w| Keep::start(w, &interfaces)).transpose()?;
    let board = Arc::new(Board::default());
    board.sensor(|s| s.interfaces = names.join(", "));
    if !job.quiet {
        log::info(&greeting(&job, &names, enforced));
    }
    let teller = Teller::start(Arc::clone(&board), job.quiet, job.log_every)?;
    let (server, web) = serve::start(&job, door)?.unzip();
    let results = Results { outlets, board: Arc::clone(&board), web, rolled_back: 0 };
    let mut stages = Stages::new(&job.settings, results).context("cannot start a thread")?;
    notify(&[NotifyState::Ready]);

    let started = Instant::now();
    let (mut last_frame, mut last_tick, mut last_flush, mut second) = (started, started, started, started);
    let mut last_look = started;
    let (mut frames, mut gone, mut failed) = (0_u64, 0, None);
    while !signals.end() && !stages.ended() && job.duration.is_none_or(|d| started.elapsed() < d) {
        let waiting = live.wait(WAIT);
        board.turn();
        let dropped = live.dropped();
        let read = live.read(log::wall(), &mut |frame| {
            stages.frame(frame, dropped);
            if let Some(keep) = &mut keep {
                keep.frame(frame, dropped);
            }
        });
        match read {
            Ok(0) => {}
            Ok(n) => {
                frames += n as u64;
                last_frame = Instant::now();
            }
            Err(e) => {
                failed = Some(e);
                break;
            }
        }
        if last_flush.elapsed() >= LATENCY {
            last_flush = Instant::now();
            stages.flush();
        }
        let ready = waiting?;
        if second.elapsed() >= Duration::from_secs(1) {
            second = Instant::now();
            let dropped = live.count_drops();
            if let Some(keep) = &mut keep {
                keep.flush(dropped);
            }
            let keep_lost = keep.as_ref().map_or(0, Keep::lost);
            board.sensor(|s| {
                (s.frames, s.dropped, s.keep_lost) = (frames, dropped.system + dropped.interface, keep_lost);
            });
            for (name, why) in live.gone().skip(gone) {
                gone += 1;
                log::warn(&format!("{name}: no longer captured on ({why}); start again when the interface is back"));
            }
            if let Some(known) = here.as_mut().filter(|_| last_look.elapsed() >= LOOK) {
                last_look = Instant::now();
                look_at_addresses(known, &names);
            }
            if signals.reload() {
                reload_now(reload, &mut live, keep.as_mut());
            }
        }
        if !ready && last_frame.elapsed() >= IDLE && last_tick.elapsed() >= IDLE {
            last_tick = Instant::now();
            stages.idle(log::wall(), dropped);
        }
    }

    let dropped = live.count_drops();
    let mut take = |frame: &Frame<'_>| {
        stages.frame(frame, dropped);
        if let Some(keep) = &mut keep {
            keep.frame(frame, dropped);
        }
    };
    if failed.is_none() {
        std::thread::sleep(LAST);
        for _ in 0..LAST_READS {
            if live.read(log::wall(), &mut take).map_or(true, |n| n == 0) {
                break;
            }
        }
    }
    live.flush(&mut take);
    let dropped = live.count_drops();
    if let Some(keep) = keep {
        keep.finish(dropped);
    }
    let Finished { report, out } = stages.finish(dropped)?;
    let closed = out.outlets.close();
    teller.finish();
    if let Some(server) = server {
        server.stop();
    }
    closed.context("not everything could be written at the end")?;
    match failed {
        Some(e) => Err(e).context("the capture ended; what was seen before is stored"),
        None => Ok(report),
    }
}

/// Gives up every right, and confines the process to the folders of its output.
fn give_up(job: &Job) -> Result<sandbox::Enforced> {
    let mut write: Vec<PathBuf> = job.own_folder.iter().cloned().collect();
    let mut spools = Vec::new();
    for sink in &job.sinks {
        match sink {
            SinkConfig::Store { path, .. } => write.push(folder_of(path)),
            SinkConfig::Influx(c) if c.spool.as_os_str().is_empty() => {}
            SinkConfig::Influx(c) => spools.push(c.spool.clone()),
            SinkConfig::Prometheus { .. } | SinkConfig::AlertWebhook { .. } => {}
        }
    }
    write.extend(job.write.as_ref().map(|w| folder_of(&w.path)));
    let user = if privileges::is_root() {
        Some(privileges::target(job.user.as_deref(), write.first().map(PathBuf::as_path))?)
    } else {
        None
    };
    if let Some(folder) = &job.own_folder {
        privileges::prepare_folder(folder, user.as_ref())?;
    }
    for spool in spools.iter().filter(|s| !s.is_dir()) {
        privileges::prepare_folder(spool, user.as_ref())?;
    }
    write.extend(spools);
    privileges::give_up(user.as_ref())?;
    // What is missing is told by whoever opens it.
    write.iter().filter(|f| f.is_dir()).try_for_each(|f| privileges::check_folder(f))?;
    if !job.sandbox {
        return Ok(sandbox::Enforced { landlock: false, seccomp: false });
    }
    sandbox::enter(&Allowed { read: job.readable.clone(), write })
}

pub(crate) fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

fn greeting(job: &Job, names: &[&str], enforced: sandbox::Enforced) -> String {
    let nodes: Vec<String> = (job.settings.node.nodes.iter())
        .map(|n| {
            let addresses = n.addresses.iter().map(|a| a.ip.to_string()).collect::<Vec<_>>().join(", ");
            n.name.as_ref().map_or(addresses.clone(), |name| format!("{name} ({addresses})"))
        })
        .collect();
    let watched = if nodes.is_empty() { "the nodes that are seen there".to_owned() } else { nodes.join("; ") };
    let sinks: Vec<String> = (job.sinks.iter())
        .map(|s| match s {
            SinkConfig::Store { path, .. } => format!("store {}", path.display()),
            SinkConfig::Influx(c) => format!("InfluxDB {}", c.url),
            SinkConfig::Prometheus { listen } => format!("Prometheus at {listen}"),
            // Such URLs hold secrets more often than not.
            SinkConfig::AlertWebhook { .. } => "alerts by a webhook".to_owned(),
        })
        .collect();
    let sinks = if sinks.is_empty() { "no store".to_owned() } else { sinks.join(", ") };
    let confined = match (enforced.landlock, enforced.seccomp) {
        (true, true) => "confined by Landlock and seccomp",
        (true, false) => "confined by Landlock",
        (false, true) => "confined by seccomp",
        (false, false) => "not confined",
    };
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map_or("?".to_owned(), |u| u.name);
    format!("capturing on {}, watching {watched}; {sinks}; as user {user}, {confined}", names.join(", "))
}

/// The node that runs on this host, by its sockets: all addresses of the interfaces that are captured on are its own.
/// None when there is no node here (a mirror port), or several, which cannot be told apart by address.
pub(super) fn node_here(interfaces: &[&str], ports: &[u16]) -> Option<NodeSpec> {
    let found = device::local_nodes(ports);
    if found.listening.len() > 1 || (found.listening.is_empty() && !found.outbound) {
        return None;
    }
    let mut ips = device::addresses(interfaces);
    // The first address names the node: one that others can reach, IPv4 if there is one.
    let rank = |ip: &IpAddr| match ip {
        IpAddr::V4(a) if a.is_loopback() => 4,
        IpAddr::V4(a) if a.is_link_local() => 2,
        IpAddr::V4(_) => 0,
        IpAddr::V6(a) if a.is_loopback() => 5,
        IpAddr::V6(a) if a.is_unicast_link_local() => 3,
        IpAddr::V6(_) => 1,
    };
    ips.sort_by_key(rank);
    let addresses: Vec<_> = ips.into_iter().map(|ip| NodeAddress { ip, port: None }).collect();
    (!addresses.is_empty()).then_some(NodeSpec { name: None, addresses })
}

/// Tells when this host has got an address that it had not at the start: connections of it are not the node's yet.
fn look_at_addresses(known: &mut Vec<IpAddr>, interfaces: &[&str]) {
    let now = device::addresses(interfaces);
    let new: Vec<IpAddr> = now.into_iter().filter(|ip| !known.contains(ip)).collect();
    if !new.is_empty() {
        let list = new.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        log::warn(&format!(
            "this host has a new address, {list}: start again to watch the node there too, or name all of its addresses with --node"
        ));
        known.extend(new);
    }
}

fn reload_now(reload: &mut dyn FnMut() -> Result<Reloaded>, live: &mut Live, keep: Option<&mut Keep>) {
    let _ = NotifyState::monotonic_usec_now().map(|now| notify(&[NotifyState::Reloading, now]));
    match reload() {
        Ok(new) => {
            let refused = live.set_filter(&new.filter).err().map(|e| format!("the filter stays: {e}"));
            if let Some(keep) = keep {
                keep.rotate(new.size, new.keep, live.dropped());
            }
            // What was refused has not changed.
            let said = new.said.iter().filter(|line| refused.is_none() || !line.starts_with("filter "));
            said.chain(&refused).for_each(log::info);
        }
        Err(e) => log::warn(&format!("nothing was reloaded: {e:#}")),
    }
    notify(&[NotifyState::Ready]);
}
