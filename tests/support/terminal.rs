//! A real terminal (tmux) in which a command runs.

use std::path::Path;
use std::process::Command as Plain;
use std::time::{Duration, Instant};

/// One, of its own server.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// None without tmux, outside of CI.
    pub fn start(folder: &Path, (columns, lines): (u16, u16), name: &str, command: &str) -> Option<Self> {
        if Plain::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "tmux is missing: apt-get install tmux");
            eprintln!("SKIPPED: {name} in a terminal; tmux is missing: apt-get install tmux");
            return None;
        }
        let terminal = Self { socket: format!("btcdmon-{}-{name}", std::process::id()) };
        let (columns, lines) = (columns.to_string(), lines.to_string());
        let size = ["-x", &columns, "-y", &lines, "-c", folder.to_str()?, command];
        let out = terminal.tmux(&[&["-f", "/dev/null", "new-session", "-d"][..], &size].concat());
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

    /// Presses a key.
    #[allow(dead_code, reason = "not every test does")]
    pub fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).0, "{key}");
    }

    #[allow(dead_code, reason = "not every test does")]
    /// The screen as soon as it holds `needle`, drawn to the end: two looks see the same.
    pub fn shows(&self, needle: &str) -> String {
        self.shows_with(&[], needle)
    }

    /// The same with further options of tmux's `capture-pane`.
    pub fn shows_with(&self, options: &[&str], needle: &str) -> String {
        let start = Instant::now();
        let mut before = String::new();
        loop {
            let (_, screen) = self.tmux(&[&["capture-pane", "-p"], options].concat());
            if screen.contains(needle) && screen == before {
                return screen;
            }
            before.clone_from(&screen);
            assert!(start.elapsed() < Duration::from_mins(1), "no `{needle}` on\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the command has ended.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn ends(&self) -> bool {
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
