//! Blocks as the node stage needs them: every txid, what is spent, what is made, whether the tree of txids
//! has the header's root.
//!
//! A digest is three lists, whatever the number of transactions. Memory is
//! bounded by the payload: a transaction takes at least 10 bytes of it and 48
//! here, an outpoint 41 and 36, an output 9 and 16.

use super::block::{Block, Coinbase};
use super::digest::{OutPoint, TxDigest, TxInput, TxOutput};
use super::hash::Hash256;
use super::headers::HeaderView;
use super::merkle::{self, MerkleCheck};
use super::read::{DecodeError, Reader, compact_len};
use super::tx::{Input, MIN_TX, Output, Tx, TxSink, Witness, scan};

/// Most transactions of a block: more cannot weigh 4 000 000 WU or less (Bitcoin Core `MAX_BLOCK_WEIGHT` /
/// `MIN_SERIALIZABLE_TRANSACTION_WEIGHT`). Blocks that claim more are errors.
pub const MAX_TRANSACTIONS: usize = 100_000;

/// A transaction of a block, without its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    txid: Hash256,
    size: u32,
    stripped_size: u32,
    /// Ends of its parts in the lists of the block.
    spent_end: u32,
    outputs_end: u32,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDigest {
    /// Hashes, sizes, time, height.
    pub block: Block,
    /// Root of the tree of txids, by the header.
    pub merkle_root: Hash256,
    /// Whether the transactions hash to it.
    pub merkle: MerkleCheck,
    entries: Box<[Entry]>,
    spent: Box<[OutPoint]>,
    outputs: Box<[TxOutput]>,
}

/// A transaction of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockTx<'a> {
    /// Hash without witnesses.
    pub txid: Hash256,
    /// Size in bytes.
    pub size: u32,
    /// Size without witnesses, in bytes.
    pub stripped_size: u32,
    /// What its inputs spend; the null outpoint in the coinbase.
    pub spent: &'a [OutPoint],
    /// What it makes.
    pub outputs: &'a [TxOutput],
}

impl BlockTx<'_> {
    /// Weight units (BIP 141).
    pub const fn weight(&self) -> u32 {
        self.stripped_size * 3 + self.size
    }

    /// Whether it is a coinbase: one input, which spends nothing.
    pub fn is_coinbase(&self) -> bool {
        matches!(self.spent, [only] if only.is_null())
    }

    /// The transaction by itself. What a block's digest does not keep is zero, its wtxid is its txid: for its
    /// place in a mempool, not for series.
    pub fn digest(&self) -> TxDigest {
        let tx = Tx {
            txid: self.txid,
            wtxid: self.txid,
            version: 0,
            size: self.size,
            stripped_size: self.stripped_size,
            weight: self.weight(),
            inputs: self.spent.len() as u32,
            outputs: self.outputs.len() as u32,
            lock_time: 0,
            has_witness: self.size > self.stripped_size,
        };
        let inputs = self.spent.iter().map(|o| TxInput::from(*o)).collect();
        TxDigest { tx, inputs, outputs: self.outputs.into(), non_standard_reason: None, is_possible: true }
    }
}

impl BlockDigest {
    /// Transaction `index`.
    pub fn get(&self, index: usize) -> Option<BlockTx<'_>> {
        let e = self.entries.get(index)?;
        let before = index.checked_sub(1).and_then(|i| self.entries.get(i));
        let (spent, outputs) = before.map_or((0, 0), |b| (b.spent_end, b.outputs_end));
        Some(BlockTx {
            txid: e.txid,
            size: e.size,
            stripped_size: e.stripped_size,
            spent: self.spent.get(spent as usize..e.spent_end as usize)?,
            outputs: self.outputs.get(outputs as usize..e.outputs_end as usize)?,
        })
    }

    /// Its transactions, in order.
    pub fn transactions(&self) -> impl ExactSizeIterator<Item = BlockTx<'_>> {
        const NONE: BlockTx<'static> =
            BlockTx { txid: Hash256([0; 32]), size: 0, stripped_size: 0, spent: &[], outputs: &[] };
        (0..self.entries.len()).map(|i| self.get(i).unwrap_or(NONE))
    }

    /// Its first transaction, if that is a coinbase, as it is in every valid block.
    pub fn coinbase(&self) -> Option<BlockTx<'_>> {
        self.get(0).filter(BlockTx::is_coinbase)
    }
}

/// Keeps what is spent and made.
#[derive(Default)]
struct Parts<'a> {
    coinbase: Coinbase<'a>,
    in_coinbase: bool,
    spent: Vec<OutPoint>,
    outputs: Vec<TxOutput>,
}

impl<'a> TxSink<'a> for Parts<'a> {
    #[inline]
    fn input(&mut self, index: u32, input: Input<'a>) {
        if self.in_coinbase {
            self.coinbase.input(index, input);
        }
        self.spent.push((&input).into());
    }

    #[inline]
    fn output(&mut self, index: u32, output: Output<'a>) {
        if self.in_coinbase {
            self.coinbase.output(index, output);
        }
        self.outputs.push((&output).into());
    }

    #[inline]
    fn witness(&mut self, index: u32, witness: Witness<'a>) {
        if self.in_coinbase {
            self.coinbase.witness(index, witness);
        }
    }
}

/// Digests the `payload` of a `block`; a double SHA-256 or two a transaction, and the trees.
pub fn block(payload: &[u8]) -> Result<BlockDigest, DecodeError> {
    let mut r = Reader::new(payload);
    let header = HeaderView(r.array("block header")?);
    let count = r.count(MAX_TRANSACTIONS, MIN_TX, "transactions")?;
    let (mut entries, mut wtxids) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut parts = Parts { in_coinbase: true, ..Parts::default() };
    let mut stripped = 80 + compact_len(count as u64);
    for _ in 0..count {
        let tx = scan(&mut r, &mut parts)?;
        parts.in_coinbase = false;
        stripped += tx.stripped_size();
        let txid = tx.txid();
        wtxids.push(match wtxids.len() {
            0 => Hash256::default(),
            _ if tx.has_witness && parts.coinbase.commits() => tx.wtxid(),
            _ => txid,
        });
        entries.push(Entry {
            txid,
            size: tx.size() as u32,
            stripped_size: tx.stripped_size() as u32,
            spent_end: parts.spent.len() as u32,
            outputs_end: parts.outputs.len() as u32,
        });
    }
    let size = r.offset();
    let merkle_root = header.merkle_root();
    let merkle = match merkle::check(merkle_root, entries.iter().map(|e: &Entry| e.txid)) {
        MerkleCheck::Valid if !parts.coinbase.commits_to(|| merkle::root(wtxids).0) => MerkleCheck::OtherWitnesses,
        other => other,
    };
    Ok(BlockDigest {
        block: Block {
            hash: header.hash(),
            prev: header.prev(),
            version: header.version(),
            time: header.time(),
            tx_count: count as u32,
            size: size as u32,
            stripped_size: stripped as u32,
            weight: (stripped * 3 + size) as u32,
            height: parts.coinbase.height(header.version()),
            bits: header.bits(),
            coinbase_value: parts.coinbase.value(),
            stripped: parts.coinbase.is_stripped(),
        },
        merkle_root,
        merkle,
        entries: entries.into_boxed_slice(),
        spent: parts.spent.into_boxed_slice(),
        outputs: parts.outputs.into_boxed_slice(),
    })
}
