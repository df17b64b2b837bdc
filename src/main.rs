//! The program: parse the command line, run, exit with a status.
fn main() {}
