//! The framer out of step: what it does with what [`resync`](crate::message::resync) tells.

use super::{Around, FRESH, Framer, MessageSink, Place, State, emit};
use crate::message::header::HEADER;
use crate::message::resync::{Candidate, Look, Scan, look};
use crate::message::trouble::Trouble;
use crate::time::Timestamp;

impl Framer {
    /// `head`, split over chunks, should have been a header: looks for one from its second byte on.
    pub(super) fn lose_step(
        &mut self,
        head: &[u8],
        first: Timestamp,
        offset: u64,
        a: &mut Around<'_, impl MessageSink>,
    ) {
        let known = self.magic;
        let mut scan = Scan::default();
        let (tail, found) = scan.run(&head[1..], known.as_slice());
        a.sink.trouble(Trouble::ScannedBytes, 1 + scan.take_passed());
        self.state = if found.is_some() {
            let from = head.len() - tail.len() - 4;
            let place = Place { offset: offset + from as u64, time: first, ..a.place };
            State::Candidate(Candidate::start(&head[from..], place, HEADER, a.pool))
        } else {
            State::Scan(scan)
        };
    }

    /// Out of step: looks for the next message; returns what follows it, or what was looked at.
    pub(super) fn search<'b>(&mut self, bytes: &'b [u8], a: &mut Around<'_, impl MessageSink>) -> &'b [u8] {
        let State::Scan(scan) = &mut self.state else { return bytes };
        let known = self.magic;
        let (behind, found) = scan.run(bytes, known.as_ref().map_or(a.magics, std::slice::from_ref));
        a.sink.trouble(Trouble::ScannedBytes, scan.take_passed());
        let Some(magic) = found else { return behind };
        let past = bytes.len() - behind.len();
        let Some(from) = past.checked_sub(4) else {
            // The magic lies across the seam of two chunks.
            let place = Place { offset: (self.offset + past as u64).saturating_sub(4), ..a.place };
            self.state = State::Candidate(Candidate::start(&magic, place, HEADER, a.pool));
            return behind;
        };
        let bytes = &bytes[from..];
        let place = Place { offset: self.offset + from as u64, ..a.place };
        match look(bytes) {
            Look::Needs(needs) if !a.last => {
                self.state = State::Candidate(Candidate::start(bytes, place, needs, a.pool));
                &[]
            }
            look => &bytes[self.judge(look, bytes, place, a.sink)..],
        }
    }

    /// Acts on what `bytes`, which begin with a magic at `place`, are; returns how many of them are past.
    fn judge(&mut self, look: Look, bytes: &[u8], place: Place, sink: &mut impl MessageSink) -> usize {
        match look {
            Look::Message(header) => {
                let end = header.bytes() + header.length as usize;
                self.state = FRESH;
                self.magic = Some(header.magic);
                sink.trouble(Trouble::Resynchronised, 1);
                self.note_form(&header, sink);
                emit(place.at, &header, &bytes[header.bytes()..end], place.offset, place.time, sink);
                end
            }
            Look::No(_) | Look::Needs(_) => {
                let work = if let Look::No(work) = look { work } else { 0 };
                let pass = if self.budget.take(work as u64, place.offset) { 1 } else { HEADER + work };
                sink.trouble(Trouble::FalseHeader, 1);
                sink.trouble(Trouble::ScannedBytes, pass as u64);
                self.state = State::Scan(Scan::default());
                pass
            }
        }
    }

    /// It is clear what the candidate is: goes through its bytes.
    pub(super) fn go_through(&mut self, look: Look, a: &mut Around<'_, impl MessageSink>) {
        let State::Candidate(candidate) = std::mem::replace(&mut self.state, State::Scan(Scan::default())) else {
            return;
        };
        let Candidate { offset, first, .. } = candidate;
        let Some(buffer) = candidate.finish(a.pool) else {
            a.sink.trouble(Trouble::ScannedBytes, self.offset.saturating_sub(offset));
            return;
        };
        let past = self.judge(look, &buffer, Place { offset, time: first, ..a.place }, a.sink);
        self.offset = offset + past as u64;
        // The walk reaches the end: only what lies across two chunks makes it stop before.
        self.walk(&buffer[past..], a);
        a.pool.recycle(buffer);
    }
}
