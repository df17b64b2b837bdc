//! What SYN, SYN-ACK and RST do to a conversation that is known already.

use super::anomaly::Anomaly;
use super::conversation::{Flow, State};
use super::handler::RoleEvidence;
use super::key::Side;
use super::limits::FAR;
use crate::decode::segment::{Flags, Segment};
use crate::decode::seq::SeqNum;
use crate::health::Tally;

/// What to do with a segment that carries SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynOutcome {
    /// It belongs to this conversation: go on with its acknowledgment and data.
    Belongs,
    /// It opens a new conversation on the same addresses and ports (R14).
    Reused,
    /// It fits nothing: ignore it.
    Ignored,
}

/// Bytes beyond the SYN that a SYN-ACK may acknowledge: data of TCP Fast Open (RFC 7413).
const FAST_OPEN_DATA: i64 = 65_535;

impl<S> Flow<S> {
    /// Places a SYN or SYN-ACK (R13, R14, R16).
    pub(super) fn syn(&mut self, side: Side, segment: &Segment<'_>, tally: &mut Tally<Anomaly>) -> SynOutcome {
        let origin = segment.seq.plus(1);
        let own = &self.halves[side as usize];
        if own.origin == Some(origin) {
            let (initiator, evidence) = if segment.flags.has(Flags::ACK) {
                (side.other(), RoleEvidence::SynAck)
            } else {
                (side, RoleEvidence::Syn)
            };
            // The start may be known from the other side's SYN-ACK, or from data: then this is the first copy.
            if self.conversation.evidence < evidence {
                self.learn_roles(initiator, evidence, tally);
            } else {
                tally.count(Anomaly::SynRetransmission);
            }
            return SynOutcome::Belongs;
        }
        if segment.flags.has(Flags::ACK) {
            self.syn_ack(side, segment, tally)
        } else {
            self.bare_syn(side, segment, tally)
        }
    }

    fn bare_syn(&mut self, side: Side, segment: &Segment<'_>, tally: &mut Tally<Anomaly>) -> SynOutcome {
        let own = &self.halves[side as usize];
        // A SYN-ACK captured first may acknowledge data of the SYN too (TCP Fast Open): the stream starts before it.
        let fast_open =
            |start| own.is_untouched() && SeqNum::distance_from(start, segment.seq) == segment.payload_len as i32 + 1;
        if self.state != State::Embryonic || !own.origin.is_none_or(fast_open) {
            return SynOutcome::Reused;
        }
        // Simultaneous open (RFC 9293 figure 7), or a SYN captured after its SYN-ACK.
        self.halves[side as usize].begin(segment.seq.plus(1));
        self.learn_roles(side, RoleEvidence::Syn, tally);
        SynOutcome::Belongs
    }

    fn syn_ack(&mut self, side: Side, segment: &Segment<'_>, tally: &mut Tally<Anomaly>) -> SynOutcome {
        let other = &self.halves[side.other() as usize];
        let acknowledges = other.offset(segment.ack).is_none_or(|o| (0..=FAST_OPEN_DATA).contains(&o));
        match self.state {
            State::Closed(_) => SynOutcome::Reused,
            // Data of the other side may have been captured before this.
            State::Open if acknowledges && self.halves[side as usize].origin.is_none() => {
                self.halves[side as usize].begin(segment.seq.plus(1));
                self.learn_roles(side.other(), RoleEvidence::SynAck, tally);
                SynOutcome::Belongs
            }
            State::Embryonic if acknowledges => {
                self.halves[side as usize].begin(segment.seq.plus(1));
                self.halves[side.other() as usize].begin_if_unknown(segment.ack);
                self.learn_roles(side.other(), RoleEvidence::SynAck, tally);
                SynOutcome::Belongs
            }
            _ => {
                tally.count(Anomaly::SynAckMismatch);
                SynOutcome::Ignored
            }
        }
    }

    /// The initiator's acknowledgment chooses among several SYN-ACKs: `ack` is where the responder's stream
    /// begins, when that does not fit the last SYN-ACK seen.
    pub(super) fn choose_syn_ack(&mut self, initiator: Side, ack: SeqNum) {
        let responder = &mut self.halves[initiator.other() as usize];
        if responder.offset(ack).is_some_and(|o| !(0..=FAR).contains(&o)) {
            responder.begin(ack);
        }
    }
}
