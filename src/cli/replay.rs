//! `btcdmon replay` and `btcdmon messages`.

use super::FAILURE;
use super::args::{InputArgs, MessagesArgs, ReplayArgs};
use crate::app::batch::BatchLimits;
use crate::app::run::{self, Job, Listing, Outcome};
use crate::app::shutdown::Shutdown;
use crate::app::stage::{Settings, default_workers};
use crate::capture::Options;
use crate::flow::Limits;
use crate::flow::key::KeyHasher;
use crate::flow::partition::PARTITIONS;
use crate::message::network::Network;
use crate::message::transport::Magics;
use crate::node::view::{LEARN_FILES, LEARN_WATCHED};
use crate::node::{Config, NodeSpec};
use crate::sink::{SinkConfig, summary};
use crate::time::SECOND;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

/// Bytes buffered before standard output.
const BUFFER: usize = 64 * 1024;

fn job(input: &InputArgs, interval: i64) -> Result<Job> {
    check_nodes(&input.node)?;
    // A node given with its port listens there (it decides roles, and where v2 is looked for).
    let given = input.node.iter().flat_map(|n| &n.addresses).filter_map(|a| a.port);
    let named = Network::NAMED.iter().filter_map(|n| n.default_port());
    let mut ports: Vec<u16> = named.chain(input.port.iter().copied()).chain(given).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Arc<[u16]> = ports.into();
    let magics: Vec<_> = input.magic.iter().map(|n| n.magic()).collect();
    let limits = Limits { conversations: input.max_connections as usize / PARTITIONS, ..Limits::default() };
    let watched = input.follow || input.files.iter().any(|f| f.as_os_str() == "-");
    let learn = if watched { LEARN_WATCHED } else { LEARN_FILES };
    Ok(Job {
        files: input.files.clone(),
        capture: Options { follow: input.follow, filter: input.filter.clone() },
        settings: Settings {
            ports: Arc::clone(&ports),
            magics: Magics::new(&magics),
            digests: true,
            checksums: input.checksums,
            limits,
            node: Config { nodes: input.node.clone(), interval, ports, learn },
            workers: input.workers.map_or_else(default_workers, usize::from),
            batches: BatchLimits::default(),
            hasher: KeyHasher::fixed(),
        },
        sinks: Vec::new(),
        sensor: String::new(),
        watched,
        quiet: input.quiet,
    })
}

/// Two nodes of one name would overwrite each other's points, two at one address each other's connections.
fn check_nodes(nodes: &[NodeSpec]) -> Result<()> {
    for (i, node) in nodes.iter().enumerate() {
        for other in &nodes[..i] {
            if node.name.is_some() && node.name == other.name {
                bail!(
                    "--node: two nodes are named `{}`; one node with several addresses is NAME=ADDRESS,ADDRESS",
                    node.name.as_deref().unwrap_or_default()
                );
            }
            if let Some(a) = node.addresses.iter().find(|a| other.addresses.contains(a)) {
                bail!("--node: two nodes have the address {}", a.ip);
            }
        }
    }
    Ok(())
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
        job.sinks.push(SinkConfig::Store { path: path.clone() });
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

/// The host's name, as the kernel has it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "sensor".to_owned() } else { name.to_owned() }
}
