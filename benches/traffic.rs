//! Traffic for a live sensor: transaction relay as a capture, in a file or without end on standard output, for
//! tests/load.sh and tests/soak.sh. `cargo bench --bench traffic -- --mb 400 FILE`.

mod generate;

use anyhow::Result;
use clap::Parser;
use generate::relay::Pace;
use std::path::PathBuf;

/// Writes transaction relay at a node with 125 connections as a capture.
#[derive(Parser)]
struct Options {
    /// The file; `/dev/stdout` for a pipe.
    file: PathBuf,

    /// Size, MB; without it there is no end.
    #[arg(long, value_name = "MB")]
    mb: Option<u64>,

    /// New transactions a second of the capture.
    #[arg(long, value_name = "N", default_value_t = Pace::MAIN.transactions)]
    transactions: f64,

    /// Mean time between two blocks, in seconds of the capture.
    #[arg(long, value_name = "S", default_value_t = Pace::MAIN.block)]
    block: f64,

    /// Mean time between two connections that are replaced, likewise.
    #[arg(long, value_name = "S", default_value_t = Pace::MAIN.churn)]
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
    let pace = Pace { transactions: options.transactions, block: options.block, churn: options.churn };
    let written = generate::relay::write(&options.file, size, pace);
    let gone = |e: &anyhow::Error| {
        e.chain().filter_map(|c| c.downcast_ref::<std::io::Error>()).any(|c| c.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match written {
        Err(e) if gone(&e) => Ok(()),
        other => other,
    }
}
