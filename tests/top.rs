//! `btcdmon top`, driven in a real terminal (tmux) and as text; completions and manual pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use assert_cmd::Command;
use std::path::Path;
use std::process::Command as Plain;
use std::time::{Duration, Instant};

const BTCDMON: &str = env!("CARGO_BIN_EXE_btcdmon");

fn btcdmon(folder: &Path, args: &[&str]) -> String {
    let out = Command::new(BTCDMON).current_dir(folder).args(args).env("NO_COLOR", "1").output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// A store of a bundled recording, `x.db` in a folder of its own.
fn store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/btcd-v1/capture.pcap.zst");
    let node = "home=10.88.0.2";
    let args = ["replay", "--quiet", "--sensor", "lab", "--node", node, "--store", "x.db", capture.to_str().unwrap()];
    btcdmon(folder.path(), &args);
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
        let page = std::fs::read_to_string(here.join(format!("btcdmon-{c}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(c), "{c}: {page}");
    }
    assert!(btcdmon(here, &["man", "live"]).contains(".TH btcdmon-live 1"));
}

/// A terminal of 100 columns and 24 lines in which a command runs.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(folder: &Path, command: &str) -> Option<Self> {
        if Plain::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "tmux is missing: apt-get install tmux");
            eprintln!("SKIPPED: `btcdmon top` in a terminal; tmux is missing: apt-get install tmux");
            return None;
        }
        let terminal = Self { socket: format!("btcdmon-{}", std::process::id()) };
        let out = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "24",
            "-c",
            folder.to_str()?,
            command,
        ]);
        assert!(out.0, "{}", out.1);
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> (bool, String) {
        let out =
            Plain::new("tmux").env("LC_ALL", "C.UTF-8").args(["-u", "-L", &self.socket]).args(args).output().unwrap();
        (
            out.status.success(),
            String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr),
        )
    }

    fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).0, "{key}");
    }

    /// The screen as soon as it holds `needle`.
    fn shows(&self, needle: &str) -> String {
        let start = Instant::now();
        loop {
            let (_, screen) = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(needle) {
                return screen;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "no `{needle}` on\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the command has ended.
    fn ends(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_mins(1) {
            if !self.tmux(&["has-session"]).0 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_terminal_shows_every_page() {
    let folder = store();
    let Some(t) = Terminal::start(folder.path(), &format!("NO_COLOR=1 {BTCDMON} top --store x.db")) else { return };
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
