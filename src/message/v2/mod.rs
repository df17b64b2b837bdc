//! What an encrypted connection (BIP 324) tells by sizes, order and time.
//!
//! The contents cannot be read. But a node writes each message by itself, so
//! that segments begin and end where messages do, a packet is exactly 20 bytes
//! longer than its contents, and the protocol says what may follow what. From
//! that [`Decoder`] infers each message's type, length and number of entries,
//! with a confidence: everything here is *estimated*.
//!
//! Reading order: [`kind`], [`size`] (which messages may have a length),
//! [`state`] (what was said, what is owed; [`accounts`]), [`counts`] and [`model`] (habits
//! learnt from recordings: `table.txt`), [`situation`] (how probable each message is now), [`ways`] (what a write may be),
//! [`beam`] (which readings are kept), [`reader`] (what is decided). How well
//! it does, and what defeats it: `docs/v2.md`.
//!
//! Contract: no bytes are kept; at most 8 KiB a connection; nothing depends on
//! anything but the segments and the ticks of this one connection, so that the
//! results are the same in every run. Nothing is said of a connection before
//! its lengths have shown that it is one of Bitcoin.

pub mod accounts;
pub mod beam;
pub mod counts;
pub mod kind;
pub mod model;
pub mod reader;
pub mod situation;
pub mod size;
pub mod state;
pub mod ways;

use self::beam::Scratch;
use self::counts::Writer;
use self::kind::Kind;
use self::model::Model;
use self::reader::{Reader, Segment, UNREAD};
use self::state::State;
use crate::flow::{Gap, PacketIndex, Side, Span};
use crate::time::Timestamp;
use std::hint::black_box;

/// A message, as far as sizes, order and time tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Who sent it.
    pub side: Side,
    /// What it is.
    pub kind: Kind,
    /// Stream offset of its first byte; the key begins at 0.
    pub offset: u64,
    /// Bytes on the wire, 20 of framing included.
    pub len: u32,
    /// Entries of a list; 1 for other messages.
    pub entries: u32,
    /// When its last byte was captured.
    pub time: Timestamp,
    /// In which frame.
    pub index: PacketIndex,
    /// How sure that is, thousandths.
    pub confidence: u16,
}

impl Estimate {
    /// Bytes of its payload: less framing and type.
    pub fn payload_bytes(&self) -> u32 {
        let has_short =
            self.kind.command().and_then(crate::message::command::Command::spec).is_some_and(|s| s.v2_type.is_some());
        self.len - size::PACKET - if has_short { 1 } else { 13 }
    }
}

/// The encrypted messages of one connection: what is decided of them, once it is believed, is in [`Scratch::told`].
///
/// What reads it is in a box, which has to come from far in memory where there are thousands of connections. A segment only
/// asks for what is here: it is put into the box without a look.
pub struct Decoder {
    /// Segments that wait to be read.
    new: u8,
    waits: bool,
    reader: Box<Reader>,
}

impl Decoder {
    /// A connection whose first byte is seen, made by `caller`, or one joined in the middle.
    pub fn new(caller: Option<Side>) -> Self {
        Self { new: 0, waits: false, reader: Box::new(Reader::new(caller)) }
    }

    /// Whether its lengths have shown that it is a Bitcoin connection.
    pub fn is_believed(&self) -> bool {
        self.reader.is_believed()
    }

    /// Whether there are messages that time alone will decide.
    #[inline]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Memory that it has, bytes.
    pub fn allocated(&self) -> usize {
        size_of::<Self>() + self.reader.allocated()
    }

    /// Whose habits `side` has, as far as its handshake told, by the segments that were read.
    pub fn writer(&self, side: Side) -> Writer {
        self.reader.writer(side)
    }

    /// What it is most probably at, by the segments that were read.
    pub fn state(&self) -> Option<&State> {
        self.reader.state()
    }

    /// Takes the next segment of `side`; it is read with the next ones, at the latest at the next tick. Returns whether that
    /// was now: then something may have been decided.
    #[inline]
    pub fn span(
        &mut self,
        model: &Model,
        scratch: &mut Scratch,
        (side, span, index): (Side, &Span, PacketIndex),
    ) -> bool {
        let len = u32::try_from(span.len).unwrap_or(u32::MAX);
        let Span { offset, time, pushed, .. } = *span;
        let end = offset + span.len;
        self.reader.keep(self.new, Segment { end, time, index, len, side, pushed, lost: false });
        self.kept(model, scratch)
    }

    /// Bytes of `side` are missing; `time` is when that became clear. Returns what [`Self::span`] does.
    pub fn gap(
        &mut self,
        model: &Model,
        scratch: &mut Scratch,
        (side, gap, time, index): (Side, &Gap, Timestamp, PacketIndex),
    ) -> bool {
        if !gap.known || gap.len == 0 || gap.len > u64::from(size::LONGEST) {
            self.read(model, scratch);
            self.reader.restart(side, time);
            return true;
        }
        let end = gap.offset + gap.len;
        let len = gap.len as u32;
        self.reader.keep(self.new, Segment { end, time, index, len, side, pushed: false, lost: true });
        self.kept(model, scratch)
    }

    /// One more waits.
    #[inline]
    fn kept(&mut self, model: &Model, scratch: &mut Scratch) -> bool {
        self.new += 1;
        let is_full = usize::from(self.new) == UNREAD;
        if is_full {
            self.read(model, scratch);
        }
        is_full
    }

    /// Looks at what waits to be read, so that it is at hand when its turn comes; what is told means nothing.
    #[inline]
    pub fn look(&self) -> u32 {
        self.reader.look(self.new)
    }

    /// The same with what [`Decoder::look`] found the place of.
    #[inline]
    pub fn look_further(&self) -> u32 {
        self.reader.look_further()
    }

    /// Reads the segments that wait.
    #[inline(never)] // it is seldom their turn
    fn read(&mut self, model: &Model, scratch: &mut Scratch) {
        // What a fault has left there is of another connection.
        scratch.told.clear();
        black_box(self.look_further());
        self.reader.read(model, scratch, std::mem::take(&mut self.new));
        self.waits = self.reader.waits();
    }

    /// One second of capture time has passed.
    pub fn tick(&mut self, model: &Model, scratch: &mut Scratch, time: Timestamp) {
        scratch.told.clear();
        self.reader.tick(model, scratch, (std::mem::take(&mut self.new), time));
        self.waits = self.reader.waits();
    }

    /// The connection ends: everything is decided.
    pub fn finish(&mut self, model: &Model, scratch: &mut Scratch) {
        self.read(model, scratch);
        self.reader.finish(scratch);
        self.waits = self.reader.waits();
    }
}

#[cfg(test)]
mod tests;
