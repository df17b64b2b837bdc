//! `btcdmon top`, driven in a real terminal (tmux) and as text; completions and manual pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "web/client.rs"]
mod client;
#[path = "support/terminal.rs"]
mod terminal;

use assert_cmd::Command;
use client::Sensor;
use std::path::Path;
use terminal::Terminal;

const BTCDMON: &str = env!("CARGO_BIN_EXE_btcdmon");

fn btcdmon(folder: &Path, args: &[&str]) -> String {
    let out = Command::new(BTCDMON).current_dir(folder).args(args).env("NO_COLOR", "1").output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// A bundled recording of encrypted connections only.
const ENCRYPTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/btcd-v2-messages/capture.pcap.zst");
/// A bundled recording, and what its sensor and node are called.
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/btcd-v1/capture.pcap.zst");
/// Columns and lines of the terminals.
const SIZE: (u16, u16) = (100, 24);
const NAMES: [&str; 4] = ["--sensor", "lab", "--node", "home=10.88.0.2"];

/// A store of it, `x.db` in a folder of its own.
fn store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    btcdmon(folder.path(), &[&["replay", "--quiet", "--store", "x.db", CAPTURE][..], &NAMES].concat());
    folder
}

/// Compares with a file of tests/golden, or writes it when BLESS is set.
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "{name} is not what is shown (BLESS=1 takes it):\n{text}");
}

