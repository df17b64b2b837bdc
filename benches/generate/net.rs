//! TCP connections and the tap that captures them.

use anyhow::{Context as _, Result};
use btcdmon::capture::LinkType;
use btcdmon::capture::write::{PcapOptions, PcapWriter};
use btcdmon::decode::testkit::{TcpPacket, Wrap};
use btcdmon::time::Timestamp;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;

/// Bytes buffered before the file.
const BUFFER: usize = 1 << 20;
/// Nanoseconds a byte takes on the wire: 1 Gbit/s.
const BYTE_TIME: i64 = 8;
/// IPv4 or IPv6, and TCP headers with the timestamps option in a packet of 1500 bytes.
const HEADERS: [usize; 2] = [20 + 32, 40 + 32];

const FIN: u8 = 0x11;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH: u8 = 0x18;

/// Where frames are captured.
pub struct Tap {
    out: PcapWriter<BufWriter<File>>,
    /// Capture time, ns since 1970.
    pub now: i64,
    /// Bytes of the file so far.
    pub bytes: u64,
}

impl Tap {
    /// A capture in the file at `path` from the time `now` (ns since 1970) on.
    pub fn create(path: &Path, now: i64) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let out = PcapWriter::new(BufWriter::with_capacity(BUFFER, file), PcapOptions::new(LinkType(1)))?;
        Ok(Self { out, now, bytes: 24 })
    }

    /// The time is at least `time`.
    pub fn wait_until(&mut self, time: i64) {
        self.now = self.now.max(time);
    }

    fn frame(&mut self, packet: &TcpPacket) -> Result<()> {
        let (_, frame) = Wrap::Ethernet.frame(&packet.ip());
        self.now += 672 + BYTE_TIME * frame.len() as i64;
        self.bytes += 16 + frame.len() as u64;
        self.out.packet(Timestamp::from_nanos(self.now), frame.len() as u32, &frame)?;
        Ok(())
    }

    /// Writes what is buffered.
    pub fn finish(self) -> Result<()> {
        self.out.into_inner().flush()?;
        Ok(())
    }
}

/// One end of a connection: its next packet, and what it owes the other end.
struct End {
    packet: TcpPacket,
    /// Segments it has not acknowledged.
    unacked: u8,
    /// Its TCP timestamp at time 0.
    clock: u32,
    /// The newest TCP timestamp of the other end.
    echo: u32,
}

/// A TCP connection; end 0 is the initiator.
pub struct Link {
    ends: [End; 2],
    /// Payload bytes of a full segment.
    pub mss: usize,
}

impl Link {
    /// Opens a connection: SYN, SYN-ACK, ACK.
    pub fn open(tap: &mut Tap, ends: [SocketAddr; 2], seeds: [u32; 2]) -> Result<Self> {
        let end = |from: usize| {
            let mut packet = TcpPacket::new(ends[from], ends[1 - from]);
            packet.seq = seeds[from];
            packet.ip_id = seeds[from] as u16;
            packet.window = 0x7fff;
            End { packet, unacked: 0, clock: seeds[1 - from], echo: 0 }
        };
        let mut link = Self { ends: [end(0), end(1)], mss: 1500 - HEADERS[usize::from(ends[0].is_ipv6())] };
        link.put(tap, 0, SYN, &[])?;
        link.put(tap, 1, SYN | ACK, &[])?;
        link.put(tap, 0, ACK, &[])?;
        Ok(link)
    }

    /// Sends one segment.
    fn put(&mut self, tap: &mut Tap, from: usize, flags: u8, payload: &[u8]) -> Result<()> {
        let end = &mut self.ends[from];
        let stamp = end.clock.wrapping_add((tap.now / 1_000_000) as u32);
        let p = &mut end.packet;
        p.options.clear();
        if flags & SYN != 0 {
            let mss = (self.mss as u16 + 12).to_be_bytes();
            p.options.extend([2, 4, mss[0], mss[1], 4, 2]);
        } else {
            p.options.extend([1, 1]);
        }
        p.options.extend([8, 10]);
        p.options.extend(stamp.to_be_bytes());
        p.options.extend(end.echo.to_be_bytes());
        if flags & SYN != 0 {
            p.options.extend([1, 3, 3, 7]);
        }
        p.flags = flags;
        p.ip_id = p.ip_id.wrapping_add(1);
        p.payload.clear();
        p.payload.extend_from_slice(payload);
        tap.frame(p)?;
        let begun = u32::from(flags & (SYN | FIN & !ACK) != 0);
        p.seq = p.seq.wrapping_add(payload.len() as u32 + begun);
        end.unacked = 0;
        let next = p.seq;
        let other = &mut self.ends[1 - from];
        other.packet.ack = next;
        other.echo = stamp;
        other.unacked += u8::from(!payload.is_empty());
        Ok(())
    }

    /// Sends `bytes` in full segments and a rest; every second segment is acknowledged.
    pub fn send(&mut self, tap: &mut Tap, from: usize, bytes: &[u8]) -> Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(self.mss));
            self.put(tap, from, if later.is_empty() { PSH } else { ACK }, now)?;
            if self.ends[1 - from].unacked == 2 {
                self.put(tap, 1 - from, ACK, &[])?;
            }
            left = later;
        }
        Ok(())
    }

    /// The end `by` acknowledges what it owes, if anything.
    pub fn acknowledge(&mut self, tap: &mut Tap, by: usize) -> Result<()> {
        if self.ends[by].unacked > 0 { self.put(tap, by, ACK, &[]) } else { Ok(()) }
    }

    /// Whether the end `by` owes an acknowledgment.
    pub fn owes(&self, by: usize) -> bool {
        self.ends[by].unacked > 0
    }

    /// Closes the connection in good order, the end `first` first.
    pub fn close(&mut self, tap: &mut Tap, first: usize) -> Result<()> {
        self.put(tap, first, FIN, &[])?;
        self.put(tap, 1 - first, FIN, &[])?;
        self.put(tap, first, ACK, &[])
    }
}
