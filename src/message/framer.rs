//! From one direction's bytes to messages.
//!
//! In step, a message that lies in one chunk is handed over where it lies;
//! one that spans chunks is gathered. A gap inside a payload is skipped by
//! arithmetic (R61). Out of step (joined in the middle, a header lost, garbage)
//! [`resync`](super::resync) finds the next message.
//!
//! Contract: any bytes in any cut give the same messages; nothing panics; work
//! is linear in the bytes, memory is the pool's.

use super::gather::{GatherPool, Ticket};
use super::hash::{Hash256, sha256d};
use super::header::{HEADER, Header, LEGACY_HEADER, NotAHeader, is_legacy_version};
use super::resync::{Candidate, Scan, Verdict};
use super::trouble::Trouble;
use crate::flow::{At, Gap};
use crate::time::Timestamp;

/// One message as framed, its payload borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RawMessage<'a> {
    /// Its header.
    pub header: Header,
    /// The payload; empty when the message is truncated.
    pub payload: &'a [u8],
    /// A gap lies in the payload, or the pool gave it up.
    pub truncated: bool,
    /// Payload bytes that a gap swallowed.
    pub missing: u32,
    /// Double SHA-256 of the payload; zero when it is truncated.
    pub hash: Hash256,
    /// Whether the header's checksum matches; true without one.
    pub checksum_valid: bool,
    /// Stream offset of the header.
    pub offset: u64,
    /// Capture time of the first byte.
    pub first: Timestamp,
}

/// Where messages go.
pub trait MessageSink {
    /// The next message.
    fn message(&mut self, at: At, message: RawMessage<'_>);
    /// Something was wrong, `n` times.
    fn trouble(&mut self, trouble: Trouble, n: u64);
}

/// A chunk's place: what the framer notes of a message's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Now.
    pub at: At,
    /// Capture time of the chunk.
    pub time: Timestamp,
}

/// A message whose header is known.
#[derive(Debug)]
struct Body {
    header: Header,
    offset: u64,
    first: Timestamp,
    /// Payload bytes that are past, missing ones included.
    got: u32,
    missing: u32,
    ticket: Option<Ticket>,
    /// The header may be of the old form: decided when the payload is there.
    suspect: bool,
}

#[derive(Debug)]
enum State {
    /// Before a message; some bytes of its header may be here.
    Header { have: u8, bytes: [u8; HEADER], first: Timestamp },
    /// In its payload.
    Body(Body),
    /// Out of step, no candidate.
    Scan(Scan),
    /// Out of step, with what looks like a message.
    Candidate(Candidate),
}

const FRESH: State = State::Header { have: 0, bytes: [0; HEADER], first: Timestamp::from_nanos(0) };

/// Frames one direction of a v1 connection.
#[derive(Debug)]
pub struct Framer {
    state: State,
    /// Stream offset of the next byte.
    offset: u64,
    magic: Option<[u8; 4]>,
    /// The direction's `version` had a header without checksum.
    legacy: bool,
}

/// Bytes of a candidate that were accepted beyond the message itself.
type Leftover = (Vec<u8>, usize);

impl Framer {
    /// At the first byte of a connection on the network of `magic`.
    pub fn at_start(magic: [u8; 4]) -> Self {
        Self { state: FRESH, offset: 0, magic: Some(magic), legacy: false }
    }

    /// Somewhere in a connection, of the network of `magic` if that is known.
    pub fn in_the_middle(magic: Option<[u8; 4]>) -> Self {
        Self { state: State::Scan(Scan::default()), offset: 0, magic, legacy: false }
    }

    /// The network's magic, once known.
    pub fn magic(&self) -> Option<[u8; 4]> {
        self.magic
    }

    /// Tells the network, found on the other direction.
    pub fn learn_magic(&mut self, magic: [u8; 4]) {
        self.magic.get_or_insert(magic);
    }

    /// Whether it knows where the next message begins.
    pub fn in_step(&self) -> bool {
        matches!(self.state, State::Header { .. } | State::Body(_))
    }

    /// Whether it is examining what looks like a message.
    pub fn is_candidate(&self) -> bool {
        matches!(self.state, State::Candidate(_))
    }

    /// Bytes were left out, or may have been: looks for the next message.
    pub fn doubt(&mut self) {
        if !self.is_candidate() {
            self.state = State::Scan(Scan::default());
        }
    }

