//! What the inferred messages of a node's encrypted connections add up to: transactions, blocks, and where they meet
//! what is read in the clear. Everything here is *estimated*.
//!
//! Reading order: [`handshake`], [`order`] (messages in the order of their times), then here, [`arrivals`] (blocks), [`matcher`] (which transaction or
//! block a message was, by what other connections show in the clear).

pub mod arrivals;
pub mod handshake;
pub mod matcher;
pub mod order;

use self::arrivals::Arrivals;
use self::matcher::Matcher;
use self::order::{Stamps, Waiting};
use super::ledger::Pen;
use super::output::Direction;
use crate::flow::PacketIndex;
use crate::message::hash::Hash256;
use crate::message::v2::kind::Kind;
use crate::series::{id, processed_blocks, tx};
use crate::time::{SECOND, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Messages are told up to 4 s after they were sent, on each connection later or sooner: so long those that depend on
/// others wait to be put in the order of their times, ns.
const LATE: i64 = 5 * SECOND;

/// An inferred message, as a node sees it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// The connection.
    pub connection: PacketIndex,
    /// The other end.
    pub peer: SocketAddr,
    /// Seen from the node.
    pub direction: Direction,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its payload.
    pub size: u32,
    /// When its last byte was captured.
    pub time: Timestamp,
    /// How sure that is, thousandths.
    pub confidence: u16,
}

/// What was estimated since the start.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Transactions that the node received on encrypted connections.
    pub transactions: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Blocks that it received there, by the way they came.
    pub blocks: BTreeMap<&'static str, u64>,
    /// Messages recognised by what was seen in the clear: transactions and blocks.
    pub matches: [u64; 2],
}

/// Of one node.
#[derive(Clone, Debug, Default)]
pub struct Encrypted {
    waiting: Waiting,
    arrivals: Arrivals,
    matcher: Matcher,
    /// Times of the newest points, by [`Written`].
    stamps: [Stamps; 5],
    /// There was something to be read in the clear, by which messages may be recognised.
    pub meets_clear: bool,
    /// Since the start.
    pub totals: Totals,
}

/// The series whose points are written here.
#[derive(Clone, Copy)]
enum Written {
    Tx,
    Block,
    TxMatch,
    BlockMatch,
    Handshake,
}

impl Encrypted {
    /// A time for a point, which no other of its kind has.
    fn stamp(&mut self, what: Written, time: Timestamp) -> Timestamp {
        self.stamps[what as usize].free(time)
    }

    /// A time for the point of a handshake, which no other handshake has.
    pub fn stamp_handshake(&mut self, time: Timestamp) -> Timestamp {
        let time = if time.floor(SECOND) == time { time.plus(1) } else { time };
        self.stamp(Written::Handshake, time)
    }

    /// Whether messages of this kind add up to something here.
    #[inline]
    pub fn concerns(kind: Kind) -> bool {
        use Kind::{Block, BlockTxn, CmpctBlock, GetBlockTxn, GetDataBlock, Tx};
        matches!(kind, Tx | Block | CmpctBlock | GetBlockTxn | BlockTxn | GetDataBlock)
    }

    /// Takes an inferred message of a kind that it [`Self::concerns`].
    pub fn note(&mut self, s: Sighting, pen: &mut Pen<'_>) {
        debug_assert!(Self::concerns(s.kind));
        if s.kind == Kind::Tx {
            if s.direction == Direction::Recv {
                self.transaction(&s, pen);
            }
            // What it is depends on others, if on anything.
            if !self.meets_clear {
                return;
            }
        }
        // Taken out of turn, a block may be parted from its relay; nothing is lost.
        let early = self.waiting.push(s);
        self.take_all(&early, pen);
    }

    /// A transaction (its txid) or block is seen in the clear in a message of `size` bytes of payload.
    pub fn clear(&mut self, kind: Kind, size: u32, id: &Hash256, at: Timestamp, direction: Direction) {
        self.matcher.clear((kind, size), id, at, direction);
    }

    fn take_all(&mut self, messages: &[Sighting], pen: &mut Pen<'_>) {
        for s in messages {
            self.take(s, pen);
        }
    }

    /// The node received a transaction.
    fn transaction(&mut self, s: &Sighting, pen: &mut Pen<'_>) {
        self.totals.transactions += 1;
        self.totals.tx_bytes += u64::from(s.size);
        if pen.wanted {
            let time = self.stamp(Written::Tx, s.time);
            pen.write(id::TX, time, || tx::estimated(s.size, s.confidence));
        }
    }

    /// Takes a message in its turn.
    fn take(&mut self, s: &Sighting, pen: &mut Pen<'_>) {
        if let Some(crowded_out) = self.arrivals.take(s) {
            self.arrived(&crowded_out, pen);
        }
        if self.meets_clear
            && matches!(s.kind, Kind::Tx | Kind::Block | Kind::CmpctBlock)
            && let Some(early) = self.matcher.wait(*s)
        {
            self.meet(&early, pen);
        }
    }

    fn arrived(&mut self, a: &arrivals::Arrival, pen: &mut Pen<'_>) {
        *self.totals.blocks.entry(a.via()).or_default() += 1;
        let time = self.stamp(Written::Block, a.time);
        pen.write(id::PROCESSED_BLOCKS, time, || processed_blocks::estimated(&a.described()));
    }

    fn meet(&mut self, s: &Sighting, pen: &mut Pen<'_>) {
        let Some(found) = self.matcher.find(s) else { return };
        self.totals.matches[usize::from(s.kind != Kind::Tx)] += 1;
        let kind = if s.kind == Kind::Tx { Written::TxMatch } else { Written::BlockMatch };
        let time = self.stamp(kind, s.time);
        pen.write(id::MATCHES, time, || found.values(s));
    }

    /// Time passes.
    pub fn tick(&mut self, now: Timestamp, pen: &mut Pen<'_>) {
        let until = now.plus(-LATE);
        while let Some(second) = self.waiting.due(until) {
            self.take_all(&second, pen);
            self.waiting.reuse(second);
        }
        while let Some(a) = self.arrivals.settled(until) {
            self.arrived(&a, pen);
        }
        while let Some(s) = self.matcher.due(until) {
            self.meet(&s, pen);
        }
        self.matcher.forget(until);
    }

    /// The capture ends: everything is decided.
    pub fn finish(&mut self, pen: &mut Pen<'_>) {
        while let Some(second) = self.waiting.oldest() {
            self.take_all(&second, pen);
        }
        while let Some(a) = self.arrivals.oldest() {
            self.arrived(&a, pen);
        }
        while let Some(s) = self.matcher.oldest() {
            self.meet(&s, pen);
        }
    }
}

#[cfg(test)]
mod tests;
