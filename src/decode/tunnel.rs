//! Tunnels: IP packets that carry another packet or a whole mirrored frame.
//!
//! Contract: [`open`] takes a packet that is not TCP and gives the layer inside,
//! or the one reason why there is none to read. UDP tunnels are known by their
//! destination port only, so a header that does not look like the tunnel's is
//! plain UDP and not an error.

use super::ip::{Packet, protocol};
use super::link::ether_type as ether;
use super::skip::Note;
use super::skip::SkipReason::{
    self, EncryptedTunnel, Icmp, MalformedTunnel, OtherProtocol, TruncatedTunnel, Udp, UnsupportedTunnel,
};
use super::view::{Layer, View};
use crate::health::Tally;

const VXLAN: u16 = 4789;
/// The port of Linux before the number was assigned; still its default.
const VXLAN_LINUX: u16 = 8472;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;

type Next<'a> = Result<(Layer, View<'a>), SkipReason>;

/// The reason why packets of this protocol never give a segment; `None` when they may.
///
/// Told before the reassembly of fragments, so that no memory is spent on datagrams of no use.
#[inline]
pub(super) fn refuse(protocol: u8) -> Option<SkipReason> {
    match protocol {
        protocol::ICMP | protocol::ICMPV6 => Some(Icmp),
        protocol::ESP => Some(EncryptedTunnel),
        protocol::IP_COMP | protocol::L2TP => Some(UnsupportedTunnel),
        protocol::HOP_BY_HOP
        | protocol::IPV4
        | protocol::TCP
        | protocol::UDP
        | protocol::IPV6
        | protocol::ROUTING
        | protocol::FRAGMENT
        | protocol::GRE
        | protocol::AUTHENTICATION
        | protocol::DESTINATION
        | protocol::ETHER_IP
        | protocol::MOBILITY
        | protocol::MPLS
        | protocol::HIP
        | protocol::SHIM6
        | protocol::ETHERNET => None,
        _ => Some(OtherProtocol),
    }
}

/// What is inside of a packet that is not TCP.
pub(super) fn open<'a>(packet: &Packet<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    let payload = packet.payload;
    match packet.protocol {
        protocol::UDP => udp(payload, notes),
        protocol::IPV4 => Ok(inside(Note::IpInIp, Layer::EtherType(ether::IPV4), payload, notes)),
        protocol::IPV6 => Ok(inside(Note::IpInIp, Layer::EtherType(ether::IPV6), payload, notes)),
        protocol::GRE => gre(payload, notes),
        protocol::MPLS => Ok(inside(Note::EtherIp, Layer::EtherType(ether::MPLS), payload, notes)),
        protocol::ETHERNET => Ok(inside(Note::EtherIp, Layer::Ethernet, payload, notes)),
        protocol::ETHER_IP => match payload.be16(0) {
            // RFC 3378: version 3 and 12 bits that are 0.
            Some(0x3000) => Ok(inside(Note::EtherIp, Layer::Ethernet, need(payload, 2)?, notes)),
            Some(_) => Err(UnsupportedTunnel),
            None => Err(payload.short(2, TruncatedTunnel, MalformedTunnel)),
        },
        other => Err(refuse(other).unwrap_or(OtherProtocol)),
    }
}

/// The next layer, its tunnel counted.
fn inside<'a>(note: Note, layer: Layer, view: View<'a>, notes: &mut Tally<Note>) -> (Layer, View<'a>) {
    notes.count(note);
    (layer, view)
}

/// The view behind a tunnel header of `n` bytes.
fn need(view: View<'_>, n: usize) -> Result<View<'_>, SkipReason> {
    view.skip(n).ok_or_else(|| view.short(n, TruncatedTunnel, MalformedTunnel))
}

/// GRE version 0 (RFC 2784) with key and sequence number (RFC 2890); also NVGRE (RFC 7637) and ERSPAN.
fn gre<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 0x0007;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_III: u16 = 0x22eb;
    /// Point-to-point protocol of PPTP, and WCCP redirection with its own header.
    const UNREAD: [u16; 2] = [0x880b, 0x883e];

    let mut rest = need(view, 4)?;
    let flags = u16::from_be_bytes([view.data[0], view.data[1]]);
    let kind = u16::from_be_bytes([view.data[2], view.data[3]]);
    if flags & (ROUTING | VERSION) != 0 || UNREAD.contains(&kind) {
        return Err(UnsupportedTunnel);
    }
    for flag in [CHECKSUM, KEY, SEQUENCE] {
        if flags & flag != 0 {
            rest = need(rest, 4)?;
        }
    }
    notes.count(Note::Gre);
    match kind {
        // Type I has no header of its own, and is told from type II by the missing sequence number.
        ERSPAN if flags & SEQUENCE == 0 => Ok(inside(Note::Erspan, Layer::Ethernet, rest, notes)),
        ERSPAN => Ok(inside(Note::Erspan, Layer::Ethernet, need(rest, 8)?, notes)),
        ERSPAN_III => erspan_iii(rest, notes),
        kind => Ok((Layer::EtherType(kind), rest)),
    }
}

/// ERSPAN type III (draft-foschiano-erspan section 4.3): 12 bytes and perhaps a platform specific subheader of 8.
fn erspan_iii<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    /// Frame type of a packet without Ethernet header.
    const FRAME_IP: u8 = 2;

    let rest = need(view, 12)?;
    let frame_type = view.data[10] >> 2 & 0x1f;
    let subheader = view.data[11] & 1 == 1;
    let rest = if subheader { need(rest, 8)? } else { rest };
    Ok(inside(Note::Erspan, if frame_type == FRAME_IP { Layer::Ip } else { Layer::Ethernet }, rest, notes))
}

fn udp<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    let port = view.be16(2).ok_or(Udp)?;
    if !matches!(port, VXLAN | VXLAN_LINUX | VXLAN_GPE | GENEVE) {
        return Err(Udp);
    }
    // Both tunnel headers have 8 bytes behind the 8 of UDP.
    let Some(inner) = view.skip(16) else { return Err(view.short(16, TruncatedTunnel, Udp)) };
    let header = &view.data[8..16];
    if port == GENEVE { geneve(header, inner, notes) } else { vxlan(port, header, inner, notes) }
}

/// VXLAN (RFC 7348 section 5) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe section 3).
fn vxlan<'a>(port: u16, header: &[u8], inner: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    const VALID_NETWORK: u8 = 0x08;
    const NEXT_PROTOCOL: u8 = 0x04;

    if header[0] & VALID_NETWORK == 0 {
        return Err(Udp);
    }
    let layer = match header[3] {
        _ if port != VXLAN_GPE || header[0] & NEXT_PROTOCOL == 0 => Layer::Ethernet,
        1 => Layer::EtherType(ether::IPV4),
        2 => Layer::EtherType(ether::IPV6),
        3 => Layer::Ethernet,
        5 => Layer::EtherType(ether::MPLS),
        _ => return Err(UnsupportedTunnel),
    };
    Ok(inside(Note::Vxlan, layer, inner, notes))
}

/// GENEVE (RFC 8926 section 3.4): version 0, options, then the payload of an Ethernet type.
fn geneve<'a>(header: &[u8], inner: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    const CONTROL: u8 = 0x80;

    if header[0] >> 6 != 0 {
        return Err(Udp);
    }
    if header[1] & CONTROL != 0 {
        return Err(UnsupportedTunnel);
    }
    let rest = need(inner, usize::from(header[0] & 0x3f) * 4)?;
    Ok(inside(Note::Geneve, Layer::EtherType(u16::from_be_bytes([header[2], header[3]])), rest, notes))
}
