//! The symmetric key of a conversation (R10): two endpoints, the lower one first.

use crate::decode::segment::Segment;
use std::net::{IpAddr, SocketAddr};

/// One of the two ends of a conversation, by the order of the key; says nothing of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The lower endpoint.
    Low = 0,
    /// The higher endpoint.
    High = 1,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Low, Self::High];

    /// The other end.
    #[must_use]
    #[inline]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// An address and port as two words that compare and hash fast; IPv4 is kept apart from IPv4-mapped IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Endpoint {
    ip: u128,
    /// The port, and bit 16 for IPv6.
    port_family: u32,
}

impl Endpoint {
    #[inline]
    fn new(ip: IpAddr, port: u16) -> Self {
        match ip {
            IpAddr::V4(a) => Self { ip: u128::from(a.to_bits()), port_family: u32::from(port) },
            IpAddr::V6(a) => Self { ip: a.to_bits(), port_family: u32::from(port) | 1 << 16 },
        }
    }

    fn address(self) -> SocketAddr {
        let ip =
            if self.port_family >> 16 == 0 { IpAddr::V4((self.ip as u32).into()) } else { IpAddr::V6(self.ip.into()) };
        SocketAddr::new(ip, self.port_family as u16)
    }
}

/// Key of a conversation; VLAN, MAC addresses and interface are not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
}

impl FlowKey {
    /// The key of `segment`'s conversation, and the side that sent it.
    #[inline]
    pub fn of(segment: &Segment<'_>) -> (Self, Side) {
        let src = Endpoint::new(segment.src_ip, segment.src_port);
        let dst = Endpoint::new(segment.dst_ip, segment.dst_port);
        if src <= dst { (Self { low: src, high: dst }, Side::Low) } else { (Self { low: dst, high: src }, Side::High) }
    }

    /// The endpoints, in the order of [`Side`].
    pub fn endpoints(&self) -> [SocketAddr; 2] {
        [self.low.address(), self.high.address()]
    }

    /// Ports, in the order of [`Side`].
    pub fn ports(&self) -> [u16; 2] {
        [self.low.port_family as u16, self.high.port_family as u16]
    }
}

/// Hashes keys: with a fixed seed in replay (the same work on every run), with a random one live,
/// where the network chooses the keys.
#[derive(Clone, Debug)]
pub struct KeyHasher(ahash::RandomState);

impl KeyHasher {
    /// The same hashes in every run.
    pub fn fixed() -> Self {
        Self(ahash::RandomState::with_seeds(0x6274_6364, 0x6d6f_6e20, 0x666c_6f77, 0x206b_6579))
    }

    /// Hashes that an attacker cannot foresee.
    pub fn random() -> Self {
        Self(ahash::RandomState::new())
    }

    /// Hash of `key`: the low bits choose the partition, the others the place in its table.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        self.0.hash_one(key)
    }
}
