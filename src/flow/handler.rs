//! What comes out of the flow stage: the trait that gives streams a meaning.

use super::anomaly::{CloseReason, GapCause};
use super::key::Side;
use crate::time::Timestamp;
use std::net::SocketAddr;

/// Number of a frame in the capture, the only order there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketIndex(pub u64);

/// Where in the capture something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The frame that caused it.
    pub index: PacketIndex,
    /// That frame's capture time.
    pub time: Timestamp,
}

/// How well it is known who opened a conversation (R11), weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleEvidence {
    /// The sender of the first segment seen is taken for the initiator.
    FirstPacket,
    /// The responder is the one with a service port.
    Port,
    /// A SYN-ACK was seen.
    SynAck,
    /// The SYN was seen.
    Syn,
}

/// A conversation as its handler sees it.
#[derive(Clone, Copy, Debug)]
pub struct Conversation {
    /// Unique and the same in every run: the frame that opened it.
    pub id: PacketIndex,
    /// Both ends, in the order of [`Side`].
    pub endpoints: [SocketAddr; 2],
    /// Who opened it.
    pub initiator: Side,
    /// How that is known.
    pub evidence: RoleEvidence,
    /// Capture time of the first segment.
    pub started: Timestamp,
}

/// Bytes of a stream in order, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Stream offset of the first byte.
    pub offset: u64,
    /// The bytes, never empty.
    pub bytes: &'a [u8],
    /// When the segment that carried them was captured (earlier than now when it was held back).
    pub time: Timestamp,
    /// Whether the chunk begins where its segment's payload began.
    pub starts_segment: bool,
    /// Whether the chunk ends its segment, and that had PSH set.
    pub pushed: bool,
}

/// A stretch of a stream in order of which only the outline is told ([`Action::Measure`]): one segment's payload, or
/// the new part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Stream offset of the first byte.
    pub offset: u64,
    /// Bytes by the IP length, more than 0, whatever the capture cut.
    pub len: u64,
    /// When the segment was captured (earlier than now when it was held back).
    pub time: Timestamp,
    /// Whether the span begins where its segment's payload began.
    pub starts_segment: bool,
    /// Whether the span ends its segment, and that had PSH set.
    pub pushed: bool,
}

/// Bytes of a stream that will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Stream offset of the first missing byte.
    pub offset: u64,
    /// Missing bytes; 0 when the number is not known.
    pub len: u64,
    /// Whether `len` is known.
    pub known: bool,
    /// Why.
    pub cause: GapCause,
}

/// What the handler wants of a direction from here on, most first: less can be asked for at any time, more never again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// More data.
    #[default]
    Deliver,
    /// Only tell where segments begin and end; held-back data is freed at once, its boundaries are kept.
    Measure,
    /// Only count its bytes; held-back data is freed at once (R49).
    Count,
}

/// Cumulative figures of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionStats {
    /// Segments, duplicates of one frame left out.
    pub packets: u64,
    /// IP total lengths of those.
    pub wire_bytes: u64,
    /// Unique payload bytes in order, seen on the wire.
    pub payload_bytes: u64,
    /// Payload bytes seen again.
    pub retransmitted_bytes: u64,
    /// Gaps.
    pub gaps: u64,
    /// Bytes in gaps of known size.
    pub gap_bytes: u64,
}

/// Gives the two byte streams of a conversation a meaning.
///
/// Calls for one conversation come in capture order. After [`StreamHandler::closed`] nothing follows but
/// [`StreamHandler::progress`] and, when an RST turns out to be forged, [`StreamHandler::revived`].
pub trait StreamHandler {
    /// State of one conversation.
    type Stream;

    /// A conversation begins. Cheap: a SYN flood calls it for every SYN.
    fn open(&mut self, at: At, conversation: &Conversation) -> Self::Stream;

    /// The handshake is complete, or the conversation was joined in the middle. Once, and before everything
    /// but data of a SYN (TCP Fast Open, R15).
    fn established(&mut self, at: At, conversation: &Conversation, stream: &mut Self::Stream);

    /// The next bytes from `side`.
    fn data(
        &mut self,
        at: At,
        conversation: &Conversation,
        stream: &mut Self::Stream,
        side: Side,
        chunk: Chunk<'_>,
    ) -> Action;

    /// The next segment from `side`, of a direction that is only measured. In order, like data.
    fn measured(
        &mut self,
        _at: At,
        _conversation: &Conversation,
        _stream: &mut Self::Stream,
        _side: Side,
        _span: Span,
    ) -> Action {
        Action::Count
    }

    /// Bytes from `side` are missing.
    fn gap(&mut self, at: At, conversation: &Conversation, stream: &mut Self::Stream, side: Side, gap: Gap) -> Action;

    /// The same, also for a direction that is only counted: for figures by cause.
    fn missing(&mut self, _gap: &Gap) {}

    /// `side` will send no more (FIN in order).
    fn half_closed(&mut self, at: At, conversation: &Conversation, stream: &mut Self::Stream, side: Side);

    /// The conversation ended.
    fn closed(&mut self, at: At, conversation: &Conversation, stream: &mut Self::Stream, reason: CloseReason);

    /// It did not: the RST was forged.
    fn revived(&mut self, at: At, conversation: &Conversation, stream: &mut Self::Stream);

    /// Figures of a conversation that had segments since the last tick, at each tick and before it is forgotten.
    fn progress(&mut self, at: At, conversation: &Conversation, stream: &mut Self::Stream, stats: &[DirectionStats; 2]);

    /// The figures of these come next. What they are made of lies far apart in memory when there are thousands of them:
    /// who looks at it here has it fetched side by side, not one after the other. It must not panic: nobody could be blamed.
    fn ahead<'a>(&self, _streams: impl Iterator<Item = &'a Self::Stream> + Clone)
    where
        Self::Stream: 'a,
    {
    }

    /// One second of capture time has passed; after all else that it brings.
    fn tick(&mut self) {}

    /// Whether the conversation wants [`StreamHandler::progress`] at the next tick also when no segment comes.
    fn waits(&self, _stream: &Self::Stream) -> bool {
        false
    }
}
