//! Transaction relay at the tip: a node with 125 connections.
//!
//! Each transaction is announced to the node by several peers, fetched from one of them, announced to all that have
//! not announced it, and fetched by some of those. It spends coins, most of them made by those before it, and a block
//! confirms it ([`block`]): as many coins and about as many transactions are open at any time. Rates and timers are those
//! of Bitcoin Core on the main network, the messages are of regtest, so that blocks prove the work that they claim.

mod block;

use super::net::{Link, Tap};
use super::p2p::{HEIGHT, REGTEST};
use super::rng::Rng;
use super::tx::{Coin, TxWriter, inputs};
use anyhow::{Context as _, Result, ensure};
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage as M;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::p2p::message_compact_blocks::SendCmpct;
use bitcoin::{BlockHash, Transaction, Wtxid};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Connections, of which the first ten are outbound (to the node's peers); the bits of a `u128` have room for them.
const PEERS: usize = 125;
const OUTBOUND: usize = 10;
/// Mean times between events, s.
const PING: f64 = 120.0;
const ADDRESSES: f64 = 40.0;
const FEE: f64 = 600.0;
/// Between two `inv` on an inbound and on an outbound connection (`INBOUND_INVENTORY_BROADCAST_INTERVAL` and the
/// outbound one of Bitcoin Core), s.
const TRICKLE: [f64; 2] = [5.0, 2.0];
/// Delay of an acknowledgment that waits for data to go with, s.
const DELAYED_ACK: f64 = 0.04;
/// Share of announced transactions that a peer fetches from the node, percent.
const FETCHED: u64 = 12;
/// Coins that there are to spend. When there are more, transactions spend [`GATHERED`] at least.
const COINS: usize = 1 << 15;
const GATHERED: usize = 3;
/// The least that a coin is worth, satoshi: less is dust.
const DUST: u64 = 1000;
/// Sizes of the transactions, bytes.
const TX_BYTES: std::ops::RangeInclusive<usize> = 200..=600;

/// How often something happens.
#[derive(Clone, Copy)]
pub struct Pace {
    /// New transactions a second.
    pub transactions: f64,
    /// Mean time between two blocks, s.
    pub block: f64,
    /// Mean time between two connections that are replaced, s.
    pub churn: f64,
}

impl Pace {
    /// As on the main network.
    pub const MAIN: Self = Self { transactions: 7.0, block: 600.0, churn: 20.0 };
}

/// The node's end of a [`Peer`]'s affairs, and the peer's.
const NODE: usize = 0;
const PEER: usize = 1;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A peer connects.
    Open(usize),
    /// A connection is replaced by another.
    Churn,
    /// A transaction reaches the first peers.
    New,
    /// A block is found.
    Block,
    /// An end sends what it has to announce.
    Trickle(Affair),
    Ping(Affair),
    Addresses(Affair),
    Fee(Affair),
    /// An end sends a message.
    Send(Affair, Vec<u8>),
    /// The peer sends a transaction that the node has asked for.
    Arrive(Affair, u64),
    /// An acknowledgment is due.
    Acknowledge(Affair),
}

/// What one end does on a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Affair {
    peer: usize,
    /// Which connection of the peer: what is due on a closed one is forgotten.
    turn: u32,
    /// `NODE` or `PEER`.
    by: usize,
}

struct Peer {
    link: Option<Link>,
    turn: u32,
    /// Round trip, s.
    rtt: f64,
    /// What the node, and the peer, have to announce.
    news: [Vec<u64>; 2],
}

impl Peer {
    /// The number of an end in [`Link`], where the initiator is 0.
    fn end(number: usize, by: usize) -> usize {
        if number < OUTBOUND { by } else { 1 - by }
    }
}

struct Tx {
    message: Vec<u8>,
    parsed: Transaction,
    wtxid: Wtxid,
    weight: usize,
    fee: u64,
    /// When it was made, ns since 1970.
    since: i64,
    /// Peers that have it, a bit each; all bits when the node has it.
    known: u128,
    requested: bool,
}

impl Tx {
    /// Whether the node has it.
    fn is_here(&self) -> bool {
        self.known == u128::MAX
    }
}

