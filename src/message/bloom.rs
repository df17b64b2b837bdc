//! Bloom filters (BIP 37): `filterload`, `filteradd`, `merkleblock`.

use super::body::Body;
use super::hash::Hash256;
use super::headers::HeaderView;
use super::read::{DecodeError, MAX_SIZE, Reader, Reason};

/// Largest filter, in bytes (BIP 37).
const MAX_FILTER_BYTES: usize = 36_000;
/// Most hash functions (BIP 37).
const MAX_HASH_FUNCTIONS: u32 = 50;
/// Largest element, in bytes: that of a script (BIP 37).
const MAX_ELEMENT_BYTES: usize = 520;

/// The `filterload` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterLoad {
    /// Bytes of the filter.
    pub bytes: u32,
    /// Number of hash functions.
    pub hash_functions: u32,
    /// Tweak of the hash functions.
    pub tweak: u32,
    /// How matches update the filter.
    pub flags: u8,
}

/// `filterload`.
pub(super) fn load(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let bytes = r.bytes(MAX_FILTER_BYTES, "filter")?.len() as u32;
    let start = r.offset();
    let hash_functions = r.u32("hash functions")?;
    if hash_functions > MAX_HASH_FUNCTIONS {
        let (needed, had) = (hash_functions as usize, MAX_HASH_FUNCTIONS as usize);
        return Err(Reader::error("hash functions", start, needed, had, Reason::TooMany));
    }
    Ok(Body::FilterLoad(FilterLoad { bytes, hash_functions, tweak: r.u32("tweak")?, flags: r.u8("flags")? }))
}

/// `filteradd`: the size of the element.
pub(super) fn add(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    r.bytes(MAX_ELEMENT_BYTES, "element").map(|element| Body::Bytes(element.len() as u32))
}

/// The `merkleblock` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerkleBlock {
    /// Hash of the block.
    pub hash: Hash256,
    /// Hash of its parent.
    pub prev: Hash256,
    /// Header time, seconds since 1970.
    pub time: u32,
    /// Transactions of the whole block.
    pub tx_count: u32,
    /// Hashes of the partial tree.
    pub hashes: u32,
}

/// `merkleblock`.
pub(super) fn merkle_block(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let header = HeaderView(r.array("block header")?);
    let tx_count = r.u32("transaction count")?;
    let hashes = r.count(MAX_SIZE as usize, 32, "hashes")?;
    r.take(hashes * 32, "hashes")?;
    r.bytes(MAX_SIZE as usize, "flag bits")?;
    Ok(Body::MerkleBlock(MerkleBlock {
        hash: header.hash(),
        prev: header.prev(),
        time: header.time(),
        tx_count,
        hashes: hashes as u32,
    }))
}
