//! Link layers: from the link type of an interface to the first header above it.
//!
//! Contract: every function takes the captured bytes as they are and gives the
//! next layer, or the reason why there is none. Nothing is read twice; the
//! source of each layout is tcpdump.org/linktypes.html unless it is named.

use super::skip::SkipReason::{self, Llc, NotIp, TruncatedLink, UnsupportedLinkType};
use super::view::{Layer, View};
use crate::capture::LinkType;
use etherparse::Ethernet2Slice;

/// Ethernet types (IEEE 802 numbers) that the decoder tells apart.
pub(super) mod ether_type {
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    pub const RARP: u16 = 0x8035;
    /// Transparent Ethernet bridging (RFC 1701): an Ethernet header follows.
    pub const BRIDGING: u16 = 0x6558;
    pub const VLAN: u16 = 0x8100;
    pub const IPV6: u16 = 0x86dd;
    pub const MPLS: u16 = 0x8847;
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// An LLC header in a frame longer than 1500 bytes.
    pub const LLC_JUMBO: u16 = 0x8870;
    pub const PROVIDER_VLAN: u16 = 0x88a8;
    pub const MACSEC: u16 = 0x88e5;
    /// Double tags before IEEE 802.1ad.
    pub const OLD_QINQ: u16 = 0x9100;
    pub const OLD_QINQ_2: u16 = 0x9200;
    /// Up to here the field is the length of an IEEE 802.3 frame.
    pub const MAX_LENGTH: u16 = 1500;
}

const NULL: u16 = 0;
/// Ethernet, and what passes for it (802.11 as the operating system shows it).
pub(super) const ETHERNET: LinkType = LinkType(1);
const PPP: u16 = 9;
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
const RAW: u16 = 101;
/// Values of `DLT_RAW` that leak into files which stored a DLT in place of a link type.
const DLT_RAW: u16 = 12;
const DLT_RAW_OPENBSD: u16 = 14;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const NFLOG: u16 = 239;
const LINUX_SLL2: u16 = 276;

type Next<'a> = Result<(Layer, View<'a>), SkipReason>;

