//! Very many connections to one node.

use super::net::{Link, Tap};
use super::p2p::{HEIGHT, MAIN};
use super::rng::Rng;
use anyhow::Result;
use bitcoin::p2p::message::NetworkMessage as M;
use std::net::SocketAddr;
use std::path::Path;

/// What a crowd does.
#[derive(Clone, Copy)]
pub struct Crowd {
    /// Connections that stay open.
    pub connections: u32,
    /// Messages (`ping` and `pong`) that are exchanged over all of them in turn, at least.
    pub messages: u32,
    /// Whether each ends with the first half of a message header.
    pub half: bool,
}

/// Writes the capture.
pub fn write(path: &Path, crowd: Crowd) -> Result<()> {
    let rng = &mut Rng::new(0x6372_6f77);
    let mut tap = Tap::create(path, super::START)?;
    let node = SocketAddr::from(([192, 0, 2, 7], 8333));
    let mut links = Vec::new();
    for n in 0..crowd.connections {
        let [_, a, b, c] = n.to_be_bytes();
        let ends = [SocketAddr::from(([10, a, b, c], 40_000 + (n % 20_000) as u16)), node];
        let mut link = Link::open(&mut tap, ends, [rng.next() as u32, rng.next() as u32])?;
        for (from, bytes) in MAIN.handshake(rng, ends, tap.now / 1_000_000_000, HEIGHT) {
            link.send(&mut tap, from, &bytes)?;
        }
        (0..2).try_for_each(|by| link.acknowledge(&mut tap, by))?;
        links.push(link);
    }
    for round in 0..u64::from(crowd.messages.div_ceil(2 * crowd.connections)) {
        for link in &mut links {
            link.send(&mut tap, 1, &MAIN.message(M::Ping(round)))?;
            link.send(&mut tap, 0, &MAIN.message(M::Pong(round)))?;
        }
    }
    if crowd.half {
        let ping = MAIN.message(M::Ping(0));
        links.iter_mut().try_for_each(|link| link.send(&mut tap, 0, &ping[..12]))?;
    }
    tap.finish()
}
