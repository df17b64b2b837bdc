//! What the messages of one node add up to: its chain, its mempool, its peers' announcements.
//!
//! [`Ledger::message`] reads each message as the node's own protocol logic does, in both directions:
//! what it receives changes what it may know, what it sends shows what it knows. `relay` has the
//! transactions, `block` the blocks, `tip` the node's best chain.

mod block;
mod pen;
mod relay;
mod tip;

pub use pen::Pen;

use super::addresses::Addresses;
use super::blocks::Blocks;
use super::chain::Chain;
use super::coins::Coins;
use super::key::Key;
use super::limiter::Limiter;
use super::mempool::Mempool;
use super::output::Direction;
use super::peer::Peer;
use super::peer_set::Places;
use super::recent::Recent;
use super::transactions::Transactions;
use super::trouble::Trouble;
use crate::flow::{At, PacketIndex, Side};
use crate::health::Tally;
use crate::message::body::Body;
use crate::message::contents::Digest;
use crate::message::event::Message;
use crate::message::hash::Hash256;
use crate::message::network::Network;
use crate::message::version::Version;
use crate::time::{SECOND, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Readable connections followed at most; further ones are counted, not followed.
const MAX_PEERS: usize = 8192;
/// An accepted connection closed by the node within this time, without a byte from it, was refused, ns.
const REFUSED: i64 = 2 * SECOND;
/// How long a refused source counts as banned (Bitcoin Core `DEFAULT_MISBEHAVING_BANTIME`), ns.
const BANNED: i64 = 24 * 3600 * SECOND;
/// Refused sources remembered at most.
const MAX_BANNED: usize = 10_000;
/// User agent of a private broadcast over Tor (Bitcoin Core 31): what it says is made up.
const PRIVATE_BROADCAST: &[u8] = b"/pynode:0.0.1/";
/// Outputs of which the spending transaction is remembered, at most.
const MAX_SPENT: usize = 2 * ((1 << 19) / 8 * 7);

/// A message and where it came by.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// When its last byte was there.
    pub at: At,
    /// The connection.
    pub connection: PacketIndex,
    /// The other end.
    pub peer: SocketAddr,
    /// The node's side.
    pub side: Side,
    /// Seen from the node.
    pub direction: Direction,
    /// The network of the connection.
    pub network: Option<Network>,
    /// The message.
    pub message: &'a Message,
}

/// The state of one node.
#[derive(Clone, Debug)]
pub struct Ledger {
    key: Key,
    network: Option<Network>,
    /// The node speaks it.
    network_is_sure: bool,
    /// The headers, and the node's tip among them.
    pub chain: Option<Chain>,
    /// The blocks.
    pub blocks: Blocks,
    /// The shadow mempool.
    pub mempool: Mempool,
    /// Transactions seen.
    pub transactions: Transactions,
    peers: HashMap<PacketIndex, Peer, ahash::RandomState>,
    places: Places,
    addresses: Addresses,
    banned: HashMap<IpAddr, Timestamp, ahash::RandomState>,
    limiter: Limiter,
    limited: u64,
    spenders: Recent<u64>,
    /// In the running interval.
    double_spends: u64,
    all_double_spends: u64,
    /// Transactions of the newest blocks: those that the mempool had, and all.
    known: VecDeque<(Hash256, u64, u64)>,
    /// The best height that a point told.
    best_height: Option<u32>,
    /// Blocks that the node announced before anything was seen of them, and when.
    unseen: VecDeque<(Hash256, Timestamp)>,
    /// When the node last closed the connection of a peer.
    closed_by_node: Option<Timestamp>,
    troubles: Tally<Trouble>,
}

