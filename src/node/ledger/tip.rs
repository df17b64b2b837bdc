//! The node's best chain, and what the node made of each block.
//!
//! The tip moves when a block's data is complete at the node and makes its longest chain, and when the
//! node shows another block as its newest. Until a sign of the node, or for [`PATIENCE`], the first is an
//! expectation: when the node closes the connection that brought the block instead, it is taken back.

use super::block::PUNISHED;
use super::{Ledger, Pen};
use crate::message::digest::TxDigest;
use crate::message::hash::Hash256;
use crate::node::blocks::record::BodyTx;
use crate::node::blocks::{Body, Record, Via};
use crate::node::chain::{Chain, Place, Step, subsidy, work};
use crate::node::coins::{Coins, Confirmed};
use crate::node::mempool::PENDING;
use crate::node::trouble::Trouble;
use crate::series::blocks::Tip;
use crate::series::processed_blocks::{self, Processed};
use crate::series::{Value, blocks, id};
use crate::time::{SECOND, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;

/// So long an expected tip waits for a sign, ns.
const PATIENCE: i64 = 2 * SECOND;
/// A block's point is written when its status is known, and after this time, ns.
const SETTLED: i64 = SECOND;
/// Without a sign the status is unknown after this time, ns.
const UNKNOWN: i64 = 60 * SECOND;
/// Announcements of blocks of which nothing was seen that are remembered; nodes find few blocks a minute.
const UNSEEN: usize = 16;
/// Blocks whose transactions tell the coverage.
const COVERED: usize = 10;
/// What a message of the node says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// It has it.
    Has,
    /// It was its newest when the announcement was made, a while before it was sent.
    Announced,
    /// It is its newest.
    Tip,
}

/// Most blocks looked at for the longest chain above a new one.
const MAX_ABOVE: usize = 2048;

impl Ledger {
    /// The node shows that it has a block: as its newest, or only that it has it. `at` is when. What it tells
    /// of its own accord (`unasked`) bounds the time of validation, an answer or a delivery does not.
    pub(super) fn shown(
        &mut self,
        hash: &Hash256,
        at: Timestamp,
        show: Show,
        unasked: bool,
        coins: &mut Coins,
        pen: &mut Pen<'_>,
    ) {
        if let Some(r) = self.blocks.get_mut(hash).filter(|_| unasked)
            && r.shown.is_none()
            && at.since(r.data.at) < UNKNOWN
        {
            r.shown = Some(at);
            self.reopen(hash);
        }
        if show == Show::Announced && unasked && self.chain.as_ref().is_some_and(|c| c.get(hash).is_none()) {
            // Not even its header was seen.
            self.cover(hash, 0, None);
            if self.unseen.len() >= UNSEEN {
                self.unseen.pop_front();
            }
            self.unseen.push_back((*hash, at));
        }
        if show != Show::Has {
            self.accepted(hash, at, show == Show::Tip, coins, pen);
        } else if self.blocks.get(hash).is_some_and(|r| !r.accepted) {
            self.sign(hash, pen);
        }
    }

    /// Whether the node announced a block of its own accord a moment ago, of which nothing had been seen.
    pub(super) fn was_announced_unseen(&mut self, hash: &Hash256, now: Timestamp) -> bool {
        let found = self.unseen.iter().position(|(h, at)| h == hash && now.since(*at) < UNKNOWN);
        found.and_then(|i| self.unseen.remove(i)).is_some()
    }

    /// The node shows a block as its newest; with `now`, by a message that is made when it is sent.
    pub(super) fn accepted(&mut self, hash: &Hash256, at: Timestamp, now: bool, coins: &mut Coins, pen: &mut Pen<'_>) {
        if self.blocks.get(hash).is_none()
            && let Some(p) = self.blocks.unasked(hash)
        {
            // It could complete the compact block, though the sensor cannot.
            let (header, c) = (p.header, p.completed(p.at, Via::Compact, None, false));
            self.troubles.add(Trouble::RebuildMismatch, u64::from(c.mismatch));
            self.complete(header, c.data, Some(c.body), coins, pen);
        }
        self.sign(hash, pen);
        let Some(chain) = &mut self.chain else { return };
        let overtaken = |c: &Chain| {
            let (Some(tip), Some(block)) = (c.tip(), c.get(hash)) else { return false };
            let sure = self.blocks.get(&tip.header.hash).is_none_or(|r| r.accepted) || block.place == Place::Stale;
            sure && tip.height.zip(block.height).is_some_and(|(tip, block)| block <= tip)
        };
        // An inv waits for its turn: the node may have gone on since.
        if !chain.is_active(hash) && (now || !overtaken(chain)) {
            let step = chain.set_tip(hash);
            self.walk(step, at, Some(pen), coins);
            self.sign(hash, pen);
        }
    }

