//! Package relay (BIP 331).

use super::body::Body;
use super::hash::Hash256;
use super::read::{DecodeError, MAX_SIZE, Reader};
use super::tx::{MIN_TX, Transactions, scan};

/// Most transactions that a `getpkgtxns` may ask for (BIP 331).
const MAX_REQUEST: usize = 100;

/// `sendpackages`.
pub(super) fn send(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    r.u64("package versions").map(Body::SendPackages)
}

/// `ancpkginfo`.
pub(super) fn info(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    wtxids(r, MAX_SIZE as usize)
}

/// `getpkgtxns`.
pub(super) fn get_transactions(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    wtxids(r, MAX_REQUEST)
}

fn wtxids(r: &mut Reader<'_>, limit: usize) -> Result<Body, DecodeError> {
    let count = r.count(limit, 32, "wtxids")?;
    let list = r.take(count * 32, "wtxids")?;
    Ok(Body::Wtxids { count: count as u32, last: list.last_chunk().map(|h| Hash256(*h)) })
}

/// `pkgtxns`.
pub(super) fn transactions(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let count = r.count(MAX_SIZE as usize, MIN_TX, "transactions")?;
    let start = r.offset();
    for _ in 0..count {
        scan(r, &mut ())?;
    }
    Ok(Body::Transactions { count: count as u32, bytes: (r.offset() - start) as u32 })
}

/// The transactions of the `payload` of a `pkgtxns` that decoded.
pub fn entries(payload: &[u8]) -> Transactions<'_> {
    let mut reader = Reader::new(payload);
    let count = reader.size(MAX_SIZE as usize, "transactions");
    count.map_or(Transactions::NONE, |left| Transactions { reader, left })
}
