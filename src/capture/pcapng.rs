//! Packets of the pcapng format (draft-ietf-opsawg-pcapng).
//!
//! The blocks are walked here and not by `pcap-parser` 0.17, because that
//! allocates a list of options for every packet that has one (and one of 40
//! bytes for 4 on a hostile block), knows no power of two in `if_tsresol`, reads
//! the numbers in options as little-endian always, has no obsolete packet block,
//! and answers a packet length beyond its block with "incomplete", which would
//! have us read on for ever.
//!
//! A block is looked at only when all of it is in the window, its length is a
//! multiple of four, at least its kind's minimum, and repeated at its end.

use super::error::Fault;
use super::note::Notes;
use super::resolution::Resolution;
use super::window::{ByteOrder, Record, Step, Stepped, Window};
use super::{CaptureNote, LinkType, MAX_RECORD, Timestamp};
use pcap_parser::OptionCode;

/// Block types, section 11.1 of the draft.
pub(super) mod block {
    pub const SECTION: u32 = 0x0a0d_0d0a;
    pub const INTERFACE: u32 = 1;
    pub const PACKET: u32 = 2;
    pub const SIMPLE: u32 = 3;
    pub const STATISTICS: u32 = 5;
    pub const ENHANCED: u32 = 6;
}

/// The byte-order magic of a section, in the section's order.
pub(super) const ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Interfaces a section may describe; more is damage. Writers have a handful, the obsolete packet block 65 536 at most.
const MAX_INTERFACES: usize = 1 << 16;

/// The packets of one file.
#[derive(Default)]
pub(super) struct PcapNg {
    in_section: bool,
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// For packets without a time.
    last: Timestamp,
}

struct Interface {
    link: LinkType,
    snaplen: u32,
    number: u32,
    resolution: Resolution,
    /// Drops its statistics have told so far: they are totals.
    dropped: (u64, u64),
}

impl PcapNg {
    /// The next packet; the window must have been moved past the one before.
    #[inline]
    pub fn next(&mut self, window: &mut Window, notes: &mut Notes) -> Stepped {
        loop {
            if !window.fill(12)? {
                return Ok(window.ended("a pcapng block", 12));
            }
            let at = window.offset();
            let d = window.data();
            // The section's type reads the same in both orders.
            let kind = self.order.u32(d, 0);
            if kind == block::SECTION {
                self.order = order_of(self.order, d, at)?;
            } else if !self.in_section {
                return Err(Fault::damaged(at, "a section header block", format!("a block of type {kind:#x}")));
            }
            let len = self.order.u32(d, 4) as usize;
            let least = least(kind);
            if len < least || !len.is_multiple_of(4) || len > MAX_RECORD {
                let expected = format!("a block length of {least} to {MAX_RECORD} bytes, a multiple of 4");
                return Err(Fault::damaged(at + 4, expected, len.to_string()));
            }
            if !window.fill(len)? {
                return Ok(window.ended("a pcapng block", len));
            }
            let b = &window.data()[..len];
            let repeated = self.order.u32(b, len - 4) as usize;
            if repeated != len {
                let expected = format!("the block length {len} again");
                return Err(Fault::damaged(at + len as u64 - 4, expected, repeated.to_string()));
            }
            match kind {
                block::ENHANCED => return self.packet(b, at, self.order.u32(b, 8) as usize, notes),
                block::PACKET => {
                    let lost = self.order.u16(b, 10);
                    if lost != u16::MAX {
                        notes.dropped.interface = notes.dropped.interface.saturating_add(u64::from(lost));
                    }
                    return self.packet(b, at, usize::from(self.order.u16(b, 8)), notes);
                }
                block::SIMPLE => return self.simple(b, at, notes),
                block::SECTION => self.section(b, at)?,
                block::INTERFACE => self.interface(b, at, notes)?,
                block::STATISTICS => self.statistics(b, at, notes)?,
                _ => notes.tally.count(CaptureNote::BlockSkipped),
            }
            window.consume(len);
        }
    }

    /// Whether `rest`, which begins at a block, holds the whole of one with a packet.
    pub fn holds_packet(&self, rest: &[u8]) -> bool {
        rest.len() >= 12
            && matches!(self.order.u32(rest, 0), block::ENHANCED | block::PACKET | block::SIMPLE)
            && self.order.u32(rest, 4) as usize <= rest.len()
    }

    /// Enhanced and obsolete packet blocks have the same fields from byte 12 on.
    #[inline]
    fn packet(&mut self, b: &[u8], at: u64, id: usize, notes: &mut Notes) -> Stepped {
        let interface = self.interfaces.get(id).ok_or_else(|| undescribed(at + 8, id))?;
        let order = self.order;
        let (caplen, room) = (order.u32(b, 20) as usize, b.len() - 32);
        if caplen > room {
            let expected = format!("a captured length of at most {room} bytes, which the block has room for");
            return Err(Fault::damaged(at + 20, expected, caplen.to_string()));
        }
        let units = u64::from(order.u32(b, 12)) << 32 | u64::from(order.u32(b, 16));
        let (time, saturated) = interface.resolution.time(units);
        if saturated {
            notes.tally.count(CaptureNote::TimeSaturated);
        }
        self.last = time;
        Ok(Step::Record(Record {
            time,
            link: interface.link,
            interface: interface.number,
            wire_len: order.u32(b, 24),
            data: 28..28 + caplen,
            size: b.len(),
        }))
    }

