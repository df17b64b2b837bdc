//! What a node and its peers ask of each other, by transport: announcements, requests, pings.

use super::output::Direction;
use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::event::Message;
use crate::message::inventory::{Inventory, Kind};
use crate::message::v2::{Estimate, kind};
use crate::series::announcements::{self, Announcements};
use crate::series::ping::{self, RoundTrips};
use crate::series::{Value, id};

/// Transports whose messages are told, in the order of [`super::totals::TRANSPORTS`].
const TOLD: [&str; 2] = ["v1", "v2"];

/// Of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    /// Transactions announced and asked for.
    pub announcements: Announcements,
    /// Answered pings, by [`Direction`] of the ping.
    pub pings: [RoundTrips; 2],
}

/// Of one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchanges {
    interval: [Exchange; 2],
    /// Since the start, closed intervals only.
    pub total: [Exchange; 2],
}

impl Exchanges {
    /// Counts a message; `round_trip` is how long the pong that it is took, µs.
    pub fn message(&mut self, direction: Direction, m: &Message, round_trip: Option<u64>) {
        let of = &mut self.interval[0];
        if let Ok(Body::Inventory(list)) = &m.body {
            let tx = |i: &Inventory| Kind::ALL.iter().filter(|k| k.is_tx()).map(|k| u64::from(i.get(*k))).sum::<u64>();
            match m.command {
                Command::INV => of.announcements.announced[direction as usize] += tx(list),
                Command::GETDATA => of.announcements.requested[direction as usize] += tx(list),
                _ => {}
            }
        }
        self.pong(0, direction, round_trip);
    }

    /// The same of an inferred message.
    pub fn estimate(&mut self, direction: Direction, e: &Estimate, round_trip: Option<u64>) {
        let of = &mut self.interval[1];
        match e.kind {
            kind::Kind::Inv => of.announcements.announced[direction as usize] += u64::from(e.entries),
            kind::Kind::GetDataTx => of.announcements.requested[direction as usize] += u64::from(e.entries),
            _ => {}
        }
        self.pong(1, direction, round_trip);
    }

    /// The answer goes the other way than the question.
    fn pong(&mut self, transport: usize, direction: Direction, round_trip: Option<u64>) {
        if let Some(us) = round_trip {
            self.interval[transport].pings[direction.other() as usize].count(us);
        }
    }

    /// The points of the interval that ends now to `point`; those of encrypted connections when there are some.
    pub fn close(&mut self, encrypted: bool, mut point: impl FnMut(usize, Vec<Value>)) {
        for (i, name) in TOLD.iter().enumerate().take(if encrypted { 2 } else { 1 }) {
            let now = std::mem::take(&mut self.interval[i]);
            point(id::ANNOUNCEMENTS, announcements::values(name, &now.announcements));
            let total = &mut self.total[i];
            total.announcements.merge(&now.announcements);
            for direction in [Direction::Recv, Direction::Sent] {
                let trips = &now.pings[direction as usize];
                point(id::PING, ping::values(name, direction.name(), trips));
                total.pings[direction as usize].merge(trips);
            }
        }
    }
}
