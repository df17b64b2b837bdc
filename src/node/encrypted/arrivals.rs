//! Blocks that come to a node on encrypted connections, and how it passes them on.

use super::Sighting;
use crate::flow::PacketIndex;
use crate::message::v2::kind::Kind;
use crate::node::output::Direction;
use crate::series::processed_blocks;
use crate::time::{SECOND, Timestamp};
use std::collections::VecDeque;

/// Blocks of one size from several peers within this time are one, and what the node sends of that size then is
/// the same block, ns.
const SAME: i64 = 10 * SECOND;
/// A block that came whole has no size to know its compact form by: only one sent this soon is taken for it, ns.
const WHOLE: i64 = SECOND;
/// A node asks for what a compact block lacks within this time, ns.
const ASKED: i64 = 5 * SECOND;
/// Blocks that may still be completed or relayed, at most; beyond, the point of the oldest is written as it stands
/// (a node that downloads the chain gets thousands in that time, and relays none of them).
const RECENT: usize = 256;
/// Connections with blocks that may still be relayed, at most: nodes have up to 125. On a further one a copy counts as
/// another block.
const CONNECTIONS: u32 = Connections::BITS;
/// Hash and count of `getblocktxn` and `blocktxn`, bytes.
const HEAD: u32 = 33;

/// A set of connections, a bit each ([`Arrivals::number`]): of many blocks it is asked whether one is among them.
type Connections = u128;

/// A block that came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When its data was complete at the node.
    pub time: Timestamp,
    /// Bytes of the compact block and of the whole one.
    compact: Option<u32>,
    whole: Option<u32>,
    /// Transactions asked for by whom; their bytes.
    asked: Option<(PacketIndex, u32)>,
    missing_bytes: Option<u32>,
    /// The whole block was asked for after the compact one.
    fell_back: bool,
    /// Connections on which it came or was sent.
    on: Connections,
    relayed: Option<Timestamp>,
    confidence: u16,
}

impl Arrival {
    fn new(s: &Sighting, on: Connections) -> Self {
        let size = |kind| (s.kind == kind).then_some(s.size);
        Self {
            time: s.time,
            compact: size(Kind::CmpctBlock),
            whole: size(Kind::Block),
            asked: None,
            missing_bytes: None,
            fell_back: false,
            on,
            relayed: None,
            confidence: s.confidence,
        }
    }

    /// The way it came, as in [`crate::node::blocks::Via`].
    pub fn via(&self) -> &'static str {
        match (self.compact, self.whole, self.missing_bytes) {
            (None, _, _) => "block",
            (Some(_), Some(_), _) => "block fallback",
            (Some(_), None, Some(_)) => "cmpctblock+blocktxn",
            (Some(_), None, None) => "cmpctblock",
        }
    }

    /// As its point has it.
    pub fn described(&self) -> processed_blocks::Arrival {
        processed_blocks::Arrival {
            size: self.whole,
            compact_size: self.compact,
            relay_time: self.relayed.map(|t| t.since(self.time) / 1000).filter(|us| *us >= 0),
            via: self.via(),
            missing: self.asked.map(|(_, n)| n).zip(self.missing_bytes),
            confidence: self.confidence,
        }
    }

    fn is_near(&self, time: Timestamp, within: i64) -> bool {
        time.since(self.time).abs() <= within
    }
}

/// The newest of them.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    recent: VecDeque<Arrival>,
    /// The connections that have a number.
    numbers: Vec<PacketIndex>,
}

impl Arrivals {
    /// Takes a message; returns the oldest block when there are too many.
    pub fn take(&mut self, s: &Sighting) -> Option<Arrival> {
        match (s.kind, s.direction) {
            (Kind::CmpctBlock | Kind::Block, Direction::Recv) => self.arrive(s),
            (Kind::CmpctBlock, Direction::Sent) => self.relay(s),
            (Kind::GetBlockTxn, Direction::Sent) => {
                if let Some(a) = self.offered(s) {
                    // Each index has a byte or three.
                    a.asked = Some((s.connection, s.size.saturating_sub(HEAD)));
                }
            }
            (Kind::GetDataBlock, Direction::Sent) => {
                if let Some(a) = self.offered(s) {
                    a.fell_back = true;
                }
            }
            (Kind::BlockTxn, Direction::Recv) => {
                let asked = |a: &&mut Arrival| a.asked.is_some_and(|(by, _)| by == s.connection);
                if let Some(a) = self.recent.iter_mut().rev().filter(asked).find(|a| a.missing_bytes.is_none()) {
                    a.missing_bytes = Some(s.size.saturating_sub(HEAD));
                    a.time = s.time;
                }
            }
            _ => {}
        }
        if self.recent.len() > RECENT { self.oldest() } else { None }
    }

    /// The connection as a set; empty when too many others have blocks that may still be relayed.
    fn number(&mut self, connection: PacketIndex) -> Connections {
        if let Some(n) = self.numbers.iter().position(|c| *c == connection) {
            return 1 << n;
        }
        if self.numbers.len() < CONNECTIONS as usize {
            self.numbers.push(connection);
            return 1 << (self.numbers.len() - 1);
        }
        // Those whose blocks are all gone need none.
        let needed = self.recent.iter().fold(0, |all, a| all | a.on);
        let free = needed.trailing_ones();
        if free == CONNECTIONS {
            return 0;
        }
        self.numbers[free as usize] = connection;
        1 << free
    }

    /// The newest compact block of a connection, which the node may ask about.
    fn offered(&mut self, s: &Sighting) -> Option<&mut Arrival> {
        let offered = |a: &&mut Arrival| a.compact.is_some() && a.whole.is_none() && a.is_near(s.time, ASKED);
        let me = self.number(s.connection);
        self.recent.iter_mut().rev().filter(offered).find(|a| a.on & me != 0)
    }

    fn arrive(&mut self, s: &Sighting) {
        let me = self.number(s.connection);
        let fallback = |a: &&mut Arrival| a.fell_back && a.whole.is_none() && a.on & me != 0;
        if s.kind == Kind::Block
            && let Some(a) = self.recent.iter_mut().rev().find(fallback)
        {
            (a.whole, a.time) = (Some(s.size), s.time);
            return;
        }
        let size = |a: &Arrival| if s.kind == Kind::Block { a.whole } else { a.compact };
        let same = |a: &&mut Arrival| size(a) == Some(s.size) && a.on & me == 0 && a.is_near(s.time, SAME);
        // From one peer a second one is another block.
        match self.recent.iter_mut().find(same) {
            Some(a) if me != 0 => a.on |= me,
            _ => self.recent.push_back(Arrival::new(s, me)),
        }
    }

    /// The node sends a compact block: the oldest of that size that it has not sent there, or one that came whole.
    fn relay(&mut self, s: &Sighting) {
        let me = self.number(s.connection);
        let fits = |a: &&mut Arrival| {
            a.on & me == 0
                && a.compact.is_none_or(|size| size == s.size)
                && (0..if a.compact.is_some() { SAME } else { WHOLE }).contains(&s.time.since(a.time))
        };
        if me != 0
            && let Some(a) = self.recent.iter_mut().find(fits)
        {
            a.relayed.get_or_insert(s.time);
            a.on |= me;
        }
    }

    /// The oldest block, when nothing more is expected of it at `now`.
    pub fn settled(&mut self, now: Timestamp) -> Option<Arrival> {
        self.recent.pop_front_if(|a| now.since(a.time) > SAME)
    }

    /// The oldest block.
    pub fn oldest(&mut self) -> Option<Arrival> {
        self.recent.pop_front()
    }
}
