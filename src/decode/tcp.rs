//! The TCP header (RFC 9293 section 3.1) and the options that the sensor uses.
//!
//! Contract: the header must have been captured whole; the payload may be cut,
//! and then `payload_len` is still what the IP length says. Broken options are
//! counted and never cost the segment: receivers take its data all the same.

use super::ip::Packet;
use super::segment::{Flags, Segment};
use super::seq::SeqNum;
use super::skip::Note;
use super::skip::SkipReason::{self, MalformedTcp, TruncatedTcp};
use crate::health::Tally;
use etherparse::TcpHeaderSlice;
use etherparse::err::tcp::HeaderSliceError;

/// Largest window scale (RFC 7323 section 2.3).
const MAX_WINDOW_SCALE: u8 = 14;

/// The segment in an IP packet of protocol 6.
#[inline(always)]
pub(super) fn segment<'a>(packet: &Packet<'a>, notes: &mut Tally<Note>) -> Result<Segment<'a>, SkipReason> {
    let view = packet.payload;
    let header = TcpHeaderSlice::from_slice(view.data).map_err(|e| match e {
        HeaderSliceError::Len(e) => view.short(e.required_len, TruncatedTcp, MalformedTcp),
        HeaderSliceError::Content(_) => MalformedTcp,
    })?;
    let bytes = header.slice();
    let payload = &view.data[bytes.len()..];
    if view.missing > 0 {
        notes.count(Note::PayloadCut);
    }
    let flags = Flags(bytes[13]);
    let options = options(&bytes[20..], flags.has(Flags::SYN), notes);
    let (src_ip, dst_ip) = packet.addresses.pair();
    Ok(Segment {
        src_ip,
        dst_ip,
        src_port: header.source_port(),
        dst_port: header.destination_port(),
        seq: SeqNum(header.sequence_number()),
        ack: SeqNum(header.acknowledgment_number()),
        flags,
        window: header.window_size(),
        window_scale: (options.window_scale != NOT_SCALED).then_some(options.window_scale),
        tsval: options.has_tsval.then_some(options.tsval),
        checksum: header.checksum(),
        ip_id: packet.id,
        ip_len: packet.len,
        payload_len: (payload.len() + view.missing) as u32,
        payload,
        checksummed: if view.missing == 0 { view.data } else { &[] },
    })
}

/// Small enough for a register: as a struct of `Option`s it went through memory, and cost more than all the rest.
#[derive(Clone, Copy)]
struct Options {
    tsval: u32,
    has_tsval: bool,
    /// [`NOT_SCALED`] without the option.
    window_scale: u8,
}

const NOT_SCALED: u8 = u8::MAX;
const NO_OPTIONS: Options = Options { tsval: 0, has_tsval: false, window_scale: NOT_SCALED };

#[inline]
fn options(bytes: &[u8], syn: bool, notes: &mut Tally<Note>) -> Options {
    match *bytes {
        [] => NO_OPTIONS,
        // The order of RFC 7323 appendix A: nearly every segment of a connection looks like this.
        [1, 1, 8, 10, a, b, c, d, _, _, _, _] => {
            Options { tsval: u32::from_be_bytes([a, b, c, d]), has_tsval: true, ..NO_OPTIONS }
        }
        _ => any_options(bytes, syn, notes),
    }
}

/// Options in any order; the first of a kind counts, as a second one has no meaning.
fn any_options(mut bytes: &[u8], syn: bool, notes: &mut Tally<Note>) -> Options {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const WINDOW_SCALE: u8 = 3;
    const TIMESTAMPS: u8 = 8;

    let mut found = NO_OPTIONS;
    loop {
        let (kind, len) = match *bytes {
            [] | [END, ..] => return found,
            [NO_OPERATION, ..] => {
                bytes = &bytes[1..];
                continue;
            }
            [kind, len, ..] => (kind, usize::from(len)),
            [_] => (END, 0),
        };
        let body = if len < 2 { None } else { bytes.get(2..len) };
        match (kind, body) {
            // RFC 7323 section 2.2: only a SYN may scale.
            (WINDOW_SCALE, Some(&[shift])) if syn && found.window_scale == NOT_SCALED => {
                if shift > MAX_WINDOW_SCALE {
                    notes.count(Note::WindowScaleClamped);
                }
                found.window_scale = shift.min(MAX_WINDOW_SCALE);
            }
            (TIMESTAMPS, Some(&[a, b, c, d, _, _, _, _])) if !found.has_tsval => {
                found = Options { tsval: u32::from_be_bytes([a, b, c, d]), has_tsval: true, ..found };
            }
            (WINDOW_SCALE, Some([_])) | (TIMESTAMPS, Some([_, _, _, _, _, _, _, _])) => {}
            (WINDOW_SCALE | TIMESTAMPS, _) | (_, None) => {
                notes.count(Note::TcpOptionsMalformed);
                return found;
            }
            _ => {}
        }
        bytes = &bytes[len..];
    }
}
