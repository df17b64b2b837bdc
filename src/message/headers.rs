//! `headers`, and the locators of `getblocks` and `getheaders`.

use super::body::Body;
use super::hash::{Hash256, sha256d};
use super::read::{DecodeError, Reader};

/// Most headers of a message (Bitcoin Core `MAX_HEADERS_RESULTS`).
pub const MAX_HEADERS: usize = 2000;
/// Most hashes of a locator (Bitcoin Core `MAX_LOCATOR_SZ`).
pub const MAX_LOCATOR: usize = 101;
/// Bytes of a block header.
pub const HEADER_BYTES: usize = 80;

/// A block header in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderView<'a>(pub &'a [u8; HEADER_BYTES]);

impl HeaderView<'_> {
    fn word(self, at: usize) -> u32 {
        let b = self.0;
        u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    fn hash_at(self, at: usize) -> Hash256 {
        let mut hash = Hash256::default();
        hash.0.copy_from_slice(&self.0[at..at + 32]);
        hash
    }

    /// Block version.
    pub fn version(self) -> i32 {
        self.word(0) as i32
    }

    /// Hash of the parent block.
    pub fn prev(self) -> Hash256 {
        self.hash_at(4)
    }

    /// Root of the tree of txids.
    pub fn merkle_root(self) -> Hash256 {
        self.hash_at(36)
    }

    /// Time, seconds since 1970, as the miner has it.
    pub fn time(self) -> u32 {
        self.word(68)
    }

    /// Compact form of the target.
    pub fn bits(self) -> u32 {
        self.word(72)
    }

    /// Nonce.
    pub fn nonce(self) -> u32 {
        self.word(76)
    }

    /// Hash of the block; one double SHA-256 each call.
    pub fn hash(self) -> Hash256 {
        sha256d(self.0)
    }
}

/// A block header as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Hash of the block.
    pub hash: Hash256,
    /// Hash of its parent.
    pub prev: Hash256,
    /// Time as the miner has it, seconds since 1970.
    pub time: u32,
    /// Compact form of the target.
    pub bits: u32,
}

impl From<HeaderView<'_>> for Header {
    /// Hashes the header: one double SHA-256.
    fn from(view: HeaderView<'_>) -> Self {
        Self { hash: view.hash(), prev: view.prev(), time: view.time(), bits: view.bits() }
    }
}

/// The `headers` message; its headers are walked by [`entries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Number of headers.
    pub count: u32,
    /// Hash of the first.
    pub first: Option<Hash256>,
    /// Hash of the last.
    pub last: Option<Hash256>,
}

/// The headers of the `payload` of a `headers` that decoded; up to the fault of one that did not.
pub fn entries(payload: &[u8]) -> impl Iterator<Item = HeaderView<'_>> {
    let mut r = Reader::new(payload);
    let count = r.size(MAX_HEADERS, "headers").unwrap_or(0);
    (0..count).map_while(move |_| entry(&mut r).ok())
}

fn entry<'a>(r: &mut Reader<'a>) -> Result<HeaderView<'a>, DecodeError> {
    let header = r.array("header")?;
    // A count of transactions follows, always zero in practice; nodes read and ignore it.
    r.compact("transactions of a header")?;
    Ok(HeaderView(header))
}

/// `headers`: hashes the first and the last only.
pub(super) fn decode(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let count = r.count(MAX_HEADERS, HEADER_BYTES + 1, "headers")?;
    let (mut first, mut last) = (None, None);
    for _ in 0..count {
        let header = entry(r)?;
        first = first.or(Some(header));
        last = Some(header);
    }
    let first_hash = first.map(HeaderView::hash);
    let last_hash = if count > 1 { last.map(HeaderView::hash) } else { first_hash };
    Ok(Body::Headers(Headers { count: count as u32, first: first_hash, last: last_hash }))
}

/// `getblocks`, `getheaders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locator {
    /// Protocol version as sent.
    pub version: u32,
    /// Number of hashes of the locator.
    pub count: u32,
    /// The first of them: the newest block the sender has on its chain.
    pub first: Option<Hash256>,
    /// Where to stop, all zero for "as far as you can".
    pub stop: Hash256,
}

/// The hashes of the locator in the `payload` of a `getblocks` or `getheaders` that decoded, newest first.
pub fn locator_hashes(payload: &[u8]) -> impl Iterator<Item = Hash256> + '_ {
    let mut r = Reader::new(payload);
    let count = r.u32("protocol version").and_then(|_| r.size(MAX_LOCATOR, "locator")).unwrap_or(0);
    (0..count).map_while(move |_| r.array("locator").ok().map(|h| Hash256(*h)))
}

/// `getblocks`, `getheaders`.
pub(super) fn locator(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let version = r.u32("protocol version")?;
    let count = r.count(MAX_LOCATOR, 32, "locator")?;
    let hashes = r.take(count * 32, "locator")?;
    let stop = Hash256(*r.array("stop hash")?);
    Ok(Body::Locator(Locator { version, count: count as u32, first: hashes.first_chunk().map(|h| Hash256(*h)), stop }))
}
