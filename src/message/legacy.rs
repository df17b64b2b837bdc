//! Messages that current nodes no longer send: `reject` (BIP 61), `getutxos` and `utxos` (BIP 64).

use super::body::Body;
use super::hash::Hash256;
use super::read::{DecodeError, MAX_SIZE, Reader};

/// Longest name of a rejected message, in bytes: that of the header's field.
const MAX_MESSAGE: usize = 12;
/// Longest reason, in bytes. Bitcoin Core cut its own at 111, btcd writes longer ones and BIP 61 has no limit.
const MAX_REASON: usize = 1000;
/// Bytes of an outpoint.
const OUTPOINT: usize = 36;
/// Fewest bytes of a result: version, height, value, empty script.
const MIN_RESULT: usize = 4 + 4 + 8 + 1;

/// The `reject` message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Type of the rejected message, any bytes: escape it to print it.
    pub message: Box<[u8]>,
    /// Code.
    pub code: u8,
    /// Reason, any bytes: escape it to print it.
    pub reason: Box<[u8]>,
    /// Hash of the rejected transaction or block.
    pub hash: Option<Hash256>,
}

impl Reject {
    /// The code's name in BIP 61, `unknown` for others.
    pub const fn code_name(&self) -> &'static str {
        match self.code {
            0x01 => "malformed",
            0x10 => "invalid",
            0x11 => "obsolete",
            0x12 => "duplicate",
            0x40 => "nonstandard",
            0x41 => "dust",
            0x42 => "insufficient_fee",
            0x43 => "checkpoint",
            _ => "unknown",
        }
    }
}

/// `reject`; fewer than 32 bytes at the end are no hash but trailing bytes.
pub(super) fn reject(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let message = Box::from(r.bytes(MAX_MESSAGE, "rejected message")?);
    let code = r.u8("reject code")?;
    let reason = Box::from(r.bytes(MAX_REASON, "reject reason")?);
    let hash = if r.remaining() >= 32 { Some(Hash256(*r.array("rejected hash")?)) } else { None };
    Ok(Body::Reject(Box::new(Reject { message, code, reason, hash })))
}

/// `getutxos`.
pub(super) fn get_utxos(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let mempool = r.u8("check mempool")? != 0;
    let count = r.count(MAX_SIZE as usize, OUTPOINT, "outpoints")?;
    r.take(count * OUTPOINT, "outpoints")?;
    Ok(Body::GetUtxos { mempool, count: count as u32 })
}

/// `utxos`.
pub(super) fn utxos(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let height = r.u32("chain height")?;
    let tip = Hash256(*r.array("chain tip")?);
    r.bytes(MAX_SIZE as usize, "hit bitmap")?;
    let count = r.count(MAX_SIZE as usize, MIN_RESULT, "outputs")?;
    for _ in 0..count {
        r.take(4 + 4 + 8, "output")?;
        r.bytes(MAX_SIZE as usize, "output script")?;
    }
    Ok(Body::Utxos { height, tip, count: count as u32 })
}
