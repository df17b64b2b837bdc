//! What a message says: [`Body`], and [`decode`].
//!
//! A body is owned, `Send` and small. Decoding a hot message (`tx`, `inv`,
//! `getdata`, `headers`, `block`, `ping`, …) allocates nothing; its lists stay
//! in the payload.

use super::addr::Addresses;
use super::block::Block;
use super::bloom::{FilterLoad, MerkleBlock};
use super::command::Command;
use super::compact::{BlockTransactions, CompactBlock};
use super::filters::CompactFilter;
use super::hash::Hash256;
use super::headers::{Headers, Locator};
use super::inventory::Inventory;
use super::legacy::Reject;
use super::read::{DecodeError, Reader};
use super::tx::Tx;
use super::version::{Feature, Version};

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A message without fields: `verack`, `getaddr`, `mempool`, …
    Empty,
    /// `version`.
    Version(Box<Version>),
    /// `feature`.
    Feature(Box<Feature>),
    /// `inv`, `getdata`, `notfound`.
    Inventory(Inventory),
    /// `tx`.
    Tx(Tx),
    /// `block`.
    Block(Block),
    /// `headers`.
    Headers(Headers),
    /// `getblocks`, `getheaders`.
    Locator(Locator),
    /// `addr`, `addrv2`.
    Addresses(Addresses),
    /// `ping`, `pong`; none before BIP 31.
    Nonce(Option<u64>),
    /// `feefilter`: sat/kvB, as sent (nodes ignore values out of the money range).
    FeeFilter(i64),
    /// `sendcmpct`.
    SendCompact {
        /// Whether compact blocks shall be announced without being asked for (high bandwidth).
        announce: bool,
        /// Version of the compact blocks; 2 is by wtxid.
        version: u64,
    },
    /// `cmpctblock`.
    CompactBlock(CompactBlock),
    /// `getblocktxn`, `blocktxn`.
    BlockTransactions(BlockTransactions),
    /// `merkleblock`.
    MerkleBlock(MerkleBlock),
    /// `filterload`.
    FilterLoad(FilterLoad),
    /// The six messages of BIP 157.
    CompactFilter(CompactFilter),
    /// `sendtxrcncl`.
    SendReconciliation {
        /// Version of the reconciliation protocol.
        version: u32,
        /// The sender's salt of the short ids.
        salt: u64,
    },
    /// `reqrecon`.
    RequestReconciliation {
        /// Transactions in the sender's set.
        set_size: u16,
        /// Coefficient of the estimate, times 2^12 or 2^15 by version.
        q: u16,
    },
    /// `reconcildiff`.
    ReconciliationDifference {
        /// Whether the sender could decode the difference.
        success: bool,
        /// Transactions asked for by short id.
        count: u32,
    },
    /// `sendpackages`: bit field of package types.
    SendPackages(u64),
    /// `ancpkginfo`, `getpkgtxns`.
    Wtxids {
        /// Number of wtxids.
        count: u32,
        /// The last one: in `ancpkginfo` the transaction that the message is about.
        last: Option<Hash256>,
    },
    /// `pkgtxns`.
    Transactions {
        /// Number of transactions.
        count: u32,
        /// Their bytes.
        bytes: u32,
    },
    /// `getutxos`.
    GetUtxos {
        /// Whether the mempool counts.
        mempool: bool,
        /// Number of outpoints.
        count: u32,
    },
    /// `utxos`.
    Utxos {
        /// Height of the sender's tip.
        height: u32,
        /// Hash of the sender's tip.
        tip: Hash256,
        /// Number of outputs.
        count: u32,
    },
    /// `reject`.
    Reject(Box<Reject>),
    /// A message of which only the number of data bytes is told (`alert`, `filteradd`, `sketch`, …).
    Bytes(u32),
    /// A message of a type without a row in the table.
    Unknown,
}

/// Decodes the `payload` of a message of type `command`; the second value is the number of bytes after
/// the last field, which the nodes ignore.
///
/// `payload_hash` is the double SHA-256 of `payload`, whose first four bytes are the v1 checksum: it is
/// the wtxid of a `tx`, which is therefore not hashed again.
#[inline]
pub fn decode(command: Command, payload: &[u8], payload_hash: &[u8; 32]) -> Result<(Body, u32), DecodeError> {
    let Some(spec) = command.spec() else { return Ok((Body::Unknown, 0)) };
    let mut reader = Reader::new(payload);
    let body = (spec.decode)(&mut reader, payload_hash)?;
    Ok((body, u32::try_from(reader.remaining()).unwrap_or(u32::MAX)))
}

/// Decoder of messages without fields.
#[expect(clippy::unnecessary_wraps, reason = "has the type of every decoder")]
pub(super) fn empty(_: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    Ok(Body::Empty)
}

/// Decoder of messages of which only the size is told.
pub(super) fn bytes(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let data = r.take(r.remaining(), "data")?;
    Ok(Body::Bytes(data.len() as u32))
}
