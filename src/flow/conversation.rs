//! One conversation: two directions, who opened it, and its state.

use super::anomaly::{Anomaly, CloseReason, GapCause};
use super::half::{Half, Output};
use super::handler::{Action, At, Chunk, Conversation, Gap, RoleEvidence, Span, StreamHandler};
use super::key::{FlowKey, Side};
use super::limits::{Config, RST_WINDOW};
use crate::decode::segment::{Flags, Segment};
use crate::health::Tally;
use crate::time::Timestamp;

/// Where a conversation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A SYN or SYN-ACK was seen and nothing after it.
    Embryonic,
    /// Data may flow.
    Open,
    /// One side has sent FIN.
    Closing,
    /// Ended; still known for a while, so that late segments do not open a new one. Holds the sender of
    /// the RST, if one ended it, and when that was.
    Closed(Option<(Side, Timestamp)>),
}

/// A conversation and the state of its handler.
pub struct Flow<S> {
    /// Key in the table.
    pub key: FlowKey,
    /// What the handler is told of it.
    pub conversation: Conversation,
    /// Directions, by sender.
    pub halves: [Half; 2],
    /// The handler's state.
    pub stream: S,
    /// Where it is in its life.
    pub state: State,
    /// The handler knows that the handshake is complete, or that it was joined in the middle.
    pub established: bool,
    /// Capture time of the newest segment.
    pub last_seen: Timestamp,
    /// Has segments since the last tick.
    pub dirty: bool,
    /// Stands in the partition's list of conversations with a hole.
    pub waiting: bool,
}

/// One direction's way to the handler.
pub(super) struct Delivery<'a, H: StreamHandler> {
    pub handler: &'a mut H,
    pub conversation: &'a Conversation,
    pub stream: &'a mut H::Stream,
    pub at: At,
    pub side: Side,
}

impl<H: StreamHandler> Output for Delivery<'_, H> {
    #[inline]
    fn data(&mut self, chunk: Chunk<'_>) -> Action {
        self.handler.data(self.at, self.conversation, self.stream, self.side, chunk)
    }

    #[inline]
    fn measured(&mut self, span: Span) -> Action {
        self.handler.measured(self.at, self.conversation, self.stream, self.side, span)
    }

    fn missing(&mut self, gap: &Gap) {
        self.handler.missing(gap);
    }

    fn gap(&mut self, gap: Gap) -> Action {
        self.handler.gap(self.at, self.conversation, self.stream, self.side, gap)
    }
}

/// The conversation that `segment` from `side` begins, if it may begin one (R11, R12, R13).
pub(super) fn begins(
    at: At,
    key: &FlowKey,
    side: Side,
    segment: &Segment<'_>,
    config: &Config,
) -> Option<(Conversation, State)> {
    let conversation = |initiator, evidence| Conversation {
        id: at.index,
        endpoints: key.endpoints(),
        initiator,
        evidence,
        started: at.time,
    };
    if segment.flags.has(Flags::RST) {
        return None;
    }
    if segment.flags.has(Flags::SYN) {
        return Some(if segment.flags.has(Flags::ACK) {
            (conversation(side.other(), RoleEvidence::SynAck), State::Embryonic)
        } else {
            (conversation(side, RoleEvidence::Syn), State::Embryonic)
        });
    }
    let [low, high] = key.ports().map(|p| config.is_service(p));
    if !segment.flags.has(Flags::ACK) {
        return None;
    }
    let bare = segment.payload_len == 0;
    if bare && (segment.flags.has(Flags::FIN) || !(low || high)) {
        return None;
    }
    let (initiator, evidence) = match (low, high) {
        (true, false) => (Side::High, RoleEvidence::Port),
        (false, true) => (Side::Low, RoleEvidence::Port),
        _ => (side, RoleEvidence::FirstPacket),
    };
    Some((conversation(initiator, evidence), State::Open))
}

