//! The program: parse the command line, run, exit with a status.

use std::process::ExitCode;

fn main() -> ExitCode {
    btcdmon::cli::main()
}
