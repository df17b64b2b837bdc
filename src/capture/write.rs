//! Writers of pcap and pcapng: what tests, benches and tools need, no more.
//!
//! Nothing is buffered here: give a `BufWriter`. A value that does not fit its
//! field is an error of the kind `InvalidInput`, and nothing of it is written.

use super::pcapng::{ORDER_MAGIC, block};
use super::{ByteOrder, LinkType};
use crate::time::{SECOND, Timestamp};
use std::io::{self, Write};

/// What kind of pcap file to write.
#[derive(Clone, Copy, Debug)]
pub struct PcapOptions {
    /// Byte order of all headers.
    pub order: ByteOrder,
    /// Nanoseconds (magic a1b23c4d), else microseconds: the rest is cut off.
    pub nanos: bool,
    /// Kuznetzov's format with 24-byte record headers; microseconds only.
    pub modified: bool,
    /// Bytes kept of a packet, 0 for all of them.
    pub snaplen: u32,
    /// Link type of all packets.
    pub link: LinkType,
}

impl PcapOptions {
    /// Little-endian, nanoseconds, packets of up to 256 KiB (what libpcap reads).
    pub fn new(link: LinkType) -> Self {
        Self { order: ByteOrder::Little, nanos: true, modified: false, snaplen: 262_144, link }
    }
}

/// Writes one pcap file.
pub struct PcapWriter<W> {
    out: W,
    options: PcapOptions,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    pub fn new(mut out: W, options: PcapOptions) -> io::Result<Self> {
        let magic: u32 = match (options.modified, options.nanos) {
            (true, true) => return Err(invalid("modified pcap has microseconds only")),
            (true, false) => 0xa1b2_cd34,
            (false, true) => 0xa1b2_3c4d,
            (false, false) => 0xa1b2_c3d4,
        };
        let mut h = Fields::new(options.order);
        h.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(options.snaplen).u32(u32::from(options.link.0));
        out.write_all(&h.bytes)?;
        Ok(Self { out, options })
    }

    /// Writes one packet of `wire_len` bytes, of which `data` was captured.
    pub fn packet(&mut self, time: Timestamp, wire_len: u32, data: &[u8]) -> io::Result<()> {
        let seconds =
            u32::try_from(time.nanos().div_euclid(SECOND)).map_err(|_| invalid("a time before 1970 or after 2106"))?;
        let nanos = time.nanos().rem_euclid(SECOND) as u32;
        let data = snapped(data, self.options.snaplen);
        let mut h = Fields::new(self.options.order);
        h.u32(seconds).u32(if self.options.nanos { nanos } else { nanos / 1000 }).u32(length(data)?).u32(wire_len);
        if self.options.modified {
            h.u32(0).u32(0);
        }
        self.out.write_all(&h.bytes)?;
        self.out.write_all(data)
    }

    /// The writer under it.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// How an interface of a pcapng file is described.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceOptions {
    /// Link type of its packets.
    pub link: LinkType,
    /// Bytes kept of a packet, 0 for all of them.
    pub snaplen: u32,
    /// `if_tsresol` as in the file: a power of ten, or of two with the top bit set; `None` writes none (µs).
    pub tsresol: Option<u8>,
    /// `if_tsoffset` in seconds; 0 writes none.
    pub tsoffset: i64,
}

impl InterfaceOptions {
    /// Nanoseconds since 1970, packets of up to 256 KiB.
    pub fn new(link: LinkType) -> Self {
        Self { link, snaplen: 262_144, tsresol: Some(9), tsoffset: 0 }
    }

    /// Units of `if_tsresol` from `if_tsoffset` to `time`, rounded down.
    fn units(&self, time: Timestamp) -> io::Result<u64> {
        let tsresol = self.tsresol.unwrap_or(6);
        let base: u128 = if tsresol & 0x80 == 0 { 10 } else { 2 };
        let nanos = i128::from(time.nanos()) - i128::from(self.tsoffset) * i128::from(SECOND);
        u128::try_from(nanos)
            .ok()
            .zip(base.checked_pow(u32::from(tsresol & 0x7f)))
            .and_then(|(nanos, per_second)| nanos.checked_mul(per_second))
            .and_then(|n| u64::try_from(n / SECOND as u128).ok())
            .ok_or_else(|| invalid("a time outside what the interface's resolution can hold"))
    }
}

/// Writes one pcapng file.
pub struct PcapNgWriter<W> {
    out: W,
    order: ByteOrder,
    interfaces: Vec<InterfaceOptions>,
}

impl<W: Write> PcapNgWriter<W> {
    /// Starts the first section.
    pub fn new(out: W, order: ByteOrder) -> io::Result<Self> {
        let mut writer = Self { out, order, interfaces: Vec::new() };
        writer.section(order)?;
        Ok(writer)
    }

