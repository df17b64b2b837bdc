//! Options of the benchmark.

use clap::Parser;
use std::path::PathBuf;

/// Measures btcdmon on synthetic captures, and other programs beside it.
#[derive(Parser)]
#[command(name = "cargo bench --bench replay --", bin_name = "cargo bench --bench replay --")]
pub struct Options {
    /// Size of the capture of a block download, MB.
    #[arg(long, value_name = "MB", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(4..))]
    pub ibd_mb: u64,

    /// Size of the capture of transaction relay, MB.
    #[arg(long, value_name = "MB", default_value_t = 400, value_parser = clap::value_parser!(u64).range(4..))]
    pub relay_mb: u64,

    /// Small captures, one run each: does it work at all?
    #[arg(long)]
    pub quick: bool,

    /// Download these blocks over and over (a folder of raw blocks, *.blk.zst) instead of synthetic ones.
    #[arg(long, value_name = "FOLDER")]
    pub blocks: Option<PathBuf>,

    /// Do not run other programs.
    #[arg(long)]
    pub no_others: bool,

    /// tshark gets the first MB of each capture only: it is slow, and its memory grows.
    #[arg(long, value_name = "MB", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub tshark_mb: u64,

    /// Runs of each program (but tshark); the least time counts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,

    /// Write the results to benches/RESULTS.md.
    #[arg(long)]
    pub write: bool,

    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Those of the command line; none when not run by `cargo bench`.
    pub fn parse_bench() -> Option<Self> {
        // `cargo test --benches` runs this program too, to see whether it builds.
        if !std::env::args().any(|a| a == "--bench") {
            return None;
        }
        let mut options = Self::parse();
        if options.quick {
            (options.ibd_mb, options.relay_mb, options.runs) = (100, 40, 1);
            options.tshark_mb = options.tshark_mb.min(10);
        }
        Some(options)
    }
}
