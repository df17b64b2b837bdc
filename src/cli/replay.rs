//! `btcdmon replay` and `btcdmon messages`.

use super::FAILURE;
use super::args::{InputArgs, MessagesArgs, ReplayArgs};
use super::settings::{host_name, settings};
use crate::app::run::{self, Job, Listing, Outcome};
use crate::app::shutdown::Shutdown;
use crate::capture::Options;
use crate::node::view::{LEARN_FILES, LEARN_WATCHED};
use crate::sink::rollup::Retention;
use crate::sink::{SinkConfig, summary};
use crate::time::SECOND;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Bytes buffered before standard output.
const BUFFER: usize = 64 * 1024;

fn job(input: &InputArgs, interval: i64) -> Result<Job> {
    let watched = input.follow || input.files.iter().any(|f| f.as_os_str() == "-");
    Ok(Job {
        files: input.files.clone(),
        capture: Options { follow: input.follow, filter: input.filter.clone() },
        settings: settings(&input.watch, interval, if watched { LEARN_WATCHED } else { LEARN_FILES })?,
        sinks: Vec::new(),
        sensor: String::new(),
        watched,
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
    let outcome = run::replay::<io::Sink>(&job, None, &Shutdown::listen())?;
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
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let style = summary::Style { colour };
        summary::print(&mut out, &outcome.report, outcome.filtered, style)?;
        if let Some(path) = &args.store {
            writeln!(
                out,
                "\nStored in {0}. Next: btcdmon query --store {0} \"SELECT * FROM bandwidth\"",
                path.display()
            )?;
        }
    }
    out.flush().context("cannot write the summary")?;
    Ok(conclude(&outcome))
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
    let outcome = run::replay(&job, Some(listing), &Shutdown::listen())?;
    Ok(conclude(&outcome))
}
