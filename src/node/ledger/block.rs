//! Blocks: announcements, requests, data, refusals.

use super::tip::Show;
use super::{Incoming, Ledger, Pen};
use crate::flow::PacketIndex;
use crate::message::block::Block;
use crate::message::compact::{BlockTransactions, CompactBlock};
use crate::message::contents::{CompactDigest, Digest};
use crate::message::digest::TxDigest;
use crate::message::hash::Hash256;
use crate::message::headers::{Header, Locator, MAX_HEADERS};
use crate::message::legacy::Reject;
use crate::message::merkle::MerkleCheck;
use crate::message::text::escape;
use crate::node::blocks::{Body, Data, Partial, Record, Via};
use crate::node::chain::{Chain, proves_work};
use crate::node::coins::Coins;
use crate::node::output::Direction;
use crate::node::trouble::Trouble;
use crate::series::blocks::Tip;
use crate::series::{blocks, id};
use crate::time::{SECOND, Timestamp};
use std::sync::Arc;

/// A node that closes the connection within this time after a block rejects the block, ns. It does so as soon
/// as it knows; long after, it closes for another reason.
pub(super) const PUNISHED: i64 = 3 * SECOND;
/// A node that closes several connections within this time stops, or changes its peers, ns.
const TOGETHER: i64 = SECOND;
/// So long a block may be orphan, from its data to the node's question for headers, ns.
const ORPHAN: i64 = 10 * SECOND;
/// Blocks that the node serves are of interest up to this depth: it may have made them itself.
const SERVED: u32 = 100;
/// Blocks looked at for those that a peer just sent.
const NEWEST: usize = 16;

impl Ledger {
    /// Puts a header in the chain. False for one of a peer that proves no work: nodes drop it, and invented
    /// ones would cost nothing.
    fn take_header(&mut self, header: &Header, direction: Direction) -> bool {
        let Some((chain, network)) = self.chain.as_mut().zip(self.network) else { return false };
        if direction == Direction::Recv && chain.get(&header.hash).is_none() {
            let parent = chain.get(&header.prev).filter(|p| p.height_is_sure);
            let parent = parent.as_ref().and_then(|p| Some((&p.header, p.height?)));
            if !proves_work(header, network, parent) {
                self.troubles.count(Trouble::NoWork);
                return false;
            }
        }
        chain.header(*header);
        true
    }

    /// `headers`: from a peer announcements, from the node its chain.
    pub(super) fn headers(&mut self, m: &Incoming<'_>, list: &[Header], coins: &mut Coins, pen: &mut Pen<'_>) {
        let now = m.at.time;
        for header in list {
            self.take_header(header, m.direction);
        }
        let Some(peer) = self.peers.get_mut(&m.connection) else { return };
        if m.direction == Direction::Recv {
            let chain = self.chain.as_ref();
            for header in list.iter().filter(|h| chain.is_some_and(|c| c.get(&h.hash).is_some())) {
                self.blocks.announced(&header.hash, now, peer.address);
            }
            return;
        }
        // A full answer, or one with a place to stop, ends below the tip.
        let newest = list.len() < MAX_HEADERS && !peer.stops;
        let answer = std::mem::take(&mut peer.asked_chain);
        for (i, header) in list.iter().enumerate() {
            let show = if newest && i + 1 == list.len() { Show::Tip } else { Show::Has };
            self.shown(&header.hash, now, show, !answer, coins, pen);
        }
    }

    /// `getheaders`, `getblocks`.
    pub(super) fn locator(
        &mut self,
        m: &Incoming<'_>,
        l: &Locator,
        hashes: &[Hash256],
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        if m.direction == Direction::Recv {
            if let Some(peer) = self.peers.get_mut(&m.connection) {
                peer.stops = l.stop != Hash256::default();
                peer.asked_chain = true;
            }
            return;
        }
        for hash in hashes {
            self.shown(hash, m.at.time, Show::Has, true, coins, pen);
        }
        // Asked of the peer that just sent a block whose parent is missing.
        let parent_known = |r: &Record| self.chain.as_ref().is_some_and(|c| c.get(&r.header.prev).is_some());
        let orphans = self.blocks.iter().rev().take(NEWEST).filter(|r| {
            r.data.from == Some(m.connection) && !r.accepted && m.at.time.since(r.data.at) < ORPHAN && !parent_known(r)
        });
        // While the sensor does not know what the node builds on, nothing tells what the node lacks.
        let tip = self.chain.as_ref().and_then(Chain::tip);
        let orphans = orphans.filter(|r| tip.is_some_and(|t| t.header.hash != r.header.hash));
        let orphans: Vec<Hash256> = orphans.map(|r| r.header.hash).collect();
        for hash in orphans {
            if let Some(r) = self.blocks.get_mut(&hash) {
                r.orphan = true;
            }
        }
    }

