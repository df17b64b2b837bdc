//! `btcdmon completions` and `btcdmon man`: made from the command line itself, so they cannot say anything else.

use super::view_args::{CompletionsArgs, ManArgs};
use anyhow::{Context as _, Result, bail};
use clap_mangen::Man;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Prints a shell's completions of `command`.
pub fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<ExitCode> {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut text);
    io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a manual page of `command`, or writes all of them.
pub fn man(args: &ManArgs, mut command: clap::Command) -> Result<ExitCode> {
    command.build();
    if let Some(folder) = &args.to {
        clap_mangen::generate_to(command, folder)
            .with_context(|| format!("cannot write manual pages into {}: does the folder exist?", folder.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let page = if let Some(name) = &args.command {
        let Some(found) = command.find_subcommand(name) else {
            let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            bail!("there is no command `{name}`; there are {}", names.join(", "));
        };
        Man::new(found.clone().name(format!("btcdmon-{}", found.get_name())))
    } else {
        Man::new(command)
    };
    let mut text = Vec::new();
    page.render(&mut text)?;
    io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
