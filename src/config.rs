//! The configuration: the same options as on the command line, from a file and from the environment.
//!
//! Nothing is described twice. An option of the command line is a key of the table of its command in `btcdmon.toml`
//! and a variable `BTCDMON_…`; what is found there becomes the option's default before the command line is parsed. So
//! the command line wins over the environment, that over the file, that over what is built in, and a value is checked
//! by the option's own parser wherever it stands.

mod file;
mod show;

pub use file::{ConfigError, File};
pub use show::{effective, markdown};

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;
use std::path::PathBuf;

/// Where the configuration is looked for when no option names it.
pub const DEFAULT_PATH: &str = "/etc/btcdmon/btcdmon.toml";
/// Names the configuration.
pub const PATH_VARIABLE: &str = "BTCDMON_CONFIG";

/// Whether an argument can stand in the configuration: options do, operands and the options about the program do not.
fn is_option(arg: &Arg) -> bool {
    arg.get_long().is_some_and(|long| !["help", "version", "config"].contains(&long))
}

/// Whether an option has no value but is there or not.
fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The variable of an option.
fn variable(long: &str) -> String {
    format!("BTCDMON_{}", long.to_uppercase().replace('-', "_"))
}

/// Gives every option of every command its variable.
#[must_use]
pub fn with_environment(command: Command) -> Command {
    command.mut_subcommands(|sub| {
        sub.mut_args(|arg| {
            if !is_option(&arg) {
                return arg;
            }
            let name = variable(arg.get_long().unwrap_or_default());
            let arg = if is_flag(&arg) { arg.value_parser(BoolishValueParser::new()) } else { arg };
            if arg.get_env().is_some() { arg } else { arg.env(name).hide_env(true) }
        })
    })
}

/// Makes what the file says the defaults of the options.
#[must_use]
pub fn with_file(mut command: Command, file: &File) -> Command {
    for (name, key, values) in file.entries() {
        let values = values.to_vec();
        command = command.mut_subcommand(name, |sub| {
            let id = sub.get_arguments().find(|a| a.get_long() == Some(key)).map(|a| a.get_id().clone());
            match id {
                Some(id) => sub.mut_arg(id, |arg| arg.required(false).default_values(values)),
                None => sub,
            }
        });
    }
    command
}

/// The configuration to read, and whether somebody asked for just this one: `--config`, the variable, the usual place.
pub fn path(arguments: &[OsString]) -> Option<(PathBuf, bool)> {
    let mut given = arguments.iter().skip(1).take_while(|a| *a != "--");
    while let Some(argument) = given.next() {
        if argument == "--config" {
            return given.next().map(|p| (p.into(), true));
        }
        if let Some(p) = argument.to_str().and_then(|a| a.strip_prefix("--config=")) {
            return Some((p.into(), true));
        }
    }
    match std::env::var_os(PATH_VARIABLE) {
        Some(p) if !p.is_empty() => Some((p.into(), true)),
        _ => std::fs::exists(DEFAULT_PATH).unwrap_or(false).then(|| (DEFAULT_PATH.into(), false)),
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