    /// The node's `version` tells a height: it has the blocks of its chain up to there.
    pub(super) fn version_contains(&mut self, height: u32, at: Timestamp, pen: &mut Pen<'_>) {
        let Some(chain) = &self.chain else { return };
        let line = std::iter::successors(chain.tip(), |k| chain.get(&k.header.prev)).take(MAX_ABOVE);
        let line = line.skip_while(|k| k.height.is_none_or(|h| h > height));
        let unseen = line.map_while(|k| self.blocks.get(&k.header.hash).filter(|r| r.shown.is_none()));
        let unseen: Vec<Hash256> = unseen.filter(|r| at.since(r.data.at) < UNKNOWN).map(|r| r.header.hash).collect();
        for hash in unseen {
            if let Some(r) = self.blocks.get_mut(&hash) {
                r.shown = Some(at);
            }
            self.reopen(&hash);
            self.sign(&hash, pen);
        }
    }

    /// A sign that the node has accepted a block, and with it all that the block builds on.
    fn sign(&mut self, hash: &Hash256, pen: &mut Pen<'_>) {
        let mut next = *hash;
        while let Some(r) = self.blocks.get_mut(&next).filter(|r| !r.accepted) {
            (r.accepted, r.rejected) = (true, None);
            let parent = r.header.prev;
            self.write_tip(&next, pen);
            self.reopen(&next);
            next = parent;
        }
    }

    /// Moves the tip when the chain through a block whose data is complete is longer than the node's.
    pub(super) fn advance(&mut self, hash: &Hash256, now: Timestamp, coins: &mut Coins, pen: &mut Pen<'_>) {
        let Some(best) = self.highest_above(hash) else { return };
        let Some(chain) = &mut self.chain else { return };
        let step = chain.set_tip(&best);
        self.walk(step, now, Some(pen), coins);
    }

    /// The end of the chain with most work of complete blocks through `hash`, when it has more than the node's.
    fn highest_above(&self, hash: &Hash256) -> Option<Hash256> {
        let chain = self.chain.as_ref()?;
        let good = |h: &Hash256| self.blocks.get(h).is_some_and(Record::is_candidate);
        if !good(hash) {
            return None;
        }
        let first = chain.get(hash)?.header;
        let (mut at, mut below, mut done) = (first.prev, 1_u32, work(&first));
        while !chain.is_active(&at) {
            let known = chain.get(&at).filter(|_| good(&at));
            match (known, chain.tip()) {
                (Some(k), _) if below < MAX_ABOVE as u32 => {
                    (at, below, done) = (k.header.prev, below + 1, done + work(&k.header));
                }
                (_, None) => break,
                // Joined in the middle, or headers are missing: the heights decide.
                (_, Some(tip)) => {
                    let (ours, theirs) = (chain.height(hash)?, tip.height?);
                    // Nobody makes the next blocks much more easily than the last ones.
                    let earnest = work(&first) + work(&first) + work(&first) + work(&first) >= work(&tip.header);
                    let gap = chain.get(&at).is_none() && ours > theirs && ours - theirs < below + 1;
                    return (gap && earnest).then_some(*hash);
                }
            }
        }
        if chain.tip().is_none() {
            let expected = self.best_height.zip(chain.height(hash)).is_none_or(|(own, height)| height <= own + 1);
            return expected.then_some(*hash);
        }
        let mut best = (done, *hash);
        let mut todo = vec![best];
        let mut seen = 0;
        while let Some((done, at)) = todo.pop().filter(|_| seen < MAX_ABOVE) {
            seen += 1;
            if done > best.0 {
                best = (done, at);
            }
            let children = chain.children(&at).filter(good).filter_map(|child| chain.get(&child));
            todo.extend(children.map(|k| (done + work(&k.header), k.header.hash)));
        }
        // The node's own blocks above the fork.
        let line = std::iter::successors(chain.tip(), |k| chain.get(&k.header.prev)).take(MAX_ABOVE);
        let mut line = line.take_while(|k| k.header.hash != at).map(|k| work(&k.header));
        let ours = line.next().map(|newest| line.fold(newest, |sum, w| sum + w));
        ours.is_none_or(|ours| best.0 > ours).then_some(best.1)
    }

