//! What SYN, SYN-ACK and RST do to a conversation that is known already.

use super::anomaly::Anomaly;
use super::conversation::{Flow, State};
use super::handler::RoleEvidence;
use super::key::Side;
use crate::decode::segment::{Flags, Segment};
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
            tally.count(Anomaly::SynRetransmission);
            return SynOutcome::Belongs;
        }
        if segment.flags.has(Flags::ACK) {
            self.syn_ack(side, segment, tally)
        } else {
            self.bare_syn(side, segment, tally)
        }
    }

    fn bare_syn(&mut self, side: Side, segment: &Segment<'_>, tally: &mut Tally<Anomaly>) -> SynOutcome {
        if self.halves[side as usize].origin.is_some() || self.state != State::Embryonic {
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
}
