//! Signals of a daemon: SIGINT and SIGTERM end it (the second one at once), SIGHUP reloads its configuration.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Exit status after a second interrupt, as shells have it for SIGINT.
const INTERRUPTED: i32 = 130;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    ends: Arc<AtomicU32>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Listens, on a thread of its own.
    pub fn listen() -> Result<Self> {
        let signals = Self::default();
        let mut incoming = Incoming::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
        let told = signals.clone();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let listen = move || {
            for signal in incoming.forever() {
                if signal == SIGHUP {
                    told.reload.store(true, Ordering::SeqCst);
                } else if told.ends.fetch_add(1, Ordering::SeqCst) > 0 {
                    std::process::exit(INTERRUPTED);
                }
            }
        };
        thread.spawn(listen).context("cannot start the thread for signals")?;
        Ok(signals)
    }

    /// Whether to end.
    #[inline]
    pub fn end(&self) -> bool {
        self.ends.load(Ordering::Relaxed) > 0
    }

    /// Whether to reload; true once for each time it was asked for.
    pub fn reload(&self) -> bool {
        self.reload.swap(false, Ordering::SeqCst)
    }
}