    /// The node's chain changes: the mempool and the coins follow.
    pub(super) fn walk(&mut self, step: Option<Step>, now: Timestamp, pen: Option<&mut Pen<'_>>, coins: &mut Coins) {
        let Some(step) = step else { return };
        let mut returned = Vec::new();
        for hash in &step.disconnected {
            returned.push(self.disconnect(hash, coins));
        }
        self.update_policy();
        let mut pen = pen;
        for hash in &step.connected {
            self.connect(hash, now, coins);
            let Some(pen) = pen.as_deref_mut() else { continue };
            let at = self.blocks.get(hash).map_or(now, |r| r.data.at.max(now));
            let time = pen.stamp(at);
            match self.blocks.get_mut(hash).filter(|r| !r.accepted) {
                Some(r) => r.tip_point = Some(time),
                None => self.tip_event(hash, time, pen),
            }
        }
        self.update_policy();
        for transactions in returned.iter().rev() {
            self.mempool.bring_back(transactions, now, coins);
        }
        if let Some(height) = step.height {
            coins.tip(height);
        }
        let tip = self.chain.as_ref().and_then(Chain::tip);
        if let Some(tip) = tip {
            let parent = tip.header.prev;
            // What it builds on, the node has accepted, unless that is only expected of the tip itself.
            if self.blocks.get(&tip.header.hash).is_none_or(|r| r.accepted)
                && let Some(pen) = pen
            {
                self.sign(&parent, pen);
            }
        }
    }

    fn update_policy(&mut self) {
        let Some(chain) = &self.chain else { return };
        let tip = chain.tip();
        self.mempool.policy.next_height = tip.and_then(|t| t.height).map(|h| h + 1);
        self.mempool.policy.median_time = tip.and_then(|t| chain.median_time(&t.header.hash));
    }

    /// A block joins the node's chain.
    pub(super) fn connect(&mut self, hash: &Hash256, now: Timestamp, coins: &mut Coins) {
        let height = self.chain.as_ref().and_then(|c| c.height(hash)).unwrap_or(0);
        let record = self.blocks.get_mut(hash).filter(|r| !r.connected);
        let Some((r, body)) = record.and_then(|r| r.body.take().map(|body| (r, body))) else {
            return self.cover(hash, 0, None);
        };
        r.connected = true;
        let first = coins.follow(hash);
        let (mut taken, mut txids, mut known) = (Vec::new(), Vec::new(), 0);
        body.for_each(|tx| {
            if first {
                let BodyTx { txid, outputs, .. } = tx;
                coins.connect(Confirmed { txid, outputs }, tx.spent(), height);
            }
            let (tx_taken, was_in) = self.mempool.confirm(tx.txid, tx.spent(), now);
            known += u64::from(was_in);
            taken.extend(tx_taken);
            txids.push(*tx.txid);
        });
        let all = (body.count() as u64).saturating_sub(1);
        self.cover(hash, known, Some(all));
        if let Some(r) = self.blocks.get_mut(hash) {
            (r.body, r.taken) = (Some(body), taken);
        }
        self.mempool.confirmed(txids, now, coins);
    }

    /// Notes how many of a block's transactions the mempool had. Of one whose transactions are not known it had
    /// none: for the coverage that one has as many as the others have on average, and at least one.
    fn cover(&mut self, hash: &Hash256, known: u64, all: Option<u64>) {
        let others = self.known.iter().filter(|(other, ..)| other != hash).map(|(_, _, all)| all);
        let average = others.clone().sum::<u64>() / (others.count() as u64).max(1);
        let entry = (*hash, known, all.unwrap_or(average.max(1)));
        if let Some(slot) = self.known.iter_mut().find(|(other, ..)| other == hash) {
            if all.is_some() {
                *slot = entry;
            }
            return;
        }
        self.known.push_back(entry);
        if self.known.len() > COVERED {
            self.known.pop_front();
        }
    }

