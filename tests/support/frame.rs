//! One TCP segment that owns its bytes, its checksum computed the plain way of RFC 1071.

use btcdmon::decode::segment::{Flags, Segment};
use btcdmon::decode::seq::SeqNum;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A segment as a script describes it.
#[derive(Clone, Debug)]
pub struct Frame {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub window_scale: Option<u8>,
    pub tsval: Option<u32>,
    pub ip_id: u16,
    pub payload: Vec<u8>,
    /// Payload bytes that the capture kept.
    pub captured: usize,
    /// Header and payload, for the checksum; see [`Frame::seal`].
    tcp: Vec<u8>,
    checksum: u16,
}

impl Frame {
    /// An empty ACK.
    pub fn new(src: SocketAddr, dst: SocketAddr) -> Self {
        Self {
            src,
            dst,
            seq: 0,
            ack: 0,
            flags: Flags::ACK,
            window: 0xffff,
            window_scale: None,
            tsval: None,
            ip_id: 0,
            payload: Vec::new(),
            captured: usize::MAX,
            tcp: Vec::new(),
            checksum: 0,
        }
    }

    /// Computes the header and its checksum, wrong when `bad`.
    #[must_use]
    pub fn seal(mut self, bad: bool) -> Self {
        let mut options = Vec::new();
        if let Some(scale) = self.window_scale {
            options.extend([1, 3, 3, scale]);
        }
        if let Some(tsval) = self.tsval {
            options.extend([1, 1, 8, 10]);
            options.extend(tsval.to_be_bytes());
            options.extend([0; 4]);
        }
        let mut tcp = Vec::with_capacity(40 + self.payload.len());
        tcp.extend(self.src.port().to_be_bytes());
        tcp.extend(self.dst.port().to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([((20 + options.len()) as u8 / 4) << 4, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(&options);
        tcp.extend(&self.payload);
        let mut sum = 6 + tcp.len() as u64;
        for ip in [self.src.ip(), self.dst.ip()] {
            match ip {
                IpAddr::V4(ip) => sum += words(&ip.octets()),
                IpAddr::V6(ip) => sum += words(&ip.octets()),
            }
        }
        sum += words(&tcp);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        self.checksum = !(sum as u16) ^ if bad { 0x5555 } else { 0 };
        tcp[16..18].copy_from_slice(&self.checksum.to_be_bytes());
        self.tcp = tcp;
        self
    }

    /// What decoding the frame gives.
    pub fn segment(&self) -> Segment<'_> {
        let cut = self.captured < self.payload.len();
        Segment {
            src_ip: self.src.ip(),
            dst_ip: self.dst.ip(),
            src_port: self.src.port(),
            dst_port: self.dst.port(),
            seq: SeqNum(self.seq),
            ack: SeqNum(self.ack),
            flags: Flags(self.flags),
            window: self.window,
            window_scale: self.window_scale,
            tsval: self.tsval,
            checksum: self.checksum,
            ip_id: self.ip_id,
            ip_len: 40 + self.payload.len() as u32,
            payload_len: self.payload.len() as u32,
            payload: &self.payload[..self.captured.min(self.payload.len())],
            checksummed: if cut { &[] } else { &self.tcp },
        }
    }
}

fn words(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | w.get(1).map_or(0, |&b| u64::from(b))).sum()
}

/// Addresses of the two ends: `a` sends what a script marks `>`, `b` what it marks `<`.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub a: SocketAddr,
    pub b: SocketAddr,
}

impl Ends {
    /// Ports of conversation `n`, counted from 1; `mirrored` makes `a` the higher address instead of the lower.
    pub fn new(ports: [u16; 2], n: u16, mirrored: bool) -> Self {
        let ip = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        let a = ip(if mirrored { 9 } else { 1 });
        Self { a: SocketAddr::new(a, ports[0] + n - 1), b: SocketAddr::new(ip(5), ports[1]) }
    }

    /// Whether `address` is an `a` of any conversation.
    pub fn is_a(address: SocketAddr) -> bool {
        address.ip() != IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5))
    }
}
