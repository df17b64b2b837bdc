//! `btcdmon live`

use super::live_args::{CaptureArgs, LiveArgs};
use super::settings::{host_name, ports, settings};
use super::{Command, Given, parse, terminal};
use crate::app::live::{self, Job, Reloaded, folder_of};
use crate::app::privileges;
use crate::app::serve::Web;
use crate::capture::LiveOptions;
use crate::capture::expression::expression;
use crate::capture::rotate::RotateOptions;
use crate::flow::key::KeyHasher;
use crate::node::view::LEARN_WATCHED;
use crate::sink::rollup::Retention;
use crate::sink::{SinkConfig, summary};
use anyhow::{Context as _, Result, bail};
use clap::ArgMatches;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The store's file in its folder.
const STORE: &str = "btcdmon.db";
/// Options that are taken over while it runs.
const RELOADED: [&str; 3] = ["filter", "rotate", "keep"];

/// Captures until it is told to end.
pub fn run(args: &LiveArgs, given: &Given, arguments: &[OsString]) -> Result<ExitCode> {
    if args.no_store && args.store.is_some() {
        bail!("--store and --no-store contradict each other; leave one out");
    }
    if args.write.is_none() && (args.rotate.is_some() || args.keep.is_some()) {
        bail!("--rotate and --keep are about files of kept frames; name the first with --write FILE");
    }
    let own = default_folder();
    let (mut sinks, mut uses_own) = (Vec::new(), false);
    if !args.no_store {
        let path = match &args.store {
            Some(path) => path.clone(),
            None => own.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?.join(STORE),
        };
        uses_own = args.store.is_none();
        sinks.push(SinkConfig::Store { path, retention: args.sinks.retention(Retention::LIVE) });
    }
    for mut sink in args.sinks.configs()? {
        if let (SinkConfig::Influx(c), Ok(own), None) = (&mut sink, &own, &args.sinks.influx_spool)
            && !c.spool.as_os_str().is_empty()
        {
            c.spool = own.join("spool");
            uses_own = true;
        }
        sinks.push(sink);
    }
    if args.no_web && args.web.web.is_some() {
        bail!("--web and --no-web contradict each other; leave one out");
    }
    let web = if args.no_web { None } else { Some(args.web.read()?) };
    let mut settings = settings(&args.watch, args.interval, LEARN_WATCHED)?;
    // Whoever sends to the node must not know which conversations share a place.
    settings.hasher = KeyHasher::random();
    let job = Job {
        capture: options(&args.capture, &ports(&args.watch)),
        settings,
        web: web.map(|w| Web {
            listen: w.listen,
            retention: args.sinks.retention(Retention::LIVE),
            max_connections: u64::from(args.watch.max_connections),
            access: Box::new(move |bound| Ok(w.access(bound)?)),
        }),
        sinks,
        sensor: args.sensor.clone().unwrap_or_else(host_name),
        own_folder: own.ok().filter(|_| uses_own),
        write: args.write.clone().map(|path| RotateOptions { path, size: args.rotate, keep: args.keep }),
        duration: args.duration.map(|ns| Duration::from_nanos(ns as u64)),
        user: args.user.clone(),
        sandbox: !args.no_sandbox,
        // Its folder: who changes it may put another file in its place.
        readable: given.path.iter().map(|path| folder_of(path)).collect(),
        quiet: args.quiet,
        log_every: Duration::from_nanos(args.log_interval as u64),
    };
    let mut now = given.matches.subcommand_matches("live").cloned().unwrap_or_default();
    let start = Start { file: given.path.as_deref().filter(|_| given.was_read), ports: ports(&args.watch) };
    let report = live::run(job, &mut || reload(arguments, &start, &mut now))?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else if out.is_terminal() && !args.quiet {
        summary::print(&mut out, &report, 0, terminal::style())?;
    }
    out.flush().context("cannot write the summary")?;
    Ok(ExitCode::SUCCESS)
}

/// What to capture.
pub fn options(args: &CaptureArgs, ports: &[u16]) -> LiveOptions {
    LiveOptions {
        interfaces: args.interface.clone(),
        filter: args.filter.clone().unwrap_or_else(|| expression(ports)),
        buffer: args.buffer as u32,
        promiscuous: !args.no_promiscuous,
    }
}

/// Where a program like this keeps its data.
pub fn default_folder() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // systemd separates several by colons.
    if let Some(first) = folder("STATE_DIRECTORY").and_then(|f| std::env::split_paths(&f).next()) {
        return Ok(first);
    }
    if privileges::is_root() {
        return Ok(PathBuf::from("/var/lib/btcdmon"));
    }
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    Ok(state.context("no folder for the store is known here; name the store with --store FILE")?.join("btcdmon"))
}

/// What stays as it was at the start.
struct Start<'a> {
    /// The configuration that was read.
    file: Option<&'a Path>,
    /// Bitcoin's ports.
    ports: Arc<[u16]>,
}

/// Reads everything again; says what changed, and what needs a new start.
fn reload(arguments: &[OsString], start: &Start<'_>, now: &mut ArgMatches) -> Result<Reloaded> {
    let given = parse(arguments).map_err(|e| anyhow::anyhow!("{}", super::chain(&e)))?;
    // Root may have read it, who is gone by now: what it says is not to be taken for nothing.
    if let Some(file) = start.file.filter(|_| !given.was_read) {
        bail!("{} was read at the start and cannot be read now; let this user read it", file.display());
    }
    let Command::Live(args) = &given.cli.command else { bail!("the command line is another one now") };
    let new = given.matches.subcommand_matches("live").cloned().unwrap_or_default();
    let mut said = vec!["configuration read again".to_owned()];
    for id in new.ids().map(clap::Id::as_str).chain(now.ids().map(clap::Id::as_str)) {
        let raw = |m: &ArgMatches| {
            m.try_get_raw(id).ok().flatten().map(|v| v.map(std::ffi::OsStr::to_owned).collect::<Vec<_>>())
        };
        if raw(&new) != raw(now) {
            let name = id.replace('_', "-");
            let line = if RELOADED.contains(&id) {
                format!("{name} is changed")
            } else {
                format!("{name} is another one in the configuration; it changes at the next start")
            };
            if !said.contains(&line) {
                said.push(line);
            }
        }
    }
    let filter = options(&args.capture, &start.ports).filter;
    let (size, keep) = (args.rotate, args.keep);
    *now = new;
    Ok(Reloaded { filter, size, keep, said })
}
