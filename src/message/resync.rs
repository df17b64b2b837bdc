//! Finding the next message in bytes that may begin anywhere (R60).
//!
//! A candidate is the network's magic followed by a printable, NUL-padded
//! command and a length of at most 4,000,000. It is believed when its checksum
//! is right, or when another header follows where it ends. Until then its bytes
//! are kept, so that a message inside a false candidate is not lost.
//!
//! A hostile stream may be full of false candidates that each claim megabytes,
//! one inside the other. Hashing them is work; [`Budget`] says how much, and
//! without budget what a false candidate claims is passed over: cost stays
//! linear in the bytes.

use super::framer::Place;
use super::gather::{GatherPool, Ticket};
use super::hash::sha256d;
use super::header::{HEADER, Head, Header, head};
use crate::time::Timestamp;

/// Bytes hashed for candidates that were none, before what such a candidate claims is passed over.
const BUDGET: u64 = 16 * 1024 * 1024;
/// What each byte of the stream adds to a budget that was used.
const REFILL: u64 = 2;

/// Position of the first of `magics` in `bytes`.
fn find(bytes: &[u8], magics: &[[u8; 4]]) -> Option<(usize, [u8; 4])> {
    match magics {
        [one] => memchr::memmem::find(bytes, one).map(|i| (i, *one)),
        many => {
            let first = |b: u8| many.iter().any(|m| m[0] == b);
            let at = |i: usize| many.iter().find(|m| bytes[i..].starts_with(*m)).map(|m| (i, *m));
            (0..bytes.len().saturating_sub(3)).filter(|&i| first(bytes[i])).find_map(at)
        }
    }
}

/// A search for magic bytes that may be cut by the end of a chunk.
#[derive(Debug, Default)]
pub struct Scan {
    carry: [u8; 3],
    carried: u8,
    passed: u64,
}

impl Scan {
    /// Looks for one of `magics`. Returns what follows it, or nothing left and no magic.
    pub fn run<'a>(&mut self, bytes: &'a [u8], magics: &[[u8; 4]]) -> (&'a [u8], Option<[u8; 4]>) {
        let carried = usize::from(self.carried);
        // First across the seam, then in the chunk.
        let mut seam = [0; 6];
        let n = bytes.len().min(3);
        seam[..carried].copy_from_slice(&self.carry[..carried]);
        seam[carried..carried + n].copy_from_slice(&bytes[..n]);
        let seam = &seam[..carried + n];
        if let Some((i, magic)) = find(seam, magics).filter(|(i, _)| *i < carried) {
            self.passed += i as u64;
            self.carried = 0;
            return (&bytes[i + 4 - carried..], Some(magic));
        }
        if let Some((i, magic)) = find(bytes, magics) {
            self.passed += (carried + i) as u64;
            self.carried = 0;
            return (&bytes[i + 4..], Some(magic));
        }
        let all = if bytes.len() >= 3 { bytes } else { seam };
        let keep = &all[all.len().saturating_sub(3)..];
        self.passed += (carried + bytes.len() - keep.len()) as u64;
        self.carry[..keep.len()].copy_from_slice(keep);
        self.carried = keep.len() as u8;
        (&[], None)
    }

    /// Bytes passed over since the last call.
    pub fn take_passed(&mut self) -> u64 {
        std::mem::take(&mut self.passed)
    }

    /// Bytes passed over since the last call, when no more follow: those that might have begun a magic too.
    pub fn take_all(&mut self) -> u64 {
        self.take_passed() + u64::from(std::mem::take(&mut self.carried))
    }
}

/// How much may still be hashed in vain: a bucket that leaks with the stream, not with the chunks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    spent: u64,
    offset: u64,
}

impl Budget {
    /// Takes `work` for a false candidate at stream offset `offset`; false when there is not that much.
    pub fn take(&mut self, work: u64, offset: u64) -> bool {
        let refill = offset.saturating_sub(self.offset).saturating_mul(REFILL);
        self.spent = self.spent.saturating_sub(refill);
        self.offset = offset;
        let enough = self.spent + work <= BUDGET;
        if enough {
            self.spent += work;
        }
        enough
    }
}

/// What bytes that begin with a magic are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Too few to tell; this many are needed.
    Needs(usize),
    /// A message behind this header, all of it here.
    Message(Header),
    /// None, found out by hashing this many bytes.
    No(usize),
}

/// Whether `bytes` begin with a message.
pub fn look(bytes: &[u8]) -> Look {
    let header = match head(bytes, None, false) {
        Head::Needs(n) => return Look::Needs(n),
        Head::Unsound(_) => return Look::No(0),
        Head::Sound(header) => header,
    };
    let end = header.bytes() + header.length as usize;
    if bytes.len() < end {
        return Look::Needs(end);
    }
    // A header without checksum was told by what follows it.
    let Some(checksum) = header.checksum else { return Look::Message(header) };
    let follows = bytes.get(end..end + HEADER).and_then(<[u8]>::first_chunk::<HEADER>).map(Header::read);
    if follows.is_some_and(|next| next.magic == header.magic && next.check().is_ok()) {
        return Look::Message(header);
    }
    #[cfg(test)]
    tests::HASHED.with(|h| h.set(h.get() + header.length as u64));
    if sha256d(&bytes[HEADER..end]).0[..4] == checksum {
        return Look::Message(header);
    }
    if follows.is_some() { Look::No(header.length as usize) } else { Look::Needs(end + HEADER) }
}

/// Bytes that may be a message, kept until that is clear.
#[derive(Debug)]
pub struct Candidate {
    ticket: Ticket,
    /// Stream offset of its magic.
    pub offset: u64,
    /// Capture time of its first byte.
    pub first: Timestamp,
    needs: usize,
}

impl Candidate {
    /// Keeps `bytes`, which begin with a magic at `place` and are fewer than `needs`.
    pub fn start(bytes: &[u8], place: Place, needs: usize, pool: &mut GatherPool) -> Self {
        let ticket = pool.start(place.at.index);
        pool.extend(&ticket, bytes, needs, place.at.index);
        Self { ticket, offset: place.offset, first: place.time, needs }
    }

    /// Takes what it needs of `input`; returns the rest, and whether it is clear what it is.
    pub fn take<'a>(&mut self, mut input: &'a [u8], place: Place, pool: &mut GatherPool) -> (&'a [u8], Option<Look>) {
        loop {
            // Given up for the pool's cap: none of it is here any more.
            let Some(have) = pool.bytes(&self.ticket).map(<[u8]>::len) else { return (input, Some(Look::No(0))) };
            let n = input.len().min(self.needs.saturating_sub(have));
            pool.extend(&self.ticket, &input[..n], self.needs, place.at.index);
            input = &input[n..];
            if have + n < self.needs {
                return (input, None);
            }
            match pool.bytes(&self.ticket).map_or(Look::No(0), look) {
                Look::Needs(more) => self.needs = more,
                clear => return (input, Some(clear)),
            }
        }
    }

    /// Its magic, if the kept bytes are still there.
    pub fn magic(&self, pool: &GatherPool) -> Option<[u8; 4]> {
        pool.bytes(&self.ticket)?.first_chunk().copied()
    }

    /// Takes the kept bytes out of the pool, if they are still there.
    pub fn finish(&self, pool: &mut GatherPool) -> Option<Vec<u8>> {
        pool.finish(&self.ticket)
    }

    /// Frees the kept bytes.
    pub fn abandon(&self, pool: &mut GatherPool) {
        pool.abandon(&self.ticket);
    }
}

#[cfg(test)]
#[path = "resync_tests.rs"]
pub(super) mod tests;
