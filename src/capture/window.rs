//! A window of bytes that moves over any reader.
//!
//! The bytes from [`Window::offset`] on are borrowed by [`Window::data`] until
//! they are consumed. The buffer grows only as far as bytes really arrive, so a
//! length field alone costs no memory. The end of the reader is no state: a
//! file that has grown gives more when asked again.

use super::error::Fault;
use super::{LinkType, Timestamp};
use std::io::{self, Read};
use std::ops::Range;

/// Largest record or block in bytes, headers included. libpcap stops at 256 KiB
/// a packet; a length above this is damage, and reading the file ends there.
pub const MAX_RECORD: usize = 16 << 20;

/// Bytes asked of the reader at a time: big enough that the system call does not
/// show, small enough to stay in the second-level cache.
const CHUNK: usize = 256 << 10;

/// Bytes a window may hold: one record, and the header of the next.
const CAPACITY: usize = MAX_RECORD + 64;

pub(super) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Absolute offset of `start`.
    offset: u64,
}

impl Window {
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, buffer: Vec::new(), start: 0, end: 0, offset: 0 }
    }

    /// Bytes of the stream before [`Window::data`].
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that are there and not consumed.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Gives up `n` bytes, at most those that are there.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.offset += n as u64;
    }

    /// Whether [`Window::data`] holds `need` bytes now, after reading on if necessary.
    /// `false` at the end of what the reader has now, and for more than the cap.
    #[inline]
    pub fn fill(&mut self, need: usize) -> io::Result<bool> {
        if self.end - self.start >= need { Ok(true) } else { self.read_on(need) }
    }

    #[cold]
    fn read_on(&mut self, need: usize) -> io::Result<bool> {
        if need > CAPACITY {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < need {
            if self.end == self.buffer.len() {
                self.buffer.resize((self.end * 2).clamp(CHUNK, CAPACITY), 0);
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// What it means that `need` bytes of a `what` are not there.
    pub fn ended(&self, what: &'static str, need: usize) -> Step {
        match self.end - self.start {
            0 => Step::End,
            found => Step::Cut { what, need, found },
        }
    }
}

/// One packet of a file; the ranges count from the start of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub time: Timestamp,
    pub link: LinkType,
    pub interface: u32,
    pub wire_len: u32,
    pub data: Range<usize>,
    /// Bytes to consume before the next record.
    pub size: usize,
}

/// What a record reader found.
#[derive(Debug)]
pub(super) enum Step {
    Record(Record),
    /// The stream ends between two records.
    End,
    /// The stream ends within one.
    Cut {
        what: &'static str,
        need: usize,
        found: usize,
    },
}

pub(super) type Stepped = Result<Step, Fault>;

/// Byte order of a file or of a pcapng section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// The two bytes of `d` from `at` on; the caller has checked the bounds.
    #[inline]
    pub(super) fn u16(self, d: &[u8], at: usize) -> u16 {
        let b = [d[at], d[at + 1]];
        if self == Self::Little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) }
    }

    /// The four bytes of `d` from `at` on; the caller has checked the bounds.
    #[inline]
    pub(super) fn u32(self, d: &[u8], at: usize) -> u32 {
        let d = &d[at..at + 4];
        let b = [d[0], d[1], d[2], d[3]];
        if self == Self::Little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) }
    }

    /// The eight bytes of `d` from `at` on; the caller has checked the bounds.
    pub(super) fn u64(self, d: &[u8], at: usize) -> u64 {
        let (first, second) = (u64::from(self.u32(d, at)), u64::from(self.u32(d, at + 4)));
        if self == Self::Little { second << 32 | first } else { first << 32 | second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Hands out the given pieces, an empty one as an end that is not the last word.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            into[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn goes_on_after_the_end_and_keeps_the_offset() {
        let pieces = [b"abc".to_vec(), Vec::new(), b"de".to_vec()];
        let mut w = Window::new(Box::new(Pieces(pieces.into())));
        assert!(w.fill(2).unwrap());
        w.consume(2);
        assert!(!w.fill(3).unwrap());
        assert_eq!((w.offset(), w.data()), (2, &b"c"[..]));
        assert!(w.fill(3).unwrap());
        assert_eq!((w.offset(), w.data()), (2, &b"cde"[..]));
        w.consume(99);
        assert_eq!((w.offset(), w.data()), (5, &b""[..]));
    }

    #[test]
    fn grows_with_the_bytes_and_not_beyond_the_cap() {
        let mut w = Window::new(Box::new(io::repeat(7)));
        assert!(!w.fill(CAPACITY + 1).unwrap());
        assert!(w.fill(CHUNK + 1).unwrap());
        assert_eq!(w.data().len(), 2 * CHUNK);
        assert!(w.fill(CAPACITY).unwrap());
        assert_eq!(w.buffer.len(), CAPACITY);
        let mut short = Window::new(Box::new(&b"xyz"[..]));
        assert!(!short.fill(MAX_RECORD).unwrap());
        assert_eq!(short.buffer.len(), CHUNK);
    }

    #[test]
    fn numbers_in_both_orders() {
        let d = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(ByteOrder::Little.u64(&d, 0), 0x0807_0605_0403_0201);
        assert_eq!(ByteOrder::Big.u64(&d, 0), 0x0102_0304_0506_0708);
        assert_eq!((ByteOrder::Little.u16(&d, 6), ByteOrder::Big.u16(&d, 6)), (0x0807, 0x0708));
    }
}
