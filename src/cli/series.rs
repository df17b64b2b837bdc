//! `btcdmon series`

use super::args::SeriesArgs;
use super::terminal;
use crate::series::{SERIES, Series, reference};
use anyhow::{Result, bail};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &SeriesArgs) -> Result<ExitCode> {
    let chosen: Vec<Series> = match &args.name {
        None => SERIES.to_vec(),
        Some(name) => {
            let Some(series) = reference::find(SERIES, name) else {
                let names: Vec<_> = SERIES.iter().map(|s| s.name).collect();
                bail!("there is no series `{name}`; there are {}", names.join(", "));
            };
            vec![*series]
        }
    };
    let width = terminal::width().unwrap_or(usize::MAX);
    let text = if args.json {
        reference::json(&chosen)
    } else if args.markdown {
        reference::markdown(&chosen)
    } else if args.name.is_some() {
        chosen.iter().map(|s| reference::describe(s, width)).collect()
    } else {
        reference::overview(&chosen, width)
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        writeln!(out)?;
    }
    Ok(ExitCode::SUCCESS)
}
