//! What is sent in one request: lines, gzipped.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, Read as _, Write as _};

/// Lines of a body at most.
pub const LINES: u64 = 5_000;
/// Bytes of its text, about: far below what servers and proxies take.
pub const TEXT: usize = 1 << 20;

/// A body, gzipped (RFC 1952).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What goes over the wire.
    pub data: Vec<u8>,
    /// Lines in it.
    pub points: u64,
    /// Its place among all bodies: in this order they go, because a point that is written again replaces the first.
    pub number: u64,
}

impl Body {
    /// The body of `lines`, each with its line feed.
    pub fn new(lines: &str, points: u64, number: u64) -> Self {
        // Into memory, which does not fail.
        let mut gz = GzEncoder::new(Vec::with_capacity(lines.len() / 6), Compression::fast());
        let data = gz.write_all(lines.as_bytes()).and_then(|()| gz.finish()).unwrap_or_default();
        Self { data, points, number }
    }

    /// The lines.
    ///
    /// # Errors
    /// When a file of the spool is damaged.
    pub fn lines(&self) -> io::Result<String> {
        let mut text = String::new();
        // A body is never longer than its own last line beyond the limit; a damaged one must not fill the memory.
        GzDecoder::new(&self.data[..]).take(8 * TEXT as u64).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Two bodies of half its lines each, nothing when it has one line.
    ///
    /// # Errors
    /// As [`Body::lines`].
    pub fn split(&self) -> io::Result<Option<[Self; 2]>> {
        let text = self.lines()?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        if lines.len() < 2 {
            return Ok(None);
        }
        let half = |l: &[&str]| Self::new(&l.concat(), l.len() as u64, self.number);
        let (first, second) = lines.split_at(lines.len() / 2);
        Ok(Some([half(first), half(second)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_between_lines() {
        let body = Body::new("a 1\nbb 2\nccc 3\n", 3, 0);
        assert_eq!(body.lines().unwrap(), "a 1\nbb 2\nccc 3\n");
        let [a, b] = body.split().unwrap().unwrap();
        assert_eq!((a.lines().unwrap().as_str(), a.points), ("a 1\n", 1));
        assert_eq!((b.lines().unwrap().as_str(), b.points), ("bb 2\nccc 3\n", 2));
        assert_eq!(a.split().unwrap(), None);
        assert!(Body { data: vec![1, 2, 3], points: 9, number: 0 }.split().is_err());
    }
}