    /// More is known of the transactions of a block.
    pub(super) fn renew(&mut self, hash: &Hash256, body: Body, now: Timestamp, coins: &mut Coins) {
        let height = self.chain.as_ref().and_then(|c| c.height(hash)).unwrap_or(0);
        let Some(r) = self.blocks.get_mut(hash) else { return };
        let Some(before) = r.body.take_if(|b| !b.is_whole()) else { return };
        let (connected, mut taken, mut txids) = (r.connected, std::mem::take(&mut r.taken), Vec::new());
        if connected {
            let mut known = HashSet::new();
            before.for_each(|tx| {
                known.insert(*tx.txid);
            });
            let first = coins.is_followed_once(hash);
            body.for_each(|tx| {
                if known.contains(tx.txid) {
                    return;
                }
                if first {
                    let BodyTx { txid, outputs, .. } = tx;
                    coins.connect(Confirmed { txid, outputs }, tx.spent(), height);
                }
                taken.extend(self.mempool.confirm(tx.txid, tx.spent(), now).0);
                txids.push(*tx.txid);
            });
        }
        if let Some(r) = self.blocks.get_mut(hash) {
            (r.body, r.taken) = (Some(body), taken);
        }
        self.mempool.confirmed(txids, now, coins);
    }

    /// A transaction that was not known is one of a block whose data is complete at the node: it is mined.
    pub(super) fn fill(&mut self, tx: &Arc<TxDigest>, now: Timestamp, coins: &mut Coins) {
        let found = self.blocks.unfinished().filter_map(|p| p.offer(tx).then_some((p.header.hash, p.connection)));
        let found: Vec<_> = found.collect();
        for (hash, connection) in found {
            let Some(r) = self.blocks.get(&hash) else { continue };
            let (at, via, missing, unrequested) = (r.data.at, r.data.via, r.data.missing, r.data.unrequested);
            let Some(p) = self.blocks.partial(&hash, connection) else { continue };
            let c = p.completed(at, via, missing, unrequested);
            self.renew(&hash, c.body, now, coins);
            if let Some(r) = self.blocks.get_mut(&hash).filter(|r| r.data.size.is_none() && c.data.size.is_some()) {
                (r.data.size, r.data.weight) = (c.data.size, c.data.weight);
                self.reopen(&hash);
            }
        }
    }

    /// A block leaves the node's chain; returns the transactions that return to the mempool.
    fn disconnect(&mut self, hash: &Hash256, coins: &mut Coins) -> Vec<Arc<TxDigest>> {
        let Some(r) = self.blocks.get_mut(hash) else { return Vec::new() };
        r.tip_point = None;
        if !std::mem::take(&mut r.connected) {
            return Vec::new();
        }
        let (last, taken) = (coins.leave(hash), std::mem::take(&mut r.taken));
        let Some(body) = &r.body else { return taken };
        if last {
            body.for_each(|tx| coins.disconnect(Confirmed { txid: tx.txid, outputs: tx.outputs }, tx.spent()));
        }
        body.returning(&taken)
    }

    /// Tips without a sign are told now, compact blocks of long ago given up.
    pub(super) fn overdue(&mut self, now: Timestamp, pen: &mut Pen<'_>) {
        let late = |r: &&Record| r.tip_point.is_some() && now.since(r.data.at) >= PATIENCE;
        let open = self.blocks.open.iter().filter_map(|h| self.blocks.get(h));
        let late: Vec<Hash256> = open.filter(late).map(|r| r.header.hash).collect();
        for hash in late {
            self.write_tip(&hash, pen);
        }
        self.blocks.forget(|p| now.since(p.at) > UNKNOWN, |p| now.since(p.at) > PENDING);
    }

