//! The command line: `btcdmon live`, `replay`, `messages`, `query`, `series`, `doctor`, `config`, `top`, `completions`, `man`.

mod args;
mod config;
mod doctor;
mod live;
mod live_args;
mod man;
mod query;
mod replay;
mod series;
mod settings;
mod sink_args;
mod terminal;
mod top;
mod view_args;
mod web_args;

use crate::config::{self as configuration, File};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

pub use args::{Cli, Command};
pub use sink_args::SinkArgs;

/// Exit status of an error, and of input that was damaged.
const FAILURE: u8 = 1;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let result = parse(&arguments).and_then(|given| match &given.cli.command {
        Command::Live(args) => live::run(args, &given, &arguments),
        Command::Replay(args) => replay::replay(args),
        Command::Messages(args) => replay::messages(args),
        Command::Query(args) => query::run(args),
        Command::Series(args) => series::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Config(args) => config::run(args, &given),
        Command::Top(args) => top::run(args),
        Command::Completions(args) => man::completions(args, Cli::command()),
        Command::Man(args) => man::man(args, Cli::command()),
    });
    match result {
        Ok(code) => code,
        Err(e) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => match e.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(e) => {
                eprintln!("btcdmon: {}", chain(&e));
                ExitCode::from(FAILURE)
            }
        },
    }
}

/// A command line together with what stands behind it.
struct Given {
    cli: Cli,
    matches: ArgMatches,
    /// The commands, with environment and file as defaults.
    command: clap::Command,
    file: File,
    /// Where the configuration is.
    path: Option<PathBuf>,
    /// Whether it could be read.
    was_read: bool,
}

/// Parses the arguments over the environment over the configuration.
fn parse(arguments: &[OsString]) -> anyhow::Result<Given> {
    let command = configuration::with_environment(Cli::command());
    let path = configuration::path(arguments);
    let mut was_read = path.is_some();
    let file = match &path {
        None => File::default(),
        Some((path, asked_for)) => match File::read(path, &command) {
            Err(configuration::ConfigError::Read { source, .. })
                if !asked_for && source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                was_read = false;
                File::default()
            }
            other => other?,
        },
    };
    let command = configuration::with_file(command, &file);
    let matches = command.clone().try_get_matches_from(arguments)?;
    sink_args::check(&matches, &command)?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok(Given { cli, matches, command, file, path: path.map(|(path, _)| path), was_read })
}

/// An error and its causes on one line, without saying anything twice.
fn chain(e: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in e.chain().map(ToString::to_string) {
        if line.contains(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line.replace('\n', "; ")
}

/// Whoever read our output has gone: nobody is left to be told.
fn is_broken_pipe(e: &anyhow::Error) -> bool {
    e.chain().filter_map(|c| c.downcast_ref::<std::io::Error>()).any(|c| c.kind() == std::io::ErrorKind::BrokenPipe)
}