/// The first layer that the sensor knows above the link type.
pub(super) fn start(link: LinkType, view: View<'_>) -> Next<'_> {
    if link == ETHERNET {
        return Ok((Layer::Ethernet, view));
    }
    match link.0 {
        RAW | DLT_RAW | DLT_RAW_OPENBSD => Ok((Layer::Ip, view)),
        LINUX_SLL => cooked(view, 14, 2, 16),
        LINUX_SLL2 => cooked(view, 0, 8, 20),
        NULL => loopback(view, true),
        LOOP => loopback(view, false),
        IPV4 => Ok((Layer::EtherType(ether_type::IPV4), view)),
        IPV6 => Ok((Layer::EtherType(ether_type::IPV6), view)),
        PPP | PPP_HDLC => Ok(hdlc(view)),
        PPP_ETHER => Ok((Layer::EtherType(ether_type::PPPOE_SESSION), view)),
        NFLOG => nflog(view),
        _ => Err(UnsupportedLinkType),
    }
}

/// An Ethernet header (IEEE 802.3): the type, or the length of an LLC frame.
#[inline(always)]
pub(super) fn ethernet(view: View<'_>) -> Result<(u16, View<'_>), SkipReason> {
    let slice = Ethernet2Slice::from_slice_without_fcs(view.data).map_err(|_| TruncatedLink)?;
    let rest = View { data: slice.payload_slice(), missing: view.missing };
    Ok((slice.ether_type().0, rest))
}

/// An LLC header (IEEE 802.2) and, behind it, SNAP (RFC 1042).
pub(super) fn llc(view: View<'_>) -> Next<'_> {
    match view.data {
        // The organisation codes of RFC 1042 and of IEEE 802.1H bridges; both carry Ethernet types.
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, hi, lo, rest @ ..] => {
            let kind = u16::from_be_bytes([*hi, *lo]);
            if kind <= ether_type::MAX_LENGTH {
                return Err(Llc);
            }
            Ok((Layer::EtherType(kind), View { data: rest, missing: view.missing }))
        }
        [0x06, 0x06, 0x03, rest @ ..] => Ok((Layer::Ip, View { data: rest, missing: view.missing })),
        [] | [_] | [_, _] => Err(TruncatedLink),
        data if data.starts_with(&[0xaa, 0xaa, 0x03]) && data.len() < 8 => Err(TruncatedLink),
        _ => Err(Llc),
    }
}

/// Linux cooked capture: `len` bytes with the protocol and the ARP hardware type at these places.
fn cooked(view: View<'_>, protocol_at: usize, hardware_at: usize, len: usize) -> Next<'_> {
    /// `ARPHRD_NETLINK`, `ARPHRD_FRAD`, and the Wi-Fi monitor types: the protocol field is no Ethernet type.
    const OTHER_PROTOCOLS: [u16; 6] = [824, 770, 801, 802, 803, 804];
    /// `ETH_P_802_2`: an LLC header follows.
    const LLC_FRAME: u16 = 4;

    let rest = view.skip(len).ok_or(TruncatedLink)?;
    let hardware = view.be16(hardware_at).ok_or(TruncatedLink)?;
    if OTHER_PROTOCOLS.contains(&hardware) {
        return Err(NotIp);
    }
    match view.be16(protocol_at).ok_or(TruncatedLink)? {
        LLC_FRAME => Ok((Layer::Llc, rest)),
        // The other small numbers are Linux' own (ETH_P_802_3, ETH_P_ALL, CAN …).
        n if n <= ether_type::MAX_LENGTH => Err(NotIp),
        kind => Ok((Layer::EtherType(kind), rest)),
    }
}

/// BSD loopback: a protocol family in four bytes, NULL in the byte order of the machine that captured.
fn loopback(view: View<'_>, any_order: bool) -> Next<'_> {
    let rest = view.skip(4).ok_or(TruncatedLink)?;
    let family = u32::from_be_bytes([view.data[0], view.data[1], view.data[2], view.data[3]]);
    // Families are small: only one of the two orders can be one.
    let family = if any_order && family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 => Ok((Layer::EtherType(ether_type::IPV4), rest)),
        // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
        10 | 24 | 28 | 30 => Ok((Layer::EtherType(ether_type::IPV6), rest)),
        _ => Err(NotIp),
    }
}

/// PPP in HDLC framing (RFC 1662), or Cisco HDLC, which such interfaces carry too.
fn hdlc(view: View<'_>) -> (Layer, View<'_>) {
    match view.data {
        [0x0f | 0x8f, _, hi, lo, rest @ ..] => {
            (Layer::EtherType(u16::from_be_bytes([*hi, *lo])), View { data: rest, missing: view.missing })
        }
        _ => (Layer::Ppp, view),
    }
}

/// Linux netfilter log: attributes in the byte order of the machine that captured, one of which is the packet.
fn nflog(view: View<'_>) -> Next<'_> {
    /// `NFULA_PAYLOAD`.
    const PAYLOAD: u16 = 9;

    let mut rest = view.skip(4).ok_or(TruncatedLink)?;
    loop {
        let [a, b, c, d, ..] = *rest.data else { return Err(TruncatedLink) };
        // The length of an attribute counts its header; types and lengths are small, so whichever
        // order gives a known type below 256 is the order of the file.
        let (len, kind) = if d == 0 {
            (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        } else {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        };
        let len = usize::from(len);
        if len < 4 {
            return Err(NotIp);
        }
        if kind == PAYLOAD {
            let packet = rest.window(4, len).ok_or(TruncatedLink)?;
            return Ok((Layer::Ip, packet));
        }
        rest = rest.skip(len.next_multiple_of(4)).ok_or(TruncatedLink)?;
    }
}
