//! The shadow mempool: which transactions the node has, from what it receives and shows.
//!
//! A transaction enters when it arrives and nothing known speaks against it (module `judge`); otherwise it is
//! pending, and enters when the node announces it, serves it, or has it in a block it left. It leaves with a block,
//! when a conflicting one is taken or mined (with its descendants), when the node does not have it any
//! more, when it is not shown for [`UNSHOWN`] though a peer should have been told, or after [`EXPIRY`].
//! What leaves without a block is pending again for a while: the node may show it after all.
//!
//! Memory: [`MAX_ENTRIES`], [`MAX_BYTES`], [`MAX_LINKS`]; pending ones leave first.

mod entry;
mod judge;
mod moves;

pub use entry::{Entry, Standing};
pub use judge::{LEAST_RATE, Policy, Verdict};

use super::coins::Coins;
use super::key::Key;
use super::peer_set::PeerSet;
use super::recent::Recent;
use super::trouble::Trouble;
use crate::health::Tally;
use crate::message::digest::{OutPoint, TxDigest};
use crate::message::hash::Hash256;
use crate::time::{SECOND, Timestamp};
use entry::{Entries, Handle};
use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Without a sign of the node for so long, though a peer should have been told, it has not taken it, ns.
pub const UNSHOWN: i64 = 60 * SECOND;
/// How long nodes keep a transaction (Bitcoin Core `DEFAULT_MEMPOOL_EXPIRY_HOURS`), ns.
pub const EXPIRY: i64 = 336 * 3600 * SECOND;
/// How long a pending one is kept, an orphan too, ns.
pub const PENDING: i64 = 20 * 60 * SECOND;
/// A step back of the clock by more than this is noticed, ns; after a smaller one all leaves so much later.
const BACK: i64 = 3600 * SECOND;
/// Most transactions, those pending included.
pub const MAX_ENTRIES: usize = 300_000;
/// Most memory for them, bytes.
pub const MAX_BYTES: usize = 192 << 20;
/// Most pending ones.
pub const MAX_PENDING: usize = 30_000;
/// Most links from a missing parent to those that wait for it; beyond, those that have waited longest wait no more.
pub const MAX_LINKS: usize = 200_000;
/// Missing parents that a transaction waits for at once: when one comes, the others are looked for again.
const MAX_LINKS_EACH: usize = 100;
/// Announcements of transactions that have not come yet, remembered at most.
const MAX_HEARD: usize = 131_072;
/// Most transactions entered or taken up in one go, when a parent appears.
const MAX_CHAIN: usize = 10_000;

/// Sums over the mempool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Transactions.
    pub num_tx: u64,
    /// Serialized size, bytes.
    pub size: u64,
    /// Virtual size, vbytes.
    pub vsize: u64,
    /// Orphans.
    pub num_orphans: u64,
}

/// A transaction whose fee became known after it was first seen.
pub type Priced = (Arc<TxDigest>, u64);

/// The shadow mempool of one node.
#[derive(Clone, Debug)]
pub struct Mempool {
    /// What the node goes by.
    pub policy: Policy,
    key: Key,
    entries: Entries,
    totals: Totals,
    /// Who waits for a transaction that is not there, by its txid.
    waiting: BTreeSet<(Hash256, Handle)>,
    /// Those that wait, the longest first.
    waiters: VecDeque<Handle>,
    /// Who announced a transaction that has not come yet.
    heard: Recent<PeerSet>,
    unshown: VecDeque<(Timestamp, Handle)>,
    pending: VecDeque<(Timestamp, Handle)>,
    entered: VecDeque<(Timestamp, Handle)>,
    /// The last [`Mempool::tick`].
    ticked: Timestamp,
    num_pending: usize,
    orphans: Vec<Handle>,
    /// Announcements that the node did not have to make, since they were last taken.
    inv_known: u64,
    /// Transactions that left for a conflicting one, since they were last taken.
    replaced: u64,
    priced: Vec<Priced>,
    troubles: Tally<Trouble>,
}

impl Mempool {
    /// Empty.
    pub fn new(key: Key) -> Self {
        Self {
            policy: Policy::default(),
            key: key.derive(4),
            entries: Entries::default(),
            totals: Totals::default(),
            waiting: BTreeSet::new(),
            waiters: VecDeque::new(),
            heard: Recent::new(MAX_HEARD),
            unshown: VecDeque::new(),
            pending: VecDeque::new(),
            entered: VecDeque::new(),
            ticked: Timestamp::default(),
            num_pending: 0,
            orphans: Vec::new(),
            inv_known: 0,
            replaced: 0,
            priced: Vec::new(),
            troubles: Tally::default(),
        }
    }