    /// `block`.
    pub(super) fn block(
        &mut self,
        m: &Incoming<'_>,
        b: &Block,
        digest: Option<&Digest>,
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        let now = m.at.time;
        let body = match digest {
            Some(Digest::Block(d)) if d.merkle != MerkleCheck::Valid => {
                self.troubles.count(Trouble::MutatedBlock);
                return;
            }
            Some(Digest::Block(d)) => Some(Body::Whole(Arc::clone(d))),
            _ => None,
        };
        if !self.take_header(&b.header(), m.direction) {
            return;
        }
        // It came to the node by an encrypted connection; now its header is known, and what it follows.
        let announced = m.direction == Direction::Sent && self.was_announced_unseen(&b.hash, now);
        self.learn(body.as_ref(), coins, now);
        let from = (m.direction == Direction::Recv).then_some(m.connection);
        let asked = self.blocks.asked(&b.hash, m.connection);
        let fallback = from.is_some() && asked.whole && self.blocks.partial(&b.hash, m.connection).is_some();
        let data = Data {
            at: now,
            from,
            via: if fallback { Via::Fallback } else { Via::Block },
            size: (!b.stripped).then_some(b.size),
            weight: (!b.stripped).then_some(b.weight),
            num_tx: b.tx_count,
            height: b.height,
            coinbase_value: b.coinbase_value,
            missing: None,
            unrequested: from.is_some() && !asked.whole,
        };
        if self.blocks.has(&b.hash) {
            self.amend(&b.hash, data, body, asked.whole, coins, pen);
        } else if from.is_some() || announced || self.is_recent(&b.hash) {
            self.complete(b.header(), data, body, coins, pen);
        }
        if announced {
            self.accepted(&b.hash, now, false, coins, pen);
        } else if m.direction == Direction::Sent {
            self.shown(&b.hash, now, Show::Has, false, coins, pen);
        }
    }

    /// `cmpctblock`.
    pub(super) fn compact_block(
        &mut self,
        m: &Incoming<'_>,
        b: &CompactBlock,
        d: &CompactDigest,
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        let now = m.at.time;
        let Some(peer) = self.peers.get(&m.connection) else { return };
        let (version, address) = (peer.compact_version, peer.address);
        if !self.take_header(&d.header, m.direction) {
            return;
        }
        if m.direction == Direction::Recv && !self.blocks.asked(&b.hash, m.connection).compact {
            self.blocks.announced(&b.hash, now, address);
        }
        for (_, tx) in &d.prefilled {
            coins.learn(tx);
            self.mempool.learned(&tx.tx.txid, now, coins);
        }
        if self.blocks.get(&b.hash).is_none() {
            let candidates = self.mempool.candidates();
            let partial = Partial::new(d, b.height, version, (m.connection, now), candidates);
            let Some(partial) = partial else { return };
            if m.direction == Direction::Sent {
                let c = partial.completed(now, Via::Compact, None, false);
                self.complete(d.header, Data { from: None, ..c.data }, Some(c.body), coins, pen);
            } else {
                // The node will have what the sensor has; when it asks all the same, its data is complete later.
                let c = partial.is_known.then(|| partial.completed(now, Via::Compact, None, false));
                let gave_way = self.blocks.start(partial);
                self.troubles.add(Trouble::EvictedCompact, u64::from(gave_way));
                if let Some(c) = c {
                    self.troubles.add(Trouble::RebuildMismatch, u64::from(c.mismatch));
                    self.complete(d.header, c.data, Some(c.body), coins, pen);
                }
            }
        }
        if m.direction == Direction::Sent {
            if let Some(r) = self.blocks.get_mut(&b.hash) {
                r.relayed.get_or_insert(now);
            }
            self.accepted(&b.hash, now, false, coins, pen);
        }
    }

    /// The node's `getblocktxn`.
    pub(super) fn block_request(&mut self, m: &Incoming<'_>, hash: &Hash256, indexes: &[u16]) {
        if let Some(p) = self.blocks.partial(hash, m.connection) {
            p.requested = Some(indexes.into());
        }
    }

    /// `blocktxn`.
    pub(super) fn block_transactions(
        &mut self,
        m: &Incoming<'_>,
        b: &BlockTransactions,
        given: &[Arc<TxDigest>],
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        let now = m.at.time;
        for tx in given {
            coins.learn(tx);
            self.mempool.learned(&tx.tx.txid, now, coins);
        }
        if m.direction == Direction::Sent {
            return self.shown(&b.block, now, Show::Has, false, coins, pen);
        }
        let Some(partial) = self.blocks.partial(&b.block, m.connection) else { return };
        partial.give(given);
        let header = partial.header;
        let c = partial.completed(now, Via::CompactAndTransactions, Some((b.count, b.bytes)), false);
        self.troubles.add(Trouble::RebuildMismatch, u64::from(c.mismatch));
        if self.blocks.has(&b.block) {
            self.amend(&b.block, c.data, Some(c.body), true, coins, pen);
        } else {
            self.complete(header, c.data, Some(c.body), coins, pen);
        }
    }

