//! How fast captures are replayed, beside other programs: `cargo bench --bench replay -- --help`.
//!
//! Reading order: [`generate`] (the captures), [`programs`] (what is run on them), [`measure`] (how), [`table`].

#[path = "replay/capture.rs"]
mod capture;
mod generate;
#[path = "replay/machine.rs"]
mod machine;
#[path = "replay/measure.rs"]
mod measure;
#[path = "replay/options.rs"]
mod options;
#[path = "replay/programs.rs"]
mod programs;
#[path = "replay/table.rs"]
mod table;

use anyhow::{Context as _, Result};
use capture::Capture;
use generate::block::Blocks;
use generate::relay::Pace;
use options::Options;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// Megabyte, as throughput is given.
const MB: u64 = 1_000_000;

fn main() -> Result<()> {
    let Some(options) = Options::parse_bench() else {
        println!("not run by `cargo bench`: nothing is measured");
        return Ok(());
    };
    let load = machine::load();
    let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    let captures = captures(&scratch, &options)?;
    let mut tables = String::new();
    for capture in &captures {
        let mut rows = programs::btcdmon(capture, &scratch, &options)?;
        if !options.no_others {
            rows.extend(programs::others(capture, &scratch, &options)?);
        }
        let table = table::table(capture, &rows);
        println!("{table}");
        let _ = writeln!(tables, "## {table}");
    }
    let sha256 = (!options.no_others).then(programs::sha256);
    let sha256 = match sha256 {
        Some(Ok(rate)) => format!("SHA-256 by OpenSSL on one core: {:.0} MB/s.", rate / 1e6),
        Some(Err(why)) => format!("openssl: {why}"),
        None => String::new(),
    };
    println!("{sha256}");
    if options.write {
        write(&tables, &sha256, &load, &options)?;
    }
    Ok(())
}

fn captures(scratch: &Path, options: &Options) -> Result<[Capture; 2]> {
    let start = Instant::now();
    let name = match &options.blocks {
        Some(folder) => format!("ibd-{}", folder.file_name().unwrap_or_default().to_string_lossy()),
        None => "ibd".to_owned(),
    };
    let size = options.ibd_mb * MB;
    let ibd = generate::capture(scratch, &name, size, |path| {
        generate::ibd::write(path, size, Blocks::open(options.blocks.as_deref())?)
    })?;
    let size = options.relay_mb * MB;
    let relay = generate::capture(scratch, "relay", size, |path| generate::relay::write(path, size, Pace::MAIN))?;
    let captures = [Capture::read("Block download", ibd)?, Capture::read("Transaction relay", relay)?];
    for c in &captures {
        println!("{}: {}", c.name, c.path.display());
    }
    println!("captures ready after {:.1} s\n", start.elapsed().as_secs_f64());
    Ok(captures)
}

/// Writes `benches/RESULTS.md`.
fn write(tables: &str, sha256: &str, load: &str, options: &Options) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let now = jiff::Timestamp::now().to_string();
    let date = now.split('T').next().unwrap_or_default();
    let mut text = format!(
        "# Results of `cargo bench --bench replay`\n\nMeasured on {date}: {}; load average {load} before.\n",
        machine::machine()
    );
    let _ = writeln!(
        text,
        "Captures lay in the page cache; of {} runs of each program (one of tshark) the least time counts. What the captures \
         and columns are is in [README.md](README.md).\n\n{tables}{sha256}\n",
        options.runs
    );
    let versions = programs::versions();
    if !options.no_others && !versions.is_empty() {
        let _ = writeln!(text, "Other programs: {}.", versions.join("; "));
    }
    std::fs::write(&path, text.trim_end().to_owned() + "\n").with_context(|| format!("cannot write {}", path.display()))
}
