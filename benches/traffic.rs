//! Traffic for a live sensor: transaction relay as a capture, in a file or without end on standard output, for
//! tests/load.sh and tests/soak.sh. `cargo bench --bench traffic -- --mb 400 FILE`.

mod generate;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

/// Writes transaction relay at a node with 125 connections as a capture.
#[derive(Parser)]
struct Options {
    /// The file; `/dev/stdout` for a pipe.
    file: PathBuf,

    /// Size, MB; without it there is no end.
    #[arg(long, value_name = "MB")]
    mb: Option<u64>,

    /// Mean time between two connections that are replaced, in seconds of the capture.
    #[arg(long, value_name = "S", default_value_t = 20.0)]
    churn: f64,

    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    // `cargo test --benches` runs this program too, to see whether it builds.
    if !std::env::args().any(|a| a == "--bench") {
        return Ok(());
    }
    let options = Options::parse();
    let size = options.mb.map_or(u64::MAX, |mb| mb * 1_000_000);
    let written = generate::relay::write_with_churn(&options.file, size, options.churn);
    let gone = |e: &anyhow::Error| {
        e.chain().filter_map(|c| c.downcast_ref::<std::io::Error>()).any(|c| c.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match written {
        Err(e) if gone(&e) => Ok(()),
        other => other,
    }
}