    /// Whether a block is one of the newest of the node's chain: of older ones that it serves nothing is wanted.
    fn is_recent(&self, hash: &Hash256) -> bool {
        let chain = self.chain.as_ref();
        chain.is_some_and(|c| c.is_active(hash) && c.depth_above(hash).is_some_and(|depth| depth < SERVED))
    }

    /// Data of a block that has a record comes: `asked` for by the node, it is what completes the block that
    /// was taken for complete when the compact block came. In any case it may tell what was not known.
    fn amend(
        &mut self,
        hash: &Hash256,
        data: Data,
        body: Option<Body>,
        asked: bool,
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        let now = data.at;
        let Some(r) = self.blocks.get_mut(hash) else { return };
        let expected = r.data.via == Via::Compact && r.data.from.is_some() && r.data.from == data.from;
        if expected && asked && r.shown.is_none() {
            r.data = data;
            if r.tip_point.is_some() {
                r.tip_point = Some(pen.stamp(now));
            }
            r.point = pen.stamp(now);
        } else if r.data.size.is_none() && data.size.is_some() {
            (r.data.size, r.data.weight) = (data.size, data.weight);
            self.reopen(hash);
        }
        if let Some(body) = body {
            self.renew(hash, body, now, coins);
        }
    }

    /// The node's `reject` (BIP 61).
    pub(super) fn reject(&mut self, r: &Reject) {
        let record = r.hash.and_then(|hash| self.blocks.get_mut(&hash));
        if let Some(record) = record.filter(|_| &*r.message == b"block") {
            record.reject = Some((r.code, escape(&r.reason).into()));
            self.reopen(&r.hash.unwrap_or_default());
        }
    }

    /// The height in a `version` of the node.
    pub(super) fn own_height(&mut self, height: u32, now: Timestamp, pen: &mut Pen<'_>) {
        self.version_contains(height, now, pen);
        let known = self.chain.as_ref().and_then(|c| c.tip()?.height);
        if known.max(self.best_height).is_none_or(|best| height > best) {
            self.best_height = Some(height);
            let tip = Tip { height: Some(height), ..Tip::default() };
            pen.event(id::BLOCKS, now, || blocks::values(&tip));
        }
    }

    /// The node closed a connection: the block that it brought just before, without a sign since, is rejected,
    /// unless the node closes others too.
    pub(super) fn punished(&mut self, connection: PacketIndex, now: Timestamp, coins: &mut Coins) {
        let together = self.closed_by_node.replace(now).is_some_and(|before| now.since(before) < TOGETHER);
        let newest = self.blocks.iter().rev().take(NEWEST);
        let suspects = newest.clone().filter(|r| {
            r.data.from == Some(connection) && !r.accepted && r.rejected.is_none() && now.since(r.data.at) < PUNISHED
        });
        let suspects: Vec<(Hash256, Hash256)> = suspects.map(|r| (r.header.hash, r.header.prev)).collect();
        let earlier = newest.filter(|r| r.rejected.is_some_and(|at| now.since(at) < TOGETHER) && together);
        let earlier: Vec<Hash256> = earlier.map(|r| r.header.hash).collect();
        for hash in earlier {
            if let Some(r) = self.blocks.get_mut(&hash) {
                r.doubted = true;
            }
        }
        for (hash, parent) in suspects {
            if let Some(r) = self.blocks.get_mut(&hash) {
                (r.rejected, r.doubted, r.tip_point) = (Some(now), together, None);
            }
            if self.chain.as_ref().is_some_and(|c| c.is_active(&hash)) {
                let step = self.chain.as_mut().and_then(|c| c.set_tip(&parent));
                self.walk(step, now, None, coins);
            }
        }
    }

    /// Outputs of a block are known from now on.
    fn learn(&mut self, body: Option<&Body>, coins: &mut Coins, now: Timestamp) {
        let mut txids = Vec::new();
        if let Some(body) = body {
            body.for_each(|tx| {
                coins.learn_outputs(tx.txid, tx.outputs);
                txids.push(*tx.txid);
            });
        }
        for txid in txids {
            self.mempool.learned(&txid, now, coins);
        }
    }

    /// A block's data is complete at the node.
    pub(super) fn complete(
        &mut self,
        header: Header,
        data: Data,
        body: Option<Body>,
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        let (hash, now) = (header.hash, data.at);
        let Some(chain) = &mut self.chain else { return };
        if self.blocks.get(&hash).is_some() {
            return;
        }
        if let Some(height) = data.height {
            chain.height_of(&hash, height);
        }
        let (active, received) = (chain.is_active(&hash), data.from.is_some());
        if let Some(left) = self.blocks.insert(header, data, body, pen.stamp(now)) {
            self.troubles.count(Trouble::EvictedBlock);
            self.write_evicted(left, pen);
        }
        if active {
            // The node had shown it before, as with a block that it made itself.
            self.connect(&hash, now, coins);
        } else if received {
            // What it serves may lie anywhere in its chain: that moves nothing.
            self.advance(&hash, now, coins, pen);
        }
    }
}
