//! `btcdmon doctor`

use super::FAILURE;
use super::live::{default_folder, options};
use super::live_args::DoctorArgs;
use super::settings::{ports, settings};
use super::terminal;
use crate::app::doctor::{self, Examination};
use crate::node::view::LEARN_WATCHED;
use crate::time::SECOND;
use anyhow::Result;
use std::process::ExitCode;
use std::time::Duration;

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
        own_folder: args.store.is_none(),
        sinks: args.sinks.configs()?,
        width: terminal::width(),
        wait: Duration::from_nanos(args.wait as u64),
    };
    Ok(if doctor::examine(&examination)? { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}
