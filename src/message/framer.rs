//! From one direction's bytes to messages.
//!
//! In step, a message that lies in one chunk is handed over where it lies;
//! one that spans chunks is gathered. A gap inside a payload is skipped by
//! arithmetic (R61). Out of step (joined in the middle, a header lost, garbage)
//! [`resync`](super::resync) finds the next message.
//!
//! Contract: any bytes in any cut give the same messages; nothing panics; work
//! is linear in the bytes, memory is the pool's. Only times depend on the cut: a
//! message that was found inside a false one has the time at which that was clear.

use super::gather::{GatherPool, Ticket};
use super::hash::{Hash256, sha256d};
use super::header::{HEADER, Head, Header, LEGACY_LOOK, NotAHeader, head};
use super::network::Network;
use super::resync::{Budget, Candidate, Look, Scan};
use super::trouble::Trouble;
use crate::flow::{At, Gap};
use crate::time::Timestamp;

mod search;

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

/// What the framer works with while it goes through some bytes.
struct Around<'a, S> {
    place: Place,
    /// Magics to look for while the network is not known.
    magics: &'a [[u8; 4]],
    /// Nothing will follow that a candidate could wait for.
    last: bool,
    pool: &'a mut GatherPool,
    sink: &'a mut S,
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
}

#[derive(Debug)]
enum State {
    /// Before a message; some bytes of its header may be here.
    Header { have: u8, bytes: [u8; LEGACY_LOOK], first: Timestamp },
    /// In its payload.
    Body(Body),
    /// Out of step, no candidate.
    Scan(Scan),
    /// Out of step, with what looks like a message.
    Candidate(Candidate),
}

const FRESH: State = State::Header { have: 0, bytes: [0; LEGACY_LOOK], first: Timestamp::from_nanos(0) };

/// Frames one direction of a v1 connection.
#[derive(Debug)]
pub struct Framer {
    state: State,
    /// Stream offset of the next byte.
    offset: u64,
    magic: Option<[u8; 4]>,
    /// The direction's `version` had a header without checksum.
    legacy: bool,
    budget: Budget,
}

impl Framer {
    /// At the first byte of a connection on the network of `magic`.
    pub fn at_start(magic: [u8; 4]) -> Self {
        Self { state: FRESH, offset: 0, magic: Some(magic), legacy: false, budget: Budget::default() }
    }

