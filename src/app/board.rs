//! What the stages show of themselves while they run, and the thread that tells it: a status line each second on a
//! terminal, a log line each minute otherwise, a sign of life for systemd.

use super::log;
use super::status_line::{self, Sensor};
use crate::node::Status;
use anyhow::{Context as _, Result};
use sd_notify::NotifyState;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two status lines on a terminal.
const SHOW: Duration = Duration::from_secs(1);

/// Shared by the stages and the telling thread.
#[derive(Default)]
pub struct Board {
    shown: Mutex<Shown>,
    /// Woken at the end.
    over: Condvar,
    /// Turns of the capture loop; it stands still when the capture hangs.
    turns: AtomicU64,
}

#[derive(Clone, Default)]
struct Shown {
    status: Status,
    sensor: Sensor,
    over: bool,
}

impl Board {
    /// The nodes as of a tick.
    pub fn nodes(&self, status: Status) {
        self.change(|s| s.status = status);
    }

    /// What the sensor itself does.
    pub fn sensor(&self, change: impl FnOnce(&mut Sensor)) {
        self.change(|s| change(&mut s.sensor));
    }

    /// The capture loop lives.
    #[inline]
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for `time` or the end; what is shown then.
    fn wait(&self, time: Duration) -> Shown {
        let guard = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.wait_timeout_while(guard, time, |s| !s.over);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// The telling thread.
pub struct Teller {
    board: Arc<Board>,
    thread: JoinHandle<()>,
}

impl Teller {
    /// Starts it.
    pub fn start(board: Arc<Board>, quiet: bool, log_every: Duration) -> Result<Self> {
        let seen = Arc::clone(&board);
        let thread = std::thread::Builder::new().name("status".to_owned());
        let thread = thread.spawn(move || tell(&seen, quiet, log_every)).context("cannot start the status thread")?;
        Ok(Self { board, thread })
    }

    /// Ends it.
    pub fn finish(self) {
        self.board.change(|s| s.over = true);
        self.board.over.notify_all();
        let _ = self.thread.join();
        log::clear_status();
        notify(&[NotifyState::Stopping]);
    }
}

/// Tells systemd, if it listens.
pub fn notify(states: &[NotifyState<'_>]) {
    // Without systemd nothing listens, and there is nobody else to tell that it does not.
    let _ = sd_notify::notify(states);
}

fn tell(board: &Board, quiet: bool, log_every: Duration) {
    let terminal = std::io::stderr().is_terminal() && !quiet;
    let watchdog = sd_notify::watchdog_enabled();
    // systemd asks for a sign twice as often as it is needed.
    let pause = watchdog.map_or(SHOW, |w| (w / 2).min(SHOW));
    let (mut logged, mut before) = (Instant::now(), (Instant::now(), board.wait(Duration::ZERO)));
    let (mut turns, mut last) = (u64::MAX, before.clone());
    loop {
        let now = board.wait(pause);
        if now.over {
            return;
        }
        let turned = board.turns.load(Ordering::Relaxed);
        if watchdog.is_some() && turned != turns {
            turns = turned;
            notify(&[NotifyState::Watchdog]);
        }
        if terminal && last.0.elapsed() >= SHOW {
            let rates = status_line::Rates::between(&last.1.status, &now.status, last.0.elapsed());
            log::status(&status_line::short(&now.status, &now.sensor, &rates, width()));
            last = (Instant::now(), now.clone());
        }
        if logged.elapsed() >= log_every {
            logged = Instant::now();
            let rates = status_line::Rates::between(&before.1.status, &now.status, before.0.elapsed());
            let line = status_line::short(&now.status, &now.sensor, &rates, usize::MAX);
            notify(&[NotifyState::Status(&line)]);
            if !terminal && !quiet {
                log::info(&line);
            }
            before = (Instant::now(), now);
        }
    }
}

/// Columns of the terminal.
fn width() -> usize {
    terminal_size::terminal_size_of(std::io::stderr()).map_or(usize::MAX, |(w, _)| usize::from(w.0))
}
