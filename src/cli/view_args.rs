//! Options of what shows and explains: `top`, `completions`, `man`.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `btcdmon top`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon top                              the sensor of this host
  btcdmon top 192.0.2.20:8399 --web-token … one on another host
  btcdmon top --store /var/lib/btcdmon/btcdmon.db
  btcdmon top --once | head                one page of text

Keys: 1 to 4 turn the page, / filters, s sorts, n shows the next node, ? explains all, q ends.
Colours are left out when NO_COLOR is set.")]
pub struct TopArgs {
    /// Where the sensor serves its dashboard, as `live` and `replay --serve` do; 127.0.0.1:8399 if neither this nor a
    /// store is given.
    #[arg(value_name = "ADDRESS")]
    pub url: Option<String>,

    /// Show a store; a sensor may be writing it.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// The node to show at first, by its name; the first one if not given.
    #[arg(long = "show-node", value_name = "NAME")]
    pub node: Option<String>,

    /// The sensor's token, where it asks for one.
    #[arg(long = "web-token", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Time between two looks: 1s, 10s, 1m.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = every)]
    pub every: Duration,

    /// Print one page and end; so it does where there is no terminal.
    #[arg(long)]
    pub once: bool,
}

fn every(text: &str) -> Result<Duration, String> {
    super::args::interval(text).map(|ns| Duration::from_nanos(ns.unsigned_abs()))
}

/// `btcdmon completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon completions bash > /etc/bash_completion.d/btcdmon
  btcdmon completions zsh  > \"${fpath[1]}/_btcdmon\"
  btcdmon completions fish > ~/.config/fish/completions/btcdmon.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `btcdmon man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  btcdmon man live | man -l -                 read one page
  sudo btcdmon man --to /usr/share/man/man1   keep them all")]
pub struct ManArgs {
    /// The page of this command; the program's own if not given.
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    pub command: Option<String>,

    /// Write all pages into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
}
