//! Blocks of the size and the mix of mainnet's: merkle root, witness commitment (BIP 141) and height (BIP 34) are
//! right, the proof of work is not.

use super::rng::Rng;
use super::tx::{Ids, TxWriter, finish, hash};
use anyhow::{Context as _, Result, ensure};
use bitcoin::consensus::deserialize;
use std::path::{Path, PathBuf};

/// Weight at which a block is full: the limit less what miners leave.
pub const FULL: usize = 3_993_000;
/// Height of the first block.
const FIRST: u32 = 840_000;
/// What a block pays its miner, satoshi.
const REWARD: u64 = 312_500_000;
/// Bytes of a header.
pub const HEADER: usize = 80;

/// Where blocks come from.
pub enum Blocks {
    /// Synthetic ones.
    Synthetic {
        /// Number of the next block.
        next: u32,
        /// Hash of the newest one.
        tip: [u8; 32],
    },
    /// Real ones, over and over.
    Files {
        /// Compressed raw blocks.
        files: Vec<PathBuf>,
        /// Number of the next block.
        next: usize,
    },
}

impl Blocks {
    /// The blocks of the files `*.blk.zst` in `folder` (raw blocks, zstd), or synthetic ones.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Self::Synthetic { next: 0, tip: [0; 32] }) };
        let mut files = Vec::new();
        for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".blk.zst") {
                files.push(path);
            }
        }
        ensure!(!files.is_empty(), "no file *.blk.zst in {}", folder.display());
        files.sort();
        Ok(Self::Files { files, next: 0 })
    }

    /// The next `n` blocks, serialized.
    pub fn take(&mut self, n: usize) -> Result<Vec<Vec<u8>>> {
        match self {
            Self::Synthetic { next, tip } => {
                let mut blocks = many(*next, n);
                for block in &mut blocks {
                    block[4..36].copy_from_slice(tip);
                    *tip = hash(&[&block[..HEADER]]);
                }
                if let (0, Some(first)) = (*next, blocks.first()) {
                    check(first)?;
                }
                *next += n as u32;
                Ok(blocks)
            }
            Self::Files { files, next } => {
                let mut blocks = Vec::with_capacity(n);
                for _ in 0..n {
                    let path = &files[*next % files.len()];
                    let context = || format!("cannot read {}", path.display());
                    let file = std::fs::File::open(path).with_context(context)?;
                    blocks.push(zstd::decode_all(file).with_context(context)?);
                    *next += 1;
                }
                Ok(blocks)
            }
        }
    }
}

/// Blocks are independent of each other but for the parent's hash: all cores work.
fn many(first: u32, n: usize) -> Vec<Vec<u8>> {
    let mut blocks = vec![Vec::new(); n];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = n.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (k, part) in blocks.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                for (i, block) in part.iter_mut().enumerate() {
                    *block = build(first + (k * share + i) as u32);
                }
            });
        }
    });
    blocks
}

/// Block number `n`, without parent.
fn build(n: u32) -> Vec<u8> {
    let mut rng = Rng::new(0x626c_6f63_6b00_0000 + u64::from(n));
    // One to two megabytes: not every block is full.
    let (least, most) = (1_000_000, 1_990_000);
    let goal = rng.range(least, 3_000_000).min(most) as usize;
    let mut out = Vec::with_capacity(most as usize + 64 * 1024);
    out.extend(0x2000_0000_u32.to_le_bytes());
    out.extend([0; 64]);
    out.extend((1_713_571_767 + 600 * n).to_le_bytes());
    out.extend(0x1703_4219_u32.to_le_bytes());
    out.extend((rng.next() as u32).to_le_bytes());
    // The number of transactions, in three bytes.
    out.extend([0xfd, 0, 0]);
    let at = out.len();
    let first = coinbase(FIRST + n, REWARD, &[0; 32], &mut out);
    let (mut txids, mut wtxids, mut weight) = (vec![first.txid], vec![[0; 32]], 4 * at + first.weight);
    let (mut writer, mut transaction) = (TxWriter::default(), Vec::new());
    while out.len() < goal && txids.len() < 0xffff {
        transaction.clear();
        let ids = writer.write(&mut rng, &mut transaction);
        if weight + ids.weight > FULL || out.len() + transaction.len() > most as usize {
            break;
        }
        out.extend_from_slice(&transaction);
        weight += ids.weight;
        txids.push(ids.txid);
        wtxids.push(ids.wtxid);
    }
    let commitment = hash(&[&merkle_root(wtxids), &[0; 32]]);
    let mut paid = Vec::new();
    txids[0] = coinbase(FIRST + n, REWARD, &commitment, &mut paid).txid;
    out[at..at + paid.len()].copy_from_slice(&paid);
    out[at - 2..at].copy_from_slice(&(txids.len() as u16).to_le_bytes());
    out[36..68].copy_from_slice(&merkle_root(txids));
    out
}

/// Appends the transaction that pays the miner `reward` satoshi.
pub fn coinbase(height: u32, reward: u64, commitment: &[u8; 32], out: &mut Vec<u8>) -> Ids {
    let mut core = vec![1];
    core.extend([0; 32]);
    core.extend([0xff; 4]);
    core.extend([11, 3]);
    core.extend(&height.to_le_bytes()[..3]);
    core.extend(b"/bench/");
    core.extend([0xff; 4]);
    core.push(2);
    core.extend(reward.to_le_bytes());
    core.extend([22, 0, 20]);
    core.extend([0x42; 20]);
    core.extend([0; 8]);
    core.extend([38, 0x6a, 36, 0xaa, 0x21, 0xa9, 0xed]);
    core.extend(commitment);
    let mut witness = vec![1, 32];
    witness.extend([0; 32]);
    finish(&core, Some(&witness), 0, out)
}

fn merkle_root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| hash(&[&pair[0], pair.last().unwrap_or(&pair[0])])).collect();
    }
    level.first().copied().unwrap_or_default()
}

/// What crate `bitcoin` says of a synthetic block.
fn check(block: &[u8]) -> Result<()> {
    let block: bitcoin::Block = deserialize(block).context("the generator made a block that does not parse")?;
    ensure!(block.check_merkle_root(), "wrong merkle root");
    ensure!(block.check_witness_commitment(), "wrong witness commitment");
    ensure!(block.bip34_block_height().is_ok_and(|h| h == u64::from(FIRST)), "wrong height");
    ensure!(block.weight() <= bitcoin::Weight::MAX_BLOCK, "too heavy");
    Ok(())
}