    /// A simple packet block: on the first interface, without a time, as long as the snap length lets it be.
    fn simple(&self, b: &[u8], at: u64, notes: &mut Notes) -> Stepped {
        let interface = self.interfaces.first().ok_or_else(|| undescribed(at, 0))?;
        let wire_len = self.order.u32(b, 8);
        let snapped = if interface.snaplen == 0 { wire_len } else { wire_len.min(interface.snaplen) };
        let caplen = (snapped as usize).min(b.len() - 16);
        notes.tally.count(CaptureNote::TimeMissing);
        Ok(Step::Record(Record {
            time: self.last,
            link: interface.link,
            interface: interface.number,
            wire_len,
            data: 12..12 + caplen,
            size: b.len(),
        }))
    }

    fn section(&mut self, b: &[u8], at: u64) -> Result<(), Fault> {
        let (major, minor) = (self.order.u16(b, 12), self.order.u16(b, 14));
        if major != 1 {
            return Err(Fault::damaged(at + 12, "pcapng version 1", format!("version {major}.{minor}")));
        }
        self.in_section = true;
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, b: &[u8], at: u64, notes: &mut Notes) -> Result<(), Fault> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Fault::damaged(at, format!("at most {MAX_INTERFACES} interfaces"), "one more"));
        }
        let (mut tsresol, mut tsoffset) = (6, 0);
        let mut options = Options { order: self.order, b, next: 16, at };
        while let Some((code, value, at)) = options.next()? {
            if code == OptionCode::IfTsresol.0 {
                tsresol = sized::<1>(value, at, "if_tsresol")?[0];
            } else if code == OptionCode::IfTsoffset.0 {
                tsoffset = self.order.u64(&sized::<8>(value, at, "if_tsoffset")?, 0) as i64;
            }
        }
        self.interfaces.push(Interface {
            link: LinkType(self.order.u16(b, 8)),
            snaplen: self.order.u32(b, 12),
            number: notes.number_interface(),
            resolution: Resolution::new(tsresol, tsoffset),
            dropped: (0, 0),
        });
        Ok(())
    }

    /// Statistics are totals since the capture began: only what is more than before counts.
    fn statistics(&mut self, b: &[u8], at: u64, notes: &mut Notes) -> Result<(), Fault> {
        let order = self.order;
        let Some(interface) = self.interfaces.get_mut(order.u32(b, 8) as usize) else {
            notes.tally.count(CaptureNote::StatisticsStray);
            return Ok(());
        };
        let mut options = Options { order, b, next: 20, at };
        while let Some((code, value, at)) = options.next()? {
            let (before, sum, name) = match code {
                c if c == OptionCode::IsbIfDrop.0 => {
                    (&mut interface.dropped.0, &mut notes.dropped.interface, "isb_ifdrop")
                }
                c if c == OptionCode::IsbOsDrop.0 => {
                    (&mut interface.dropped.1, &mut notes.dropped.system, "isb_osdrop")
                }
                _ => continue,
            };
            let total = order.u64(&sized::<8>(value, at, name)?, 0);
            *sum = sum.saturating_add(total.saturating_sub(*before));
            *before = total.max(*before);
        }
        Ok(())
    }
}

/// The byte order a section header announces.
fn order_of(before: ByteOrder, d: &[u8], at: u64) -> Result<ByteOrder, Fault> {
    [ByteOrder::Little, ByteOrder::Big].into_iter().find(|order| order.u32(d, 8) == ORDER_MAGIC).ok_or_else(|| {
        Fault::damaged(at + 8, format!("the byte-order magic {ORDER_MAGIC:#x}"), format!("{:#x}", before.u32(d, 8)))
    })
}

/// Bytes of the smallest block of a kind, with its trailer.
fn least(kind: u32) -> usize {
    match kind {
        block::SECTION => 28,
        block::INTERFACE => 20,
        block::PACKET | block::ENHANCED => 32,
        block::SIMPLE => 16,
        block::STATISTICS => 24,
        _ => 12,
    }
}

fn undescribed(at: u64, id: usize) -> Fault {
    Fault::damaged(at, "a packet on a described interface", format!("one on interface {id}"))
}

fn sized<const N: usize>(value: &[u8], at: u64, name: &str) -> Result<[u8; N], Fault> {
    value.try_into().map_err(|_| Fault::damaged(at, format!("{N} bytes of {name}"), value.len().to_string()))
}

/// Code, value and offset in the file of an option.
type FoundOption<'a> = (u16, &'a [u8], u64);

/// The options of a block: code, length, value padded to four bytes; code 0 ends them, as does the block.
struct Options<'a> {
    order: ByteOrder,
    b: &'a [u8],
    next: usize,
    /// Offset of the block in the file.
    at: u64,
}

impl<'a> Options<'a> {
    /// The next option. The block's end is its last four bytes.
    fn next(&mut self) -> Result<Option<FoundOption<'a>>, Fault> {
        let (at, end) = (self.next, self.b.len() - 4);
        if at >= end {
            return Ok(None);
        }
        // Both are multiples of four: the code and the length fit.
        let (code, len) = (self.order.u16(self.b, at), usize::from(self.order.u16(self.b, at + 2)));
        if code == 0 {
            return Ok(None);
        }
        let offset = self.at + at as u64;
        let Some(value) = self.b[at + 4..end].get(..len) else {
            let expected = format!("an option of at most {} bytes", end - at - 4);
            return Err(Fault::damaged(offset, expected, len.to_string()));
        };
        self.next = at + 4 + len.next_multiple_of(4);
        Ok(Some((code, value, offset)))
    }
}
