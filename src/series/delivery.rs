//! How the points fare on their way to the sinks: figures of the series `sensor`.

use super::{Column, Kind, Value, integer};
use crate::health::Tally;
use crate::vocabulary;

vocabulary! {
    /// Why a sink does not have a point.
    pub enum Loss in "sink_lost_" {
        QueueFull = "queue_full": "Points dropped, oldest first, because a sink did not keep up with its queue.",
        RolledBack = "rolled_back": "Points of intervals that the store could not commit (disk full, locked, input/output error).",
        Malformed = "malformed": "Points that did not fit the description of their series: number or type of values.",
        Refused = "refused": "Points that a server refused for good (type conflict, beyond retention) or that a datagram could not hold.",
        Empty = "empty": "Points without any value, such as a tip of unknown height: line protocol cannot hold them.",
        SpoolFull = "spool_full": "Points pushed out of a full spool, oldest first, or that the spool could not be written.",
    }
}

/// What the sinks together have lost and still hold back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Points in the queue of the slowest sink.
    pub backlog: u64,
    /// Bytes in spools on disk.
    pub spool_bytes: u64,
    /// Points lost, all sinks together.
    pub lost: Tally<Loss>,
}

impl Delivery {
    /// Takes the figures of a further sink into account.
    pub fn merge(&mut self, other: &Self) {
        self.backlog = self.backlog.max(other.backlog);
        self.spool_bytes += other.spool_bytes;
        self.lost.merge(&other.lost);
    }
}

/// The columns before those of [`Loss`].
pub(super) const FIXED: [Column; 2] = [
    integer(
        "sink_backlog",
        Kind::Exact,
        "points",
        "Points that wait in the queue of the slowest sink now. This column and the other figures of sinks are absent in replays, which wait for their sinks.",
    ),
    integer(
        "sink_spool_bytes",
        Kind::Exact,
        "bytes",
        "Bytes that wait in spools on disk now, for servers that do not take them.",
    ),
];

/// A point's values, absent when nobody measures (a replay has the same points each time).
pub(super) fn values(delivery: Option<&Delivery>) -> Vec<Value> {
    match delivery {
        None => vec![Value::Absent; FIXED.len() + Loss::COLUMNS.len()],
        Some(d) => {
            let fixed = [d.backlog, d.spool_bytes].map(Value::from);
            fixed.into_iter().chain(d.lost.iter().map(|(_, n)| Value::from(n))).collect()
        }
    }
}
