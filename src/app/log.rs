//! What a daemon says: lines on standard error, with the time unless the journal adds it, never more than a few.

use crate::time::Timestamp;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a trouble that lasts is told again.
const AGAIN: Duration = Duration::from_mins(10);

/// Whether a status line stands at the bottom of the terminal.
static STATUS_SHOWN: AtomicBool = AtomicBool::new(false);
/// Lines of several threads do not mix.
static OUT: Mutex<()> = Mutex::new(());

/// How grave a line is, with the priority that the journal reads at its start (`sd-daemon(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something to act on.
    Warning = 4,
    /// The usual.
    Info = 6,
}

/// The time of the machine's clock.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_nanos(since.map_or(0, crate::time::nanos))
}

/// Writes one line.
pub fn line(level: Level, text: &impl Display) {
    let _one_at_a_time = OUT.lock();
    let mut err = std::io::stderr().lock();
    let clear = if STATUS_SHOWN.swap(false, Ordering::Relaxed) { "\r\x1b[2K" } else { "" };
    // Nobody is left to be told when standard error is gone.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() && !err.is_terminal() {
        writeln!(err, "<{}>{text}", level as u8)
    } else {
        let stamp = wall().floor(crate::time::SECOND).to_string();
        let warn = if level == Level::Warning { "warning: " } else { "" };
        writeln!(err, "{clear}{}  {warn}{text}", stamp.replace(".000000000", ""))
    };
}

/// A line of the usual kind.
pub fn info(text: &impl Display) {
    line(Level::Info, text);
}

/// A line to act on.
pub fn warn(text: &impl Display) {
    line(Level::Warning, text);
}

/// Shows the status line at the bottom of the terminal in place of the one before.
pub fn status(text: &str) {
    let _one_at_a_time = OUT.lock();
    let mut err = std::io::stderr().lock();
    STATUS_SHOWN.store(true, Ordering::Relaxed);
    let _ = write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush());
}

/// Takes the status line away.
pub fn clear_status() {
    if STATUS_SHOWN.swap(false, Ordering::Relaxed) {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

/// Something that may keep failing: told when it begins, every ten minutes, and when it is over.
pub struct Trouble {
    fails: String,
    works: String,
    told: Option<Instant>,
}

impl Trouble {
    /// What to say while it fails, and when it works again.
    pub fn new(fails: String, works: String) -> Self {
        Self { fails, works, told: None }
    }

    /// Takes note of how it went.
    pub fn tell<T, E: Display>(&mut self, result: &Result<T, E>) {
        match result {
            Ok(_) if self.told.is_some() => {
                self.told = None;
                info(&self.works);
            }
            Err(e) if self.told.is_none_or(|t| t.elapsed() >= AGAIN) => {
                self.told = Some(Instant::now());
                warn(&format!("{}: {}", self.fails, e.to_string().replace('\n', "; ")));
            }
            _ => {}
        }
    }

    /// Whether it failed last time.
    pub fn lasts(&self) -> bool {
        self.told.is_some()
    }
}
