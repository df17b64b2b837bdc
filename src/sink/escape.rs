//! Escaping of text that a peer may have made.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal might act on `c`: control characters (C0, DEL, C1), and the characters that
/// reorder or hide text (Unicode Annex 9 section 2, zero width and line separators).
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` with each dangerous character as `\x07` or `\u{202e}`.
///
/// A backslash stays as it is, so that text escaped once does not change when it is escaped again.
pub fn escape(text: &str) -> Cow<'_, str> {
    // The usual text is printable ASCII: one pass over bytes, no copy.
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if !is_dangerous(c) {
            out.push(c);
        } else if (c as u32) < 0x100 {
            let _ = write!(out, "\\x{:02x}", c as u32);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_act_on_and_nothing_else() {
        assert_eq!(escape("/Satoshi:27.0.0/"), "/Satoshi:27.0.0/");
        assert_eq!(escape("a\x07\x1b[31m\x7f\u{9b}"), r"a\x07\x1b[31m\x7f\x9b");
        assert_eq!(escape("\u{202e}abc\u{2066}"), r"\u{202e}abc\u{2066}");
        assert_eq!(escape("Zürich ₿ \\x07"), "Zürich ₿ \\x07");
    }

    #[test]
    fn is_idempotent() {
        let once = escape("\0\n\u{feff}").into_owned();
        assert_eq!(once, r"\x00\x0a\u{feff}");
        assert_eq!(escape(&once), once);
    }
}