#[test]
fn one_page_of_a_store() {
    let folder = store();
    let page = btcdmon(folder.path(), &["top", "--once", "--store", "x.db"]);
    assert_golden("top-once.txt", &page);
    let height = btcdmon(folder.path(), &["query", "--csv", "--store", "x.db", "SELECT max(best_height) FROM blocks"]);
    let height = height.lines().nth(1).unwrap();
    assert!(page.contains(&format!("height {height} ")), "{page}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (args, needle) in [
        (["top", "--once", "--store", "none.db"].as_slice(), "there is no such store"),
        (&["top", "--once", "127.0.0.1:1"], "no sensor answers; start `btcdmon live`"),
        (&["top", "--once", "ftp://127.0.0.1"], "only http and https"),
        (&["man", "nothing"], "there is no command `nothing`; there are live, replay"),
    ] {
        let out = Command::new(BTCDMON).current_dir(folder.path()).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(needle) && said.lines().count() <= 2, "{args:?}: {said}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    btcdmon(here, &["man", "--to", "."]);
    let help = btcdmon(here, &["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands: Vec<_> =
        commands.lines().filter_map(|l| l.split_whitespace().next()).filter(|c| *c != "help").collect();
    assert!(commands.len() >= 10, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = btcdmon(here, &["completions", shell]);
        for c in &commands {
            assert!(text.contains(c), "{shell} does not complete {c}");
        }
    }
    for c in &commands {
        let help = btcdmon(here, &[c, "--help"]);
        assert!(help.contains("\nExamples:\n"), "{c} --help has no examples: {help}");
        let page = std::fs::read_to_string(here.join(format!("btcdmon-{c}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(c), "{c}: {page}");
    }
    assert!(btcdmon(here, &["man", "live"]).contains(".TH btcdmon-live 1"));
}

#[test]
fn a_terminal_shows_every_page() {
    let folder = store();
    let command = format!("NO_COLOR=1 {BTCDMON} top --store x.db");
    let Some(t) = Terminal::start(folder.path(), SIZE, "store", &command) else { return };
    t.shows("FIRST ANNOUNCER");
    t.press("3");
    assert_golden("top-messages.txt", &t.shows("(last 10 min)"));
    t.press("4");
    t.shows("out_of_order");
    t.press("1");
    t.shows("A store holds no list of connections");
    t.press("?");
    t.shows("the next node");
    t.press("q");
    assert!(t.ends(), "q does not end it");
}

/// The lines of a screen that are the same for a sensor and for a store of the same capture. Not so are the first, which
/// tells where the figures come from, and the rates at the beginning of the third: a sensor takes them over its last
/// seconds, a store over its last interval, and a store has none of messages.
fn figures(screen: &str) -> Vec<String> {
    let mut lines = screen.lines().map(str::to_owned).skip(1);
    let node = lines.next().unwrap();
    let rates = lines.next().unwrap();
    let (_, mempool) = rates.split_once("  mempool ").unwrap();
    [node, mempool.to_owned()].into_iter().chain(lines).collect()
}

/// A line of the page Sensor without the group of its counter, which only a sensor names.
fn ungrouped(line: &str) -> String {
    line.split_once(": ").map_or(line.to_owned(), |(count, name)| {
        format!("{}{name}", count.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == '_'))
    })
}

#[test]
fn a_sensor_behind_a_token_shows_the_figures_of_its_store() {
    let folder = store();
    let token = "correct-horse-battery";
    let sensor = Sensor::replay(CAPTURE, &[&NAMES[..], &["--web-token", token]].concat());
    let address = sensor.address.to_string();
    for (given, said) in [(None, "a token is needed: --web-token, or BTCDMON_WEB_TOKEN"), (Some("wrong"), "token")] {
        let given: Vec<_> = given.into_iter().flat_map(|t| ["--web-token", t]).collect();
        let args = [&["top", "--once", &address][..], &given].concat();
        let out = Command::new(BTCDMON).args(args).env_remove("BTCDMON_WEB_TOKEN").output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && out.stdout.is_empty() && stderr.contains(said), "{stderr}");
    }
    let once = btcdmon(folder.path(), &["top", "--once", &address, "--web-token", token]);
    assert_golden("top-peers.txt", &once.replace(&address, "ADDRESS"));

    let by_api = format!("NO_COLOR=1 BTCDMON_WEB_TOKEN={token} {BTCDMON} top {address}");
    let Some(api) = Terminal::start(folder.path(), SIZE, "api", &by_api) else { return };
    api.shows("10.88.0.3:18444");
    let by_store = format!("NO_COLOR=1 {BTCDMON} top --store x.db");
    let kept = Terminal::start(folder.path(), SIZE, "kept", &by_store).unwrap();
    kept.shows("FIRST ANNOUNCER");
    let both = |key, needle| {
        [&api, &kept].map(|t| {
            t.press(key);
            figures(&t.shows(needle))
        })
    };
    for (key, needle) in [("2", "FIRST ANNOUNCER"), ("3", "(last 10 min)")] {
        let [shown, stored] = both(key, needle);
        assert_eq!(shown, stored);
    }
    let [shown, stored] = both("4", "retransmission");
    // Frames that were skipped are no fault, and a store's page leaves them out.
    let (skipped, shown): (Vec<_>, Vec<_>) = shown.into_iter().partition(|l| l.contains("frames_skipped: "));
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    let lines = |all: &[String]| all.iter().map(|l| ungrouped(l)).filter(|l| !l.is_empty()).collect::<Vec<_>>();
    assert_eq!(lines(&shown), lines(&stored));

    assert_eq!(sensor.interrupt(), Some(0));
    // The figures stay, with the reason why there are no newer ones.
    let left = api.shows("no sensor answers");
    assert!(left.contains("retransmission"), "{left}");
}

#[test]
fn what_is_estimated_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    btcdmon(folder.path(), &["replay", "--quiet", "--store", "x.db", ENCRYPTED]);
    let sensor = Sensor::replay(ENCRYPTED, &["--node", "10.88.0.2"]);
    let address = sensor.address.to_string();
    let command = |of: &str| format!("NO_COLOR=1 {BTCDMON} top {of}");
    let Some(api) = Terminal::start(folder.path(), SIZE, "v2-api", &command(&address)) else { return };
    let kept = Terminal::start(folder.path(), SIZE, "v2-store", &command("--store x.db")).unwrap();
    api.shows("10.88.0.3:18444");
    kept.shows("FIRST ANNOUNCER");
    let mut messages = Vec::new();
    for t in [&api, &kept] {
        t.press("2");
        let blocks = t.shows("≈ block");
        let row = |l: &&str| l.ends_with(" block");
        assert_eq!(blocks.lines().filter(row).count(), blocks.matches("≈ block").count(), "{blocks}");
        t.press("3");
        let page = t.shows("(last 10 min)");
        let rows: Vec<_> = page.lines().skip(5).take_while(|l| !l.is_empty()).map(str::to_owned).collect();
        assert!(rows.len() > 5 && rows.iter().all(|l| l.starts_with("≈ ")), "{page}");
        messages.push(rows);
    }
    assert_eq!(messages[0], messages[1]);
    assert!(api.shows("messages/s").contains("\n≈ "));
}
