//! `ping`: round trips of pings that were answered, by interval.

use super::Kind::Exact;
use super::{Cadence, Column, Series, Value, integer, tag};

/// The description.
pub const PING: Series = Series {
    name: "ping",
    cadence: Cadence::Interval,
    help: "Pings that were answered in the interval, and how long that took as seen at the sensor.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 6] = [
    tag(
        "transport",
        Exact,
        "v1 (the pong repeats the ping's nonce), or v2 (encrypted, BIP 324): those rows are estimated, a pong answers the newest ping of the other side.",
    ),
    tag(
        "direction",
        Exact,
        "sent: the node asked, the time is that of the way to the peer and back, and of the peer; recv: a peer asked, the time is the node's own, and of the way between sensor and node.",
    ),
    integer("answered", Exact, "pings", "Pings that were answered. On v2 this column and the others are estimated."),
    integer(
        "rtt_min",
        Exact,
        "us",
        "Shortest time from the ping's last byte to the pong's; absent when there is none.",
    ),
    integer("rtt_mean", Exact, "us", "Mean of these times."),
    integer("rtt_max", Exact, "us", "Longest of these times."),
];

/// Round trips of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// How many.
    pub answered: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl RoundTrips {
    /// Counts one of `us` microseconds.
    pub fn count(&mut self, us: u64) {
        self.min = if self.answered == 0 { us } else { self.min.min(us) };
        self.max = self.max.max(us);
        self.sum = self.sum.saturating_add(us);
        self.answered += 1;
    }

    /// Adds those of another interval.
    pub fn merge(&mut self, other: &Self) {
        if other.answered > 0 {
            self.min = if self.answered == 0 { other.min } else { self.min.min(other.min) };
            self.max = self.max.max(other.max);
            self.sum = self.sum.saturating_add(other.sum);
            self.answered += other.answered;
        }
    }

    /// Mean, microseconds.
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.answered)
    }
}

/// A point's values.
pub fn values(transport: &str, direction: &str, r: &RoundTrips) -> Vec<Value> {
    let some = |n: u64| if r.answered > 0 { n.into() } else { Value::Absent };
    vec![
        Value::Text(transport.into()),
        Value::Text(direction.into()),
        r.answered.into(),
        some(r.min),
        r.mean().map_or(Value::Absent, Value::from),
        some(r.max),
    ]
}