struct Relay {
    tap: Tap,
    rng: Rng,
    peers: Vec<Peer>,
    events: BinaryHeap<Reverse<(i64, u64, Event)>>,
    /// Events so far: the order of those at the same time.
    scheduled: u64,
    /// Those that no block has.
    txs: VecDeque<Tx>,
    /// Number of the first in `txs`.
    oldest: u64,
    /// What is not spent.
    coins: Vec<Coin>,
    writer: TxWriter,
    /// The newest block, and its height.
    tip: BlockHash,
    height: u32,
    pace: Pace,
}

/// Writes a capture of about `size` bytes.
pub fn write(path: &Path, size: u64, pace: Pace) -> Result<()> {
    let mut rng = Rng::new(0x7265_6c61_7900);
    let peer =
        |rng: &mut Rng| Peer { link: None, turn: 0, rtt: rng.range(8, 240) as f64 / 1e3, news: [vec![], vec![]] };
    let peers = (0..PEERS).map(|_| peer(&mut rng)).collect();
    let tap = Tap::create(path, super::START)?;
    let coins = (0..COINS).map(|_| Coin::old(&mut rng)).collect();
    let mut relay = Relay {
        tap,
        rng,
        peers,
        events: BinaryHeap::new(),
        scheduled: 0,
        txs: VecDeque::new(),
        oldest: 0,
        coins,
        writer: TxWriter::default(),
        tip: BlockHash::all_zeros(),
        height: HEIGHT,
        pace,
    };
    (0..PEERS).for_each(|n| relay.after(0.1 * n as f64, Event::Open(n)));
    relay.after(10.0, Event::New);
    relay.after(60.0, Event::Churn);
    relay.after(60.0, Event::Block);
    while relay.tap.bytes < size {
        let Some(Reverse((time, _, event))) = relay.events.pop() else { break };
        relay.tap.wait_until(time);
        relay.happen(event)?;
    }
    relay.tap.finish()
}

impl Relay {
    /// Schedules `event` in so many seconds.
    fn after(&mut self, seconds: f64, event: Event) {
        let time = self.tap.now + (seconds * 1e9) as i64;
        self.scheduled += 1;
        self.events.push(Reverse((time, self.scheduled, event)));
    }

