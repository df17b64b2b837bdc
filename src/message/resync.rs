//! Finding the next message in bytes that may begin anywhere (R60).
//!
//! A candidate is the network's magic followed by a printable, NUL-padded
//! command and a length of at most 4,000,000. It is believed when its checksum
//! is right, or when another header follows where it ends. Until then its bytes
//! are kept, so that a message inside a false candidate is not lost.
//!
//! A hostile stream may be full of false candidates that each claim megabytes.
//! The work spent on those is counted, and beyond a budget the kept bytes are
//! passed over: cost stays linear in the bytes.

use super::framer::{MessageSink, Place};
use super::gather::{GatherPool, Ticket};
use super::hash::sha256d;
use super::header::{HEADER, Header, LEGACY_HEADER, is_legacy_version};
use super::trouble::Trouble;
use crate::time::Timestamp;

/// Bytes hashed or moved for candidates that were none, before the kept bytes are passed over.
const BUDGET: u64 = 16 * 1024 * 1024;

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
}

/// What became of a candidate.
#[derive(Debug)]
pub enum Verdict {
    /// A message: the buffer begins with its header and may hold more than it.
    Message {
        /// Its header, without checksum when it is of the old form.
        header: Header,
        /// The kept bytes.
        buffer: Vec<u8>,
        /// Capture time of its first byte.
        first: Timestamp,
    },
    /// No candidate is left in the kept bytes; the search goes on.
    Nothing(Scan),
}

/// Bytes that may be a message.
#[derive(Debug)]
pub struct Candidate {
    ticket: Ticket,
    offset: u64,
    first: Timestamp,
    spent: u64,
}

/// What the kept bytes are so far.
enum Look {
    /// Too few to tell; this many are needed.
    Needs(usize),
    /// A message behind this header.
    Message(Header),
    /// None; this much work went into finding out.
    No(u64),
}

impl Candidate {
    /// Keeps bytes from `magic` at stream offset `offset` on.
    pub fn start(magic: [u8; 4], offset: u64, place: Place, pool: &mut GatherPool) -> Self {
        let ticket = pool.start(place.at.index);
        pool.extend(&ticket, &magic, HEADER, place.at.index);
        Self { ticket, offset, first: place.time, spent: 0 }
    }

    /// Stream offset of the candidate.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Keeps `bytes`, too few to tell anything.
    pub fn push(&self, bytes: &[u8], place: Place, pool: &mut GatherPool) {
        pool.extend(&self.ticket, bytes, HEADER, place.at.index);
    }

    /// Frees the kept bytes.
    pub fn abandon(&self, pool: &mut GatherPool) {
        pool.abandon(&self.ticket);
    }

    /// Takes what it needs of `input`; returns the rest, and a verdict when there is one.
    pub fn take<'a>(
        &mut self,
        mut input: &'a [u8],
        place: Place,
        magics: &[[u8; 4]],
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> (&'a [u8], Option<Verdict>) {
        loop {
            let Some(kept) = pool.bytes(&self.ticket) else {
                return (input, Some(Verdict::Nothing(Scan::default())));
            };
            match look(kept) {
                Look::Needs(total) => {
                    let n = input.len().min(total - kept.len());
                    if n == 0 {
                        return (input, None);
                    }
                    pool.extend(&self.ticket, &input[..n], total, place.at.index);
                    input = &input[n..];
                }
                Look::Message(header) => {
                    let verdict = match pool.finish(&self.ticket) {
                        Some(buffer) => Verdict::Message { header, buffer, first: self.first },
                        None => Verdict::Nothing(Scan::default()),
                    };
                    return (input, Some(verdict));
                }
                Look::No(work) => {
                    sink.trouble(Trouble::FalseHeader, 1);
                    self.spent += work + kept.len() as u64;
                    let next = if self.spent > BUDGET { None } else { find(&kept[1..], magics) };
                    if let Some((i, _)) = next {
                        sink.trouble(Trouble::ScannedBytes, i as u64 + 1);
                        self.offset += i as u64 + 1;
                        self.first = place.time;
                        pool.drop_front(&self.ticket, i + 1);
                        continue;
                    }
                    let mut scan = Scan::default();
                    // The end of the kept bytes may hold the beginning of a magic.
                    scan.run(&kept[kept.len().saturating_sub(3).max(1)..], &[]);
                    sink.trouble(Trouble::ScannedBytes, (kept.len() as u64).saturating_sub(u64::from(scan.carried)));
                    self.abandon(pool);
                    return (input, Some(Verdict::Nothing(scan)));
                }
            }
        }
    }
}

/// Whether `kept` begins with a message.
fn look(kept: &[u8]) -> Look {
    let Some(bytes) = kept.first_chunk::<HEADER>() else { return Look::Needs(HEADER) };
    let header = Header::read(bytes);
    if header.check().is_err() {
        return Look::No(0);
    }
    if header.may_be_legacy() {
        let end = LEGACY_HEADER + header.length as usize;
        if kept.len() < end.max(HEADER) {
            return Look::Needs(end.max(HEADER));
        }
        if header.length == 0 || is_legacy_version(&kept[LEGACY_HEADER..end]) {
            return Look::Message(header.without_checksum());
        }
    }
    let end = HEADER + header.length as usize;
    if kept.len() < end {
        return Look::Needs(end);
    }
    let follows = kept.get(end..end + HEADER).and_then(<[u8]>::first_chunk::<HEADER>).map(Header::read);
    match follows {
        // The checksum was looked at when the message was whole and nothing beyond it was kept.
        None if kept.len() > end => Look::Needs(end + HEADER),
        None => {
            let right = header.checksum.is_some_and(|c| sha256d(&kept[HEADER..end]).0[..4] == c);
            if right { Look::Message(header) } else { Look::Needs(end + HEADER) }
        }
        Some(next) if next.magic == header.magic && next.check().is_ok() => Look::Message(header),
        Some(_) => {
            let right = header.checksum.is_some_and(|c| sha256d(&kept[HEADER..end]).0[..4] == c);
            if right { Look::Message(header) } else { Look::No(header.length.into()) }
        }
    }
}
