//! `btcdmon config`

use super::Given;
use super::args::{Cli, ConfigArgs};
use crate::config;
use anyhow::{Result, bail};
use clap::CommandFactory as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Prints the configuration in force, or the reference.
pub fn run(args: &ConfigArgs, given: &Given) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if args.markdown {
        out.write_all(config::markdown(&Cli::command()).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let commands: Vec<&str> = given
        .command
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|n| !["help", "config"].contains(n))
        .collect();
    let wanted: Vec<&str> = match &args.command {
        None => commands,
        Some(name) if commands.contains(&name.as_str()) => vec![name],
        Some(name) => bail!("there is no command `{}`; there are {}", name.escape_default(), commands.join(", ")),
    };
    match &given.path {
        Some(path) => writeln!(out, "# In force with {}.", path.display())?,
        None => writeln!(out, "# In force; there is no {}.", config::DEFAULT_PATH)?,
    }
    for name in wanted {
        write!(out, "\n{}", config::effective(&given.command, name, &given.file)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