    /// Takes the next bytes. `magics` are those to look for while the network is not known.
    #[inline]
    pub fn data(
        &mut self,
        bytes: &[u8],
        place: Place,
        magics: &[[u8; 4]],
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) {
        self.offset = place.offset;
        let mut leftover = self.run(bytes, place, magics, pool, sink);
        // Not recursion: hostile bytes could nest as deep as they are long.
        while let Some((buffer, from)) = leftover {
            leftover = self.run(&buffer[from..], place, magics, pool, sink);
            pool.recycle(buffer);
        }
    }

    fn run(
        &mut self,
        mut bytes: &[u8],
        place: Place,
        magics: &[[u8; 4]],
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> Option<Leftover> {
        while !bytes.is_empty() {
            let before = bytes.len();
            let mut leftover = None;
            match &mut self.state {
                State::Header { .. } => bytes = self.header(bytes, place, pool, sink),
                State::Body(_) => bytes = self.body(bytes, place, pool, sink),
                State::Scan(scan) => {
                    let known = self.magic;
                    let (rest, found) = scan.run(bytes, known.as_ref().map_or(magics, std::slice::from_ref));
                    sink.trouble(Trouble::ScannedBytes, scan.take_passed());
                    if let Some(magic) = found {
                        let candidate =
                            Candidate::start(magic, self.offset + (bytes.len() - rest.len()) as u64 - 4, place, pool);
                        self.state = State::Candidate(candidate);
                    }
                    bytes = rest;
                }
                State::Candidate(_) => (bytes, leftover) = self.candidate(bytes, place, magics, pool, sink),
            }
            self.offset += (before - bytes.len()) as u64;
            if let Some((buffer, from)) = leftover {
                // These bytes were counted when they came in; they come in again now.
                self.offset -= (buffer.len() - from) as u64;
                if bytes.is_empty() {
                    return Some((buffer, from));
                }
                let mut buffer = buffer;
                buffer.extend_from_slice(bytes);
                return Some((buffer, from));
            }
        }
        None
    }

    /// Takes bytes of a header; returns the rest.
    #[inline]
    fn header<'a>(
        &mut self,
        input: &'a [u8],
        place: Place,
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> &'a [u8] {
        let State::Header { have, bytes, first } = &mut self.state else { return input };
        if *have == 0 {
            *first = place.time;
            if let Some(whole) = input.first_chunk::<HEADER>() {
                let header = Header::read(whole);
                return self.headed(header, place.time, self.offset, &input[HEADER..], input, place, pool, sink);
            }
        }
        let start = usize::from(*have);
        let n = input.len().min(HEADER - start);
        bytes[start..start + n].copy_from_slice(&input[..n]);
        *have += n as u8;
        let (have, bytes, first) = (usize::from(*have), *bytes, *first);
        let offset = self.offset - start as u64;
        if have >= LEGACY_HEADER && self.legacy && self.is_legacy_verack(&bytes) {
            self.state = FRESH;
            sink.trouble(Trouble::LegacyHeader, 1);
            emit(place.at, &Header::read(&bytes).without_checksum(), &[], offset, first, sink);
            return &input[LEGACY_HEADER - start..];
        }
        if have < HEADER {
            return &input[n..];
        }
        let header = Header::read(&bytes);
        self.headed(header, first, offset, &input[n..], &bytes, place, pool, sink)
    }

    fn is_legacy_verack(&self, bytes: &[u8; HEADER]) -> bool {
        let header = Header::read(bytes);
        Some(header.magic) == self.magic && header.is("verack") && header.length == 0
    }