impl Ledger {
    /// Nothing seen yet.
    pub fn new(key: Key) -> Self {
        Self {
            key: key.derive(6),
            network: None,
            network_is_sure: false,
            chain: None,
            blocks: Blocks::new(key),
            mempool: Mempool::new(key),
            transactions: Transactions::default(),
            peers: HashMap::default(),
            places: Places::new(),
            addresses: Addresses::default(),
            banned: HashMap::default(),
            limiter: Limiter::default(),
            limited: 0,
            spenders: Recent::new(MAX_SPENT),
            double_spends: 0,
            all_double_spends: 0,
            known: VecDeque::new(),
            best_height: None,
            unseen: VecDeque::new(),
            closed_by_node: None,
            troubles: Tally::default(),
        }
    }

    /// Takes a message whose checksum is right and which is whole.
    pub fn message(&mut self, m: &Incoming<'_>, coins: &mut Coins, pen: &mut Pen<'_>) {
        let from_peer = m.direction == Direction::Recv;
        if !self.meet(m) {
            return;
        }
        match (&m.message.body, m.message.digest.as_ref()) {
            (Ok(Body::Version(v)), _) => self.version(m, v, pen),
            (Ok(Body::FeeFilter(rate)), _) => self.fee_filter(m, *rate),
            (Ok(Body::FilterLoad(_)), _) if from_peer => {
                if let Some(peer) = self.peers.get_mut(&m.connection) {
                    peer.filtered = true;
                }
            }
            (Ok(Body::SendCompact { version, .. }), _) if !from_peer => {
                // The highest version that it asks for is the one it gets.
                if let Some(peer) = self.peers.get_mut(&m.connection) {
                    peer.compact_version = *version;
                }
            }
            (Ok(Body::Tx(_)), Some(Digest::Tx(tx))) => self.transaction(m, tx, coins, pen),
            (Ok(Body::Inventory(_)), Some(Digest::Inventory(list))) => self.inventory(m, list, coins, pen),
            (Ok(Body::Headers(_)), Some(Digest::Headers(list))) => self.headers(m, list, coins, pen),
            (Ok(Body::Locator(l)), Some(Digest::Locator(hashes))) => self.locator(m, l, hashes, coins, pen),
            (Ok(Body::Block(b)), digest) => self.block(m, b, digest, coins, pen),
            (Ok(Body::CompactBlock(b)), Some(Digest::CompactBlock(d))) => self.compact_block(m, b, d, coins, pen),
            (Ok(Body::BlockTransactions(b)), Some(Digest::BlockRequest(indexes))) if !from_peer => {
                self.block_request(m, &b.block, indexes);
            }
            (Ok(Body::BlockTransactions(b)), Some(Digest::BlockTransactions(given))) => {
                self.block_transactions(m, b, given, coins, pen);
            }
            (Ok(Body::Reject(r)), _) if !from_peer => self.reject(r),
            (Ok(Body::Addresses(_)), Some(Digest::Addresses(hashes))) if from_peer => {
                self.addresses.note(hashes, m.at.time);
            }
            (Ok(Body::Empty), _) => {
                if let Some(peer) = self.peers.get_mut(&m.connection) {
                    peer.note(m.message.command, from_peer, m.at.time);
                }
            }
            _ => {}
        }
        self.price(pen, m.at.time);
    }

    /// Makes the peer of a message known; false beyond the cap, and for other networks than the node's. That is
    /// the one it speaks; until it does, the one spoken to it last.
    fn meet(&mut self, m: &Incoming<'_>) -> bool {
        let speaks = m.direction == Direction::Sent;
        if !self.network_is_sure
            && self.network != m.network
            && let Some(network) = m.network
        {
            self.network = Some(network);
            self.chain = Some(Chain::new(network));
        }
        self.network_is_sure |= speaks;
        if self.network != m.network {
            return false;
        }
        if self.peers.contains_key(&m.connection) {
            return true;
        }
        if self.peers.len() >= MAX_PEERS {
            self.troubles.count(Trouble::UnfollowedMessage);
            return false;
        }
        let Self { places, mempool, .. } = self;
        let place = places.take(|left| mempool.forget_peers(left));
        if place.is_none() {
            self.troubles.count(Trouble::NoPlace);
        }
        self.peers.insert(m.connection, Peer::new(m.peer, m.side, place));
        true
    }

