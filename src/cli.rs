//! The command line: `btcdmon replay`, `messages`, `query`, `series`.

mod args;
mod query;
mod replay;
mod series;
mod sink_args;

use clap::Parser;
use std::process::ExitCode;

pub use args::{Cli, Command};
pub use sink_args::SinkArgs;

/// Exit status of an error, and of input that was damaged.
const FAILURE: u8 = 1;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Replay(args) => replay::replay(args),
        Command::Messages(args) => replay::messages(args),
        Command::Query(args) => query::run(args),
        Command::Series(args) => series::run(args),
    };
    match result {
        Ok(code) => code,
        Err(e) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("btcdmon: {}", chain(&e));
            ExitCode::from(FAILURE)
        }
    }
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
