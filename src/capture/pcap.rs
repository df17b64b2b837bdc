//! Records of the classic pcap format (draft-ietf-opsawg-pcap).
//!
//! Magics a1b2c3d4 (µs), a1b23c4d (ns) and Kuznetzov's a1b2cd34 (µs, records
//! with eight more bytes of header), in either byte order; versions 2.0 to 2.4
//! and the 543.0 of DG/UX. Headers and records are parsed by `pcap-parser`
//! except the modified format in big-endian order and the old versions with the
//! two lengths swapped, which it does not know.
//!
//! The snap length of the file header is not applied: where a record holds more
//! than that, libpcap cuts it and we use all of it.

use super::error::Fault;
use super::note::Notes;
use super::window::{ByteOrder, Record, Step, Stepped, Window};
use super::{LinkType, MAX_RECORD, Timestamp};
use pcap_parser::nom::{Err as NomErr, IResult, Needed};
use pcap_parser::{LegacyPcapBlock, PcapError, PcapHeader};

/// Bytes of the file header.
const FILE_HEADER: usize = 24;

type Parse = fn(&[u8]) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

/// Whether the four bytes start a pcap file.
pub(super) fn is_magic(bytes: [u8; 4]) -> bool {
    let known = |n: u32| matches!(n, 0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34);
    known(u32::from_le_bytes(bytes)) || known(u32::from_be_bytes(bytes))
}

/// The records of one file.
#[derive(Default)]
pub(super) struct Pcap {
    layout: Option<Layout>,
}

/// What the file header says about the records.
#[derive(Clone, Copy)]
struct Layout {
    parse: Parse,
    /// Bytes of a record header.
    header: usize,
    /// Nanoseconds one unit of the fraction of a second stands for.
    unit: i64,
    lengths: Lengths,
    link: LinkType,
    interface: u32,
}

/// Which of the two lengths of a record comes first (tcpdump.org, "pcap-savefile", versions before 2.4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    /// Version 2.3 was written either way: the smaller one is what was captured.
    SmallerCaptured,
}

impl Pcap {
    /// The next packet; the window must have been moved past the one before.
    #[inline]
    pub fn next(&mut self, window: &mut Window, notes: &mut Notes) -> Stepped {
        let layout = match self.layout {
            Some(layout) => layout,
            None => match Layout::read(window, notes)? {
                Ok(layout) => *self.layout.insert(layout),
                Err(step) => return Ok(step),
            },
        };
        loop {
            let need = match (layout.parse)(window.data()) {
                Ok((_, block)) if block.data.len() <= MAX_RECORD => {
                    let caplen = block.data.len();
                    let wire_len = if layout.lengths == Lengths::CapturedFirst {
                        block.origlen
                    } else {
                        block.caplen.max(block.origlen)
                    };
                    let record = Record {
                        // Seconds are unsigned: a file of after 2038 is more likely than one of before 1970. The sum fits.
                        time: Timestamp::from_parts(i64::from(block.ts_sec), i64::from(block.ts_usec) * layout.unit),
                        link: layout.link,
                        interface: layout.interface,
                        wire_len,
                        data: layout.header..layout.header + caplen,
                        size: layout.header + caplen,
                    };
                    return Ok(Step::Record(record));
                }
                Err(NomErr::Incomplete(Needed::Size(more))) => window.data().len().saturating_add(more.get()),
                Ok((_, block)) => layout.header + block.data.len(),
                Err(_) => return Err(Fault::damaged(window.offset(), "a packet record", "something else")),
            };
            if need > layout.header + MAX_RECORD {
                let found = format!("a captured length of {}", need - layout.header);
                // The captured length is the third field of the record, or the fourth.
                let at = if layout.lengths == Lengths::CapturedFirst { 8 } else { 12 };
                return Err(Fault::damaged(
                    window.offset() + at,
                    format!("a packet of at most {MAX_RECORD} bytes"),
                    found,
                ));
            }
            if !window.fill(need)? {
                let what = if need == layout.header { "a packet record header" } else { "a packet record" };
                return Ok(window.ended(what, need));
            }
        }
    }
}

impl Pcap {
    /// Whether `rest`, which begins at a record, holds the whole of it.
    pub fn holds_packet(&self, rest: &[u8]) -> bool {
        self.layout.is_some_and(|layout| (layout.parse)(rest).is_ok())
    }
}

