//! What one segment does to its conversation: acknowledgment, data, FIN and RST of both directions.

use super::anomaly::{Anomaly, CloseReason};
use super::conversation::{Flow, State};
use super::half::Half;
use super::handler::{At, DirectionStats, StreamHandler};
use super::key::Side;
use super::limits::Config;
use crate::decode::segment::{Flags, Segment};
use crate::health::Tally;

#[inline]
pub(super) fn count_frame(half: &mut Half, segment: &Segment<'_>) {
    half.stats.packets += 1;
    half.stats.wire_bytes += u64::from(segment.ip_len);
}

#[inline]
pub(super) fn figures<S>(flow: &Flow<S>) -> [DirectionStats; 2] {
    [flow.halves[0].stats, flow.halves[1].stats]
}

#[inline]
pub(super) fn held_bytes<S>(flow: &Flow<S>) -> usize {
    flow.halves[0].ooo.allocated() + flow.halves[1].ooo.allocated()
}

/// A segment of a running conversation: acknowledgment, data, FIN, holes of both directions.
#[inline]
pub(super) fn take<H: StreamHandler>(
    flow: &mut Flow<H::Stream>,
    at: At,
    side: Side,
    s: &Segment<'_>,
    config: &Config,
    tally: &mut Tally<Anomaly>,
    handler: &mut H,
) {
    let syn = s.flags.has(Flags::SYN);
    if !syn && !s.flags.has(Flags::ACK) {
        tally.add(Anomaly::NoAckFlag, u64::from(s.payload_len > 0 || s.flags.has(Flags::FIN)));
        return;
    }
    if flow.state == State::Embryonic && !syn && completes(flow, side, s) {
        if flow.conversation.initiator == side {
            flow.choose_syn_ack(side, s.ack);
        }
        flow.state = State::Open;
        flow.established = true;
        handler.established(at, &flow.conversation, &mut flow.stream);
    }
    if s.flags.has(Flags::ACK) {
        flow.halves[side.other() as usize].acknowledged(s.ack, tally);
    }
    if s.flags.has(Flags::URG) && s.payload_len > 0 {
        tally.count(Anomaly::UrgentData);
    }
    let (half, mut out) = flow.split(at, side, handler);
    if s.payload_len > 0 || s.flags.has(Flags::FIN) {
        half.segment(s, at.time, &config.limits, tally, &mut out);
    } else if half.next > 0 && half.offset(s.seq) == Some(half.next as i64 - 1) {
        tally.count(Anomaly::KeepAlive);
    }
    flow.check_hole(at, side, config, handler);
    flow.check_hole(at, side.other(), config, handler);
    finish_halves(flow, at, handler);
}

/// Whether `s`, which is no SYN, shows the handshake to be complete: the initiator's acknowledgment, data, or
/// an acknowledgment after the SYNs of both.
fn completes<S>(flow: &Flow<S>, side: Side, s: &Segment<'_>) -> bool {
    flow.conversation.initiator == side
        || s.payload_len > 0
        || s.flags.has(Flags::FIN)
        || flow.halves.iter().all(|h| h.origin.is_some())
}

/// Notes directions that have reached their FIN, and the end when both have.
#[inline]
pub(super) fn finish_halves<H: StreamHandler>(flow: &mut Flow<H::Stream>, at: At, handler: &mut H) {
    if !(flow.halves[0].finished || flow.halves[1].finished) || matches!(flow.state, State::Closed(_)) {
        return;
    }
    flow.state = State::Closing;
    for side in flow.sides() {
        let half = &mut flow.halves[side as usize];
        if half.finished && !half.told {
            half.told = true;
            handler.half_closed(at, &flow.conversation, &mut flow.stream, side);
        }
    }
    if flow.halves.iter().all(|h| h.finished) {
        flow.close(at, CloseReason::Fin, None, handler);
    }
}

pub(super) fn reset<H: StreamHandler>(
    flow: &mut Flow<H::Stream>,
    at: At,
    side: Side,
    s: &Segment<'_>,
    tally: &mut Tally<Anomaly>,
    handler: &mut H,
) {
    if s.payload_len > 0 {
        tally.count(Anomaly::RstPayload);
    }
    if matches!(flow.state, State::Closed(_)) {
        tally.count(Anomaly::AfterClose);
    } else if flow.believes_rst(side, s) {
        flow.close(at, CloseReason::Rst, Some(side), handler);
    } else {
        tally.count(Anomaly::RstOutsideWindow);
    }
}
