//! Bitcoin messages, with right checksums; by crate `bitcoin`, not by the sensor's own code.

use super::rng::Rng;
use super::tx::hash;
use bitcoin::consensus::encode::serialize;
use bitcoin::p2p::address::{AddrV2, AddrV2Message, Address};
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_compact_blocks::SendCmpct;
use bitcoin::p2p::message_network::VersionMessage;
use bitcoin::p2p::{Magic, ServiceFlags};
use std::net::SocketAddr;

/// User agents of peers, in about today's shares.
const AGENTS: &[(u32, &str)] = &[
    (30, "/Satoshi:27.0.0/"),
    (25, "/Satoshi:28.1.0/"),
    (20, "/Satoshi:25.0.0/"),
    (10, "/Satoshi:29.0.0/Knots:20250305/"),
    (10, "/Satoshi:22.0.0/"),
    (5, "/btcwire:0.5.0/btcd:0.24.2/"),
];

/// Height of the chain when a capture begins.
pub const HEIGHT: u32 = 866_342;
/// The main network.
pub const MAIN: Wire = Wire(Magic::BITCOIN);
/// The network on which everybody can make a block.
pub const REGTEST: Wire = Wire(Magic::REGTEST);

/// Messages of a network.
#[derive(Clone, Copy)]
pub struct Wire(Magic);

/// The `version` of the end at `from`.
fn version(rng: &mut Rng, from: SocketAddr, to: SocketAddr, time: i64, height: u32) -> NetworkMessage {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS | ServiceFlags::NETWORK_LIMITED;
    NetworkMessage::Version(VersionMessage {
        version: 70016,
        services,
        timestamp: time,
        receiver: Address::new(&to, ServiceFlags::NONE),
        sender: Address::new(&from, services),
        nonce: rng.next(),
        user_agent: rng.weighted(AGENTS).to_owned(),
        start_height: height as i32,
        relay: true,
    })
}

impl Wire {
    /// A message as crate `bitcoin` encodes it.
    pub fn message(self, message: NetworkMessage) -> Vec<u8> {
        serialize(&RawNetworkMessage::new(self.0, message))
    }

    /// Appends a message of these bytes.
    pub fn raw(self, command: &str, payload: &[u8], out: &mut Vec<u8>) {
        let mut field = [0; 12];
        field[..command.len()].copy_from_slice(command.as_bytes());
        out.extend(self.0.to_bytes());
        out.extend(field);
        out.extend((payload.len() as u32).to_le_bytes());
        out.extend(&hash(&[payload])[..4]);
        out.extend_from_slice(payload);
    }

    /// The handshake as Bitcoin Core does it: messages, and which end sends them (0 is the initiator).
    pub fn handshake(self, rng: &mut Rng, ends: [SocketAddr; 2], seconds: i64, height: u32) -> Vec<(usize, Vec<u8>)> {
        use NetworkMessage as M;
        let message = |m| self.message(m);
        let hello = [version(rng, ends[0], ends[1], seconds, height), version(rng, ends[1], ends[0], seconds, height)];
        let hello = hello.map(message);
        let support = || [M::WtxidRelay, M::SendAddrV2].map(message).concat();
        let compact = || message(M::SendCmpct(SendCmpct { send_compact: false, version: 2 }));
        let [mine, theirs] = hello;
        let pings = [rng.next(), rng.next()];
        let fees = [1000, 1000 + rng.range(0, 9000) as i64];
        let begin = |n: usize| [compact(), message(M::Ping(pings[n])), message(M::FeeFilter(fees[n]))].concat();
        vec![
            (0, mine),
            (1, [theirs, support(), message(M::Verack)].concat()),
            (0, [support(), message(M::Verack), begin(0)].concat()),
            (1, begin(1)),
            (1, message(M::Pong(pings[0]))),
            (0, message(M::Pong(pings[1]))),
        ]
    }

    /// `n` addresses of several networks.
    pub fn addresses(self, rng: &mut Rng, n: usize, seconds: i64) -> Vec<u8> {
        let one = |rng: &mut Rng| {
            let mut bytes = Vec::with_capacity(32);
            rng.bytes(&mut bytes, 32);
            let v4 = AddrV2::Ipv4([bytes[0], bytes[1], bytes[2], bytes[3]].into());
            let onion = bytes.first_chunk().map_or(v4.clone(), |b| AddrV2::TorV3(*b));
            let addr = match bytes[31] % 8 {
                0..=3 => v4,
                4 => AddrV2::Ipv6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(bytes[4]))),
                _ => onion,
            };
            AddrV2Message {
                time: (seconds - rng.range(0, 86_400) as i64) as u32,
                services: ServiceFlags::from(0xc09),
                addr,
                port: 8333,
            }
        };
        self.message(NetworkMessage::AddrV2((0..n).map(|_| one(rng)).collect()))
    }
}
