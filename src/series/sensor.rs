//! `sensor`: what the sensor itself saw, skipped and lost, and why.

use super::Kind::Exact;
use super::delivery::{self, Delivery, Loss};
use super::{Cadence, Column, Series, Value, integer};
use crate::decode::{Note, SkipReason};
use crate::flow::{Anomaly, GapCause};
use crate::health::{Tally, Vocabulary};
use crate::message::trouble::Trouble;
use crate::node::chain::Doubt;
use crate::node::trouble as node;
use crate::time::Timestamp;

/// The description.
pub const SENSOR: Series = Series {
    name: "sensor",
    cadence: Cadence::Interval,
    help: "What the sensor saw, skipped and lost, and why; cumulative since it started. The tag `node` is empty: the figures are of the whole capture.",
    columns: &COLUMNS,
};

const FIXED: [Column; 8] = [
    integer("frames", Exact, "frames", "Frames captured."),
    integer("frame_bytes", Exact, "bytes", "Their bytes on the wire."),
    integer("frames_used", Exact, "frames", "Frames that gave a TCP segment."),
    integer("interface_drops", Exact, "frames", "Frames that the interface dropped, as far as the capture tells."),
    integer("kernel_drops", Exact, "frames", "Frames that the capturing system dropped, as far as the capture tells."),
    integer("connections", Exact, "connections", "TCP conversations known now, of any protocol."),
    integer("held_bytes", Exact, "bytes", "Bytes held back now beyond holes in streams, overhead included."),
    integer(
        "clock_steps",
        Exact,
        "steps",
        "Times at which the capture's clock jumped by more than a day, or back by more than 10 s.",
    ),
];

const WIDTH: usize = FIXED.len()
    + SkipReason::COLUMNS.len()
    + Note::COLUMNS.len()
    + Anomaly::COLUMNS.len()
    + 2 * GapCause::COLUMNS.len()
    + Trouble::COLUMNS.len()
    + node::Trouble::COLUMNS.len()
    + Doubt::COLUMNS.len()
    + delivery::FIXED.len()
    + Loss::COLUMNS.len();

/// The fixed columns and one for each entry of the vocabularies.
const COLUMNS: [Column; WIDTH] = {
    let mut all = [FIXED[0]; WIDTH];
    let mut n = 0;
    while n < FIXED.len() {
        all[n] = FIXED[n];
        n += 1;
    }
    n = fill(&mut all, n, SkipReason::COLUMNS, "frames");
    n = fill(&mut all, n, Note::COLUMNS, "frames");
    n = fill(&mut all, n, Anomaly::COLUMNS, "events");
    n = fill(&mut all, n, GapCause::COLUMNS, "gaps");
    n = fill(&mut all, n, GAP_BYTES, "bytes");
    n = fill(&mut all, n, Trouble::COLUMNS, "events");
    n = fill(&mut all, n, node::Trouble::COLUMNS, "events");
    n = fill(&mut all, n, Doubt::COLUMNS, "events");
    let mut i = 0;
    while i < delivery::FIXED.len() {
        all[n] = delivery::FIXED[i];
        n += 1;
        i += 1;
    }
    n = fill(&mut all, n, Loss::COLUMNS, "points");
    assert!(n == WIDTH);
    all
};

/// The gap causes again, for their bytes.
const GAP_BYTES: &[(&str, &str)] = crate::flow::anomaly::GapBytes::COLUMNS;

const fn fill(
    all: &mut [Column; WIDTH],
    start: usize,
    entries: &'static [(&'static str, &'static str)],
    unit: &'static str,
) -> usize {
    let mut i = 0;
    while i < entries.len() {
        all[start + i] = integer(entries[i].0, Exact, unit, entries[i].1);
        i += 1;
    }
    start + i
}

/// Everything the stages before the node count.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames captured.
    pub frames: u64,
    /// Their bytes on the wire.
    pub frame_bytes: u64,
    /// Frames that gave a segment.
    pub used: u64,
    /// Frames the interface dropped.
    pub interface_drops: u64,
    /// Frames the capturing system dropped.
    pub kernel_drops: u64,
    /// Jumps of the capture's clock.
    pub clock_steps: u64,
    /// Time of the first frame.
    pub first: Option<Timestamp>,
    /// Time of the newest frame.
    pub last: Option<Timestamp>,
    /// Why frames were skipped.
    pub skipped: Tally<SkipReason>,
    /// What else decoding saw.
    pub notes: Tally<Note>,
    /// Of the flow and message stages.
    pub streams: StreamCounters,
}

/// What the workers count.
#[derive(Clone, Debug, Default)]
pub struct StreamCounters {
    /// Conversations known.
    pub conversations: u64,
    /// Bytes held back.
    pub held_bytes: u64,
    /// TCP oddities.
    pub anomalies: Tally<Anomaly>,
    /// Gaps by cause.
    pub gaps: Tally<GapCause>,
    /// Bytes of gaps by cause.
    pub gap_bytes: Tally<GapCause>,
    /// Message stream troubles.
    pub troubles: Tally<Trouble>,
}

impl StreamCounters {
    /// Adds another worker's counts.
    pub fn merge(&mut self, other: &Self) {
        self.conversations += other.conversations;
        self.held_bytes += other.held_bytes;
        self.anomalies.merge(&other.anomalies);
        self.gaps.merge(&other.gaps);
        self.gap_bytes.merge(&other.gap_bytes);
        self.troubles.merge(&other.troubles);
    }
}

/// A point's values; `delivery` is absent in replays.
pub fn values(
    c: &Counters,
    node: &Tally<node::Trouble>,
    chain: &Tally<Doubt>,
    delivery: Option<&Delivery>,
) -> Vec<Value> {
    fn counts<V: Vocabulary>(tally: &Tally<V>) -> impl Iterator<Item = Value> + '_ {
        tally.iter().map(|(_, n)| Value::from(n))
    }
    let s = &c.streams;
    let fixed = [
        c.frames,
        c.frame_bytes,
        c.used,
        c.interface_drops,
        c.kernel_drops,
        s.conversations,
        s.held_bytes,
        c.clock_steps,
    ];
    (fixed.into_iter().map(Value::from))
        .chain(counts(&c.skipped))
        .chain(counts(&c.notes))
        .chain(counts(&s.anomalies))
        .chain(counts(&s.gaps))
        .chain(counts(&s.gap_bytes))
        .chain(counts(&s.troubles))
        .chain(counts(node))
        .chain(counts(chain))
        .chain(delivery::values(delivery))
        .collect()
}
