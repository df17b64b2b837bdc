//! IPv6 extension headers (RFC 8200 section 4) and the authentication header (RFC 4302), also behind IPv4.
//!
//! Contract: [`pass`] moves a packet to its first header that is none of these;
//! a fragment, of IPv4 too, leaves as [`Stop::Fragment`].
//! Every header is at least 8 bytes long and their number has a limit.

use super::ip::{Addresses, Fragment, MORE, Packet, Stop, protocol};
use super::skip::Note;
use super::skip::SkipReason::{MalformedIp, NestingTooDeep, TruncatedIp};
use super::view::View;
use crate::health::Tally;
use etherparse::{IpAuthHeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice, err::ip_auth::HeaderSliceError};

/// Extension headers in one packet. RFC 8504 section 5.3 lets hosts refuse more than 8; twice that is no honest packet.
const MAX_EXTENSIONS: usize = 16;

/// Passes over extension headers up to the transport protocol, or stops at a fragment.
pub(super) fn pass<'a>(packet: &mut Packet<'a>, notes: &mut Tally<Note>) -> Result<(), Stop<'a>> {
    let v6 = matches!(packet.addresses, Addresses::V6(..));
    if packet.part != 0 {
        let (offset, more) = (u32::from(packet.part & !MORE) * 8, packet.part & MORE != 0);
        return Err(Stop::Fragment(Fragment { packet: *packet, id: u32::from(packet.id), offset, more }));
    }
    for _ in 0..MAX_EXTENSIONS {
        let rest = packet.payload;
        let (next, len) = match packet.protocol {
            protocol::AUTHENTICATION => {
                let header = IpAuthHeaderSlice::from_slice(rest.data).map_err(|e| match e {
                    HeaderSliceError::Len(e) => rest.short(e.required_len, TruncatedIp, MalformedIp),
                    HeaderSliceError::Content(_) => MalformedIp,
                })?;
                notes.count(Note::AuthenticationHeader);
                (header.next_header().0, header.slice().len())
            }
            protocol::FRAGMENT if v6 => {
                let header = Ipv6FragmentHeaderSlice::from_slice(rest.data)
                    .map_err(|e| rest.short(e.required_len, TruncatedIp, MalformedIp))?;
                let next = header.next_header().0;
                if header.is_fragmenting_payload() {
                    packet.protocol = next;
                    packet.payload = rest.skip(header.slice().len()).ok_or(TruncatedIp)?;
                    return Err(Stop::Fragment(Fragment {
                        packet: *packet,
                        id: header.identification(),
                        offset: u32::from(header.fragment_offset().value()) * 8,
                        more: header.more_fragments(),
                    }));
                }
                notes.count(Note::AtomicFragment);
                (next, header.slice().len())
            }
            protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::DESTINATION
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
                if v6 =>
            {
                let header = Ipv6RawExtHeaderSlice::from_slice(rest.data)
                    .map_err(|e| rest.short(e.required_len, TruncatedIp, MalformedIp))?;
                if packet.protocol == protocol::ROUTING
                    && let Addresses::V6(src, _) = packet.addresses
                    && let Some(last) = rest.data.get(..header.slice().len()).and_then(final_destination)
                {
                    packet.addresses = Addresses::V6(src, last);
                }
                (header.next_header().0, header.slice().len())
            }
            _ => return Ok(()),
        };
        packet.protocol = next;
        packet.payload = rest.skip(len).ok_or(TruncatedIp)?;
    }
    Err(NestingTooDeep.into())
}

/// The end of a source route that the packet has not yet gone to the end of.
///
/// It is the destination in the pseudo header of TCP (RFC 8200 section 8.1), so the endpoint of the connection.
fn final_destination(header: &[u8]) -> Option<&[u8; 16]> {
    const SOURCE_ROUTE: u8 = 0;
    const MOBILE: u8 = 2;
    const SEGMENT_ROUTE: u8 = 4;

    let (kind, segments_left) = (*header.get(2)?, *header.get(3)?);
    if segments_left == 0 {
        return None;
    }
    let at = match kind {
        // RFC 5095 (type 0) and RFC 6275 section 6.4 (type 2): the last address of the list.
        SOURCE_ROUTE | MOBILE => header.len().checked_sub(16).filter(|&at| at >= 8)?,
        // RFC 8754 section 2: the list is in reverse order.
        SEGMENT_ROUTE => 8,
        _ => return None,
    };
    header.get(at..)?.first_chunk()
}

/// The payload length in a jumbo payload option (RFC 2675 section 2), `rest` being what follows the IPv6 header.
pub(super) fn jumbo(next_header: u8, rest: View<'_>) -> Option<u32> {
    const PAD1: u8 = 0;
    const JUMBO: u8 = 0xc2;

    if next_header != protocol::HOP_BY_HOP {
        return None;
    }
    let header = Ipv6RawExtHeaderSlice::from_slice(rest.data).ok()?;
    let mut options = header.payload();
    loop {
        match *options {
            [PAD1, ..] => options = &options[1..],
            [JUMBO, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([a, b, c, d])),
            [_, len, ..] => options = options.get(2 + usize::from(len)..)?,
            _ => return None,
        }
    }
}