    /// A connection ended, at the hands of the node when `by_node`.
    pub fn closed(&mut self, connection: PacketIndex, by_node: bool, now: Timestamp, coins: &mut Coins) {
        if by_node && self.peers.contains_key(&connection) {
            self.punished(connection, now, coins);
        }
        self.blocks.forget(|p| p.connection == connection, |_| false);
        if let Some(place) = self.peers.remove(&connection).and_then(|p| p.place) {
            self.places.free(place);
            self.mempool.peer_left(place, self.places.taken());
        }
    }

    /// The node closed a connection that `source` had opened `age` nanoseconds before, without sending a byte.
    pub fn refused(&mut self, source: IpAddr, age: i64, now: Timestamp) {
        if age > REFUSED {
            return;
        }
        if self.banned.len() >= MAX_BANNED && !self.banned.contains_key(&source) {
            self.troubles.count(Trouble::RefusedFull);
            return;
        }
        self.banned.insert(source, now);
    }

    /// Time passes.
    pub fn tick(&mut self, now: Timestamp, pen: &mut Pen<'_>) {
        let Self { mempool, peers, .. } = self;
        mempool.tick(now, |entry| {
            peers.values().any(|p| {
                let heard = p.place.is_none_or(|place| entry.heard.contains(place));
                !heard && p.is_told_since(entry.since) && (p.fee_filter == 0 || entry.pays(p.fee_filter) == Some(true))
            })
        });
        self.banned.retain(|_, at| now.since(*at) < BANNED);
        self.overdue(now, pen);
        self.write_blocks(Some(now), pen);
    }

    /// What was discarded since the last call.
    pub fn take_troubles(&mut self) -> Tally<Trouble> {
        self.troubles.merge(&self.mempool.take_troubles());
        let forgotten = [
            (Trouble::ForgottenTransaction, self.transactions.take_forgotten()),
            (Trouble::ForgottenAnnouncement, self.mempool.take_forgotten()),
            (Trouble::ForgottenBlockAnnouncement, self.blocks.take_forgotten()),
            (Trouble::ForgottenSpender, self.spenders.take_forgotten()),
        ];
        for (trouble, n) in forgotten {
            self.troubles.add(trouble, n);
        }
        std::mem::take(&mut self.troubles)
    }

    /// The capture ends: what is still open is written.
    pub fn finish(&mut self, pen: &mut Pen<'_>) {
        self.write_blocks(None, pen);
    }

    /// Distinct addresses gossiped in the 24 hours before the last one.
    pub fn gossiped(&self) -> u64 {
        self.addresses.count()
    }

    /// Distinct addresses gossiped lately, and sources that were refused.
    pub fn gossip(&mut self, now: Timestamp) -> (u64, u64) {
        (self.addresses.estimate(now), self.banned.len() as u64)
    }

    fn version(&mut self, m: &Incoming<'_>, v: &Version, pen: &mut Pen<'_>) {
        let Some(peer) = self.peers.get_mut(&m.connection) else { return };
        if m.direction == Direction::Recv {
            peer.wants_tx.get_or_insert(v.wants_transactions());
            return;
        }
        if v.user_agent.as_deref() == Some(PRIVATE_BROADCAST) {
            peer.node_relays = Some(false);
            return;
        }
        peer.node_relays.get_or_insert(v.wants_transactions());
        if let Some(height) = v.start_height.and_then(|h| u32::try_from(h).ok()) {
            self.own_height(height, m.at.time, pen);
        }
    }

    fn fee_filter(&mut self, m: &Incoming<'_>, rate: i64) {
        let Ok(rate) = u64::try_from(rate) else { return };
        match m.direction {
            Direction::Recv => {
                if let Some(peer) = self.peers.get_mut(&m.connection) {
                    peer.fee_filter = rate;
                }
            }
            Direction::Sent => {
                self.transactions.min_rate = Some(rate);
                self.mempool.policy.min_rate = Some(rate);
            }
        }
    }
}
