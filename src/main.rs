//! The program: parse the command line, run, exit with a status.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// Gives memory back after a burst, SQLite's too. The system's keeps what a few long-lived pieces lie between, and a
/// sensor runs for months.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    btcdmon::cli::main()
}