    /// A whole header is here: `from` begins with it, `rest` is what follows in the input.
    #[inline]
    #[allow(clippy::too_many_arguments)] // the framer's whole surroundings, passed down one level
    fn headed<'a>(
        &mut self,
        header: Header,
        first: Timestamp,
        offset: u64,
        rest: &'a [u8],
        from: &[u8],
        place: Place,
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> &'a [u8] {
        let sound = if Some(header.magic) == self.magic { header.check() } else { Err(NotAHeader::Magic) };
        if let Err(why) = sound {
            sink.trouble(why.trouble(), 1);
            return self.lose_step(&from[..HEADER], rest, offset, place, pool, sink);
        }
        if header.may_be_legacy() {
            return self.suspect(header, first, offset, &from[LEGACY_HEADER..HEADER], rest, place, pool, sink);
        }
        let length = header.length as usize;
        if rest.len() >= length {
            self.state = FRESH;
            emit(place.at, &header, &rest[..length], offset, first, sink);
            return &rest[length..];
        }
        let ticket = pool.start(place.at.index);
        self.state =
            State::Body(Body { header, offset, first, got: 0, missing: 0, ticket: Some(ticket), suspect: false });
        rest
    }

    /// The header may have been one of 20 bytes: its last four bytes go to the payload until that is clear.
    #[allow(clippy::too_many_arguments)]
    fn suspect<'a>(
        &mut self,
        header: Header,
        first: Timestamp,
        offset: u64,
        tail: &[u8],
        rest: &'a [u8],
        place: Place,
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> &'a [u8] {
        if header.length == 0 {
            // A verack; `tail` is the magic of the next message.
            sink.trouble(Trouble::LegacyHeader, 1);
            emit(place.at, &header.without_checksum(), &[], offset, first, sink);
            let mut bytes = [0; HEADER];
            bytes[..tail.len()].copy_from_slice(tail);
            self.state = State::Header { have: tail.len() as u8, bytes, first: place.time };
            return rest;
        }
        let ticket = pool.start(place.at.index);
        pool.extend(&ticket, tail, header.length as usize + 4, place.at.index);
        let got = tail.len() as u32;
        self.state = State::Body(Body {
            header: header.without_checksum(),
            offset,
            first,
            got,
            missing: 0,
            ticket: Some(ticket),
            suspect: true,
        });
        rest
    }

    /// Takes bytes of a payload; returns the rest.
    fn body<'a>(
        &mut self,
        input: &'a [u8],
        place: Place,
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> &'a [u8] {
        let State::Body(body) = &mut self.state else { return input };
        let n = input.len().min((body.header.length - body.got) as usize);
        if let Some(ticket) = &body.ticket {
            if !pool.extend(ticket, &input[..n], body.header.length as usize, place.at.index) {
                body.ticket = None; // given up for the pool's cap; the rest is skipped by arithmetic
            }
        }
        body.got += n as u32;
        if body.got >= body.header.length {
            self.complete(place.at, pool, sink);
        }
        &input[n..]
    }

    /// The payload is past.
    fn complete(&mut self, at: At, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        let State::Body(body) = &mut self.state else { return };
        let payload = body.ticket.as_ref().and_then(|t| pool.bytes(t));
        if let (true, Some(payload)) = (body.suspect, payload) {
            if is_legacy_version(payload) {
                self.legacy = true;
                sink.trouble(Trouble::LegacyHeader, 1);
            } else if let Some(&checksum) = payload.first_chunk::<4>() {
                // A checksum that looked like a protocol version: four bytes are still to come.
                body.header.checksum = Some(checksum);
                body.suspect = false;
                body.got -= 4;
                if let Some(ticket) = &body.ticket {
                    pool.drop_front(ticket, 4);
                }
                return;
            }
        }
        let State::Body(body) = std::mem::replace(&mut self.state, FRESH) else { return };
        if let Some(payload) = body.ticket.as_ref().and_then(|t| pool.finish(t)) {
            emit(at, &body.header, &payload, body.offset, body.first, sink);
            pool.recycle(payload);
        } else {
            emit_truncated(at, &body, sink);
        }
    }

    /// Bytes of the stream are missing (R60, R61).
    pub fn gap(&mut self, at: At, gap: &Gap, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        match &mut self.state {
            State::Body(body) => {
                let left = body.header.length - body.got;
                let inside = if gap.known { gap.len.min(u64::from(left)) as u32 } else { left };
                if let Some(ticket) = body.ticket.take() {
                    pool.abandon(&ticket); // a payload with a hole in it is of no use
                }
                body.suspect = false;
                body.missing += inside;
                body.got += inside;
                if body.got >= body.header.length {
                    self.complete(at, pool, sink);
                    if !gap.known || gap.len > u64::from(left) {
                        self.lost(pool, sink);
                    }
                }
            }
            State::Header { .. } | State::Candidate(_) => self.lost(pool, sink),
            State::Scan(scan) => *scan = Scan::default(),
        }
    }

    fn lost(&mut self, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        if let State::Candidate(c) = &self.state {
            c.abandon(pool);
        }
        sink.trouble(Trouble::LostHeader, 1);
        self.state = State::Scan(Scan::default());
    }

    /// The stream ends.
    pub fn finish(&mut self, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        match &self.state {
            State::Header { have: 0, .. } | State::Scan(_) => {}
            State::Header { .. } => sink.trouble(Trouble::UnfinishedMessage, 1),
            State::Body(body) => {
                sink.trouble(Trouble::UnfinishedMessage, 1);
                if let Some(ticket) = &body.ticket {
                    pool.abandon(ticket);
                }
            }
            State::Candidate(c) => c.abandon(pool),
        }
        self.state = FRESH;
    }

    /// `head` should have been a header: looks for one from its second byte on.
    fn lose_step<'a>(
        &mut self,
        head: &[u8],
        rest: &'a [u8],
        offset: u64,
        place: Place,
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> &'a [u8] {
        let known = self.magic;
        let magics = known.as_ref().map_or(&[][..], std::slice::from_ref);
        let mut scan = Scan::default();
        let (tail, found) = scan.run(&head[1..], magics);
        sink.trouble(Trouble::ScannedBytes, 1 + scan.take_passed());
        self.state = match found {
            None => State::Scan(scan),
            Some(magic) => {
                let candidate = Candidate::start(magic, offset + (head.len() - tail.len()) as u64 - 4, place, pool);
                candidate.push(tail, place, pool);
                State::Candidate(candidate)
            }
        };
        rest
    }

    /// Takes bytes for a candidate; returns the rest, and what a buffer held beyond an accepted message.
    fn candidate<'a>(
        &mut self,
        input: &'a [u8],
        place: Place,
        magics: &[[u8; 4]],
        pool: &mut GatherPool,
        sink: &mut impl MessageSink,
    ) -> (&'a [u8], Option<Leftover>) {
        let State::Candidate(candidate) = &mut self.state else { return (input, None) };
        let known = self.magic;
        let magics = known.as_ref().map_or(magics, std::slice::from_ref);
        let (rest, verdict) = candidate.take(input, place, magics, pool, sink);
        let Some(verdict) = verdict else { return (rest, None) };
        let offset = candidate.offset();
        match verdict {
            Verdict::Nothing(scan) => {
                self.state = State::Scan(scan);
                (rest, None)
            }
            Verdict::Message { header, buffer, first } => {
                self.state = FRESH;
                self.magic = Some(header.magic);
                self.legacy |= header.checksum.is_none();
                let end = header.bytes() + header.length as usize;
                sink.trouble(Trouble::Resynchronised, 1);
                if header.checksum.is_none() {
                    sink.trouble(Trouble::LegacyHeader, 1);
                }
                emit(place.at, &header, &buffer[header.bytes()..end], offset, first, sink);
                if buffer.len() > end {
                    return (rest, Some((buffer, end)));
                }
                pool.recycle(buffer);
                (rest, None)
            }
        }
    }
}

impl NotAHeader {
    fn trouble(self) -> Trouble {
        match self {
            Self::Magic => Trouble::BadMagic,
            Self::Command => Trouble::BadCommand,
            Self::Length => Trouble::Oversize,
        }
    }
}

#[inline]
fn emit(at: At, header: &Header, payload: &[u8], offset: u64, first: Timestamp, sink: &mut impl MessageSink) {
    let hash = sha256d(payload);
    let checksum_valid = header.checksum.is_none_or(|c| hash.0[..4] == c);
    if !checksum_valid {
        sink.trouble(Trouble::BadMessageChecksum, 1);
    }
    sink.message(
        at,
        RawMessage { header: *header, payload, truncated: false, missing: 0, hash, checksum_valid, offset, first },
    );
}

fn emit_truncated(at: At, body: &Body, sink: &mut impl MessageSink) {
    sink.trouble(Trouble::Truncated, 1);
    let Body { header, offset, first, missing, .. } = *body;
    sink.message(
        at,
        RawMessage {
            header,
            payload: &[],
            truncated: true,
            missing,
            hash: Hash256::default(),
            checksum_valid: false,
            offset,
            first,
        },
    );
}

#[cfg(test)]
#[path = "framer_tests.rs"]
mod tests;
