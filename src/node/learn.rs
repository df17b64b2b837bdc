//! Finding the watched nodes: connections of which no end is known yet wait here.
//!
//! A connection is a stranger when it is Bitcoin and touches no known node. Its
//! events are held back until enough strangers were seen, or for a while; then
//! the nodes among them are found, and the events go their way. A node that
//! shows up later is found the same way. What is no Bitcoin holds up nothing.

use super::totals::REMEMBERED_STRANGERS;
use crate::flow::{Conversation, PacketIndex};
use crate::message::event::{Event, What};
use crate::message::transport::Transport;
use crate::series::sensor::Counters;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;

/// Events held back at most.
pub(super) const EVENTS: usize = 100_000;
/// Connections of one address, when no other has two, that make it a node at once.
const CLEAR: usize = 3;

/// Held back.
pub(super) enum Pending {
    /// An event of a stranger.
    Event(Box<Event>),
    /// A tick; only until the first node is found.
    Tick(Timestamp, Box<Counters>),
}

/// Strangers and what waits for them.
#[derive(Default)]
pub(super) struct Learner {
    pending: Vec<Pending>,
    strangers: HashMap<PacketIndex, (Conversation, bool)>,
    by_address: HashMap<IpAddr, usize>,
    since: Option<Timestamp>,
}

impl Learner {
    /// Whether nobody waits.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether `connection` waits.
    pub fn holds(&self, connection: PacketIndex) -> bool {
        self.strangers.contains_key(&connection)
    }

    /// Takes a connection in.
    pub fn stranger(&mut self, c: &Conversation) {
        for ip in c.endpoints.map(|e| e.ip()) {
            *self.by_address.entry(ip).or_default() += 1;
        }
        self.strangers.insert(c.id, (*c, true));
    }

    /// Holds an event of a stranger back.
    pub fn hold(&mut self, event: Event) {
        self.since.get_or_insert(event.at.time);
        if let (What::Transport(Transport::NotBitcoin), Some(s)) =
            (&event.what, self.strangers.get_mut(&event.connection))
        {
            s.1 = false; // a web server on a Bitcoin port makes no node
        }
        self.pending.push(Pending::Event(Box::new(event)));
    }

    /// Holds a tick back.
    pub fn hold_tick(&mut self, time: Timestamp, counters: Counters) {
        self.pending.push(Pending::Tick(time, Box::new(counters)));
    }

    /// Whether it is time to decide, `patience` nanoseconds after the first stranger; when somebody watches
    /// (`eager`) as soon as it is clear.
    pub fn is_due(&self, now: Timestamp, patience: i64, eager: bool) -> bool {
        let late = self.since.is_some_and(|since| now.since(since) >= patience);
        let full = self.pending.len() >= EVENTS || self.strangers.len() >= REMEMBERED_STRANGERS;
        late || full || (eager && self.is_clear())
    }

    fn is_clear(&self) -> bool {
        let several = self.by_address.values().filter(|n| **n > 1).count();
        several == 1 && self.by_address.values().any(|n| *n >= CLEAR)
    }

    /// The strangers that are Bitcoin, in the order in which they were opened, and all that waits.
    pub fn take(&mut self) -> (Vec<Conversation>, Vec<Pending>) {
        let Self { pending, strangers, .. } = std::mem::take(self);
        let mut known: Vec<_> = strangers.into_values().filter(|(_, bitcoin)| *bitcoin).map(|(c, _)| c).collect();
        known.sort_unstable_by_key(|c| c.id);
        (known, pending)
    }
}
