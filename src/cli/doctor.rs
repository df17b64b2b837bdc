//! `btcdmon doctor`

use super::FAILURE;
use super::live::{default_folder, options};
use super::live_args::DoctorArgs;
use super::settings::{ports, settings};
use crate::app::doctor::{self, Examination};
use crate::node::view::LEARN_WATCHED;
use crate::sink::{SinkConfig, influx};
use crate::time::SECOND;
use anyhow::Result;
use std::process::ExitCode;
use std::time::Duration;

fn server(sink: SinkConfig) -> Option<influx::Config> {
    match sink {
        // Datagrams go nowhere in particular.
        SinkConfig::Influx(c) if !c.url.starts_with("udp:") => Some(c),
        _ => None,
    }
}

/// Looks whether everything is right for a live capture.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let ports = ports(&args.watch);
    let store = match &args.store {
        Some(path) => path.clone(),
        None => default_folder()?.join("btcdmon.db"),
    };
    let examination = Examination {
        capture: options(&args.capture, &ports),
        settings: settings(&args.watch, 10 * SECOND, LEARN_WATCHED)?,
        store,
        servers: args.sinks.configs()?.into_iter().filter_map(server).collect(),
        wait: Duration::from_nanos(args.wait as u64),
    };
    Ok(if doctor::examine(&examination)? { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}
