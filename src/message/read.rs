//! A bounded reader over the bytes of a payload.
//!
//! Contract: every read checks its bounds and names what it wanted, no read
//! panics, and nothing is allocated from a claimed count. A count is believed
//! only when the bytes for it are there ([`Reader::count`]).

use crate::vocabulary;

/// Largest compact size the nodes accept as a length, in bytes or entries (Bitcoin Core `MAX_SIZE`).
pub const MAX_SIZE: u64 = 0x0200_0000;

vocabulary! {
    /// Why a payload could not be decoded.
    pub enum Reason {
        Truncated = "truncated": "The payload ends before the field does; the message is counted as undecodable.",
        NonCanonical = "non_canonical_size": "A compact size is not in its shortest form; nodes reject such a message too.",
        TooMany = "over_limit": "A count or length is over the protocol's limit; nodes reject such a message too.",
        BadValue = "bad_value": "A field has a value that the nodes do not accept.",
    }
}

/// What a decoder missed and where.
///
/// `needed` and `had` are bytes when truncated, the bytes of the shortest and of the found form of a
/// non-canonical compact size, the claimed number and the limit when over the limit, and the value
/// expected (or its bound) and the value found otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at offset {offset}: {reason} (needed {needed}, had {had})")]
pub struct DecodeError {
    /// The field.
    pub what: &'static str,
    /// Where it starts, in bytes from the start of the payload; never beyond its end.
    pub offset: usize,
    /// What it needed.
    pub needed: usize,
    /// What there was.
    pub had: usize,
    /// The kind of failure.
    pub reason: Reason,
}

/// Reads fields off a payload from front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Bytes left.
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    /// Whether all bytes have been read.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes from `start`, an earlier [`Reader::offset`], up to here.
    #[inline]
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.data[start.min(self.at)..self.at]
    }

    /// The error "`reason` in `what`" at `offset`.
    #[cold]
    pub fn error(what: &'static str, offset: usize, needed: usize, had: usize, reason: Reason) -> DecodeError {
        DecodeError { what, offset, needed, had, reason }
    }

    #[cold]
    fn truncated(&self, what: &'static str, needed: usize) -> DecodeError {
        Self::error(what, self.at, needed, self.remaining(), Reason::Truncated)
    }

    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.data[self.at..].get(..n) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => Err(self.truncated(what, n)),
        }
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], DecodeError> {
        match self.data[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(bytes)
            }
            None => Err(self.truncated(what, N)),
        }
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(what).map(|b| b[0])
    }

    /// Two bytes, little endian.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(|b| u16::from_le_bytes(*b))
    }

    /// Two bytes, big endian (ports).
    #[inline]
    pub fn u16_be(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(|b| u16::from_be_bytes(*b))
    }

    /// Four bytes, little endian.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(|b| u32::from_le_bytes(*b))
    }

    /// Four bytes, little endian, signed.
    #[inline]
    pub fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.array(what).map(|b| i32::from_le_bytes(*b))
    }

    /// Eight bytes, little endian.
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(|b| u64::from_le_bytes(*b))
    }

    /// Eight bytes, little endian, signed.
    #[inline]
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.array(what).map(|b| i64::from_le_bytes(*b))
    }

    /// A compact size of any value, in its shortest form only, as Bitcoin Core reads it.
    #[inline]
    pub fn compact(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let start = self.at;
        let first = self.u8(what)?;
        if first < 0xfd {
            return Ok(u64::from(first));
        }
        let wide = match first {
            0xfd => self.u16(what).map(|v| (u64::from(v), 3)),
            0xfe => self.u32(what).map(|v| (u64::from(v), 5)),
            _ => self.u64(what).map(|v| (v, 9)),
        };
        let (value, used) = wide?;
        let shortest = compact_len(value);
        if shortest == used { Ok(value) } else { Err(Self::error(what, start, shortest, used, Reason::NonCanonical)) }
    }

    /// A compact size that is at most `limit` (and never more than [`MAX_SIZE`]).
    #[inline]
    pub fn size(&mut self, limit: usize, what: &'static str) -> Result<usize, DecodeError> {
        let start = self.at;
        let value = self.compact(what)?;
        let limit = limit.min(MAX_SIZE as usize);
        match usize::try_from(value) {
            Ok(n) if n <= limit => Ok(n),
            n => Err(Self::error(what, start, n.unwrap_or(usize::MAX), limit, Reason::TooMany)),
        }
    }

    /// A count of at most `limit` entries of at least `each` bytes, all of which are there.
    ///
    /// Whoever loops up to this count does so at most once for `each` bytes of the payload.
    #[inline]
    pub fn count(&mut self, limit: usize, each: usize, what: &'static str) -> Result<usize, DecodeError> {
        let n = self.size(limit, what)?;
        // n is at most MAX_SIZE and `each` is a small constant: no overflow in 64 bits, saturating elsewhere.
        let needed = n.saturating_mul(each);
        if needed > self.remaining() { Err(self.truncated(what, needed)) } else { Ok(n) }
    }

    /// A byte vector: a compact size of at most `limit`, then that many bytes.
    #[inline]
    pub fn bytes(&mut self, limit: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let n = self.size(limit, what)?;
        self.take(n, what)
    }
}

/// Bytes of the shortest compact size of `value`.
pub const fn compact_len(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(data: &[u8]) -> Result<u64, DecodeError> {
        Reader::new(data).compact("n")
    }

    #[test]
    fn compact_sizes_at_the_borders() {
        assert_eq!(compact(&[0xfc]), Ok(0xfc));
        assert_eq!(compact(&[0xfd, 0xfd, 0]), Ok(0xfd));
        assert_eq!(compact(&[0xfe, 0, 0, 1, 0]), Ok(0x1_0000));
        assert_eq!(compact(&[0xff, 0, 0, 0, 0, 1, 0, 0, 0]), Ok(0x1_0000_0000));
        for (data, needed, had) in
            [(&[0xfd, 0xfc, 0][..], 1, 3), (&[0xfe, 0xff, 0xff, 0, 0], 3, 5), (&[0xff, 1, 0, 0, 0, 0, 0, 0, 0], 1, 9)]
        {
            let error = DecodeError { what: "n", offset: 0, needed, had, reason: Reason::NonCanonical };
            assert_eq!(compact(data), Err(error));
        }
    }

    #[test]
    fn counts_need_their_bytes() {
        let mut r = Reader::new(&[3, 0, 0]);
        let error = DecodeError { what: "n", offset: 1, needed: 3, had: 2, reason: Reason::Truncated };
        assert_eq!(r.count(10, 1, "n"), Err(error));
        let mut r = Reader::new(&[11, 0, 0]);
        let error = DecodeError { what: "n", offset: 0, needed: 11, had: 10, reason: Reason::TooMany };
        assert_eq!(r.count(10, 1, "n"), Err(error));
        assert_eq!(error.to_string(), "n at offset 0: over_limit (needed 11, had 10)");
        let mut r = Reader::new(&[0xff; 9]);
        assert_eq!(r.bytes(usize::MAX, "n").unwrap_err().reason, Reason::TooMany);
    }
}
