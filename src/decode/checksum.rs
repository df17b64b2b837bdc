//! The TCP checksum (RFC 9293 section 3.1, RFC 1071) over the pseudo header of IPv4 or IPv6.
//!
//! The sum of 16-bit words in one's complement does not depend on the byte order
//! nor on the width of the words it is summed in (RFC 1071 section 2), so 32-bit
//! words are summed as the machine has them, into 64-bit lanes that cannot overflow.

use super::segment::Segment;
use std::net::IpAddr;

/// Independent sums, so that the additions need not wait for each other and can be vectorised.
const LANES: usize = 8;
/// Bytes in one step over all lanes.
const STEP: usize = LANES * 4;
/// Protocol number of TCP in the pseudo header.
const TCP: u64 = 6;

/// What the bytes that a checksum covers add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Whether the checksum is right. A wrong one is no proof of damage: with offloading the network card fills it
    /// in after the capture.
    pub right: bool,
    /// Sum of the payload in 32-bit words of the machine's order, the end padded with zeros.
    pub payload: u64,
}

/// Whether the checksum of a segment is right; `None` when the capture cut the bytes it covers.
#[inline]
pub fn verify(segment: &Segment<'_>) -> Option<bool> {
    sums(segment).map(|s| s.right)
}

/// The sums of a segment; `None` when the capture cut the bytes that the checksum covers.
#[inline]
pub fn sums(segment: &Segment<'_>) -> Option<Sums> {
    if segment.checksummed.is_empty() {
        return None;
    }
    let length = segment.checksummed.len() as u64;
    let addresses = match (segment.src_ip, segment.dst_ip) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => sum(&src.octets()) + sum(&dst.octets()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => sum(&src.octets()) + sum(&dst.octets()),
        // One packet has addresses of one family.
        _ => return None,
    };
    let pseudo = addresses + swap(TCP) + swap(length & 0xffff) + swap(length >> 16);
    // The TCP header has whole words.
    let (header, payload) =
        segment.checksummed.split_at(segment.checksummed.len().saturating_sub(segment.payload.len()));
    let payload = sum(payload);
    Some(Sums { right: fold(pseudo + sum(header) + payload) == 0xffff, payload })
}

/// A 16-bit number of the network as the machine's order has it.
fn swap(n: u64) -> u64 {
    u64::from((n as u16).to_be())
}

/// Sum of `bytes` in 32-bit words of the machine's order, the end padded with zeros.
/// At most 2³² words, far more than any frame has, fit before a lane overflows.
#[inline]
fn sum(bytes: &[u8]) -> u64 {
    let mut lanes = [0_u64; LANES];
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for step in steps {
        for (lane, word) in lanes.iter_mut().zip(step.as_chunks::<4>().0) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let (words, tail) = rest.as_chunks::<4>();
    let mut total: u64 = lanes.iter().map(|lane| (lane & 0xffff_ffff) + (lane >> 32)).sum();
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    let mut last = [0; 4];
    last[..tail.len()].copy_from_slice(tail);
    total + u64::from(u32::from_ne_bytes(last))
}

/// The one's complement sum in 16 bits.
fn fold(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
#[path = "checksum_tests.rs"]
mod tests;
