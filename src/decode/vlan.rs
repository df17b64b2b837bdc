//! What stands between Ethernet and IP: VLAN tags, MPLS labels, PPPoE, MACsec tags.
//!
//! Contract: [`peel`] removes the one header that an Ethernet type announces.
//! The caller counts the headers, so a frame made of nothing but tags ends at
//! the limit of encapsulations.

use super::link::ether_type as ether;
use super::skip::Note;
use super::skip::SkipReason::{self, Arp, EncryptedTunnel, NestingTooDeep, NotIp, TruncatedLink};
use super::view::{Layer, View};
use crate::health::Tally;
use etherparse::SingleVlanSlice;

/// MPLS labels in one stack. Segment routing pushes about ten; more is no network's doing: the frame is skipped.
const MAX_LABELS: usize = 16;

type Next<'a> = Result<(Layer, View<'a>), SkipReason>;

/// Removes the header of Ethernet type `kind`, which is not IP.
pub(super) fn peel<'a>(kind: u16, view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    match kind {
        ether::VLAN | ether::PROVIDER_VLAN | ether::OLD_QINQ | ether::OLD_QINQ_2 => vlan(view, notes),
        ether::MPLS | ether::MPLS_UPSTREAM => mpls(view, notes),
        ether::PPPOE_SESSION => pppoe(view, notes),
        ether::MACSEC => macsec(view, notes),
        ether::BRIDGING => Ok((Layer::Ethernet, view)),
        ether::LLC_JUMBO | 0..=ether::MAX_LENGTH => Ok((Layer::Llc, view)),
        ether::ARP | ether::RARP => Err(Arp),
        _ => Err(NotIp),
    }
}

/// One tag (IEEE 802.1Q section 9): priority and VLAN number, then the Ethernet type of what follows.
fn vlan<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    let tag = SingleVlanSlice::from_slice(view.data).map_err(|_| TruncatedLink)?;
    notes.count(Note::Vlan);
    let rest = view.skip(4).ok_or(TruncatedLink)?;
    Ok((Layer::EtherType(tag.ether_type().0), rest))
}

/// A label stack (RFC 3032). Nothing in it says what it carries, so the first four bits behind it do,
/// as in the routers' own load balancing (RFC 4928 section 3).
fn mpls<'a>(mut view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    for _ in 0..MAX_LABELS {
        let last = view.byte(2).ok_or(TruncatedLink)? & 1 == 1;
        view = view.skip(4).ok_or(TruncatedLink)?;
        if !last {
            continue;
        }
        notes.count(Note::Mpls);
        return match view.byte(0).ok_or(TruncatedLink)? >> 4 {
            4 | 6 => Ok((Layer::Ip, view)),
            // Pseudowire control word (RFC 4385), then the Ethernet frame (RFC 4448).
            0 => Ok((Layer::Ethernet, view.skip(4).ok_or(TruncatedLink)?)),
            // Associated channel (RFC 5586): operation and maintenance.
            1 => Err(NotIp),
            _ => Ok((Layer::Ethernet, view)),
        };
    }
    Err(NestingTooDeep)
}

/// A PPPoE session header (RFC 2516 section 4): version and type 1, code 0, then PPP.
fn pppoe<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    let rest = view.skip(6).ok_or(TruncatedLink)?;
    if view.data[..2] != [0x11, 0] {
        return Err(NotIp);
    }
    notes.count(Note::Pppoe);
    Ok((Layer::Ppp, rest))
}

/// A PPP protocol number (RFC 1661 section 2), perhaps behind address and control (RFC 1662 section 3.1)
/// and perhaps compressed to one byte (section 6.5 of RFC 1661).
pub(super) fn ppp(view: View<'_>) -> Next<'_> {
    let view = if view.data.starts_with(&[0xff, 0x03]) { view.skip(2).ok_or(TruncatedLink)? } else { view };
    let first = match *view.data {
        // A lone address byte is no compressed protocol number.
        [] | [0xff] => return Err(TruncatedLink),
        [first, ..] => first,
    };
    let (protocol, len) = if first & 1 == 1 { (u16::from(first), 1) } else { (view.be16(0).ok_or(TruncatedLink)?, 2) };
    let rest = view.skip(len).ok_or(TruncatedLink)?;
    match protocol {
        0x0021 => Ok((Layer::EtherType(ether::IPV4), rest)),
        0x0057 => Ok((Layer::EtherType(ether::IPV6), rest)),
        0x0281 => Ok((Layer::EtherType(ether::MPLS), rest)),
        _ => Err(NotIp),
    }
}

/// A MACsec tag (IEEE 802.1AE section 9.3). What is authenticated but not encrypted can be read.
fn macsec<'a>(view: View<'a>, notes: &mut Tally<Note>) -> Next<'a> {
    const CHANNEL: u8 = 0x20;
    const ENCRYPTED: u8 = 0x08;
    const CHANGED: u8 = 0x04;

    let control = view.byte(0).ok_or(TruncatedLink)?;
    if control & (ENCRYPTED | CHANGED) != 0 {
        return Err(EncryptedTunnel);
    }
    let rest = view.skip(if control & CHANNEL == 0 { 6 } else { 14 }).ok_or(TruncatedLink)?;
    let kind = rest.be16(0).ok_or(TruncatedLink)?;
    notes.count(Note::Macsec);
    Ok((Layer::EtherType(kind), rest.skip(2).ok_or(TruncatedLink)?))
}