    /// Sums now.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What was discarded since the last call.
    pub fn take_troubles(&mut self) -> Tally<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// All transactions, those pending included: candidates for compact blocks.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<TxDigest>> {
        self.entries.iter().map(|e| &e.tx)
    }

    /// The transactions of the mempool, in no order of meaning.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.standing == Standing::In)
    }

    /// Whether the mempool has the transaction `txid`.
    pub fn has(&self, txid: &Hash256) -> bool {
        self.entries.find(txid).and_then(|at| self.entries.get(at)).is_some_and(|e| e.standing == Standing::In)
    }

    /// Announcements that the node did not have to make, since the last call.
    pub fn take_inv_known(&mut self) -> u64 {
        std::mem::take(&mut self.inv_known)
    }

    /// Transactions that conflicting ones replaced since the last call, their descendants left out.
    pub fn take_replaced(&mut self) -> u64 {
        std::mem::take(&mut self.replaced)
    }

    /// Transactions whose fee became known since the last call.
    pub fn take_priced(&mut self) -> Vec<Priced> {
        std::mem::take(&mut self.priced)
    }

    /// Announcements forgotten since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        self.heard.take_forgotten()
    }

    /// A peer announced a transaction.
    pub fn hear(&mut self, id: &Hash256, peer: u8) {
        if let Some(at) = self.entries.find(id) {
            self.note_heard(at, peer);
            return;
        }
        let print = self.key.of_hash(id);
        if let Some(peers) = self.heard.get_mut(print) {
            peers.insert(peer);
        } else {
            let mut peers = PeerSet::default();
            peers.insert(peer);
            self.heard.insert(print, peers);
        }
    }

    fn note_heard(&mut self, at: u32, peer: u8) {
        let Some(e) = self.entries.get_mut(at) else { return };
        let new = e.heard.insert(peer);
        self.inv_known += u64::from(new && e.standing == Standing::In && !e.told.contains(peer));
    }

    /// A transaction came from `peer`, or with none out of a block that brought it.
    pub fn arrive(&mut self, tx: &Arc<TxDigest>, peer: Option<u8>, now: Timestamp, coins: &mut Coins) {
        let at = match self.entries.find(&tx.tx.txid) {
            Some(at) => {
                let other = self.entries.get(at).is_some_and(|e| e.tx.tx.wtxid != tx.tx.wtxid);
                if !other {
                    if let Some(peer) = peer {
                        self.note_heard(at, peer);
                    }
                    return;
                }
                // The same with another witness: one of them is invalid, the one that the node has not shown.
                if self.entries.get(at).is_some_and(|e| e.shown) {
                    return;
                }
                self.delete(at);
                self.insert(tx, now)
            }
            None if coins.is_confirmed(tx) => return,
            None => self.insert(tx, now),
        };
        if let (Some(e), Some(peer)) = (self.entries.get_mut(at), peer) {
            e.heard.insert(peer);
        }
        self.consider(at, now, coins);
        self.follow_up(vec![tx.tx.txid], now, coins);
        self.make_room();
    }

    /// Lets the series have the fee of a transaction when it becomes known.
    pub fn want_fee(&mut self, wtxid: &Hash256) {
        if let Some(e) = self.entries.find(wtxid).and_then(|at| self.entries.get_mut(at)) {
            e.wants_fee = e.fee.is_none();
        }
    }

    /// The node announced (to `peer`) or served a transaction: it has it.
    pub fn show(&mut self, id: &Hash256, peer: Option<u8>, now: Timestamp, coins: &mut Coins) {
        let Some(at) = self.entries.find(id) else { return };
        let Some(e) = self.entries.get_mut(at) else { return };
        if let Some(peer) = peer {
            e.told.insert(peer);
        }
        e.shown = true;
        if e.standing == Standing::In {
            return;
        }
        // With it the node has all that it descends from.
        let mut line = vec![at];
        let mut next = 0;
        while let Some(e) = line.get(next).and_then(|&at| self.entries.get(at)).filter(|_| line.len() < MAX_CHAIN) {
            let parents = e.tx.inputs.iter().filter_map(|i| self.entries.find(&i.prevout.txid));
            let parents: Vec<u32> = parents
                .filter(|p| !line.contains(p))
                .filter(|&p| self.entries.get(p).is_some_and(|e| e.standing == Standing::Pending))
                .collect();
            line.extend(parents);
            next += 1;
        }
        let ids: Vec<Hash256> = line.iter().filter_map(|&at| self.entries.get(at)).map(|e| e.tx.tx.txid).collect();
        for at in line.into_iter().rev() {
            self.enter(at, now);
        }
        self.follow_up(ids, now, coins);
    }

    /// The node, asked for a transaction that it had announced to `peer`, did not have it.
    pub fn deny(&mut self, id: &Hash256, peer: u8, now: Timestamp) {
        let Some(at) = self.entries.find(id) else { return };
        if self.entries.get(at).is_some_and(|e| e.standing == Standing::In && e.told.contains(peer)) {
            self.leave(at, now);
        }
    }

    /// The node asked for a transaction by txid: those that wait for it are orphans.
    pub fn ask(&mut self, txid: &Hash256) {
        for &(_, child) in self.waiting.range(all_of(txid)) {
            let Some(at) = self.entries.live(child) else { continue };
            let Some(e) = self.entries.get_mut(at) else { continue };
            if e.standing == Standing::Pending && !e.orphan {
                e.orphan = true;
                self.totals.num_orphans += 1;
                self.orphans.push(child);
            }
        }
    }

    /// A peer left; those that are there still are `present`.
    pub fn peer_left(&mut self, peer: u8, present: PeerSet) {
        for handle in self.orphans.clone() {
            let Some(at) = self.entries.live(handle) else { continue };
            let Some(e) = self.entries.get_mut(at) else { continue };
            e.heard.remove(peer);
            if e.heard.intersection(present).is_empty() {
                self.no_orphan(at);
            }
        }
        self.forget_adopted();
    }

    /// Forgets what these peers, which left, announced and were told.
    pub fn forget_peers(&mut self, left: PeerSet) {
        for e in self.entries.iter_mut() {
            (e.heard, e.told) = (e.heard.without(left), e.told.without(left));
        }
        for heard in self.heard.values_mut() {
            *heard = heard.without(left);
        }
    }

    /// A block has the transaction: returns it, when it was in the mempool or pending.
    pub fn confirm<'a>(
        &mut self,
        txid: &Hash256,
        spent: impl Iterator<Item = &'a OutPoint>,
        now: Timestamp,
    ) -> (Option<Arc<TxDigest>>, bool) {
        let at = self.entries.find(txid);
        let was_in = at.and_then(|at| self.entries.get(at)).is_some_and(|e| e.standing == Standing::In);
        let taken = at.and_then(|at| self.delete(at)).map(|e| e.tx);
        for prevout in spent {
            if let Some(other) = self.entries.spender(prevout) {
                self.leave(other, now);
            }
        }
        (taken, was_in)
    }

    /// Transactions of a block that the node follows are there to be spent.
    pub fn confirmed(&mut self, txids: Vec<Hash256>, now: Timestamp, coins: &mut Coins) {
        self.follow_up(txids, now, coins);
    }

    /// Outputs of `txid` were seen: fees may be known now.
    pub fn learned(&mut self, txid: &Hash256, now: Timestamp, coins: &mut Coins) {
        self.follow_up(vec![*txid], now, coins);
    }

    /// The node left the block of these transactions, which are in its order: they return.
    pub fn bring_back(&mut self, transactions: &[Arc<TxDigest>], now: Timestamp, coins: &mut Coins) {
        for tx in transactions {
            if tx.is_coinbase() || coins.is_confirmed(tx) || self.entries.find(&tx.tx.txid).is_some() {
                continue;
            }
            let at = self.insert(tx, now);
            if let Some(e) = self.entries.get_mut(at) {
                // Nodes do not announce what returns: that nobody is told is no sign.
                e.shown = true;
            }
            self.price(at, coins);
            match self.judge(at, coins, true) {
                Verdict::Enters(_) => self.enter(at, now),
                Verdict::Missing(parents) => self.wait(at, &parents),
                Verdict::Held => {}
            }
        }
        self.make_room();
    }

    /// Time passes. `should_know` says whether a peer should have been told of an entry.
    pub fn tick(&mut self, now: Timestamp, should_know: impl Fn(&Entry) -> bool) {
        if std::mem::replace(&mut self.ticked, now).since(now) > BACK {
            self.set_back(now);
        }
        while let Some((_, handle)) = pop_older(&mut self.unshown, now, UNSHOWN) {
            let Some(at) = self.entries.live(handle) else { continue };
            let unshown = |e: &&Entry| e.standing == Standing::In && !e.shown;
            if self.entries.get(at).filter(unshown).is_some_and(&should_know) {
                self.leave(at, now);
            }
        }
        while let Some((since, handle)) = pop_older(&mut self.pending, now, PENDING) {
            let stands = |e: &Entry| e.standing == Standing::Pending && e.since == since;
            if let Some(at) = self.entries.live(handle).filter(|&at| self.entries.get(at).is_some_and(stands)) {
                self.delete(at);
            }
        }
        while let Some((since, handle)) = pop_older(&mut self.entered, now, EXPIRY) {
            let stands = |e: &Entry| e.standing == Standing::In && e.since == since;
            if let Some(at) = self.entries.live(handle).filter(|&at| self.entries.get(at).is_some_and(stands)) {
                self.leave(at, now);
            }
        }
        self.forget_adopted();
        self.forget_stale();
    }

    /// The clock was ahead: what has a time that is not yet would hold up all behind it in its queue. It is of now.
    fn set_back(&mut self, now: Timestamp) {
        for (since, _) in self.unshown.iter_mut().chain(&mut self.pending).chain(&mut self.entered) {
            *since = now.min(*since);
        }
        for e in self.entries.iter_mut() {
            e.since = now.min(e.since);
        }
    }
}

/// The links from a missing parent.
fn all_of(parent: &Hash256) -> RangeInclusive<(Hash256, Handle)> {
    (*parent, Handle::FIRST)..=(*parent, Handle::LAST)
}

/// The front of a queue, when it is at least `age` old.
fn pop_older(queue: &mut VecDeque<(Timestamp, Handle)>, now: Timestamp, age: i64) -> Option<(Timestamp, Handle)> {
    queue.pop_front_if(|(since, _)| now.since(*since) >= age)
}

#[cfg(test)]
mod tests;
