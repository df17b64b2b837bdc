//! How long the node takes to answer a ping: what else keeps it busy shows here first.

use super::output::Direction;
use crate::flow::PacketIndex;
use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::event::Message;
use crate::time::{SECOND, Timestamp};
use std::collections::BTreeMap;

/// A ping that got no pong for so long is given up, ns: nodes close the connection then.
const GIVEN_UP: i64 = 20 * 60 * SECOND;
/// Pings that wait for an answer at most, one a connection; the pings of others are not timed then.
const WAITING: usize = 4096;

/// The pings of peers that the node has still to answer, and its slowest answer of the running interval.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By connection: the first ping, when there are several, and when it came.
    waiting: BTreeMap<PacketIndex, (u64, Timestamp)>,
    slowest: Option<i64>,
}

impl Answers {
    /// Takes a whole message, seen from the node.
    pub fn message(&mut self, connection: PacketIndex, direction: Direction, message: &Message, time: Timestamp) {
        let Ok(Body::Nonce(Some(nonce))) = &message.body else { return };
        match (direction, message.command) {
            (Direction::Recv, Command::PING) => self.asked(connection, *nonce, time),
            (Direction::Sent, Command::PONG) => self.answered(connection, *nonce, time),
            _ => {}
        }
    }

    fn asked(&mut self, connection: PacketIndex, nonce: u64, time: Timestamp) {
        if self.waiting.len() >= WAITING {
            self.waiting.retain(|_, (_, since)| time.since(*since) <= GIVEN_UP);
            if self.waiting.len() >= WAITING {
                return;
            }
        }
        let first = self.waiting.entry(connection).or_insert((nonce, time));
        if time.since(first.1) > GIVEN_UP {
            *first = (nonce, time);
        }
    }

    fn answered(&mut self, connection: PacketIndex, nonce: u64, time: Timestamp) {
        if let Some((_, since)) = self.waiting.get(&connection).filter(|(asked, _)| *asked == nonce) {
            self.slowest = self.slowest.max(Some(time.since(*since).max(0)));
            self.waiting.remove(&connection);
        }
    }

    /// The slowest answer since it was asked for last, ns.
    pub fn take_slowest(&mut self) -> Option<i64> {
        self.slowest.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ping_of_a_connection_counts_until_it_is_answered() {
        let (at, c, d) = (Timestamp::from_nanos, PacketIndex(1), PacketIndex(2));
        let mut a = Answers::default();
        a.answered(c, 1, at(5));
        assert_eq!(a.take_slowest(), None, "nobody asked");
        a.asked(c, 1, at(10));
        a.asked(c, 2, at(20));
        a.asked(d, 1, at(22));
        a.answered(c, 2, at(25));
        assert_eq!(a.take_slowest(), None);
        a.answered(c, 1, at(30));
        a.answered(d, 1, at(33));
        a.answered(c, 1, at(99));
        assert_eq!((a.take_slowest(), a.take_slowest()), (Some(20), None), "the slowest, once");
        a.asked(c, 3, at(40));
        a.asked(c, 4, at(41 + GIVEN_UP));
        a.answered(c, 4, at(49 + GIVEN_UP));
        assert_eq!(a.take_slowest(), Some(8));
        a.asked(c, 5, at(50));
        a.answered(c, 5, at(45));
        assert_eq!(a.take_slowest(), Some(0), "a clock that was set back");
        assert!(a.waiting.is_empty());
    }

    #[test]
    fn pings_without_an_answer_do_not_add_up() {
        let mut a = Answers::default();
        for n in 0..2 * WAITING as u64 {
            a.asked(PacketIndex(n), n, Timestamp::from_nanos(n as i64));
        }
        assert_eq!(a.waiting.len(), WAITING);
        a.asked(PacketIndex(1 << 40), 7, Timestamp::from_nanos(2 * GIVEN_UP));
        assert_eq!(a.waiting.len(), 1, "the others were given up");
    }
}