impl Layout {
    /// Reads the file header; the inner error is the end of the stream within it.
    fn read(window: &mut Window, notes: &mut Notes) -> Result<Result<Self, Step>, Fault> {
        if !window.fill(FILE_HEADER)? {
            return Ok(Err(window.ended("a pcap file header", FILE_HEADER)));
        }
        let at = window.offset();
        let (order, header) = Self::parse_header(&window.data()[..FILE_HEADER])
            .ok_or_else(|| Fault::damaged(at, "a pcap file header", "another magic number"))?;
        let (major, minor) = (header.version_major, header.version_minor);
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, 0) => Lengths::WireFirst,
            (2, 3) => Lengths::SmallerCaptured,
            (2, 4) => Lengths::CapturedFirst,
            _ => {
                return Err(Fault::damaged(at + 4, "pcap version 2.0 to 2.4", format!("version {major}.{minor}")));
            }
        };
        let modified = matches!(header.magic_number, 0xa1b2_cd34 | 0x34cd_b2a1);
        let parse: Parse = match (modified, lengths, order) {
            (false, Lengths::CapturedFirst, ByteOrder::Little) => pcap_parser::parse_pcap_frame,
            (false, Lengths::CapturedFirst, ByteOrder::Big) => pcap_parser::parse_pcap_frame_be,
            (true, Lengths::CapturedFirst, ByteOrder::Little) => pcap_parser::parse_pcap_frame_modified,
            (true, Lengths::CapturedFirst, ByteOrder::Big) => |d| parse_odd(d, ByteOrder::Big, 24, |caplen, _| caplen),
            (false, Lengths::WireFirst, ByteOrder::Little) => {
                |d| parse_odd(d, ByteOrder::Little, 16, |_, second| second)
            }
            (false, Lengths::WireFirst, ByteOrder::Big) => |d| parse_odd(d, ByteOrder::Big, 16, |_, second| second),
            (false, Lengths::SmallerCaptured, ByteOrder::Little) => |d| parse_odd(d, ByteOrder::Little, 16, u32::min),
            (false, Lengths::SmallerCaptured, ByteOrder::Big) => |d| parse_odd(d, ByteOrder::Big, 16, u32::min),
            (true, _, _) => {
                return Err(Fault::damaged(at + 4, "version 2.4 of modified pcap", format!("version {major}.{minor}")));
            }
        };
        window.consume(FILE_HEADER);
        Ok(Ok(Self {
            parse,
            header: if modified { 24 } else { 16 },
            unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
            lengths,
            // The upper half holds the length of the frame check sequence and a class, not the link type.
            link: LinkType((header.network.0 & 0xffff) as u16),
            interface: notes.number_interface(),
        }))
    }

    fn parse_header(bytes: &[u8]) -> Option<(ByteOrder, PcapHeader)> {
        let big = [0xa1, 0xb2, 0xcd, 0x34];
        if let Some(rest) = bytes.strip_prefix(&big) {
            // The library has this magic in little-endian order only: let it read the rest as a plain big-endian file.
            let mut plain = [0; FILE_HEADER];
            plain[..4].copy_from_slice(&[0xa1, 0xb2, 0xc3, 0xd4]);
            plain[4..].copy_from_slice(rest);
            let (_, mut header) = pcap_parser::parse_pcap_header(&plain).ok()?;
            header.magic_number = u32::from_le_bytes(big);
            return Some((ByteOrder::Big, header));
        }
        let (_, header) = pcap_parser::parse_pcap_header(bytes).ok()?;
        Some((if header.is_bigendian() { ByteOrder::Big } else { ByteOrder::Little }, header))
    }
}

/// A record of a layout `pcap-parser` does not know; `captured` picks its length from the two given.
fn parse_odd(
    d: &[u8],
    order: ByteOrder,
    header: usize,
    captured: fn(u32, u32) -> u32,
) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>> {
    if d.len() < header {
        return Err(NomErr::Incomplete(Needed::new(header - d.len())));
    }
    let (caplen, origlen) = (order.u32(d, 8), order.u32(d, 12));
    let need = header + captured(caplen, origlen) as usize;
    if d.len() < need {
        return Err(NomErr::Incomplete(Needed::new(need - d.len())));
    }
    let block =
        LegacyPcapBlock { ts_sec: order.u32(d, 0), ts_usec: order.u32(d, 4), caplen, origlen, data: &d[header..need] };
    Ok((&d[need..], block))
}
