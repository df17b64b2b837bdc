//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.
//!
//! Contract: the length of a packet is what its IP header says, never what the
//! frame had: Ethernet pads short frames, and the capture may have cut long
//! ones. Only a length of 0 (segmentation offload, BIG TCP) falls back to the
//! length of the frame. What stands behind the header, extension headers and
//! fragments too, is the matter of `extension`. Header checksums are not
//! verified: a frame that reached the node passed them, and offloading leaves
//! them empty on the way out.

use super::extension;
use super::skip::Note;
use super::skip::SkipReason::{self, MalformedIp, TruncatedIp};
use super::view::View;
use crate::health::Tally;
use etherparse::err::{ipv4, ipv6};
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};
use std::net::{IpAddr, Ipv4Addr};

/// Bytes that one IP packet may claim. Linux builds packets of at most 8 · 65 535 bytes (`GSO_MAX_SIZE`); a longer
/// claim in a jumbo option or in the frame length would only move a stream by an invented distance: malformed.
const MAX_PACKET: usize = 1 << 20;

/// IP protocol numbers (IANA) that the decoder tells apart.
pub(super) mod protocol {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IPV4: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION: u8 = 60;
    pub const ETHER_IP: u8 = 97;
    pub const IP_COMP: u8 = 108;
    pub const L2TP: u8 = 115;
    pub const MOBILITY: u8 = 135;
    pub const MPLS: u8 = 137;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
    pub const ETHERNET: u8 = 143;
}

/// Where a packet comes from and goes to, not yet copied out of the header: most of an `IpAddr` is padding, which
/// is only worth moving for a packet that gives a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Addresses<'a> {
    V4(u32, u32),
    V6(&'a [u8; 16], &'a [u8; 16]),
}

impl Addresses<'_> {
    /// Source and destination.
    #[inline]
    pub fn pair(self) -> (IpAddr, IpAddr) {
        match self {
            Self::V4(src, dst) => (Ipv4Addr::from_bits(src).into(), Ipv4Addr::from_bits(dst).into()),
            Self::V6(src, dst) => ((*src).into(), (*dst).into()),
        }
    }
}

/// An IP packet: what the transport protocol needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub addresses: Addresses<'a>,
    /// Identification of IPv4, 0 for IPv6.
    pub id: u16,
    /// Total length in bytes, headers included.
    pub len: u32,
    /// Protocol number of `payload`.
    pub protocol: u8,
    /// Offset in 8 bytes and [`MORE`] of an IPv4 fragment, as in its header; 0 for a whole packet.
    pub part: u16,
    pub payload: View<'a>,
}

/// The bit "more fragments" of [`Packet::part`].
pub(super) const MORE: u16 = 0x2000;

impl Packet<'_> {
    /// Whether nothing stands between the header and a whole TCP segment.
    #[inline(always)]
    pub fn is_plain_tcp(&self) -> bool {
        self.protocol == protocol::TCP && self.part == 0
    }
}

/// A part of an IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    /// The packet as far as it is known; its payload is this part only.
    pub packet: Packet<'a>,
    /// Identification of the datagram.
    pub id: u32,
    /// Where in the datagram's payload the part begins, in bytes.
    pub offset: u32,
    /// Whether there are parts behind this one.
    pub more: bool,
}

/// Why a frame gives no segment now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop<'a> {
    Skip(SkipReason),
    Fragment(Fragment<'a>),
}

impl From<SkipReason> for Stop<'_> {
    #[inline]
    fn from(reason: SkipReason) -> Self {
        Self::Skip(reason)
    }
}

/// The length that an IP header with length 0 stands for: all of the frame.
#[cold]
fn length_of_frame(view: View<'_>, notes: &mut Tally<Note>) -> Result<usize, SkipReason> {
    notes.count(Note::IpLengthZero);
    if view.len() > MAX_PACKET { Err(MalformedIp) } else { Ok(view.len()) }
}

/// An IPv4 packet.
#[inline(always)]
pub(super) fn v4<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Result<Packet<'a>, SkipReason> {
    let header = Ipv4HeaderSlice::from_slice(view.data).map_err(|e| match e {
        ipv4::HeaderSliceError::Len(_) => TruncatedIp,
        ipv4::HeaderSliceError::Content(_) => MalformedIp,
    })?;
    let total = match header.total_len() {
        0 => length_of_frame(view, notes)?,
        n => usize::from(n),
    };
    let payload = view.window(header.slice().len(), total).ok_or(MalformedIp)?;
    Ok(Packet {
        addresses: Addresses::V4(header.source_addr().to_bits(), header.destination_addr().to_bits()),
        id: header.identification(),
        len: total as u32,
        protocol: header.protocol().0,
        part: header.fragments_offset().value() | if header.more_fragments() { MORE } else { 0 },
        payload,
    })
}

/// An IPv6 packet.
#[inline(always)]
pub(super) fn v6<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Result<Packet<'a>, SkipReason> {
    const HEADER: usize = 40;

    let header = Ipv6HeaderSlice::from_slice(view.data).map_err(|e| match e {
        ipv6::HeaderSliceError::Len(_) => TruncatedIp,
        ipv6::HeaderSliceError::Content(_) => MalformedIp,
    })?;
    let protocol = header.next_header().0;
    let total = match header.payload_length() {
        0 => match extension::jumbo(protocol, view.skip(HEADER).ok_or(TruncatedIp)?) {
            Some(n) if n as usize > MAX_PACKET - HEADER => return Err(MalformedIp),
            Some(n) => {
                notes.count(Note::Jumbogram);
                HEADER + n as usize
            }
            None => length_of_frame(view, notes)?,
        },
        n => HEADER + usize::from(n),
    };
    let (addresses, _) = view.data[8..HEADER].as_chunks::<16>();
    let [src, dst] = addresses else { return Err(TruncatedIp) };
    Ok(Packet {
        addresses: Addresses::V6(src, dst),
        id: 0,
        len: total as u32,
        protocol,
        part: 0,
        payload: view.window(HEADER, total).ok_or(MalformedIp)?,
    })
}
