//! Text made by peers, made safe to print.
//!
//! Everything a peer wrote goes through [`escape`] before it reaches a
//! terminal, a log, a tag or a page: no control characters, no invalid UTF-8,
//! no characters that reorder or hide their neighbours.

use std::fmt::Write as _;

/// `bytes` as printable text.
///
/// Printable ASCII and letters and digits of any script stay; other characters become `\u{…}`,
/// bytes that are not UTF-8 become `\xNN`, and a backslash is doubled, so that the text is unambiguous.
/// At most 10 bytes of output for a byte of input.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                ' '..='~' => out.push(c),
                _ if c.is_alphanumeric() => out.push(c),
                _ => out.extend(c.escape_unicode()),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_fool_a_terminal() {
        assert_eq!(escape(b"/Satoshi:31.0.0/"), "/Satoshi:31.0.0/");
        assert_eq!(escape(b"\x1b[2J\n\\"), "\\u{1b}[2J\\u{a}\\\\");
        assert_eq!(escape("\u{202e}ж€".as_bytes()), "\\u{202e}ж\\u{20ac}");
        assert_eq!(escape(b"a\xffb\xc3"), "a\\xffb\\xc3");
    }
}
