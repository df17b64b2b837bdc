//! A compact block on its way to be complete at the node.

use super::record::{Body, Data, Via};
use crate::flow::PacketIndex;
use crate::message::contents::CompactDigest;
use crate::message::digest::{TxDigest, TxOutput};
use crate::message::hash::Hash256;
use crate::message::headers::Header;
use crate::message::merkle::{self, MerkleCheck};
use crate::message::read::compact_len;
use crate::message::script::ScriptType;
use crate::node::compact::{Rebuild, Slot, Version};
use crate::time::Timestamp;
use std::sync::Arc;

/// A compact block, and what the node did about it.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The connection that brought it.
    pub connection: PacketIndex,
    /// When.
    pub at: Timestamp,
    /// Its header.
    pub header: Header,
    /// Height in its coinbase (BIP 34).
    pub height: Option<u32>,
    /// The indexes that the node asked for.
    pub requested: Option<Box<[u16]>>,
    /// Whether the sensor knows all its transactions.
    pub is_known: bool,
    merkle_root: Hash256,
    rebuild: Rebuild<Arc<TxDigest>>,
}

/// A compact block with what is known of its transactions.
pub struct Completed {
    /// As data of the block.
    pub data: Data,
    /// Its transactions.
    pub body: Body,
    /// All were found, and yet they are not those of the header.
    pub mismatch: bool,
}

impl Partial {
    /// A compact block that came over `connection`; none for one that no node takes.
    pub fn new<'a>(
        d: &CompactDigest,
        height: Option<u32>,
        version: u64,
        (connection, at): (PacketIndex, Timestamp),
        candidates: impl Iterator<Item = &'a Arc<TxDigest>>,
    ) -> Option<Self> {
        let version = Version::from_number(version).unwrap_or(Version::Wtxid);
        let prefilled = d.prefilled.iter().map(|(i, tx)| (*i, Arc::clone(tx)));
        let ids = d.short_ids.iter().copied();
        let mut rebuild = Rebuild::new(&d.header_bytes, d.nonce, version, ids, prefilled).ok()?;
        for tx in candidates {
            rebuild.offer(&tx.tx.txid, &tx.tx.wtxid, || Arc::clone(tx));
        }
        let is_known = rebuild.missing().next().is_none();
        let header = d.header;
        Some(Self { connection, at, header, height, requested: None, is_known, merkle_root: d.merkle_root, rebuild })
    }

    /// Puts in what a `blocktxn` gives.
    pub fn give(&mut self, given: &[Arc<TxDigest>]) {
        let placed = match &self.requested {
            Some(requested) => self.rebuild.complete(requested, given.iter().map(Arc::clone)).is_ok(),
            None => false,
        };
        if !placed {
            for tx in given {
                self.rebuild.offer(&tx.tx.txid, &tx.tx.wtxid, || Arc::clone(tx));
            }
        }
    }

    /// Whether some of its transactions are not known.
    pub fn is_open(&self) -> bool {
        self.rebuild.missing().next().is_some()
    }

    /// Offers a transaction that was not known when it came; true when it is one of it.
    pub fn offer(&mut self, tx: &Arc<TxDigest>) -> bool {
        self.rebuild.offer(&tx.tx.txid, &tx.tx.wtxid, || Arc::clone(tx))
    }

    /// The block, complete at the node at `at`.
    pub fn completed(&self, at: Timestamp, via: Via, missing: Option<(u32, u32)>, unrequested: bool) -> Completed {
        let known = |slot: &Slot<Arc<TxDigest>>| match slot {
            Slot::Given(tx) | Slot::Matched(tx) => Some(Arc::clone(tx)),
            Slot::Missing | Slot::Ambiguous => None,
        };
        let mut body: Box<[_]> = self.rebuild.slots().iter().map(known).collect();
        let whole = body.iter().all(Option::is_some);
        let txids = body.iter().flatten().map(|tx| tx.tx.txid);
        let valid = whole && merkle::check(self.merkle_root, txids) == MerkleCheck::Valid;
        if whole && !valid {
            // One match is wrong, and nothing tells which.
            for (slot, known) in self.rebuild.slots().iter().zip(&mut body) {
                *known = known.take().filter(|_| matches!(slot, Slot::Given(_)));
            }
        }
        let coinbase = body.first().and_then(Option::as_ref).filter(|tx| tx.is_coinbase());
        let sized = valid && !coinbase.is_some_and(|tx| is_stripped(tx));
        let sum = |f: fn(&TxDigest) -> u32| {
            let base = 80 + compact_len(body.len() as u64) as u32;
            sized.then(|| body.iter().flatten().fold(base, |n, tx| n.saturating_add(f(tx))))
        };
        let (size, stripped) = (sum(|tx| tx.tx.size), sum(|tx| tx.tx.stripped_size));
        let data = Data {
            at,
            from: Some(self.connection),
            via,
            size,
            weight: size.zip(stripped).map(|(size, stripped)| stripped.saturating_mul(3).saturating_add(size)),
            num_tx: body.len() as u32,
            height: self.height,
            coinbase_value: coinbase.and_then(|tx| tx.value_out()),
            missing,
            unrequested,
        };
        Completed { data, body: Body::Rebuilt(body), mismatch: whole && !valid }
    }
}

/// Whether a coinbase came without the witness that it may have: in version 1 of BIP 152 no transaction has one.
fn is_stripped(coinbase: &TxDigest) -> bool {
    /// Bytes of a commitment to witnesses (BIP 141).
    const COMMITMENT: u32 = 38;
    let may_commit = |o: &TxOutput| o.kind == ScriptType::NullData && o.script_size >= COMMITMENT;
    !coinbase.tx.has_witness && coinbase.outputs.iter().any(may_commit)
}
