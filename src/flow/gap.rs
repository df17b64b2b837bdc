//! When a hole is given up (R40…R43).
//!
//! A hole is a gap when the receiver has acknowledged bytes beyond its start
//! (so they arrived there, and only the capture lost them) and a grace has
//! passed: on a mirror port both directions come through different rings, and
//! the acknowledgment may be captured before the data it covers. When no
//! acknowledgment of the direction is ever captured, age alone decides.

use super::anomaly::{Anomaly, GapCause};
use super::half::{Half, Output};
use super::limits::{FAR, Limits};
use crate::decode::seq::SeqNum;
use crate::health::Tally;
use crate::time::Timestamp;

/// Ages of the hole at a direction's next offset. Boxed: few directions have a hole, and all have a clock.
#[derive(Clone, Debug, Default)]
pub struct HoleClock(Option<Box<Ages>>);

#[derive(Clone, Copy, Debug, Default)]
struct Ages {
    /// First segment beyond it.
    since: Option<Timestamp>,
    /// A running grace: since when, the direction's data segments by then, and how far the receiver had acknowledged.
    acked: Option<(Timestamp, u64, u64)>,
}

impl HoleClock {
    /// A segment arrived beyond the hole.
    pub fn opened(&mut self, time: Timestamp) {
        self.ages().since.get_or_insert(time);
    }

    /// The hole is filled or given up.
    #[inline]
    pub fn closed(&mut self) {
        self.0 = None;
    }

    fn ages(&mut self) -> &mut Ages {
        self.0.get_or_insert_default()
    }
}

impl Half {
    /// The receiver acknowledges `ack`.
    #[inline]
    pub(super) fn acknowledged(&mut self, ack: SeqNum, tally: &mut Tally<Anomaly>) {
        let Some(offset) = self.offset(ack) else { return };
        if offset > self.highest as i64 + FAR || offset < self.next as i64 - i64::from(i32::MAX) / 2 {
            tally.count(Anomaly::AckImplausible);
            return;
        }
        self.any_ack = true;
        let mut offset = offset.max(0) as u64;
        if let Some(fin) = self.fin {
            // The FIN takes one sequence number after the last byte. More than that shows that the receiver
            // went on beyond a FIN that it never took: the FIN was forged.
            if offset > fin + 1 && !self.finished {
                tally.count(Anomaly::FinMoved);
                self.fin = None;
            } else {
                offset = offset.min(fin);
            }
        }
        self.acked = self.acked.max(offset);
    }

    /// Gives up the hole when its time has come.
    #[inline]
    pub(super) fn check_hole(&mut self, time: Timestamp, limits: &Limits, out: &mut impl Output) {
        if self.origin.is_none() || !self.has_hole() {
            self.hole.closed();
            return;
        }
        if self.acked > self.next && self.any_ack {
            // The grace holds for all that was acknowledged when it began; what came since gets a grace of its own.
            let fresh = (time, self.data_segments, self.acked);
            let ages = self.hole.ages();
            let (since, segments, level) = *ages.acked.insert(ages.acked.filter(|g| g.2 > self.next).unwrap_or(fresh));
            if time.since(since) >= limits.ack_grace || self.data_segments - segments >= limits.ack_grace_segments {
                // What the receiver took under a timestamp that looked old was not old.
                self.tsval = None;
                while self.next < level && self.has_hole() {
                    let before = self.next;
                    self.skip_hole(GapCause::Acked, level, out);
                    if self.next == before {
                        break;
                    }
                }
            }
        } else {
            let ages = self.hole.ages();
            ages.acked = None;
            let since = *ages.since.get_or_insert(time);
            if !self.any_ack && time.since(since) >= limits.one_sided {
                self.skip_hole(GapCause::OneSided, u64::MAX, out);
            }
        }
    }
}
