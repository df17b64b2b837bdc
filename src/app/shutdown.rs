//! Interrupts: the first one drains and prints the summary, the second one stops now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Exit status after a second interrupt, as shells have it for SIGINT.
const INTERRUPTED: i32 = 130;

/// Whether to stop.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicU32>);

impl Shutdown {
    /// Listens for SIGINT, SIGTERM and SIGHUP. Once per process; a later call only gives a flag of its own.
    pub fn listen() -> Self {
        let flag = Self::default();
        let count = Arc::clone(&flag.0);
        // A second handler cannot be set; the flag of the first one then rules.
        let _ = ctrlc::set_handler(move || {
            if count.fetch_add(1, Ordering::SeqCst) > 0 {
                std::process::exit(INTERRUPTED);
            }
        });
        flag
    }

    /// Whether an interrupt came.
    #[inline]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}
