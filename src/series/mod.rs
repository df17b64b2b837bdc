//! The series: one file a series, the list [`SERIES`], points.
//!
//! A series is described once, here: its columns with type, kind, unit and
//! help. The store's tables, `btcdmon series` and `docs/series.md` are made
//! from this description.

pub mod announcements;
pub mod bandwidth;
pub mod blocks;
pub mod delivery;
pub mod matches;
pub mod mempool;
pub mod msg;
pub mod peers;
pub mod ping;
pub mod processed_blocks;
pub mod reference;
pub mod sensor;
pub mod tx;
pub mod tx_fees;
pub mod tx_inputs;
pub mod tx_outputs;
pub mod visibility;

use crate::time::Timestamp;

/// How a figure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Read off the wire.
    Exact,
    /// From observable behaviour, by the rule in the column's help.
    Inferred,
    /// Statistical.
    Estimated,
}

/// Type of a column; it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Signed 64-bit integer.
    Integer,
    /// Double.
    Float,
    /// Boolean (0 or 1 in the store).
    Boolean,
    /// Text, control characters escaped.
    Text,
}

/// One column of a series.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the store and in every export.
    pub name: &'static str,
    /// Type.
    pub kind_of_value: Type,
    /// Whether it is exact, inferred or estimated.
    pub kind: Kind,
    /// Unit (`bytes`, `messages`, …), empty for text and booleans.
    pub unit: &'static str,
    /// Whether it is a tag (part of the key of a point).
    pub tag: bool,
    /// What it means, one or two sentences, with its rule when it is inferred.
    pub help: &'static str,
}

/// One value of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not known: absent, never 0.
    Absent,
    /// Integer.
    Integer(i64),
    /// Float.
    Float(f64),
    /// Boolean.
    Boolean(bool),
    /// Text.
    Text(Box<str>),
}

/// When points of a series are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// One point per node and interval.
    Interval,
    /// One point per event.
    Event,
    /// Both: gauges each interval, and event points.
    IntervalAndEvent,
}

/// The description of one series.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Name of the measurement and of the table.
    pub name: &'static str,
    /// When points are written.
    pub cadence: Cadence,
    /// One sentence.
    pub help: &'static str,
    /// Columns after `time`, `sensor` and `node`, tags first.
    pub columns: &'static [Column],
}

/// One point of a series: `values[i]` belongs to `series.columns[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Index into [`SERIES`].
    pub series: usize,
    /// Capture time, unique within (series, node, tags).
    pub time: Timestamp,
    /// The watched node's name.
    pub node: std::sync::Arc<str>,
    /// The columns' values.
    pub values: Vec<Value>,
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Integer(n.into())
    }
}

impl From<u64> for Value {
    /// Counters stay far below 2⁶³; beyond it the largest integer stands.
    fn from(n: u64) -> Self {
        Self::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

/// An integer column.
const fn integer(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Column {
    Column { name, kind_of_value: Type::Integer, kind, unit, tag: false, help }
}

/// A column of text.
const fn text(name: &'static str, kind: Kind, help: &'static str) -> Column {
    Column { name, kind_of_value: Type::Text, kind, unit: "", tag: false, help }
}

/// A boolean column.
const fn boolean(name: &'static str, kind: Kind, help: &'static str) -> Column {
    Column { name, kind_of_value: Type::Boolean, kind, unit: "", tag: false, help }
}

/// A column of doubles.
const fn float(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Column {
    Column { name, kind_of_value: Type::Float, kind, unit, tag: false, help }
}

/// A tag.
const fn tag(name: &'static str, kind: Kind, help: &'static str) -> Column {
    Column { name, kind_of_value: Type::Text, kind, unit: "", tag: true, help }
}

/// Every series, in the order of the reference.
pub const SERIES: &[Series] = &[
    bandwidth::BANDWIDTH,
    blocks::BLOCKS,
    processed_blocks::PROCESSED_BLOCKS,
    mempool::MEMPOOL,
    msg::MSG_RECV,
    msg::MSG_RECV_BYTES,
    msg::MSG_SENT,
    msg::MSG_SENT_BYTES,
    peers::PEERS,
    tx::TX,
    tx_inputs::TX_INPUTS,
    tx_outputs::TX_OUTPUTS,
    tx_fees::TX_FEES,
    tx_fees::TX_FEE_COVERAGE,
    visibility::VISIBILITY,
    sensor::SENSOR,
    announcements::ANNOUNCEMENTS,
    ping::PING,
    matches::MATCHES,
];

/// Places in [`SERIES`].
pub mod id {
    /// `bandwidth`
    pub const BANDWIDTH: usize = 0;
    /// `blocks`
    pub const BLOCKS: usize = 1;
    /// `processed_blocks`
    pub const PROCESSED_BLOCKS: usize = 2;
    /// `mempool`
    pub const MEMPOOL: usize = 3;
    /// `msg_recv`
    pub const MSG_RECV: usize = 4;
    /// `msg_recv_bytes`
    pub const MSG_RECV_BYTES: usize = 5;
    /// `msg_sent`
    pub const MSG_SENT: usize = 6;
    /// `msg_sent_bytes`
    pub const MSG_SENT_BYTES: usize = 7;
    /// `peers`
    pub const PEERS: usize = 8;
    /// `tx`
    pub const TX: usize = 9;
    /// `tx_inputs`
    pub const TX_INPUTS: usize = 10;
    /// `tx_outputs`
    pub const TX_OUTPUTS: usize = 11;
    /// `tx_fees`
    pub const TX_FEES: usize = 12;
    /// `tx_fee_coverage`
    pub const TX_FEE_COVERAGE: usize = 13;
    /// `visibility`
    pub const VISIBILITY: usize = 14;
    /// `sensor`
    pub const SENSOR: usize = 15;
    /// `announcements`
    pub const ANNOUNCEMENTS: usize = 16;
    /// `ping`
    pub const PING: usize = 17;
    /// `matches`
    pub const MATCHES: usize = 18;
}

#[cfg(test)]
mod tests;
