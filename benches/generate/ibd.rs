//! Initial block download: a node fetches blocks from eight peers at once.

use super::block::{Blocks, HEADER};
use super::net::{Link, Tap};
use super::p2p::{HEIGHT, MAIN};
use super::rng::Rng;
use super::tx::{compact, hash};
use anyhow::Result;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage as M;
use bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use std::net::SocketAddr;
use std::path::Path;

/// Outbound connections that fetch blocks.
const PEERS: usize = 8;
/// Blocks of which the headers are fetched at once; held in memory.
const LOT: usize = 64;
/// Bytes of a block, roughly: how many are still wanted.
const BLOCK: u64 = 1_500_000;

/// A peer that serves blocks.
struct Peer {
    link: Link,
    /// What it has to send, and how much of it is sent.
    stream: Vec<u8>,
    sent: usize,
}

/// Writes a capture of about `size` bytes.
pub fn write(path: &Path, size: u64, mut blocks: Blocks) -> Result<()> {
    let rng = &mut Rng::new(0x0069_6264);
    let mut tap = Tap::create(path, super::START)?;
    let mut peers = connect(&mut tap, rng)?;
    let mut tip = [0; 32];
    let mut turn = 0;
    while tap.bytes < size {
        let wanted = ((size - tap.bytes) / BLOCK + 1).min(LOT as u64) as usize;
        let lot = blocks.take(wanted)?;
        fetch_headers(&mut tap, &mut peers[turn % PEERS].link, &mut tip, &lot)?;
        turn += 1;
        for (k, peer) in peers.iter_mut().enumerate() {
            let mine: Vec<&Vec<u8>> = lot.iter().skip(k).step_by(PEERS).collect();
            if mine.is_empty() {
                continue;
            }
            let inventory = |b: &&Vec<u8>| Inventory::WitnessBlock(BlockHash::from_byte_array(hash(&[&b[..HEADER]])));
            peer.link.send(&mut tap, 0, &MAIN.message(M::GetData(mine.iter().map(inventory).collect())))?;
            peer.stream.clear();
            peer.sent = 0;
            for block in mine {
                MAIN.raw("block", block, &mut peer.stream);
            }
        }
        drop(lot);
        deliver(&mut tap, rng, &mut peers)?;
    }
    for peer in &mut peers {
        peer.link.close(&mut tap, 0)?;
    }
    tap.finish()
}

fn connect(tap: &mut Tap, rng: &mut Rng) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for k in 0..PEERS {
        let node = SocketAddr::from(([192, 0, 2, 7], 40_000 + k as u16 * 17));
        let ends = [node, SocketAddr::from(([198, 51, 100, 1 + k as u8], 8333))];
        let mut link = Link::open(tap, ends, [rng.next() as u32, rng.next() as u32])?;
        for (from, bytes) in MAIN.handshake(rng, ends, tap.now / 1_000_000_000, HEIGHT) {
            tap.now += 5_000_000;
            link.send(tap, from, &bytes)?;
        }
        peers.push(Peer { link, stream: Vec::new(), sent: 0 });
    }
    Ok(peers)
}

/// `getheaders` and `headers`.
fn fetch_headers(tap: &mut Tap, link: &mut Link, tip: &mut [u8; 32], lot: &[Vec<u8>]) -> Result<()> {
    let request = GetHeadersMessage {
        version: 70016,
        locator_hashes: vec![BlockHash::from_byte_array(*tip)],
        stop_hash: BlockHash::all_zeros(),
    };
    link.send(tap, 0, &MAIN.message(M::GetHeaders(request)))?;
    let mut payload = Vec::new();
    compact(&mut payload, lot.len() as u64);
    for block in lot {
        payload.extend(&block[..HEADER]);
        payload.push(0);
        *tip = hash(&[&block[..HEADER]]);
    }
    let mut headers = Vec::new();
    MAIN.raw("headers", &payload, &mut headers);
    tap.now += 20_000_000;
    link.send(tap, 1, &headers)
}

/// The peers send what they have, in bursts as a congestion window allows them.
fn deliver(tap: &mut Tap, rng: &mut Rng, peers: &mut [Peer]) -> Result<()> {
    while peers.iter().any(|p| p.sent < p.stream.len()) {
        let peer = &mut peers[rng.range(0, PEERS as u64 - 1) as usize];
        let burst = rng.range(2, 44) as usize * peer.link.mss;
        let end = peer.stream.len().min(peer.sent + burst);
        if peer.sent < end {
            tap.now += rng.range(0, 2_000_000) as i64;
            peer.link.send(tap, 1, &peer.stream[peer.sent..end])?;
            peer.sent = end;
            if end == peer.stream.len() {
                peer.link.acknowledge(tap, 0)?;
            }
        }
    }
    Ok(())
}
