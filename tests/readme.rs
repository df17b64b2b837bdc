//! Every command of the README is run, or is named here with the test that runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "influx/server.rs"]
mod server;

use server::Influxd;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Commands that need rights, a wire or a server: how they begin, and where they are run.
const ELSEWHERE: &[(&str, &str)] = &[
    ("sudo install -m 755 target/release/btcdmon", "here: the PATH of every_command_is_run"),
    ("sudo btcdmon live", "tests/e2e/agree.py: the default route"),
    ("sudo btcdmon doctor", "tests/e2e/config.py"),
    ("tcpdump -i eth0 -w node.pcap", "tests/e2e/agree.py"),
    ("tcpdump -U -w -", "tests/cli.rs: standard input"),
    ("btcdmon replay --serve", "tests/web.rs, tests/browser"),
    ("btcdmon top", "tests/top.rs"),
];

/// The server of the README's examples.
const INFLUXDB: &str = "http://127.0.0.1:8086";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of the README: indented lines that begin with a program of ours, with or without a prompt.
fn commands() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let programs = ["btcdmon ", "sudo ", "tcpdump ", "make "];
    let command = |line: &str| {
        let line = line.strip_prefix("    ")?;
        let line = line.strip_prefix("$ ").unwrap_or(line);
        // What stands after many spaces is a remark.
        let line = line.split("   ").next().unwrap_or(line).trim();
        programs.iter().any(|p| line.starts_with(p)).then(|| line.to_owned())
    };
    readme.lines().filter_map(command).collect()
}

/// A folder as somebody would have it who tries the commands: the recordings, and a capture of their own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("captures"), folder.path().join("captures")).unwrap();
    let capture = std::fs::File::open(root().join("captures/btcd-v1/capture.pcap.zst")).unwrap();
    let mut plain = std::fs::File::create(folder.path().join("node.pcap")).unwrap();
    zstd::stream::copy_decode(capture, &mut plain).unwrap();
    folder
}

/// What a shell in `folder` prints that finds the program on its `PATH`.
fn run(folder: &Path, command: &str) -> String {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_btcdmon"));
    let path = std::env::join_paths(
        [program.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", command]).current_dir(folder);
    shell.env("PATH", path.unwrap()).env("HOME", folder).env_remove("XDG_STATE_HOME").env_remove("STATE_DIRECTORY");
    let out = shell.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command}: {said}");
    // What fills a store prints a summary, a query its rows: nothing prints nothing.
    assert!(!out.stdout.is_empty(), "{command} prints nothing: {said}");
    String::from_utf8(out.stdout).unwrap()
}

/// The same with a server in the place of the one that the README takes to run.
fn run_with_influxdb(folder: &Path, command: &str) {
    let Some(server) = Influxd::start(false) else { return };
    run(folder, &command.replace(INFLUXDB, &server.url()));
    assert!(server.count("btcdmon", "bandwidth", "bytes_recv") > 0, "{command}: nothing is in the database");
}

#[test]
fn every_command_is_run() {
    let folder = folder();
    let (mut ran, mut elsewhere) = (0, BTreeSet::new());
    for command in commands() {
        if command.starts_with("make ") {
            let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
            let target = command.split_whitespace().nth(1).unwrap();
            assert!(makefile.lines().any(|l| l.starts_with(&format!("{target}:"))), "{command}: no such target");
            continue;
        }
        if let Some((begin, _)) = ELSEWHERE.iter().find(|(begin, _)| command.starts_with(begin)) {
            elsewhere.insert(*begin);
            continue;
        }
        if command.contains(INFLUXDB) {
            run_with_influxdb(folder.path(), &command);
        } else {
            run(folder.path(), &command);
        }
        ran += 1;
    }
    assert!(ran >= 5, "{ran} commands were run: is the README read aright?");
    let listed: BTreeSet<_> = ELSEWHERE.iter().map(|(begin, _)| *begin).collect();
    assert_eq!(elsewhere, listed, "commands that the README has no longer");
}

/// `make demo` with a program that is built already: what it shows, and what it says to try next.
#[test]
fn the_demo_runs() {
    let (folder, program) = (folder(), env!("CARGO_BIN_EXE_btcdmon"));
    let store = folder.path().join("demo.db");
    let make = format!(
        "make --no-print-directory -C {} -o build demo BIN={program} STORE={}",
        root().display(),
        store.display()
    );
    let shown = run(folder.path(), &make);
    assert!(shown.contains("Last 10 blocks") && store.exists(), "{shown}");
    let (mut ran, mut dashboard) = (0, false);
    for line in shown.split("Try next").nth(1).unwrap().lines().filter_map(|l| l.strip_prefix("  ")) {
        let command = line.split("   ").next().unwrap();
        assert!(command.starts_with(program), "{command}");
        // tests/web.rs and tests/browser serve it.
        dashboard |= command.contains(" replay --serve captures/");
        if !command.contains("--serve") {
            run(folder.path(), command.trim_end_matches(" | less -S"));
            ran += 1;
        }
    }
    assert!(dashboard && ran >= 4, "{shown}");
}