    /// Schedules `event` at a random time, on average in so many seconds.
    fn about(&mut self, mean: f64, event: Event) {
        let seconds = self.rng.exponential(mean);
        self.after(seconds, event);
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Open(n) => return self.open(n),
            Event::Churn => return self.churn(),
            Event::New => return self.new_tx(),
            Event::Block => return self.block(),
            _ => {}
        }
        let (Event::Trickle(a)
        | Event::Ping(a)
        | Event::Addresses(a)
        | Event::Fee(a)
        | Event::Send(a, _)
        | Event::Arrive(a, _)
        | Event::Acknowledge(a)) = event
        else {
            return Ok(());
        };
        if self.peers[a.peer].turn != a.turn {
            return Ok(());
        }
        let seconds = self.tap.now / 1_000_000_000;
        match event {
            Event::Trickle(a) => {
                self.about(TRICKLE[usize::from(a.peer < OUTBOUND)], Event::Trickle(a));
                self.announce(a)
            }
            Event::Ping(a) => {
                let nonce = self.rng.next();
                self.send(a, &REGTEST.message(M::Ping(nonce)))?;
                let reply = Affair { by: 1 - a.by, ..a };
                self.after(self.peers[a.peer].rtt, Event::Send(reply, REGTEST.message(M::Pong(nonce))));
                self.after(PING, Event::Ping(a));
                Ok(())
            }
            Event::Addresses(a) => {
                let n = self.rng.range(1, 10) as usize;
                self.about(ADDRESSES, Event::Addresses(a));
                let message = REGTEST.addresses(&mut self.rng, n, seconds);
                self.send(a, &message)
            }
            Event::Fee(a) => {
                let fee = 1000 + self.rng.range(0, 9000) as i64;
                self.about(FEE, Event::Fee(a));
                self.send(a, &REGTEST.message(M::FeeFilter(fee)))
            }
            Event::Send(a, message) => self.send(a, &message),
            Event::Arrive(a, n) => self.arrive(a, n),
            Event::Acknowledge(a) => match &mut self.peers[a.peer].link {
                Some(link) => link.acknowledge(&mut self.tap, Peer::end(a.peer, a.by)),
                None => Ok(()),
            },
            Event::Open(_) | Event::Churn | Event::New | Event::Block => Ok(()),
        }
    }

    fn send(&mut self, a: Affair, message: &[u8]) -> Result<()> {
        let other = Affair { by: 1 - a.by, ..a };
        let Some(link) = &mut self.peers[a.peer].link else { return Ok(()) };
        let owed = link.owes(Peer::end(a.peer, other.by));
        link.send(&mut self.tap, Peer::end(a.peer, a.by), message)?;
        if !owed && link.owes(Peer::end(a.peer, other.by)) {
            self.after(DELAYED_ACK, Event::Acknowledge(other));
        }
        Ok(())
    }

    fn open(&mut self, n: usize) -> Result<()> {
        let ends = endpoints(n, self.peers[n].turn);
        let seeds = [self.rng.next() as u32, self.rng.next() as u32];
        self.peers[n].link = Some(Link::open(&mut self.tap, ends, seeds)?);
        let a = Affair { peer: n, turn: self.peers[n].turn, by: NODE };
        let seconds = self.tap.now / 1_000_000_000;
        let rtt = self.peers[n].rtt;
        let mut delay = 0.0;
        for (from, bytes) in REGTEST.handshake(&mut self.rng, ends, seconds, self.height) {
            self.after(delay, Event::Send(Affair { by: Peer::end(n, from), ..a }, bytes));
            delay += rtt / 2.0;
        }
        if n < block::FAST {
            let fast = SendCmpct { send_compact: true, version: 2 };
            self.after(delay, Event::Send(a, REGTEST.message(M::SendCmpct(fast))));
        }
        if n < OUTBOUND {
            // The answer to `getaddr`.
            self.after(delay, Event::Send(a, REGTEST.message(M::GetAddr)));
            let message = REGTEST.addresses(&mut self.rng, 1000, seconds);
            self.after(delay + rtt, Event::Send(Affair { by: PEER, ..a }, message));
        }
        for by in [NODE, PEER] {
            let a = Affair { by, ..a };
            for (mean, event) in [
                (TRICKLE[usize::from(n < OUTBOUND)], Event::Trickle(a)),
                (PING, Event::Ping(a)),
                (ADDRESSES, Event::Addresses(a)),
                (FEE, Event::Fee(a)),
            ] {
                let wait = self.rng.exponential(mean);
                self.after(delay + 1.0 + wait, event);
            }
        }
        Ok(())
    }

    /// A peer goes, and soon another takes its place.
    fn churn(&mut self) -> Result<()> {
        self.about(self.pace.churn, Event::Churn);
        let n = self.rng.range(0, PEERS as u64 - 1) as usize;
        let first = self.rng.range(0, 1) as usize;
        if let Some(mut link) = self.peers[n].link.take() {
            link.close(&mut self.tap, first)?;
            self.peers[n].turn += 1;
            self.peers[n].news = [vec![], vec![]];
            self.about(2.0, Event::Open(n));
        }
        Ok(())
    }

    /// A transaction spreads in the network: some peers hear of it before the node does.
    fn new_tx(&mut self) -> Result<()> {
        self.about(1.0 / self.pace.transactions, Event::New);
        let mut bytes = Vec::with_capacity(*TX_BYTES.end());
        let ids = loop {
            bytes.clear();
            let least = if self.coins.len() > COINS { GATHERED } else { 1 };
            let spent = (0..inputs(&mut self.rng).max(least)).map(|_| self.take_coin()).collect::<Vec<_>>();
            let ids = self.writer.spend(&mut self.rng, &spent, &mut bytes);
            if TX_BYTES.contains(&bytes.len()) && self.writer.made.iter().all(|c| c.value >= DUST) {
                break ids;
            }
            self.coins.extend(spent);
        };
        self.coins.append(&mut self.writer.made);
        let tx: Transaction = deserialize(&bytes).context("the generator made a transaction that does not parse")?;
        let wtxid = Wtxid::from_byte_array(ids.wtxid);
        ensure!((tx.compute_wtxid(), tx.compute_txid().to_byte_array()) == (wtxid, ids.txid), "wrong hashes");
        let mut message = Vec::with_capacity(24 + bytes.len());
        REGTEST.raw("tx", &bytes, &mut message);
        let number = self.oldest + self.txs.len() as u64;
        let mut known = 0;
        for _ in 0..self.rng.range(2, 40) {
            let n = self.rng.range(0, PEERS as u64 - 1) as usize;
            if known & 1 << n == 0 && self.peers[n].link.is_some() {
                known |= 1 << n;
                self.peers[n].news[PEER].push(number);
            }
        }
        let (weight, fee, since) = (ids.weight, self.writer.fee, self.tap.now);
        self.txs.push_back(Tx { message, parsed: tx, wtxid, weight, fee, since, known, requested: false });
        Ok(())
    }

    fn take_coin(&mut self) -> Coin {
        let at = self.rng.range(0, self.coins.len() as u64 - 1) as usize;
        self.coins.swap_remove(at)
    }

    fn tx(&mut self, number: u64) -> Option<&mut Tx> {
        self.txs.get_mut(number.checked_sub(self.oldest)? as usize)
    }

    /// Sends an `inv`; the other end asks for what it wants.
    fn announce(&mut self, a: Affair) -> Result<()> {
        let news = std::mem::take(&mut self.peers[a.peer].news[a.by]);
        let (mut inventory, mut wanted) = (Vec::new(), Vec::new());
        for number in news {
            let fetched = self.rng.percent(FETCHED);
            let Some(tx) = self.tx(number) else { continue };
            let wants = if a.by == PEER { !std::mem::replace(&mut tx.requested, true) } else { fetched };
            let wtxid = tx.wtxid;
            inventory.push(Inventory::WTx(wtxid));
            if wants {
                wanted.push((number, Inventory::WTx(wtxid)));
            }
        }
        if inventory.is_empty() {
            return Ok(());
        }
        self.send(a, &REGTEST.message(M::Inv(inventory)))?;
        if wanted.is_empty() {
            return Ok(());
        }
        let (rtt, other) = (self.peers[a.peer].rtt, Affair { by: 1 - a.by, ..a });
        // The capture is taken at the node: it answers at once, the peer after a round trip.
        let (asked, answered) = if a.by == PEER { (0.0005, rtt) } else { (rtt, rtt + 0.0005) };
        let request = REGTEST.message(M::GetData(wanted.iter().map(|w| w.1).collect()));
        self.after(asked, Event::Send(other, request));
        for (number, _) in wanted {
            if a.by == PEER {
                self.after(answered, Event::Arrive(a, number));
            } else if let Some(tx) = self.tx(number) {
                let message = tx.message.clone();
                self.after(answered, Event::Send(a, message));
            }
        }
        Ok(())
    }

    /// The node gets a transaction, and will announce it to all that are not known to have it.
    fn arrive(&mut self, a: Affair, number: u64) -> Result<()> {
        let Some(tx) = self.tx(number) else { return Ok(()) };
        let (message, known) = (tx.message.clone(), tx.known);
        tx.known = u128::MAX;
        self.send(a, &message)?;
        for (n, peer) in self.peers.iter_mut().enumerate() {
            if known & 1 << n == 0 && peer.link.is_some() {
                peer.news[NODE].push(number);
            }
        }
        Ok(())
    }
}

/// Both ends of connection `turn` of peer `n`, the initiator first; every fifth is IPv6.
fn endpoints(n: usize, turn: u32) -> [SocketAddr; 2] {
    let (host, port) = (1 + n as u8, 32_768 + ((n as u32 * 211 + turn * 17) % 28_000) as u16);
    let six = |network: u16, host: u8| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, u16::from(host)));
    let (node, peer) = if n % 5 == 4 {
        (six(0, 7), six(1, host))
    } else {
        (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, host)))
    };
    let (client, service) = if n < OUTBOUND { (node, peer) } else { (peer, node) };
    [SocketAddr::new(client, port), SocketAddr::new(service, 8333)]
}