    /// Writes the point of a tip that waited for a sign.
    fn write_tip(&mut self, hash: &Hash256, pen: &mut Pen<'_>) {
        if let Some(time) = self.blocks.get_mut(hash).and_then(|r| r.tip_point.take()) {
            self.tip_event(hash, time, pen);
        }
    }

    fn tip_event(&mut self, hash: &Hash256, time: Timestamp, pen: &mut Pen<'_>) {
        let Some(chain) = &self.chain else { return };
        let data = self.blocks.get(hash).map(|r| &r.data);
        let tip = Tip {
            height: chain.height(hash),
            size: data.and_then(|d| d.size),
            num_tx: data.map(|d| d.num_tx),
            weight: data.and_then(|d| d.weight),
            median_time: chain.median_time(hash),
        };
        self.best_height = tip.height.or(self.best_height);
        pen.write(id::BLOCKS, time, || blocks::values(&tip));
    }

    /// The point of a block is to be written, again when it was.
    pub(super) fn reopen(&mut self, hash: &Hash256) {
        if let Some(r) = self.blocks.get_mut(hash).filter(|r| !r.open) {
            r.open = true;
            self.blocks.open.push_back(*hash);
        }
    }

    /// Writes the points of blocks of which enough is known at `now`; with none, of all.
    pub(super) fn write_blocks(&mut self, now: Option<Timestamp>, pen: &mut Pen<'_>) {
        for _ in 0..self.blocks.open.len() {
            let Some(hash) = self.blocks.open.pop_front() else { break };
            let Some(r) = self.blocks.get(&hash) else { continue };
            let age = now.map_or(i64::MAX, |now| now.since(r.data.at));
            if !r.accepted && age >= PUNISHED && self.is_built_on(&hash) {
                self.sign(&hash, pen);
            }
            let Some(r) = self.blocks.get(&hash) else { continue };
            let decided = r.accepted || r.rejected.is_some() || r.reject.is_some();
            if age < UNKNOWN && !(decided && age >= SETTLED) {
                self.blocks.open.push_back(hash);
                continue;
            }
            if r.data.from.is_some() {
                pen.write(id::PROCESSED_BLOCKS, r.point, || self.processed(r));
            }
            if now.is_none() {
                self.write_tip(&hash, pen);
            }
            if let Some(r) = self.blocks.get_mut(&hash) {
                r.open = false;
            }
        }
    }

    /// Whether a block is on the node's chain with another above it.
    fn is_built_on(&self, hash: &Hash256) -> bool {
        let chain = self.chain.as_ref();
        chain.is_some_and(|c| c.is_active(hash) && c.tip().is_some_and(|tip| tip.header.hash != *hash))
    }

    /// Writes the point of a block that had to leave.
    pub(super) fn write_evicted(&mut self, mut r: Record, pen: &mut Pen<'_>) {
        r.accepted |= self.is_built_on(&r.header.hash);
        if r.data.from.is_some() {
            pen.write(id::PROCESSED_BLOCKS, r.point, || self.processed(&r));
        }
    }

    /// The values of a block's point in `processed_blocks`.
    pub fn processed(&self, r: &Record) -> Vec<Value> {
        let (chain, d) = (self.chain.as_ref(), &r.data);
        let height = d.height.or_else(|| chain?.height(&r.header.hash));
        let created = height.zip(self.network).map(|(height, network)| subsidy(height, network));
        let fees = d.coinbase_value.zip(created).and_then(|(paid, created)| u64::try_from(paid - created).ok());
        let micros = |t: Timestamp| Some(t.since(d.at) / 1000).filter(|us| *us >= 0);
        processed_blocks::values(&Processed {
            sha: r.header.hash.to_string(),
            height,
            size: d.size,
            weight: d.weight,
            num_tx: d.num_tx,
            total_tx_fees: fees,
            status: r.status().name(),
            is_orphan: r.orphan,
            process_time: r.shown.and_then(micros),
            relay_time: r.relayed.and_then(micros),
            reject: r.reject.as_ref().map(|(code, reason)| (*code, reason.to_string())),
            via: d.via.name(),
            missing: d.missing,
            first_announcer: r.announced.map(|(_, peer)| peer.to_string()),
            announce_to_data: r.announced.map(|(at, _)| d.at.since(at) / 1000),
        })
    }
}
