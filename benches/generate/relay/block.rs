//! A block is found: it confirms what was relayed, comes to the node, and the node tells its peers.
//!
//! All of it is right, by crate `bitcoin`, but for the signatures; the work is that of regtest.

use super::super::block::{FULL, coinbase};
use super::{Affair, Event, FETCHED, NODE, PEER, PEERS, REGTEST, Relay};
use anyhow::{Context as _, Result, ensure};
use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use bitcoin::block::{Header, Version};
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage as M;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::p2p::message_compact_blocks::{BlockTxn, CmpctBlock, GetBlockTxn};
use bitcoin::{Block, CompactTarget, Transaction, TxMerkleNode, Weight};

/// Peers that the node has asked for compact blocks without a question (BIP 152, high bandwidth): the first ones.
pub(super) const FAST: usize = 3;
/// The easiest target there is, which two hashes meet on average.
const BITS: u32 = 0x207f_ffff;
/// Age from which transactions are in blocks, s: miners look for new ones now and then.
const AGE: f64 = 20.0;
/// Share of the peers that have the block before the node tells them, percent.
const AHEAD: u64 = 30;
/// Time in which the node checks a block, and mean time in which peers do, s.
const CHECK: f64 = 0.03;
const CHECKS: f64 = 0.3;

impl Relay {
    pub(super) fn block(&mut self) -> Result<()> {
        self.about(self.pace.block, Event::Block);
        let (block, missing) = self.mine()?;
        let hash = block.block_hash();
        let inv = REGTEST.message(M::Inv(vec![Inventory::Block(hash)]));
        let ask = |what| REGTEST.message(M::GetData(vec![what]));
        let compact_block = HeaderAndShortIds::from_block(&block, self.rng.next(), 2, &[])?;
        let compact = REGTEST.message(M::CmpctBlock(CmpctBlock { compact_block }));
        let connected: Vec<usize> = (0..PEERS).filter(|&n| self.peers[n].link.is_some()).collect();
        let Some((&first, others)) = connected.split_first() else { return Ok(()) };

        let (node, peer, rtt) = (self.affair(first, NODE), self.affair(first, PEER), self.peers[first].rtt);
        let mut done = CHECK;
        if first >= FAST {
            self.send(peer, &inv)?;
            self.after(0.0005, Event::Send(node, ask(Inventory::WitnessBlock(hash))));
            self.after(rtt, Event::Send(peer, REGTEST.message(M::Block(block.clone()))));
            done += rtt;
        } else {
            self.send(peer, &compact)?;
            if !missing.is_empty() {
                let txs_request = BlockTransactionsRequest { block_hash: hash, indexes: missing };
                let transactions = BlockTransactions::from_request(&txs_request, &block)?;
                self.after(0.0005, Event::Send(node, REGTEST.message(M::GetBlockTxn(GetBlockTxn { txs_request }))));
                self.after(rtt, Event::Send(peer, REGTEST.message(M::BlockTxn(BlockTxn { transactions }))));
                done += rtt;
            }
        }

        // One peer that the node tells needs the whole block, some make it of what they have.
        let mut whole = Some(REGTEST.message(M::Block(block)));
        for &n in others {
            let (node, peer, rtt) = (self.affair(n, NODE), self.affair(n, PEER), self.peers[n].rtt);
            if n < FAST || self.rng.percent(AHEAD) {
                self.about(CHECKS, Event::Send(peer, if n < FAST { compact.clone() } else { inv.clone() }));
                continue;
            }
            self.after(done, Event::Send(node, inv.clone()));
            let (what, answer) = match whole.take() {
                Some(whole) => (Inventory::WitnessBlock(hash), whole),
                None if self.rng.percent(FETCHED) => (Inventory::CompactBlock(hash), compact.clone()),
                None => continue,
            };
            self.after(done + rtt, Event::Send(peer, ask(what)));
            self.after(done + rtt + 0.0005, Event::Send(node, answer));
        }
        Ok(())
    }

    fn affair(&self, peer: usize, by: usize) -> Affair {
        Affair { peer, turn: self.peers[peer].turn, by }
    }

    /// Makes a block of the oldest transactions, parents before children, and the places in it of those that the
    /// node does not have.
    fn mine(&mut self) -> Result<(Block, Vec<u64>)> {
        let latest = self.tap.now - (AGE * 1e9) as i64;
        let (mut txdata, mut missing, mut fees, mut weight) = (vec![reward(0, 0, &[0; 32])?], vec![], 0, 2000);
        while let Some(tx) = self.txs.pop_front_if(|tx| tx.since <= latest && weight + tx.weight <= FULL) {
            self.oldest += 1;
            if !tx.is_here() {
                missing.push(txdata.len() as u64);
            }
            (fees, weight) = (fees + tx.fee, weight + tx.weight);
            txdata.push(tx.parsed);
        }
        let header = Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: self.tip,
            merkle_root: TxMerkleNode::all_zeros(),
            time: (self.tap.now / 1_000_000_000) as u32,
            bits: CompactTarget::from_consensus(BITS),
            nonce: 0,
        };
        let mut block = Block { header, txdata };
        self.height += 1;
        let root = block.witness_root().context("a block without transactions")?;
        let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
        block.txdata[0] = reward(self.height, fees, commitment.as_byte_array())?;
        block.header.merkle_root = block.compute_merkle_root().context("a block without transactions")?;
        while block.header.validate_pow(block.header.target()).is_err() {
            block.header.nonce += 1;
        }
        ensure!(block.check_witness_commitment(), "wrong witness commitment");
        ensure!(block.bip34_block_height().is_ok_and(|h| h == u64::from(self.height)), "wrong height");
        ensure!(block.weight() <= Weight::MAX_BLOCK, "too heavy");
        self.tip = block.block_hash();
        Ok((block, missing))
    }
}

/// The transaction that pays the miner.
fn reward(height: u32, fees: u64, commitment: &[u8; 32]) -> Result<Transaction> {
    let mut bytes = Vec::new();
    coinbase(height, fees, commitment, &mut bytes);
    deserialize(&bytes).context("the generator made a coinbase that does not parse")
}
