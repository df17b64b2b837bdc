//! The progress bar of long work, on a terminal only.

use crate::capture::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

/// Frames between two looks at how far the work is.
pub const EVERY: u64 = 16_384;

/// A bar with bytes, packets a second and time left; nothing when standard error is no terminal.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar, unless `quiet`.
    pub fn new(quiet: bool, total: Option<u64>) -> Self {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = match total {
            Some(_) => "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}  {msg}  {eta} left",
            None => "{spinner} {binary_bytes} {binary_bytes_per_sec}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Shows how far the source is.
    pub fn show(&self, p: &Progress) {
        self.0.set_position(p.bytes_read);
        let seconds = self.0.elapsed().as_secs_f64().max(0.001);
        let mut text = String::new();
        let _ = write!(text, "{} packets, {:.0} k/s", p.frames, p.frames as f64 / seconds / 1000.0);
        self.0.set_message(text);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
