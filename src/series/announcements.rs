//! `announcements`: transactions announced and asked for, by interval.

use super::Kind::Exact;
use super::{Cadence, Column, Series, Value, integer, tag};

/// The description.
pub const ANNOUNCEMENTS: Series = Series {
    name: "announcements",
    cadence: Cadence::Interval,
    help: "Transactions that were announced (inv) and asked for (getdata) in the interval; one that several peers announce counts several times.",
    columns: &COLUMNS,
};

const COLUMNS: [Column; 5] = [
    tag(
        "transport",
        Exact,
        "v1 (entries as read), or v2 (encrypted, BIP 324): those rows are estimated from the lengths of messages, announcements of blocks by inv included.",
    ),
    integer(
        "announced_recv",
        Exact,
        "transactions",
        "Announced to the node. On v2 this column and the others are estimated.",
    ),
    integer("announced_sent", Exact, "transactions", "Announced by the node."),
    integer("requested_recv", Exact, "transactions", "Asked for by peers."),
    integer("requested_sent", Exact, "transactions", "Asked for by the node."),
];

/// Counts of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announcements {
    /// Announced, by direction: to the node, by the node.
    pub announced: [u64; 2],
    /// Asked for, likewise.
    pub requested: [u64; 2],
}

impl Announcements {
    /// Adds those of another interval.
    pub fn merge(&mut self, other: &Self) {
        for i in 0..2 {
            self.announced[i] += other.announced[i];
            self.requested[i] += other.requested[i];
        }
    }
}

/// A point's values.
pub fn values(transport: &str, a: &Announcements) -> Vec<Value> {
    let numbers = a.announced.into_iter().chain(a.requested).map(Value::from);
    std::iter::once(Value::Text(transport.into())).chain(numbers).collect()
}
