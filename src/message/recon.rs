//! Transaction reconciliation (BIP 330, Erlay).

use super::body::Body;
use super::read::{DecodeError, MAX_SIZE, Reader};

/// `sendtxrcncl`.
pub(super) fn send(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let version = r.u32("reconciliation version")?;
    Ok(Body::SendReconciliation { version, salt: r.u64("salt")? })
}

/// `reqrecon`.
pub(super) fn request(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let set_size = r.u16("set size")?;
    Ok(Body::RequestReconciliation { set_size, q: r.u16("q")? })
}

/// `sketch`: the size of the sketch.
pub(super) fn sketch(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    r.bytes(MAX_SIZE as usize, "sketch").map(|sketch| Body::Bytes(sketch.len() as u32))
}

/// `reconcildiff`.
pub(super) fn difference(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let success = r.u8("success")? != 0;
    let count = r.count(MAX_SIZE as usize, 4, "short ids")?;
    r.take(count * 4, "short ids")?;
    Ok(Body::ReconciliationDifference { success, count: count as u32 })
}
