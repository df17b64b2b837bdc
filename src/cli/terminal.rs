//! What the commands that print for people know of their terminal: one decision for all of them.

use crate::sink::summary::Style;
use std::io::{self, IsTerminal as _};

/// Colours and bold letters: on a terminal, unless `NO_COLOR` is there and not empty (no-color.org).
pub fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Columns of the terminal that standard output is. Without one nothing is made narrower: what reads it may be a program.
pub fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    // A terminal that does not know says 0.
    Some(usize::from(width.0)).filter(|w| *w > 0)
}

/// How the summary is printed.
pub fn style() -> Style {
    Style { colour: colours(), width: width() }
}
