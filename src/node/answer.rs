//! How long the node takes to answer a ping: what else keeps it busy shows here first.

use super::output::Direction;
use crate::message::body::Body;
use crate::message::command::Command;
use crate::message::event::Message;
use crate::time::{SECOND, Timestamp};

/// A ping that got no pong for so long is given up, ns: nodes close the connection then.
const GIVEN_UP: i64 = 20 * 60 * SECOND;

/// The ping of a peer that the node has still to answer: the first one, when there are several.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting(Option<(u64, Timestamp)>);

impl Waiting {
    /// Takes a whole message, seen from the node; gives how long the node took when it is its answer, ns.
    pub fn message(&mut self, direction: Direction, message: &Message, time: Timestamp) -> Option<i64> {
        let Ok(Body::Nonce(Some(nonce))) = &message.body else { return None };
        match (direction, message.command) {
            (Direction::Recv, Command::PING) => {
                self.asked(*nonce, time);
                None
            }
            (Direction::Sent, Command::PONG) => self.answered(*nonce, time),
            _ => None,
        }
    }

    fn asked(&mut self, nonce: u64, time: Timestamp) {
        if self.0.is_none_or(|(_, since)| time.since(since) > GIVEN_UP) {
            self.0 = Some((nonce, time));
        }
    }

    fn answered(&mut self, nonce: u64, time: Timestamp) -> Option<i64> {
        let (_, since) = self.0.filter(|(asked, _)| *asked == nonce)?;
        self.0 = None;
        Some(time.since(since).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ping_counts_until_it_is_answered() {
        let at = Timestamp::from_nanos;
        let mut w = Waiting::default();
        assert_eq!(w.answered(1, at(5)), None, "nobody asked");
        w.asked(1, at(10));
        w.asked(2, at(20));
        assert_eq!(w.answered(2, at(25)), None);
        assert_eq!(w.answered(1, at(30)), Some(20));
        assert_eq!(w.answered(1, at(31)), None, "once");
        w.asked(3, at(40));
        w.asked(4, at(40 + GIVEN_UP + 1));
        assert_eq!(w.answered(4, at(40 + GIVEN_UP + 9)), Some(8));
        w.asked(5, at(50));
        assert_eq!(w.answered(5, at(45)), Some(0), "a clock that was set back");
    }
}
