//! What is known of one block: who announced it, how it came, what the node made of it.

use crate::flow::PacketIndex;
use crate::message::block_digest::BlockDigest;
use crate::message::digest::{OutPoint, TxDigest, TxInput, TxOutput};
use crate::message::hash::Hash256;
use crate::message::headers::Header;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The way a block's data came to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Whole.
    Block,
    /// As a compact block, of which the node had all transactions.
    Compact,
    /// As a compact block, and the transactions that the node asked for.
    CompactAndTransactions,
    /// Whole, after a compact block that the node could not complete.
    Fallback,
}

impl Via {
    /// As in the series.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Compact => "cmpctblock",
            Self::CompactAndTransactions => "cmpctblock+blocktxn",
            Self::Fallback => "block fallback",
        }
    }
}

/// What the node made of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It announces it, serves it, builds on it or names it in a locator.
    Accepted,
    /// No such sign, and it closed the connection that brought it, or sent `reject`.
    Rejected,
    /// It came without being asked for or announced as a compact block.
    Unrequested,
    /// Nothing shows.
    Unknown,
}

impl Status {
    /// As in the series.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unrequested => "unrequested",
            Self::Unknown => "unknown",
        }
    }
}

/// A block's data, complete at the node.
#[derive(Clone, Debug)]
pub struct Data {
    /// When its last byte was there.
    pub at: Timestamp,
    /// The connection that brought it; none for a block that the node made itself.
    pub from: Option<PacketIndex>,
    /// The way.
    pub via: Via,
    /// Size in bytes.
    pub size: Option<u32>,
    /// Weight units.
    pub weight: Option<u32>,
    /// Transactions.
    pub num_tx: u32,
    /// Height that its coinbase says (BIP 34).
    pub height: Option<u32>,
    /// What its coinbase pays, satoshi.
    pub coinbase_value: Option<i64>,
    /// Transactions that the node asked for by `getblocktxn`, and their bytes.
    pub missing: Option<(u32, u32)>,
    /// It came without being asked for.
    pub unrequested: bool,
}

/// A block's transactions, as far as known.
#[derive(Clone, Debug)]
pub enum Body {
    /// From a `block`.
    Whole(Arc<BlockDigest>),
    /// From a compact block; those that could not be matched are absent.
    Rebuilt(Box<[Option<Arc<TxDigest>>]>),
}

/// A transaction of a block.
#[derive(Clone, Copy, Debug)]
pub struct BodyTx<'a> {
    /// Its txid.
    pub txid: &'a Hash256,
    /// Its outputs.
    pub outputs: &'a [TxOutput],
    spent: Spent<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Spent<'a> {
    Whole(&'a [OutPoint]),
    Inputs(&'a [TxInput]),
}

impl<'a> BodyTx<'a> {
    /// What it spends.
    pub fn spent(&self) -> impl Iterator<Item = &'a OutPoint> + use<'a> {
        let (whole, inputs): (&[OutPoint], &[TxInput]) = match self.spent {
            Spent::Whole(all) => (all, &[]),
            Spent::Inputs(all) => (&[], all),
        };
        whole.iter().chain(inputs.iter().map(|i| &i.prevout))
    }
}

impl Body {
    /// Transactions.
    pub fn count(&self) -> usize {
        match self {
            Self::Whole(b) => b.block.tx_count as usize,
            Self::Rebuilt(all) => all.len(),
        }
    }

    /// Whether all are known.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Rebuilt(all) => all.iter().all(Option::is_some),
        }
    }

    /// Its known transactions but the coinbase, in order, for the mempool that they return to; those of
    /// `taken` as they came there.
    pub fn returning(&self, taken: &[Arc<TxDigest>]) -> Vec<Arc<TxDigest>> {
        match self {
            Self::Whole(b) => {
                let taken: HashMap<_, _> = taken.iter().map(|tx| (tx.tx.txid, tx)).collect();
                let others = b.transactions().filter(|tx| !tx.is_coinbase());
                others.map(|tx| taken.get(&tx.txid).map_or_else(|| Arc::new(tx.digest()), |t| Arc::clone(t))).collect()
            }
            Self::Rebuilt(all) => all.iter().flatten().filter(|tx| !tx.is_coinbase()).map(Arc::clone).collect(),
        }
    }

    /// Its known transactions, in order, to `each`.
    pub fn for_each(&self, mut each: impl FnMut(BodyTx<'_>)) {
        match self {
            Self::Whole(b) => {
                for tx in b.transactions() {
                    each(BodyTx { txid: &tx.txid, outputs: tx.outputs, spent: Spent::Whole(tx.spent) });
                }
            }
            Self::Rebuilt(all) => {
                for tx in all.iter().flatten() {
                    each(BodyTx { txid: &tx.tx.txid, outputs: &tx.outputs, spent: Spent::Inputs(&tx.inputs) });
                }
            }
        }
    }
}

/// A block.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its header.
    pub header: Header,
    /// The first announcement to the node.
    pub announced: Option<(Timestamp, SocketAddr)>,
    /// Its data.
    pub data: Data,
    /// Its transactions; dropped when it is deep.
    pub body: Option<Body>,
    /// A sign of acceptance was seen.
    pub accepted: bool,
    /// The node rejected it: it closed the connection that brought it.
    pub rejected: Option<Timestamp>,
    /// It closed others at the same time, so that this says nothing of the block.
    pub doubted: bool,
    /// Its `reject`: code and reason.
    pub reject: Option<(u8, Box<str>)>,
    /// The node did not know its parent.
    pub orphan: bool,
    /// First announcement by the node, or a locator with it.
    pub shown: Option<Timestamp>,
    /// First `cmpctblock` by the node.
    pub relayed: Option<Timestamp>,
    /// The transactions that it took out of the shadow mempool.
    pub taken: Vec<Arc<TxDigest>>,
    /// Its transactions count as mined.
    pub connected: bool,
    /// It became the tip: the point of `blocks` waits for a sign.
    pub tip_point: Option<Timestamp>,
    /// Time of its point in `processed_blocks`.
    pub point: Timestamp,
    /// Its point is still to be written.
    pub open: bool,
}

impl Record {
    /// What the node made of it.
    pub fn status(&self) -> Status {
        match () {
            () if self.accepted => Status::Accepted,
            () if self.reject.is_some() || (self.rejected.is_some() && !self.doubted) => Status::Rejected,
            () if self.data.unrequested => Status::Unrequested,
            () => Status::Unknown,
        }
    }

    /// Whether it may be on the node's chain.
    pub fn is_candidate(&self) -> bool {
        self.rejected.is_none() && self.reject.is_none()
    }
}
