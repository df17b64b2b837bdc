//! Encrypted connections: read by the lengths of their segments.

use super::{Connection, Connections, Phase};
use crate::flow::{At, Chunk, Conversation, Side, Span};
use crate::message::event::What;
use crate::message::transport::Transport;
use crate::message::v2::{Decoder, Estimate};

impl Connections {
    /// Reads an encrypted connection by the lengths of its segments.
    pub(super) fn lengths(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side, span: &Span) {
        let caller = matches!(s.phase, Phase::Opening(_)).then_some(c.initiator);
        let Self { model, scratch, .. } = self;
        if s.v2.is_none() {
            let mut decoder = Decoder::new(caller);
            // What came before it was clear that there is something to be read.
            if let Phase::Opening(openings) = &s.phase {
                for early in Side::BOTH {
                    let o = &openings[early as usize];
                    let Some((at, time)) = o.first else { continue };
                    let len = if early == side { o.total - span.len } else { o.total };
                    if len > 0 {
                        let span = Span { offset: 0, len, time, starts_segment: true, pushed: true };
                        decoder.span(model, scratch, (early, &span, at.index));
                    }
                }
            }
            s.v2 = Some(decoder);
        }
        if let Some(v2) = &mut s.v2 {
            // Most segments are only kept.
            if v2.span(model, scratch, (side, span, at.index)) {
                self.tell(at, c, s);
            }
        }
    }

    /// Passes on what was just decided.
    #[inline]
    pub(super) fn tell(&mut self, at: At, c: &Conversation, s: &mut Connection) {
        let told = self.told(at, c, s);
        if !told.is_empty() {
            self.push(at, c, What::Estimates(told));
        }
    }

    /// Takes what was just decided, by the call before this one.
    #[inline]
    pub(super) fn told(&mut self, at: At, c: &Conversation, s: &mut Connection) -> Box<[Estimate]> {
        if self.scratch.told.is_empty() {
            return Box::default();
        }
        let told = self.scratch.told.as_slice().into();
        self.scratch.told.clear();
        // Joined in the middle: nothing shows better what it is.
        self.settle(at, c, s, Transport::V2);
        told
    }
}

/// The outline of `chunk`.
pub(super) fn span(chunk: &Chunk<'_>) -> Span {
    let Chunk { offset, bytes, time, starts_segment, pushed } = *chunk;
    Span { offset, len: bytes.len() as u64, time, starts_segment, pushed }
}
