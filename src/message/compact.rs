//! Compact blocks (BIP 152): `cmpctblock`, `getblocktxn`, `blocktxn`.

use super::block::Coinbase;
use super::body::Body;
use super::hash::Hash256;
use super::headers::HeaderView;
use super::read::{DecodeError, MAX_SIZE, Reader, Reason};
use super::tx::{MIN_TX, RawTx, Transactions, TxSink, scan};

/// Largest index of a transaction, and most transactions of a compact block (BIP 152, 16-bit indexes).
const MAX_INDEX: usize = u16::MAX as usize;
const SHORT_ID: usize = 6;

/// The `cmpctblock` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactBlock {
    /// Hash of the block.
    pub hash: Hash256,
    /// Hash of its parent.
    pub prev: Hash256,
    /// Block version.
    pub version: i32,
    /// Header time, seconds since 1970.
    pub time: u32,
    /// Nonce of the short ids.
    pub nonce: u64,
    /// Transactions given by short id.
    pub short_ids: u32,
    /// Transactions given whole.
    pub prefilled: u32,
    /// Height in the coinbase (BIP 34), when that is prefilled.
    pub height: Option<u32>,
}

impl CompactBlock {
    /// Transactions of the block.
    pub const fn tx_count(&self) -> u32 {
        self.short_ids + self.prefilled
    }
}

/// `getblocktxn` and `blocktxn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockTransactions {
    /// Hash of the block.
    pub block: Hash256,
    /// Transactions asked for, or given.
    pub count: u32,
    /// Bytes of the transactions given; 0 in `getblocktxn`.
    pub bytes: u32,
}

/// Undoes the differential encoding of indexes: each is written as its distance to the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Indexes {
    next: usize,
}

impl Indexes {
    fn read(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let start = r.offset();
        let index = r.size(MAX_INDEX, "transaction index")? + self.next;
        self.next = index + 1;
        u16::try_from(index).map_err(|_| Reader::error("transaction index", start, MAX_INDEX, index, Reason::BadValue))
    }
}

fn begin<'a>(r: &mut Reader<'a>) -> Result<(HeaderView<'a>, u64, &'a [u8]), DecodeError> {
    let header = HeaderView(r.array("block header")?);
    let nonce = r.u64("short id nonce")?;
    let short_ids = r.count(MAX_INDEX, SHORT_ID, "short ids")?;
    Ok((header, nonce, r.take(short_ids * SHORT_ID, "short ids")?))
}

/// `cmpctblock`, with the checks of Bitcoin Core's `CBlockHeaderAndShortTxIDs` and `InitData`.
pub(super) fn block(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let (header, nonce, short_ids) = begin(r)?;
    let short_ids = short_ids.len() / SHORT_ID;
    let count_at = r.offset();
    let prefilled = r.count(MAX_INDEX, 1 + MIN_TX, "prefilled transactions")?;
    if short_ids + prefilled > MAX_INDEX {
        return Err(Reader::error("transactions", count_at, short_ids + prefilled, MAX_INDEX, Reason::TooMany));
    }
    let mut indexes = Indexes::default();
    let mut coinbase = Coinbase::default();
    for n in 0..prefilled {
        let start = r.offset();
        let index = usize::from(indexes.read(r)?);
        if index > short_ids + n {
            return Err(Reader::error("prefilled index", start, short_ids + n, index, Reason::BadValue));
        }
        if index == 0 {
            scan(r, &mut coinbase)?
        } else {
            scan(r, &mut ())?
        };
    }
    Ok(Body::CompactBlock(CompactBlock {
        hash: header.hash(),
        prev: header.prev(),
        version: header.version(),
        time: header.time(),
        nonce,
        short_ids: short_ids as u32,
        prefilled: prefilled as u32,
        height: coinbase.height(header.version()),
    }))
}

/// `getblocktxn`.
pub(super) fn get_transactions(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let block = Hash256(*r.array("block hash")?);
    let count = r.count(MAX_INDEX + 1, 1, "indexes")?;
    let mut indexes = Indexes::default();
    for _ in 0..count {
        indexes.read(r)?;
    }
    Ok(Body::BlockTransactions(BlockTransactions { block, count: count as u32, bytes: 0 }))
}

/// `blocktxn`.
pub(super) fn block_transactions(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let block = Hash256(*r.array("block hash")?);
    let count = r.count(MAX_SIZE as usize, MIN_TX, "transactions")?;
    let start = r.offset();
    for _ in 0..count {
        scan(r, &mut ())?;
    }
    let bytes = (r.offset() - start) as u32;
    Ok(Body::BlockTransactions(BlockTransactions { block, count: count as u32, bytes }))
}

/// The short ids of the `payload` of a `cmpctblock` that decoded, as 48-bit numbers.
pub fn short_ids(payload: &[u8]) -> impl ExactSizeIterator<Item = u64> + '_ {
    let ids = begin(&mut Reader::new(payload)).map_or(&[][..], |(_, _, ids)| ids);
    ids.chunks_exact(SHORT_ID).map(|id| id.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// The transactions given whole in a `cmpctblock`, with their indexes in the block.
#[derive(Clone, Debug)]
pub struct Prefilled<'a> {
    transactions: Transactions<'a>,
    indexes: Indexes,
}

/// The prefilled transactions of the `payload` of a `cmpctblock` that decoded.
pub fn prefilled(payload: &[u8]) -> Prefilled<'_> {
    let mut reader = Reader::new(payload);
    let count = begin(&mut reader).and_then(|_| reader.size(MAX_INDEX, "prefilled transactions"));
    let transactions = count.map_or(Transactions::NONE, |left| Transactions { reader, left });
    Prefilled { transactions, indexes: Indexes::default() }
}

impl<'a> Prefilled<'a> {
    /// Reads the next one and hands its parts to `sink`.
    pub fn next_into<S: TxSink<'a>>(&mut self, sink: &mut S) -> Option<(u16, RawTx<'a>)> {
        if self.transactions.left == 0 {
            return None;
        }
        let index = self.indexes.read(&mut self.transactions.reader).ok()?;
        Some((index, self.transactions.next_into(sink)?))
    }
}

impl<'a> Iterator for Prefilled<'a> {
    type Item = (u16, RawTx<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_into(&mut ())
    }
}

/// The indexes of the `payload` of a `getblocktxn` that decoded.
pub fn requested(payload: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let mut r = Reader::new(payload);
    let count = r.take(32, "block hash").and_then(|_| r.size(MAX_INDEX + 1, "indexes")).unwrap_or(0);
    let mut indexes = Indexes::default();
    (0..count).map_while(move |_| indexes.read(&mut r).ok())
}

/// The transactions of the `payload` of a `blocktxn` that decoded.
pub fn transactions(payload: &[u8]) -> Transactions<'_> {
    let mut reader = Reader::new(payload);
    let count = reader.take(32, "block hash").and_then(|_| reader.size(MAX_SIZE as usize, "transactions"));
    count.map_or(Transactions::NONE, |left| Transactions { reader, left })
}
