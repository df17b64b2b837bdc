//! One direction of a conversation: sequence numbers to stream offsets, data in order, holes.
//!
//! Offsets are 64 bits wide and start at 0 with the first byte after the SYN,
//! or with the first byte seen of a conversation joined in the middle.

use super::anomaly::{Anomaly, GapCause};
use super::checksums::ChecksumSample;
use super::delivered::{Copy, Delivered};
use super::duplicate::RecentFrames;
use super::gap::HoleClock;
use super::handler::{Action, Chunk, DirectionStats, Gap, Span};
use super::limits::{FAR, FAR_AGREE, Limits, PAWS_IDLE};
use super::ooo::{OooBuffer, Piece};
use crate::decode::segment::{Flags, Segment};
use crate::decode::seq::{SeqNum, StreamOffset, tsval_distance};
use crate::health::Tally;
use crate::time::Timestamp;

/// Where a direction's stream goes: the handler in the program, a recorder in tests.
pub trait Output {
    /// The next bytes.
    fn data(&mut self, chunk: Chunk<'_>) -> Action;
    /// The outline of the next bytes, in a direction that is only measured.
    fn measured(&mut self, _span: Span) -> Action {
        Action::Count
    }
    /// Bytes that will never come.
    fn gap(&mut self, gap: Gap) -> Action;
    /// The same, also for a direction that is only counted.
    fn missing(&mut self, _gap: &Gap) {}
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub struct Half {
    /// Sequence number of stream offset 0, once known.
    pub(super) origin: Option<SeqNum>,
    /// Offset of the next byte to deliver.
    pub(super) next: u64,
    /// Offset after the highest byte seen.
    pub(super) highest: u64,
    /// Offset of the FIN: the stream's length.
    pub(super) fin: Option<u64>,
    /// The FIN has been reached in order.
    pub(super) finished: bool,
    /// The handler knows.
    pub(super) told: bool,
    /// Highest offset the receiver has acknowledged.
    pub(super) acked: u64,
    /// Whether the receiver acknowledged anything at all.
    pub(super) any_ack: bool,
    /// Scaled receive window the receiver last advertised, when its scale is known.
    pub(super) window: Option<u32>,
    /// Window scale of the segments that this side sends.
    pub(super) scale: Option<u8>,
    /// Segments with data, for the grace of a hole.
    pub(super) data_segments: u64,
    pub(super) ooo: OooBuffer,
    pub(super) hole: HoleClock,
    pub(super) recent: RecentFrames,
    pub(super) checksums: ChecksumSample,
    pub(super) delivered: Delivered,
    pub(super) stats: DirectionStats,
    /// Newest TCP timestamp in order.
    pub(super) tsval: Option<u32>,
    /// When it was seen.
    tsval_at: Timestamp,
    far: Option<(SeqNum, u8)>,
    wanted: Action,
}

impl Half {
    /// Whether the stream waits at a hole.
    ///
    /// One acknowledged number beyond all data may be that of a FIN that was not captured: not yet a hole.
    #[inline]
    pub fn has_hole(&self) -> bool {
        !self.ooo.is_empty()
            || (self.any_ack && self.acked > self.next + u64::from(self.fin.is_none()))
            || self.fin.is_some_and(|f| f > self.next)
    }

    /// Whether no byte has been placed yet, so that the start may still move.
    pub(super) fn is_untouched(&self) -> bool {
        self.next == 0 && self.ooo.is_empty()
    }

    /// Sets where the stream begins; only before any byte has been placed.
    pub(super) fn begin(&mut self, origin: SeqNum) {
        if self.is_untouched() {
            self.origin = Some(origin);
        }
    }

    /// Sets where the stream begins when nothing is known of it.
    pub(super) fn begin_if_unknown(&mut self, origin: SeqNum) {
        self.origin.get_or_insert(origin);
    }

    /// Stream offset of `seq`.
    #[inline]
    pub(super) fn offset(&self, seq: SeqNum) -> Option<i64> {
        self.origin.map(|o| StreamOffset::of(seq, o, self.next))
    }

    /// Takes a segment's payload: delivers it, holds it back, or counts why not.
    pub(super) fn segment(
        &mut self,
        s: &Segment<'_>,
        time: Timestamp,
        limits: &Limits,
        tally: &mut Tally<Anomaly>,
        out: &mut impl Output,
    ) {
        let seq = if s.flags.has(Flags::SYN) { s.seq.plus(1) } else { s.seq };
        if self.origin.is_none() {
            self.origin = Some(seq);
        }
        let len = u64::from(s.payload_len);
        let Some(mut start) = self.offset(seq) else { return };
        if len > 0 {
            self.data_segments += 1;
            if (start - self.next as i64).abs() > FAR {
                if self.finished {
                    tally.count(Anomaly::AfterFin);
                    return;
                }
                if !self.agrees_on_far(seq, s.payload_len) {
                    tally.count(Anomaly::OutsideWindow);
                    return;
                }
                self.resync(seq, out);
                start = self.next as i64;
            }
            self.far = None;
            if self.is_old(s, start, len, time) {
                tally.count(Anomaly::OldTimestamp);
                return;
            }
            self.place(s, start, time, limits, tally, out);
        }
        // A receiver ignores FIN on a SYN.
        if s.flags.has(Flags::FIN) && !s.flags.has(Flags::SYN) {
            if (start - self.next as i64).abs() > FAR {
                tally.count(Anomaly::OutsideWindow);
                return;
            }
            self.fin_at(start + len as i64, tally);
        }
        self.reach_fin();
    }

    fn place(
        &mut self,
        s: &Segment<'_>,
        start: i64,
        time: Timestamp,
        limits: &Limits,
        tally: &mut Tally<Anomaly>,
        out: &mut impl Output,
    ) {
        let end = start + i64::from(s.payload_len);
        let sum = self.checksums.payload();
        if start < self.next as i64 && end > 0 && !self.is_keep_alive(start, s.payload_len) {
            self.compare(start, end, sum, tally);
        }
        if end <= self.next as i64 {
            self.seen_before(start, s.payload_len, tally);
            return;
        }
        // Bytes before offset 0 belong to the time before a conversation was joined.
        let before = (-start).max(0) as u64;
        if before > 0 {
            tally.count(Anomaly::BeforeStart);
        }
        let mut piece = Piece {
            start: start.max(0) as u64,
            end: end as u64,
            bytes: s.payload.get(before as usize..).unwrap_or_default(),
            time,
            starts_segment: before == 0,
            pushed: s.flags.has(Flags::PSH),
        };
        if let Some(fin) = self.fin.filter(|&f| piece.end > f) {
            tally.count(Anomaly::AfterFin);
            if fin <= piece.start {
                return;
            }
            piece = piece.cut(piece.start, fin);
            if piece.end <= self.next {
                return;
            }
        }
        if piece.start < self.next {
            tally.count(Anomaly::PartialRetransmission);
            self.stats.retransmitted_bytes += self.next - piece.start;
            piece = piece.cut(self.next, piece.end);
        }
        self.highest = self.highest.max(piece.end);
        if piece.start == self.next && self.ooo.first().is_none_or(|f| f >= piece.end) {
            self.remember_timestamp(s, time);
            if let Some(sum) = sum.filter(|_| piece.starts_segment && piece.end == end as u64) {
                self.delivered.note(piece.start, s.payload_len, sum);
            }
            self.deliver(&piece, out);
        } else {
            if piece.start == self.next {
                self.remember_timestamp(s, time);
            } else {
                tally.count(Anomaly::OutOfOrder);
                self.hole.opened(time);
            }
            let inserted = self.ooo.insert(&piece, self.wanted);
            self.stats.retransmitted_bytes += inserted.seen_again;
            tally.add(Anomaly::OverlapConflict, inserted.conflicting);
        }
        self.drain(out);
        while self.ooo.allocated() > limits.held_bytes || self.ooo.segments() > limits.held_segments {
            self.skip_hole(GapCause::BufferCap, u64::MAX, out);
        }
    }

    /// Whether what was delivered already and comes again says the same (R33).
    fn compare(&self, start: i64, end: i64, sum: Option<u32>, tally: &mut Tally<Anomaly>) {
        let len = (end - start) as u32;
        match self.delivered.compare(start as u64, len, sum) {
            Copy::Same => {}
            Copy::Differs => tally.count(Anomaly::RetransmissionConflict),
            Copy::Unchecked => {
                tally.add(Anomaly::RetransmissionUnchecked, (end.min(self.next as i64) - start.max(0)) as u64);
            }
        }
    }

    /// A probe of at most one byte, just before the next expected one (R34).
    fn is_keep_alive(&self, start: i64, len: u32) -> bool {
        len <= 1 && start == self.next as i64 - 1
    }

    /// A segment without a new byte: keep-alive, bytes before the start, or retransmission.
    fn seen_before(&mut self, start: i64, len: u32, tally: &mut Tally<Anomaly>) {
        if self.is_keep_alive(start, len) {
            tally.count(Anomaly::KeepAlive);
        } else if start < 0 {
            tally.count(Anomaly::BeforeStart);
        } else {
            tally.count(Anomaly::Retransmission);
            self.stats.retransmitted_bytes += u64::from(len);
        }
    }

    /// Delivers `piece`, which starts at the next offset, and what the capture cut of it as a gap.
    fn deliver(&mut self, piece: &Piece<'_>, out: &mut impl Output) {
        let captured = piece.bytes.len() as u64;
        let len = piece.end - piece.start;
        let offset = self.next;
        self.next = piece.end;
        self.stats.payload_bytes += len;
        if self.wanted != Action::Deliver {
            if self.wanted == Action::Measure {
                let Piece { time, starts_segment, pushed, .. } = *piece;
                let action = out.measured(Span { offset, len, time, starts_segment, pushed });
                self.obey(action);
            }
            return;
        }
        let mut action = Action::Deliver;
        if captured > 0 {
            let Piece { bytes, time, starts_segment, .. } = *piece;
            action = out.data(Chunk { offset, bytes, time, starts_segment, pushed: piece.pushed && captured == len });
        }
        self.obey(action);
        if captured < len && action != Action::Count {
            let (offset, len) = (offset + captured, len - captured);
            self.lack(Gap { offset, len, known: true, cause: GapCause::SnapLength }, out);
        }
    }

    /// Counts a gap and tells of it.
    fn lack(&mut self, gap: Gap, out: &mut impl Output) {
        self.stats.gaps += 1;
        self.stats.gap_bytes += gap.len;
        out.missing(&gap);
        if self.wanted != Action::Count {
            let action = out.gap(gap);
            self.obey(action);
        }
    }

    fn obey(&mut self, action: Action) {
        // Bytes that were let go do not come back.
        if action > self.wanted {
            self.wanted = action;
            self.ooo.forget_bytes(action);
        }
    }

    /// Delivers what is held back and has come into order.
    fn drain(&mut self, out: &mut impl Output) {
        if self.ooo.first().is_some_and(|f| f <= self.next) {
            for h in self.ooo.take_contiguous(self.next) {
                let (start, end) = (h.start, h.end);
                let piece = Piece {
                    start,
                    end,
                    bytes: &h.bytes,
                    time: h.time,
                    starts_segment: h.starts_segment,
                    pushed: h.pushed,
                };
                if end > self.next {
                    let piece = if start < self.next { piece.cut(self.next, end) } else { piece };
                    self.deliver(&piece, out);
                }
            }
            self.hole.closed();
        }
        self.reach_fin();
    }

    /// Gives up the hole at the next offset: a gap up to the first held-back byte, at most up to `limit`.
    ///
    /// Without held-back data the gap ends at `limit` (the receiver acknowledged what was never captured).
    pub(super) fn skip_hole(&mut self, cause: GapCause, limit: u64, out: &mut impl Output) {
        let end = self.ooo.first().unwrap_or(u64::MAX).min(limit).min(self.fin.unwrap_or(u64::MAX));
        if end == u64::MAX {
            return;
        }
        if end > self.next {
            let gap = Gap { offset: self.next, len: end - self.next, known: true, cause };
            self.next = end;
            self.highest = self.highest.max(end);
            self.lack(gap, out);
        }
        self.hole.closed();
        self.drain(out);
    }

    /// Gives up every hole before held-back data, so that none is held back.
    pub(super) fn release(&mut self, cause: GapCause, out: &mut impl Output) {
        while let Some(first) = self.ooo.first() {
            self.skip_hole(cause, first, out);
        }
    }

    /// Gives up every hole (R44): nothing more will come.
    pub(super) fn flush(&mut self, cause: GapCause, out: &mut impl Output) {
        self.release(cause, out);
        // One acknowledged number beyond the data may be that of a FIN that was not captured.
        let acked = if self.fin.is_none() && self.any_ack && self.acked > self.next + 1 { self.acked } else { 0 };
        let end = self.fin.unwrap_or(acked);
        if end > self.next {
            self.skip_hole(cause, end, out);
        }
        self.reach_fin();
    }

    fn fin_at(&mut self, offset: i64, tally: &mut Tally<Anomaly>) {
        let offset = offset.max(0) as u64;
        match self.fin {
            None if offset >= self.next => {
                self.fin = Some(offset);
                // The acknowledgment of the FIN may have been captured before it (R41).
                self.acked = self.acked.min(offset);
                if self.ooo.truncate(offset) > 0 {
                    tally.count(Anomaly::AfterFin);
                }
            }
            Some(fin) if fin == offset => {}
            _ => tally.count(Anomaly::FinMoved),
        }
    }

    fn reach_fin(&mut self) {
        self.finished |= self.fin.is_some_and(|f| self.next >= f);
    }

    /// PAWS (R38, RFC 7323 section 5): new bytes under a timestamp older than the newest in order, by more than one tick.
    fn is_old(&self, s: &Segment<'_>, start: i64, len: u64, time: Timestamp) -> bool {
        let (Some(tsval), Some(recent)) = (s.tsval, self.tsval) else { return false };
        start + len as i64 > self.next as i64
            && time.since(self.tsval_at) < PAWS_IDLE
            && tsval_distance(tsval, recent) < -1
    }

    /// Only a segment at the left edge sets the timestamp to compare with (RFC 7323 section 4.3).
    #[inline]
    fn remember_timestamp(&mut self, s: &Segment<'_>, time: Timestamp) {
        let Some(tsval) = s.tsval else { return };
        let newer = |recent| tsval_distance(tsval, recent) >= 0 || time.since(self.tsval_at) >= PAWS_IDLE;
        if self.tsval.is_none_or(newer) {
            (self.tsval, self.tsval_at) = (Some(tsval), time);
        }
    }

    /// Counts far segments that follow one another; true when enough agree on the new place (R37).
    fn agrees_on_far(&mut self, seq: SeqNum, len: u32) -> bool {
        // Each must lie after the one before: the same segment again is no further evidence.
        let follows = |expected: SeqNum| (0..=1_048_576).contains(&seq.distance_from(expected));
        let agree = match self.far {
            Some((expected, n)) if follows(expected) => n + 1,
            _ => 1,
        };
        self.far = Some((seq.plus(len), agree));
        agree >= FAR_AGREE
    }

    /// Goes on at `seq`: forward by a gap of known size, else (a jump back, or by more than 2³¹) by one of unknown size.
    fn resync(&mut self, seq: SeqNum, out: &mut impl Output) {
        // A FIN that has not been reached belongs to the old place.
        self.fin = None;
        self.flush(GapCause::Resync, out);
        self.tsval = None;
        let distance = self.offset(seq).unwrap_or(0) - self.next as i64;
        let known = distance > 0;
        let len = distance.max(0) as u64;
        if !known {
            self.origin = Some(SeqNum(seq.0.wrapping_sub(self.next as u32)));
        }
        let gap = Gap { offset: self.next, len, known, cause: GapCause::Resync };
        self.next += len;
        self.highest = self.next;
        self.acked = self.acked.min(self.next);
        self.lack(gap, out);
    }
}

#[cfg(test)]
#[path = "half_tests.rs"]
mod tests;
