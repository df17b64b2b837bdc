//! What crosses of a message's payload to the node stage: [`Digest`], made in the workers.
//!
//! Bounded by the payload: no list is longer than the message that carries it.

use super::addr;
use super::block_digest::{self, BlockDigest};
use super::body::Body;
use super::command::Command;
use super::compact;
use super::digest::{self, TxDigest};
use super::hash::Hash256;
use super::headers::{self, HEADER_BYTES, Header};
use super::inventory;
use crate::time::{SECOND, Timestamp};
use bitcoin_hashes::siphash24;
use std::sync::Arc;

/// Blocks older than this when they are captured are not digested: a node that downloads the chain gets more
/// outputs than the index of outpoints can hold, and few of them are spent while the sensor looks, ns.
const RECENT: i64 = 14 * 86_400 * SECOND;

/// The contents of a message as the node stage needs them.
#[derive(Clone, Debug)]
pub enum Digest {
    /// `tx`.
    Tx(Arc<TxDigest>),
    /// `block`, whether or not its transactions hash to its merkle root.
    Block(Arc<BlockDigest>),
    /// `inv`, `getdata`, `notfound`.
    Inventory(Box<[inventory::Entry]>),
    /// `headers`.
    Headers(Box<[Header]>),
    /// The hashes of `getheaders` or `getblocks`, newest first.
    Locator(Box<[Hash256]>),
    /// `cmpctblock`.
    CompactBlock(Box<CompactDigest>),
    /// The indexes of `getblocktxn`.
    BlockRequest(Box<[u16]>),
    /// The transactions of `blocktxn`.
    BlockTransactions(Box<[Arc<TxDigest>]>),
    /// `addr`, `addrv2`: each address as 64 bits of a hash.
    Addresses(Box<[u64]>),
}

/// A compact block (BIP 152).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactDigest {
    /// The header as sent.
    pub header_bytes: [u8; HEADER_BYTES],
    /// Root of the tree of txids, by the header.
    pub merkle_root: Hash256,
    /// The header.
    pub header: Header,
    /// Nonce of the short ids.
    pub nonce: u64,
    /// Short ids, in order.
    pub short_ids: Box<[u64]>,
    /// Transactions given whole, by index in the block.
    pub prefilled: Box<[(u16, Arc<TxDigest>)]>,
}

/// The contents of a message that decoded to `body`, captured at `now`; none when the node stage needs none.
pub fn of(command: Command, body: &Body, payload: &[u8], now: Timestamp) -> Option<Digest> {
    Some(match body {
        Body::Tx(tx) => Digest::Tx(Arc::new(digest::of(payload, tx).ok()?)),
        Body::Block(b) if now.since(Timestamp::from_parts(b.time.into(), 0)) < RECENT => {
            Digest::Block(Arc::new(block_digest::block(payload).ok()?))
        }
        Body::Inventory(i) if i.total() > 0 => Digest::Inventory(inventory::entries(payload).collect()),
        Body::Headers(h) if h.count > 0 => Digest::Headers(headers::entries(payload).map(Header::from).collect()),
        Body::Locator(_) => Digest::Locator(headers::locator_hashes(payload).collect()),
        Body::CompactBlock(b) => {
            let view = super::block::header(payload)?;
            let prefilled = digest::prefilled(payload).into_iter().map(|(index, tx)| (index, Arc::new(tx)));
            Digest::CompactBlock(Box::new(CompactDigest {
                header_bytes: *view.0,
                merkle_root: view.merkle_root(),
                header: Header { hash: b.hash, prev: b.prev, time: b.time, bits: view.bits() },
                nonce: b.nonce,
                short_ids: compact::short_ids(payload).collect(),
                prefilled: prefilled.collect(),
            }))
        }
        Body::BlockTransactions(_) if command == Command::GETBLOCKTXN => {
            Digest::BlockRequest(compact::requested(payload).collect())
        }
        Body::BlockTransactions(_) => {
            Digest::BlockTransactions(digest::block_transactions(payload).into_iter().map(Arc::new).collect())
        }
        Body::Addresses(_) => {
            Digest::Addresses(addr::entries(payload, command == Command::ADDRV2).map(|e| address(&e)).collect())
        }
        _ => return None,
    })
}

/// An address as 64 bits. The key is no secret: whoever wants the count of addresses wrong gossips invented
/// ones, which costs less than finding collisions.
fn address(entry: &addr::Entry<'_>) -> u64 {
    let port = entry.port.to_be_bytes();
    let network = [entry.network as u8];
    siphash24::Hash::hash_to_u64_with_keys(0x6164_6472, 0x6573_7365, &[entry.address, &port, &network].concat())
}