impl<S> Flow<S> {
    /// A way for data of `side` to `handler`, and that direction.
    pub(super) fn split<'a, H: StreamHandler<Stream = S>>(
        &'a mut self,
        at: At,
        side: Side,
        handler: &'a mut H,
    ) -> (&'a mut Half, Delivery<'a, H>) {
        let Self { halves, conversation, stream, .. } = self;
        (&mut halves[side as usize], Delivery { handler, conversation, stream, at, side })
    }

    /// Both sides, the initiator first: what happens to both at once does not depend on the addresses.
    pub(super) fn sides(&self) -> [Side; 2] {
        [self.conversation.initiator, self.conversation.initiator.other()]
    }

    /// Checks whether the hole of `side` is to be given up.
    #[inline]
    pub(super) fn check_hole<H: StreamHandler<Stream = S>>(
        &mut self,
        at: At,
        side: Side,
        config: &Config,
        handler: &mut H,
    ) {
        let (half, mut out) = self.split(at, side, handler);
        half.check_hole(at.time, &config.limits, &mut out);
    }

    /// Whether a direction waits at a hole.
    #[inline]
    pub fn has_hole(&self) -> bool {
        self.halves.iter().any(Half::has_hole)
    }

    /// Ends the conversation: the remaining holes in offset order, then the end (R44).
    pub(super) fn close<H: StreamHandler<Stream = S>>(
        &mut self,
        at: At,
        reason: CloseReason,
        rst: Option<Side>,
        handler: &mut H,
    ) {
        if matches!(self.state, State::Closed(_)) {
            return;
        }
        for side in self.sides() {
            let (half, mut out) = self.split(at, side, handler);
            half.flush(GapCause::AtClose, &mut out);
        }
        self.state = State::Closed(rst.map(|side| (side, at.time)));
        // Its figures first: who hears of the end wants to know what it was the end of.
        let stats = [self.halves[0].stats, self.halves[1].stats];
        handler.progress(at, &self.conversation, &mut self.stream, &stats);
        handler.closed(at, &self.conversation, &mut self.stream, reason);
    }

    /// Whether an RST from `side` may be the sender's own (R17): its number lies within what the receiver takes.
    pub(super) fn believes_rst(&self, side: Side, segment: &Segment<'_>) -> bool {
        let half = &self.halves[side as usize];
        let other = &self.halves[side.other() as usize];
        let Some(offset) = half.offset(segment.seq) else {
            // A refused connection: the RST acknowledges the SYN and has no number of its own.
            let answers = other.offset(segment.ack).is_none_or(|o| o >= 0 && o <= other.highest as i64 + 1);
            return !segment.flags.has(Flags::ACK) || answers;
        };
        let lowest = half.next.min(half.acked.max(1)) as i64 - 1;
        let highest = half.highest.max(half.acked) + half.window.map_or(RST_WINDOW, u64::from) + 1;
        (lowest..=highest as i64).contains(&offset)
    }

    /// Whether `segment` from `side` brings new bytes after an RST, and so shows that it was forged (R17).
    ///
    /// The sender of a real RST sends nothing more. The other side's bytes may have crossed it on the
    /// way, so they count only a second later.
    pub(super) fn disproves_rst(&self, at: At, side: Side, segment: &Segment<'_>) -> bool {
        let State::Closed(Some((sender, when))) = self.state else { return false };
        let half = &self.halves[side as usize];
        let carries_data = segment.flags.has(Flags::ACK) && segment.flags.0 & (Flags::SYN | Flags::RST) == 0;
        if !carries_data || half.finished {
            return false;
        }
        let Some(start) = half.offset(segment.seq) else { return false };
        let end = start + i64::from(segment.payload_len);
        let new =
            segment.payload_len > 0 && end > half.next as i64 && (start - half.next as i64).abs() <= RST_WINDOW as i64;
        new && (sender == side || at.time.since(when) > crate::time::SECOND)
    }

    /// Takes `segment`'s window for what its sender will accept.
    #[inline]
    pub(super) fn learn_window(&mut self, side: Side, segment: &Segment<'_>) {
        let own = &mut self.halves[side as usize];
        if segment.flags.has(Flags::SYN) {
            own.scale = Some(segment.window_scale.unwrap_or(0).min(14));
            // Windows are scaled only when both sides offer it (RFC 7323 section 2.2).
            if segment.flags.has(Flags::ACK) && segment.window_scale.is_none() {
                self.halves[side.other() as usize].scale = Some(0);
            }
            return;
        }
        if let Some(scale) = own.scale {
            self.halves[side.other() as usize].window = Some(u32::from(segment.window) << scale);
        }
    }

    /// Sets the roles from stronger evidence; they may be corrected once (R11).
    pub(super) fn learn_roles(&mut self, initiator: Side, evidence: RoleEvidence, tally: &mut Tally<Anomaly>) {
        let c = &mut self.conversation;
        if evidence > c.evidence {
            if c.initiator != initiator {
                tally.count(Anomaly::RoleCorrected);
            }
            c.initiator = initiator;
            c.evidence = evidence;
        }
    }
}
