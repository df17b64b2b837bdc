//! How transactions come, wait, enter, leave and are forgotten.

use super::entry::{Entry, Handle, Standing};
use super::judge::Verdict;
use super::{MAX_BYTES, MAX_CHAIN, MAX_ENTRIES, MAX_LINKS, MAX_LINKS_EACH, MAX_PENDING, Mempool, all_of};
use crate::message::digest::TxDigest;
use crate::message::hash::Hash256;
use crate::node::coins::{Coins, fee};
use crate::node::peer_set::PeerSet;
use crate::node::trouble::Trouble;
use crate::time::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Queues may hold so many names of entries that are gone before they are cleaned.
const STALE: usize = 1024;

impl Mempool {
    pub(super) fn insert(&mut self, tx: &Arc<TxDigest>, now: Timestamp) -> u32 {
        let mut heard = PeerSet::default();
        for id in [&tx.tx.txid, &tx.tx.wtxid] {
            heard = heard.union(self.heard.remove(self.key.of_hash(id)).unwrap_or_default());
        }
        let at = self.entries.insert(Arc::clone(tx), now, heard);
        self.num_pending += 1;
        self.queue_pending(at, now);
        at
    }

    pub(super) fn queue_pending(&mut self, at: u32, now: Timestamp) {
        if let Some(handle) = self.entries.handle(at) {
            self.pending.push_back((now, handle));
        }
    }

    /// Takes what is known of it into account: its fee, whether the node has it.
    pub(super) fn consider(&mut self, at: u32, now: Timestamp, coins: &mut Coins) {
        self.price(at, coins);
        if self.entries.get(at).is_none_or(|e| e.standing == Standing::In) {
            return;
        }
        match self.judge(at, coins, false) {
            Verdict::Enters(_) => self.enter(at, now),
            Verdict::Missing(parents) => self.wait(at, &parents),
            Verdict::Held => {}
        }
    }

    /// Reckons its fee, and notes for which transactions it waits otherwise.
    pub(super) fn price(&mut self, at: u32, coins: &mut Coins) {
        let Some(e) = self.entries.get(at).filter(|e| e.fee.is_none()) else { return };
        let tx = Arc::clone(&e.tx);
        let prevouts = coins.prevouts(&tx);
        if let Some(fee) = fee(&tx, &prevouts) {
            let Some(e) = self.entries.get_mut(at) else { return };
            e.fee = Some(fee);
            if std::mem::take(&mut e.wants_fee) {
                self.priced.push((tx, fee));
            }
        } else {
            let unknown = tx.inputs.iter().zip(&prevouts).filter(|(_, p)| p.is_none());
            let mut parents: Vec<Hash256> = unknown.map(|(i, _)| i.prevout.txid).collect();
            parents.dedup();
            self.wait(at, &parents);
        }
    }

    /// The entry at `at` is looked at again when one of `parents` shows up.
    pub(super) fn wait(&mut self, at: u32, parents: &[Hash256]) {
        let Some(handle) = self.entries.handle(at) else { return };
        if let Some(e) = self.entries.get_mut(at).filter(|e| !e.waits && !parents.is_empty()) {
            e.waits = true;
            self.waiters.push_back(handle);
        }
        self.waiting.extend(parents.iter().take(MAX_LINKS_EACH).map(|parent| (*parent, handle)));
        while self.waiting.len() > MAX_LINKS {
            let Some(longest) = self.waiters.pop_front() else { break };
            let Some(e) = self.entries.live(longest).and_then(|at| self.entries.get_mut(at)) else { continue };
            if std::mem::take(&mut e.waits) && unlink(&mut self.waiting, e, longest) {
                self.troubles.count(Trouble::WaitingFull);
            }
        }
    }

    /// Looks again at those that wait for `parents`, and for those that enter thereby.
    pub(super) fn follow_up(&mut self, mut parents: Vec<Hash256>, now: Timestamp, coins: &mut Coins) {
        let mut done = 0;
        while let Some(parent) = parents.get(done).copied().filter(|_| done < MAX_CHAIN) {
            done += 1;
            let children: Vec<_> = self.waiting.extract_if(all_of(&parent), |_| true).collect();
            for (_, child) in children {
                let Some(at) = self.entries.live(child) else { continue };
                self.no_orphan(at);
                let before = self.entries.get(at).map(|e| e.standing);
                self.consider(at, now, coins);
                let after = self.entries.get(at).map(|e| (e.standing, e.tx.tx.txid));
                if let (Some(Standing::Pending), Some((Standing::In, txid))) = (before, after) {
                    parents.push(txid);
                }
            }
        }
        self.forget_adopted();
    }

