//! Which transport a connection speaks: v1, encrypted v2 (BIP 324), or something that is not Bitcoin (R62).
//!
//! - Opened under our eyes: BIP 324 itself decides by the first 16 bytes of the
//!   initiator. Network magic and `version` padded with NULs: v1. Anything else
//!   on a Bitcoin port is a v2 key (64 bytes that look random), unless it is
//!   text or TLS. On other ports anything else is not Bitcoin.
//! - Joined in the middle: v1 when a message is found. Small writes that do not
//!   begin with the magic, one after the other, or more bytes than the longest
//!   message without any: v2 on a Bitcoin port, else not Bitcoin. That can be
//!   wrong for a moment (in the middle of a long block), so it is taken back
//!   when a message is found after all.

use super::header::{HEADER, MAX_PAYLOAD};
use super::network::Network;
use crate::flow::{At, Chunk};
use crate::time::Timestamp;
use std::sync::Arc;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Not clear yet.
    #[default]
    Unknown,
    /// Plain messages on this network.
    V1(Network),
    /// Encrypted (BIP 324).
    V2,
    /// Not Bitcoin.
    NotBitcoin,
}

impl Transport {
    /// Name in the series `visibility` and in tags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::V1(_) => "v1",
            Self::V2 => "v2",
            Self::NotBitcoin => "not_bitcoin",
        }
    }

    /// The network, where it can be read.
    pub const fn network(self) -> Option<Network> {
        match self {
            Self::V1(network) => Some(network),
            _ => None,
        }
    }
}

/// Bytes of a v2 key (BIP 324: `ElligatorSwift` encoding of a public key).
pub const V2_KEY: u64 = 64;
/// Bytes by which a v1 connection is told (BIP 324 section "Handshake").
const PREFIX: usize = 16;
/// Writes without magic, one after the other, after which a connection joined in the middle is not v1.
const OPAQUE_WRITES: u8 = 4;
/// A write this short is a whole message, and not the inside of a long one, bytes.
const SHORT_WRITE: usize = 512;
/// More bytes than this without a message: not v1.
const OPAQUE_BYTES: u64 = MAX_PAYLOAD as u64 + 2 * HEADER as u64;

/// The magics to look for.
#[derive(Clone, Debug)]
pub struct Magics(Arc<[[u8; 4]]>);

impl Magics {
    /// Those of all named networks and of `more`.
    pub fn new(more: &[[u8; 4]]) -> Self {
        let mut all: Vec<_> = Network::NAMED.iter().map(|n| n.magic()).collect();
        for m in more {
            if !all.contains(m) {
                all.push(*m);
            }
        }
        Self(all.into())
    }

    /// As a slice.
    #[inline]
    pub fn all(&self) -> &[[u8; 4]] {
        &self.0
    }
}

/// The first bytes of one direction of a connection opened under our eyes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    bytes: [u8; HEADER],
    have: u8,
    /// Bytes seen in all.
    pub total: u64,
    /// When the first byte was captured.
    pub first: Option<(At, Timestamp)>,
}

/// What the first bytes of a direction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Too few to tell.
    Open,
    /// A v1 message of the network with this magic.
    V1([u8; 4]),
    /// Printable text or a TLS record: some other protocol.
    Foreign,
    /// None of these.
    Opaque,
}

impl Opening {
    /// Adds bytes; returns how many of them it keeps.
    pub fn push(&mut self, at: At, chunk: &Chunk<'_>) -> usize {
        self.first.get_or_insert((at, chunk.time));
        self.total += chunk.bytes.len() as u64;
        let have = usize::from(self.have);
        let n = chunk.bytes.len().min(HEADER - have);
        self.bytes[have..have + n].copy_from_slice(&chunk.bytes[..n]);
        self.have += n as u8;
        n
    }

    /// The bytes kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.have)]
    }
}

/// Judges the first bytes of a direction.
pub fn prefix(bytes: &[u8], magics: &Magics) -> Prefix {
    if let Some(magic) = bytes.first_chunk::<4>() {
        if magics.all().contains(magic) {
            return Prefix::V1(*magic);
        }
        if bytes.len() >= PREFIX && &bytes[4..PREFIX] == b"version\0\0\0\0\0" {
            return Prefix::V1(*magic); // a network that nobody told us of, for example a custom signet
        }
    }
    if bytes.len() < PREFIX {
        return Prefix::Open;
    }
    let text = bytes[..PREFIX].iter().all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n' | b'\t'));
    let tls = bytes[0] == 0x16 && bytes[1] == 3 && bytes[2] <= 4;
    if text || tls { Prefix::Foreign } else { Prefix::Opaque }
}

/// Evidence, in one direction of a connection joined in the middle, that it is not v1.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpaqueEvidence {
    bytes: u64,
    writes: u8,
}

impl OpaqueEvidence {
    /// Adds a chunk that showed no message; true when there is enough.
    pub fn add(&mut self, chunk: &Chunk<'_>) -> bool {
        self.bytes += chunk.bytes.len() as u64;
        if chunk.starts_segment && chunk.pushed && chunk.bytes.len() <= SHORT_WRITE {
            self.writes = self.writes.saturating_add(1);
        }
        self.writes >= OPAQUE_WRITES || self.bytes > OPAQUE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_by_the_first_bytes() {
        let magics = Magics::new(&[[1, 2, 3, 4]]);
        let judge = |b: &[u8]| prefix(b, &magics);
        assert_eq!(judge(&[0xf9, 0xbe, 0xb4]), Prefix::Open);
        assert_eq!(judge(&[0xf9, 0xbe, 0xb4, 0xd9]), Prefix::V1([0xf9, 0xbe, 0xb4, 0xd9]));
        assert_eq!(judge(&[1, 2, 3, 4]), Prefix::V1([1, 2, 3, 4]));
        assert_eq!(judge(b"\x09\x08\x07\x06version\0\0\0\0\0"), Prefix::V1([9, 8, 7, 6]));
        assert_eq!(judge(b"GET / HTTP/1.1\r\n"), Prefix::Foreign);
        assert_eq!(judge(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 9, 8, 7, 6, 5]), Prefix::Foreign);
        assert_eq!(judge(&[0x8a; 16]), Prefix::Opaque);
        assert_eq!(judge(&[0x8a; 15]), Prefix::Open);
    }
}
