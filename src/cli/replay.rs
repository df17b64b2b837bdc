//! `btcdmon replay` and `btcdmon messages`.

use super::FAILURE;
use super::args::{InputArgs, MessagesArgs, ReplayArgs};
use super::settings::{host_name, settings};
use super::terminal;
use crate::app::run::{self, Job, Listing, Outcome};
use crate::app::shutdown::Shutdown;
use crate::capture::Options;
use crate::node::view::{LEARN_FILES, LEARN_WATCHED};
use crate::sink::rollup::Retention;
use crate::sink::{SinkConfig, summary};
use crate::time::SECOND;
use crate::web::{self, Door, Mode, Server, Watcher};
use crate::wrap::fold;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Bytes buffered before standard output.
const BUFFER: usize = 64 * 1024;
/// An interrupt is noticed after this time at most.
const LOOK: Duration = Duration::from_millis(50);

fn job(input: &InputArgs, interval: i64) -> Result<Job> {
    let watched = input.follow || input.files.iter().any(|f| f.as_os_str() == "-");
    let learn = if watched { LEARN_WATCHED } else { LEARN_FILES };
    Ok(Job {
        files: input.files.clone(),
        capture: Options { follow: input.follow, filter: input.filter.clone() },
        settings: settings(&input.watch, interval, learn)?,
        sinks: Vec::new(),
        sensor: String::new(),
        watched,
        speed: None,
        quiet: input.quiet,
    })
}

/// Damage and oddities of the input go to standard error; they decide the exit status.
fn conclude(outcome: &Outcome) -> ExitCode {
    for damage in &outcome.damage {
        eprintln!("btcdmon: {damage}");
    }
    if outcome.ignored > 0 {
        eprintln!("btcdmon: note: {} files in the given folders are no captures and were left alone", outcome.ignored);
    }
    if outcome.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
}

/// `btcdmon replay`
pub fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let mut job = job(&args.input, args.interval)?;
    job.sensor = args.sensor.clone().unwrap_or_else(host_name);
    if let Some(path) = &args.store {
        let retention = args.sinks.retention(Retention::FOREVER);
        job.sinks.push(SinkConfig::Store { path: path.clone(), retention });
    }
    job.sinks.extend(args.sinks.configs()?);
    let shutdown = Shutdown::listen();
    let (served, watcher) =
        if args.serve { serve(args, &mut job).map(|(s, w)| (Some(s), Some(w)))? } else { (None, None) };
    let outcome = run::replay::<io::Sink>(&job, None, watcher, &shutdown)?;
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    if args.json {
        let mut object = serde_json::to_value(&outcome.report)?;
        if let Some(o) = object.as_object_mut() {
            o.insert("files".to_owned(), json!(args.input.files));
            o.insert("damage".to_owned(), json!(outcome.damage));
            o.insert("files_ignored".to_owned(), json!(outcome.ignored));
            o.insert("frames_filtered".to_owned(), json!(outcome.filtered));
            o.insert("interrupted".to_owned(), json!(outcome.interrupted));
        }
        serde_json::to_writer_pretty(&mut out, &object)?;
        writeln!(out)?;
    } else {
        summary::print(&mut out, &outcome.report, outcome.filtered, terminal::style())?;
        if let Some(path) = &args.store {
            let stored = format!("Stored in {}. Next:", path.display());
            let query = format!("btcdmon query --store {} \"SELECT * FROM bandwidth\"", path.display());
            match terminal::width() {
                // What is to be copied stays one line: the terminal knows where it breaks it.
                Some(width) if stored.len() + 1 + query.len() > width => {
                    write!(out, "\n{}{query}\n", fold(&stored, width))?;
                }
                _ => writeln!(out, "\n{stored} {query}")?,
            }
        }
    }
    out.flush().context("cannot write the summary")?;
    let status = conclude(&outcome);
    if let Some(served) = served {
        served.until(&shutdown);
    }
    Ok(status)
}

/// A replay that is shown to browsers.
struct Served {
    server: Server,
    /// Removed at the end.
    _store: Option<tempfile::TempDir>,
}

/// Opens the dashboard on what `job` will replay.
fn serve(args: &ReplayArgs, job: &mut Job) -> Result<(Served, Watcher)> {
    let asked = args.web.read()?;
    let door = Door::open(asked.listen)?;
    let mut store = args.store.clone();
    let mut folder = None;
    if store.is_none() {
        let made = tempfile::Builder::new().prefix("btcdmon-").tempdir();
        let made = made.context("cannot make a temporary folder for the series; name a file with --store")?;
        let path = made.path().join("replay.db");
        job.sinks.insert(0, SinkConfig::store(&path));
        store = Some(path);
        folder = Some(made);
    }
    job.speed = args.speed.0;
    if job.speed.is_some() {
        // Somebody watches.
        job.settings.node.learn = LEARN_WATCHED;
    }
    let config = web::Config {
        mode: Mode::Replay,
        speed: job.speed,
        store,
        retention: args.sinks.retention(Retention::FOREVER),
        sensor: job.sensor.clone(),
        interval: args.interval,
        max_connections: u64::from(args.input.watch.max_connections),
        access: asked.access(door.address())?,
    };
    let (server, watcher) = Server::start(door, config)?;
    eprintln!("btcdmon: the dashboard is at http://{}/", server.address());
    if !web::assets::has_page() {
        eprintln!(
            "btcdmon: note: this program was built without its pages (no Node.js); the API is there all the same"
        );
    }
    Ok((Served { server, _store: folder }, watcher))
}

impl Served {
    /// Serves on until an interrupt comes.
    fn until(self, shutdown: &Shutdown) {
        self.server.stored();
        if !shutdown.requested() {
            eprintln!("btcdmon: the replay is finished; Ctrl-C ends the dashboard");
        }
        while !shutdown.requested() {
            std::thread::sleep(LOOK);
        }
        self.server.stop();
    }
}

/// `btcdmon messages`
pub fn messages(args: &MessagesArgs) -> Result<ExitCode> {
    let mut job = job(&args.input, 10 * SECOND)?;
    job.settings.digests = false;
    for name in &args.command {
        let known = crate::message::command::Command::from_name(name).is_some() || name == "unknown";
        if !known {
            eprintln!(
                "btcdmon: note: `{name}` is no command that the sensor knows; messages of that name are shown if there are any"
            );
        }
    }
    let out = BufWriter::with_capacity(BUFFER, io::stdout());
    let listing = Listing { out, format: args.format, commands: args.command.clone() };
    let outcome = run::replay(&job, Some(listing), None, &Shutdown::listen())?;
    Ok(conclude(&outcome))
}