    /// The node has it: what conflicts with it leaves.
    pub(super) fn enter(&mut self, at: u32, now: Timestamp) {
        let Some(e) = self.entries.get(at).filter(|e| e.standing == Standing::Pending) else { return };
        let tx = Arc::clone(&e.tx);
        for input in &tx.inputs {
            if let Some(other) = self.entries.spender(&input.prevout).filter(|&other| other != at) {
                self.leave(other, now);
                self.replaced += 1;
            }
        }
        self.no_orphan(at);
        self.entries.claim(at);
        let Some(handle) = self.entries.handle(at) else { return };
        let Some(e) = self.entries.get_mut(at) else { return };
        (e.standing, e.since) = (Standing::In, now);
        self.inv_known += e.heard.len();
        if !e.shown {
            self.unshown.push_back((now, handle));
        }
        self.entered.push_back((now, handle));
        self.num_pending -= 1;
        self.totals.num_tx += 1;
        self.totals.size += u64::from(tx.tx.size);
        self.totals.vsize += u64::from(tx.tx.vsize());
    }

    /// The node does not have it any more, nor what descends from it.
    pub(super) fn leave(&mut self, at: u32, now: Timestamp) {
        let mut all = Vec::new();
        self.descendants(at, &mut all);
        for at in all {
            self.entries.release(at);
            let Some(e) = self.entries.get_mut(at).filter(|e| e.standing == Standing::In) else { continue };
            (e.standing, e.since, e.shown) = (Standing::Pending, now, false);
            let (size, vsize) = (e.tx.tx.size, e.tx.tx.vsize());
            self.subtract(size, vsize);
            self.num_pending += 1;
            self.queue_pending(at, now);
        }
    }

    pub(super) fn subtract(&mut self, size: u32, vsize: u32) {
        self.totals.num_tx -= 1;
        self.totals.size -= u64::from(size);
        self.totals.vsize -= u64::from(vsize);
    }

    /// Forgets it.
    pub(super) fn delete(&mut self, at: u32) -> Option<Entry> {
        self.no_orphan(at);
        let handle = self.entries.handle(at)?;
        let e = self.entries.remove(at)?;
        // It may be forgotten because its parents never came.
        if e.waits {
            unlink(&mut self.waiting, &e, handle);
        }
        match e.standing {
            Standing::In => self.subtract(e.tx.tx.size, e.tx.tx.vsize()),
            Standing::Pending => self.num_pending -= 1,
        }
        Some(e)
    }

    pub(super) fn no_orphan(&mut self, at: u32) {
        if let Some(e) = self.entries.get_mut(at)
            && std::mem::take(&mut e.orphan)
        {
            self.totals.num_orphans -= 1;
        }
    }

    pub(super) fn forget_adopted(&mut self) {
        if self.orphans.is_empty() {
            return;
        }
        let Self { orphans, entries, .. } = self;
        orphans.retain(|h| entries.live(*h).and_then(|at| entries.get(at)).is_some_and(|e| e.orphan));
    }

    /// Forgets the longest pending ones beyond the caps, then the oldest of the mempool.
    pub(super) fn make_room(&mut self) {
        let over = |m: &Self| m.entries.len() > MAX_ENTRIES || m.entries.bytes() > MAX_BYTES;
        while self.num_pending > MAX_PENDING || over(self) {
            let Some((since, handle)) = self.pending.pop_front() else { break };
            let stands = |e: &Entry| e.standing == Standing::Pending && e.since == since;
            if let Some(at) = self.entries.live(handle).filter(|&at| self.entries.get(at).is_some_and(stands)) {
                self.delete(at);
                self.troubles.count(Trouble::EvictedPending);
            }
        }
        while over(self) {
            let Some((_, handle)) = self.entered.pop_front() else { break };
            if let Some(at) = self.entries.live(handle) {
                self.delete(at);
                self.troubles.count(Trouble::EvictedTransaction);
            }
        }
    }

    /// Cleans the queues of names of entries that are gone, when there are many.
    pub(super) fn forget_stale(&mut self) {
        let Self { entries, unshown, pending, entered, waiters, .. } = self;
        if waiters.len() > 2 * entries.len() + STALE {
            waiters.retain(|h| entries.live(*h).and_then(|at| entries.get(at)).is_some_and(|e| e.waits));
        }
        for queue in [unshown, pending, entered] {
            let queue: &mut VecDeque<(Timestamp, Handle)> = queue;
            if queue.len() > 2 * entries.len() + STALE {
                queue.retain(|(since, h)| {
                    entries.live(*h).and_then(|at| entries.get(at)).is_some_and(|e| e.since == *since)
                });
            }
        }
    }
}

/// Takes the links of `e`, named `handle`, away; false: it had none.
fn unlink(waiting: &mut BTreeSet<(Hash256, Handle)>, e: &Entry, handle: Handle) -> bool {
    let before = waiting.len();
    e.tx.inputs.iter().for_each(|i| _ = waiting.remove(&(i.prevout.txid, handle)));
    waiting.len() < before
}