    /// Somewhere in a connection, of the network of `magic` if that is known.
    pub fn in_the_middle(magic: Option<[u8; 4]>) -> Self {
        Self { state: State::Scan(Scan::default()), offset: 0, magic, legacy: false, budget: Budget::default() }
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
    pub fn doubt(&mut self, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        match &mut self.state {
            // A candidate is judged by its checksum: bytes that were left out show there.
            State::Candidate(_) => return,
            State::Header { have, .. } => sink.trouble(Trouble::ScannedBytes, u64::from(*have)),
            State::Body(body) => {
                sink.trouble(Trouble::UnfinishedMessage, 1);
                body.ticket.take().inspect(|t| pool.abandon(t));
            }
            State::Scan(scan) => sink.trouble(Trouble::ScannedBytes, scan.take_all()),
        }
        self.state = State::Scan(Scan::default());
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
        let mut a = Around { place, magics, last: false, pool, sink };
        let mut rest = self.walk(bytes, &mut a);
        while let (false, State::Candidate(candidate)) = (rest.is_empty(), &mut self.state) {
            let (behind, clear) = candidate.take(rest, place, a.pool);
            self.offset += (rest.len() - behind.len()) as u64;
            rest = behind;
            if let Some(look) = clear {
                self.go_through(look, &mut a);
                rest = self.walk(rest, &mut a);
            }
        }
    }

    /// Goes through `bytes` up to their end, or up to a candidate that needs more; returns the rest.
    #[inline]
    fn walk<'b>(&mut self, mut bytes: &'b [u8], a: &mut Around<'_, impl MessageSink>) -> &'b [u8] {
        while !bytes.is_empty() {
            let rest = match &self.state {
                State::Header { .. } => self.header(bytes, a),
                State::Body(_) => self.body(bytes, a),
                State::Scan(_) => self.search(bytes, a),
                State::Candidate(_) => return bytes,
            };
            self.offset += (bytes.len() - rest.len()) as u64;
            bytes = rest;
        }
        bytes
    }

    /// Takes bytes of a header; returns the rest.
    #[inline]
    fn header<'b>(&mut self, input: &'b [u8], a: &mut Around<'_, impl MessageSink>) -> &'b [u8] {
        let State::Header { have, bytes, first } = &mut self.state else { return input };
        if *have > 0 {
            return self.split_header(input, a);
        }
        match head(input, self.magic, self.legacy) {
            Head::Sound(header) => self.headed(header, a.place.time, self.offset, &[], &input[header.bytes()..], a),
            Head::Unsound(why) => {
                a.sink.trouble(why.trouble(), 1);
                a.sink.trouble(Trouble::ScannedBytes, 1);
                self.state = State::Scan(Scan::default());
                &input[1..]
            }
            Head::Needs(_) => {
                bytes[..input.len()].copy_from_slice(input);
                (*have, *first) = (input.len() as u8, a.place.time);
                &[]
            }
        }
    }

    /// Takes bytes of a header that began in an earlier chunk; returns the rest.
    fn split_header<'b>(&mut self, mut input: &'b [u8], a: &mut Around<'_, impl MessageSink>) -> &'b [u8] {
        let (magic, legacy) = (self.magic, self.legacy);
        let State::Header { have, bytes, first } = &mut self.state else { return input };
        let start = self.offset.saturating_sub(u64::from(*have));
        loop {
            let n = usize::from(*have);
            match head(&bytes[..n], magic, legacy) {
                Head::Needs(_) if input.is_empty() => return input,
                Head::Needs(needs) => {
                    // One at a time where the old form of 20 bytes may be complete before the new one.
                    let step = if legacy { 1 } else { needs - n };
                    let (some, behind) = input.split_at(step.min(input.len()));
                    bytes[n..n + some.len()].copy_from_slice(some);
                    *have += some.len() as u8;
                    input = behind;
                }
                Head::Sound(header) => {
                    let (bytes, first) = (*bytes, *first);
                    return self.headed(header, first, start, &bytes[header.bytes()..n], input, a);
                }
                Head::Unsound(why) => {
                    let (bytes, first) = (*bytes, *first);
                    a.sink.trouble(why.trouble(), 1);
                    self.lose_step(&bytes[..n], first, start, a);
                    return input;
                }
            }
        }
    }

    /// A whole header is here. Behind it come `early`, which were needed to tell its form, then `rest`.
    #[inline]
    fn headed<'b>(
        &mut self,
        header: Header,
        first: Timestamp,
        offset: u64,
        early: &[u8],
        rest: &'b [u8],
        a: &mut Around<'_, impl MessageSink>,
    ) -> &'b [u8] {
        self.note_form(&header, a.sink);
        let length = header.length as usize;
        if early.is_empty() && rest.len() >= length {
            self.state = FRESH;
            emit(a.place.at, &header, &rest[..length], offset, first, a.sink);
            return &rest[length..];
        }
        if length == 0 {
            // An old verack, told by the next message's magic.
            emit(a.place.at, &header, &[], offset, first, a.sink);
            let mut bytes = [0; LEGACY_LOOK];
            bytes[..early.len()].copy_from_slice(early);
            self.state = State::Header { have: early.len() as u8, bytes, first: a.place.time };
            return rest;
        }
        let now = a.place.at.index;
        let ticket = a.pool.start(now);
        if !early.is_empty() {
            a.pool.extend(&ticket, early, length, now);
        }
        let got = early.len() as u32;
        self.state = State::Body(Body { header, offset, first, got, missing: 0, ticket: Some(ticket) });
        if got >= header.length {
            self.complete(a);
        }
        rest
    }

    /// Notes a header without checksum.
    #[inline]
    fn note_form(&mut self, header: &Header, sink: &mut impl MessageSink) {
        if header.checksum.is_none() {
            self.legacy = true;
            sink.trouble(Trouble::LegacyHeader, 1);
        }
    }

    /// Takes bytes of a payload; returns the rest.
    fn body<'b>(&mut self, input: &'b [u8], a: &mut Around<'_, impl MessageSink>) -> &'b [u8] {
        let State::Body(body) = &mut self.state else { return input };
        let n = input.len().min((body.header.length - body.got) as usize);
        let total = body.header.length as usize;
        let kept = body.ticket.as_ref().is_some_and(|t| a.pool.extend(t, &input[..n], total, a.place.at.index));
        if !kept {
            body.ticket = None; // given up for the pool's cap; the rest is skipped by arithmetic
        }
        body.got += n as u32;
        if body.got >= body.header.length {
            self.complete(a);
        }
        &input[n..]
    }

    /// The payload is past.
    fn complete(&mut self, a: &mut Around<'_, impl MessageSink>) {
        let State::Body(body) = std::mem::replace(&mut self.state, FRESH) else { return };
        if let Some(payload) = body.ticket.as_ref().and_then(|t| a.pool.finish(t)) {
            emit(a.place.at, &body.header, &payload, body.offset, body.first, a.sink);
            a.pool.recycle(payload);
        } else {
            emit_truncated(a.place.at, &body, a.sink);
        }
    }

    /// Bytes of the stream are missing (R60, R61).
    pub fn gap(&mut self, at: At, gap: &Gap, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        let mut a = self.at_end(at, pool, sink);
        self.decide(&mut a);
        match &mut self.state {
            State::Body(body) => {
                let left = body.header.length - body.got;
                let inside = if gap.known { gap.len.min(u64::from(left)) as u32 } else { left };
                // A payload with a hole in it is of no use.
                body.ticket.take().inspect(|t| a.pool.abandon(t));
                body.missing += inside;
                body.got += inside;
                if body.got >= body.header.length {
                    self.complete(&mut a);
                    if !gap.known || gap.len > u64::from(left) {
                        self.lose_header(a.sink);
                    }
                }
            }
            State::Header { .. } => self.lose_header(a.sink),
            State::Scan(scan) => a.sink.trouble(Trouble::ScannedBytes, scan.take_all()),
            State::Candidate(_) => {}
        }
    }

    /// The next header is in a gap, or cut by it.
    fn lose_header(&mut self, sink: &mut impl MessageSink) {
        if let State::Header { have, .. } = self.state {
            sink.trouble(Trouble::ScannedBytes, u64::from(have));
        }
        sink.trouble(Trouble::LostHeader, 1);
        self.state = State::Scan(Scan::default());
    }

    /// Nothing follows the bytes that are here.
    fn at_end<'a, S>(&self, at: At, pool: &'a mut GatherPool, sink: &'a mut S) -> Around<'a, S> {
        let place = Place { offset: self.offset, at, time: at.time };
        Around { place, magics: &[], last: true, pool, sink }
    }

    /// Nothing follows the bytes that are here: what was waited for is decided now.
    fn decide(&mut self, a: &mut Around<'_, impl MessageSink>) {
        if let State::Candidate(candidate) = &self.state {
            // A message of a network that nobody told us of can only be a neighbour of the candidate.
            let own = candidate.magic(a.pool);
            let magics: Vec<_> = Network::NAMED.iter().map(|n| n.magic()).chain(own).collect();
            self.go_through(Look::No(0), &mut Around { magics: &magics, pool: a.pool, sink: a.sink, ..*a });
        }
        if let State::Header { have, bytes, first } = self.state {
            let n = usize::from(have);
            if let (true, Some(header)) = (n >= HEADER, bytes.first_chunk()) {
                // Its form is open: the current one, which nearly all have.
                let start = self.offset.saturating_sub(n as u64);
                self.headed(Header::read(header), first, start, &bytes[HEADER..n], &[], a);
            }
        }
    }

    /// The stream ends.
    pub fn finish(&mut self, at: At, pool: &mut GatherPool, sink: &mut impl MessageSink) {
        let mut a = self.at_end(at, pool, sink);
        self.decide(&mut a);
        match &mut self.state {
            State::Header { have: 0, .. } => {}
            State::Header { .. } => a.sink.trouble(Trouble::UnfinishedMessage, 1),
            State::Body(body) => {
                a.sink.trouble(Trouble::UnfinishedMessage, 1);
                body.ticket.take().inspect(|t| a.pool.abandon(t));
            }
            State::Scan(scan) => a.sink.trouble(Trouble::ScannedBytes, scan.take_all()),
            State::Candidate(c) => c.abandon(a.pool),
        }
        self.state = FRESH;
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
pub(super) mod tests;