    /// Blocks only, little-endian: a section was begun elsewhere.
    pub(super) fn bare(out: W) -> Self {
        Self { out, order: ByteOrder::Little, interfaces: Vec::new() }
    }

    /// Starts a section: the interfaces are described anew.
    pub fn section(&mut self, order: ByteOrder) -> io::Result<()> {
        self.order = order;
        self.interfaces.clear();
        let mut body = Fields::new(order);
        // The length of the section is not known.
        body.u32(ORDER_MAGIC).u16(1).u16(0).u64(u64::MAX);
        self.block(block::SECTION, &body.bytes)
    }

    /// Describes one more interface of the section; its number in the section.
    pub fn interface(&mut self, options: InterfaceOptions) -> io::Result<u32> {
        let mut body = Fields::new(self.order);
        body.u16(options.link.0).u16(0).u32(options.snaplen);
        if let Some(tsresol) = options.tsresol {
            body.u16(9).u16(1).bytes.extend([tsresol, 0, 0, 0]);
        }
        if options.tsoffset != 0 {
            body.u16(14).u16(8).u64(options.tsoffset as u64);
        }
        if body.bytes.len() > 8 {
            body.u32(0);
        }
        self.block(block::INTERFACE, &body.bytes)?;
        self.interfaces.push(options);
        Ok(self.interfaces.len() as u32 - 1)
    }

    /// Writes an enhanced packet block.
    pub fn packet(&mut self, interface: u32, time: Timestamp, wire_len: u32, data: &[u8]) -> io::Result<()> {
        let options = self.described(interface)?;
        let (units, data) = (options.units(time)?, snapped(data, options.snaplen));
        let mut body = Fields::new(self.order);
        body.u32(interface).u32((units >> 32) as u32).u32(units as u32).u32(length(data)?).u32(wire_len);
        body.padded(data);
        self.block(block::ENHANCED, &body.bytes)
    }

    /// Writes a simple packet block: interface 0, no time.
    pub fn simple(&mut self, data: &[u8]) -> io::Result<()> {
        let wire_len = length(data)?;
        let data = snapped(data, self.described(0)?.snaplen);
        let mut body = Fields::new(self.order);
        body.u32(wire_len).padded(data);
        self.block(block::SIMPLE, &body.bytes)
    }

    /// Writes the statistics of an interface: packets dropped since the capture began.
    pub fn statistics(&mut self, interface: u32, dropped: super::Dropped) -> io::Result<()> {
        self.described(interface)?;
        let mut body = Fields::new(self.order);
        body.u32(interface).u64(0).u16(5).u16(8).u64(dropped.interface).u16(7).u16(8).u64(dropped.system).u32(0);
        self.block(block::STATISTICS, &body.bytes)
    }

    /// Writes a block of any type; `body` is padded to four bytes.
    pub fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let len = length(body)?.checked_next_multiple_of(4).and_then(|n| n.checked_add(12));
        let len = len.ok_or_else(|| invalid("a block of 4 GiB or more"))?;
        let mut b = Fields::new(self.order);
        b.u32(kind).u32(len).padded(body).u32(len);
        self.out.write_all(&b.bytes)
    }

    /// The writer under it.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn described(&self, interface: u32) -> io::Result<InterfaceOptions> {
        self.interfaces.get(interface as usize).copied().ok_or_else(|| invalid("an interface that is not described"))
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn snapped(data: &[u8], snaplen: u32) -> &[u8] {
    match snaplen {
        0 => data,
        n => &data[..data.len().min(n as usize)],
    }
}

fn length(data: &[u8]) -> io::Result<u32> {
    u32::try_from(data.len()).map_err(|_| invalid("data of 4 GiB or more"))
}

/// Numbers in one byte order.
struct Fields {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl Fields {
    fn new(order: ByteOrder) -> Self {
        Self { order, bytes: Vec::with_capacity(64) }
    }

    fn u16(&mut self, n: u16) -> &mut Self {
        self.bytes.extend(if self.order == ByteOrder::Little { n.to_le_bytes() } else { n.to_be_bytes() });
        self
    }

    fn u32(&mut self, n: u32) -> &mut Self {
        self.bytes.extend(if self.order == ByteOrder::Little { n.to_le_bytes() } else { n.to_be_bytes() });
        self
    }

    fn u64(&mut self, n: u64) -> &mut Self {
        self.bytes.extend(if self.order == ByteOrder::Little { n.to_le_bytes() } else { n.to_be_bytes() });
        self
    }

    fn padded(&mut self, data: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }
}
