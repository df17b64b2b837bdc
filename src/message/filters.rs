//! Compact filters (BIP 157): six messages of one shape.

use super::body::Body;
use super::hash::Hash256;
use super::read::{DecodeError, MAX_SIZE, Reader};

/// Most filter hashes of a `cfheaders` (BIP 157).
const MAX_FILTER_HASHES: usize = 2000;

/// A message of BIP 157; the fields that its type does not have are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactFilter {
    /// Type of the filter, 0 is basic (BIP 158).
    pub filter_type: u8,
    /// First height asked for (`getcfilters`, `getcfheaders`).
    pub start_height: Option<u32>,
    /// The block: that of the filter (`cfilter`), else the last of the range.
    pub block: Hash256,
    /// Filter hashes or headers (`cfheaders`, `cfcheckpt`).
    pub count: Option<u32>,
    /// Bytes of the filter (`cfilter`).
    pub filter_bytes: Option<u32>,
}

fn begin(r: &mut Reader<'_>, has_height: bool) -> Result<CompactFilter, DecodeError> {
    let filter_type = r.u8("filter type")?;
    let start_height = if has_height { Some(r.u32("start height")?) } else { None };
    let block = Hash256(*r.array("block hash")?);
    Ok(CompactFilter { filter_type, start_height, block, count: None, filter_bytes: None })
}

/// `getcfilters`, `getcfheaders`.
pub(super) fn range(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    begin(r, true).map(Body::CompactFilter)
}

/// `getcfcheckpt`.
pub(super) fn get_checkpoints(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    begin(r, false).map(Body::CompactFilter)
}

/// `cfilter`.
pub(super) fn filter(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let message = begin(r, false)?;
    let bytes = r.bytes(MAX_SIZE as usize, "filter")?.len() as u32;
    Ok(Body::CompactFilter(CompactFilter { filter_bytes: Some(bytes), ..message }))
}

/// `cfheaders`.
pub(super) fn headers(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let message = begin(r, false)?;
    r.take(32, "previous filter header")?;
    let count = hashes(r, MAX_FILTER_HASHES)?;
    Ok(Body::CompactFilter(CompactFilter { count: Some(count), ..message }))
}

/// `cfcheckpt`.
pub(super) fn checkpoints(r: &mut Reader<'_>, _: &[u8; 32]) -> Result<Body, DecodeError> {
    let message = begin(r, false)?;
    let count = hashes(r, MAX_SIZE as usize)?;
    Ok(Body::CompactFilter(CompactFilter { count: Some(count), ..message }))
}

fn hashes(r: &mut Reader<'_>, limit: usize) -> Result<u32, DecodeError> {
    let count = r.count(limit, 32, "filter hashes")?;
    r.take(count * 32, "filter hashes")?;
    Ok(count as u32)
}
