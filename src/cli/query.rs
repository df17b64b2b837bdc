//! `btcdmon query`

use super::args::QueryArgs;
use super::terminal;
use crate::sink::query::{Limits, query};
use crate::sink::rows::{CsvRows, JsonRows};
use crate::sink::table::BoxTable;
use crate::time::Timestamp;
use anyhow::Result;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

/// Runs it.
pub fn run(args: &QueryArgs) -> Result<ExitCode> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_nanos(crate::time::nanos(now));
    let limits = || Limits { rows: args.rows, stop: None };
    let mut out = BufWriter::new(io::stdout().lock());
    let summary = if args.json {
        query(&args.store, &args.sql, now, limits(), &mut JsonRows::new(&mut out))?
    } else if args.csv {
        query(&args.store, &args.sql, now, limits(), &mut CsvRows::new(&mut out))?
    } else {
        query(&args.store, &args.sql, now, limits(), &mut BoxTable::new(&mut out).within(terminal::width()))?
    };
    out.flush()?;
    if !summary.complete {
        eprintln!("btcdmon: note: {} rows shown, there are more (--rows)", summary.rows);
    }
    Ok(ExitCode::SUCCESS)
}
