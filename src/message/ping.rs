//! Messages of one or two numbers: `ping`, `pong`, `feefilter`, `sendcmpct`.

use super::body::Body;
use super::read::{DecodeError, Reader};

/// `ping` and `pong`: a nonce, or nothing before BIP 31.
pub(super) fn nonce(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    if r.is_empty() { Ok(Body::Nonce(None)) } else { r.u64("nonce").map(|n| Body::Nonce(Some(n))) }
}

/// `feefilter` (BIP 133).
pub(super) fn fee_filter(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    r.i64("fee rate").map(Body::FeeFilter)
}

/// `sendcmpct` (BIP 152); any byte but 0 announces, as the nodes read a bool.
pub(super) fn send_compact(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let announce = r.u8("announce")? != 0;
    Ok(Body::SendCompact { announce, version: r.u64("compact block version")? })
}
