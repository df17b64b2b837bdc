//! Builds packets for tests, benches and fuzzing; no part of the sensor.
//!
//! Written from the RFCs and without the decoder's own code, so that the two
//! can disagree: lengths and checksums are computed here the slow, plain way.

use crate::capture::LinkType;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A TCP segment to build. Every field may be set; `ip` fills in lengths and checksums.
#[derive(Clone, Debug)]
pub struct TcpPacket {
    /// Source endpoint.
    pub src: SocketAddr,
    /// Destination endpoint; with addresses of both families the packet is IPv6 with mapped addresses.
    pub dst: SocketAddr,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Flags of the header.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Options; padded to a multiple of 4 with zeros, at most 40 bytes are used.
    pub options: Vec<u8>,
    /// Payload; with the headers more than 65 535 bytes give an IP length of 0.
    pub payload: Vec<u8>,
    /// Identification of the IPv4 header.
    pub ip_id: u16,
    /// Xored onto the right TCP checksum.
    pub checksum_error: u16,
}

impl TcpPacket {
    /// An empty ACK segment.
    pub fn new(src: SocketAddr, dst: SocketAddr) -> Self {
        Self {
            src,
            dst,
            seq: 0,
            ack: 0,
            flags: 0x10,
            window: 0xffff,
            options: Vec::new(),
            payload: Vec::new(),
            ip_id: 0,
            checksum_error: 0,
        }
    }

    /// The same with this sequence number and payload.
    #[must_use]
    pub fn data(mut self, seq: u32, payload: &[u8]) -> Self {
        self.seq = seq;
        self.payload = payload.to_vec();
        self
    }

    /// The IP packet.
    pub fn ip(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let mut tcp = Vec::with_capacity(60 + self.payload.len());
        tcp.extend(self.src.port().to_be_bytes());
        tcp.extend(self.dst.port().to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([((20 + options.len()) as u8 / 4) << 4, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(&options);
        tcp.extend(&self.payload);
        let (src, dst) = (self.src.ip(), self.dst.ip());
        let mut pseudo = match (src, dst) {
            (IpAddr::V4(s), IpAddr::V4(d)) => [s.octets(), d.octets()].concat(),
            _ => [mapped(src).octets(), mapped(dst).octets()].concat(),
        };
        pseudo.extend((tcp.len() as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, 6]);
        pseudo.extend(&tcp);
        let checksum = internet_checksum(&pseudo) ^ self.checksum_error;
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        match (src, dst) {
            (IpAddr::V4(s), IpAddr::V4(d)) => ipv4(s.octets(), d.octets(), 6, self.ip_id, &tcp),
            _ => ipv6(mapped(src), mapped(dst), 6, &tcp),
        }
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The checksum of RFC 1071, one 16-bit word after the other.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let word = u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&b| u32::from(b));
        sum += word;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet around `payload`; total length 0 when it does not fit the field.
pub fn ipv4(src: [u8; 4], dst: [u8; 4], protocol: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap_or(0).to_be_bytes();
    let id = id.to_be_bytes();
    let mut p = vec![0x45, 0, len[0], len[1], id[0], id[1], 0x40, 0, 64, protocol, 0, 0];
    p.extend(src);
    p.extend(dst);
    let checksum = internet_checksum(&p);
    p[10..12].copy_from_slice(&checksum.to_be_bytes());
    p.extend(payload);
    p
}

/// An IPv6 packet around `payload`; payload length 0 when it does not fit the field.
pub fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut p = vec![0x60, 0, 0, 0, len[0], len[1], next_header, 64];
    p.extend(src.octets());
    p.extend(dst.octets());
    p.extend(payload);
    p
}

/// The IPv6 packet with the extension header `kind` in front of its payload; the first byte of `header` (the next
/// header) is filled in.
pub fn with_extension(ip6: &[u8], kind: u8, header: &[u8]) -> Vec<u8> {
    let mut p = ip6[..40].to_vec();
    p[6] = kind;
    p.push(ip6[6]);
    p.extend(&header[1..]);
    p.extend(&ip6[40..]);
    let len = u16::try_from(p.len() - 40).unwrap_or(0);
    p[4..6].copy_from_slice(&len.to_be_bytes());
    p
}

/// An encapsulation that [`Wrap::frame`] puts around an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// Ethernet alone.
    Ethernet,
    /// Ethernet, padded to the 60 bytes of the shortest frame.
    EthernetPadded,
    /// IEEE 802.3 with LLC and SNAP.
    Snap,
    /// One 802.1Q tag.
    Vlan,
    /// 802.1ad outside, 802.1Q inside.
    QinQ,
    /// The tag 0x9100 outside, 802.1Q inside.
    OldQinQ,
    /// Two MPLS labels.
    Mpls,
    /// An Ethernet pseudowire over MPLS with control word.
    MplsEthernet,
    /// A PPPoE session on Ethernet.
    PppoE,
    /// MACsec, authenticated only.
    Macsec,
    /// Link type PPP, with address and control bytes.
    Ppp,
    /// Link type PPP over Ethernet.
    PppEther,
    /// VXLAN on its assigned port.
    Vxlan,
    /// VXLAN on the port of Linux.
    VxlanLinux,
    /// VXLAN-GPE with the IP packet directly inside.
    VxlanGpe,
    /// GENEVE with options and an Ethernet frame.
    Geneve,
    /// GRE with the IP packet directly inside.
    Gre,
    /// GRE with checksum, key and sequence number.
    GreFull,
    /// GRE with an Ethernet frame.
    GreTeb,
    /// NVGRE: GRE with key and an Ethernet frame.
    Nvgre,
    /// ERSPAN type I.
    Erspan1,
    /// ERSPAN type II.
    Erspan2,
    /// ERSPAN type III with an Ethernet frame.
    Erspan3,
    /// ERSPAN type III with platform subheader.
    Erspan3Platform,
    /// Linux cooked capture.
    Sll,
    /// Linux cooked capture with a VLAN tag.
    SllVlan,
    /// Linux cooked capture, version 2.
    Sll2,
    /// BSD loopback, written by a little-endian machine.
    Null,
    /// BSD loopback, written by a big-endian machine.
    NullBig,
    /// OpenBSD loopback.
    Loop,
    /// Raw IP.
    RawIp,
    /// Link type IPv4 or IPv6.
    IpByLink,
    /// Linux netfilter log, little-endian.
    Nflog,
    /// The packet in an IPv4 packet.
    IpIp,
    /// The packet in an IPv6 packet.
    IpInSix,
    /// EtherIP.
    EtherIp,
    /// An Ethernet frame directly in IPv6, as segment routing does.
    EthernetInSix,
    /// MPLS in IPv4.
    MplsInIp,
    /// The authentication header in front of an inner packet.
    Ah,
}

impl Wrap {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Ethernet,
        Self::EthernetPadded,
        Self::Snap,
        Self::Vlan,
        Self::QinQ,
        Self::OldQinQ,
        Self::Mpls,
        Self::MplsEthernet,
        Self::PppoE,
        Self::Macsec,
        Self::Ppp,
        Self::PppEther,
        Self::Vxlan,
        Self::VxlanLinux,
        Self::VxlanGpe,
        Self::Geneve,
        Self::Gre,
        Self::GreFull,
        Self::GreTeb,
        Self::Nvgre,
        Self::Erspan1,
        Self::Erspan2,
        Self::Erspan3,
        Self::Erspan3Platform,
        Self::Sll,
        Self::SllVlan,
        Self::Sll2,
        Self::Null,
        Self::NullBig,
        Self::Loop,
        Self::RawIp,
        Self::IpByLink,
        Self::Nflog,
        Self::IpIp,
        Self::IpInSix,
        Self::EtherIp,
        Self::EthernetInSix,
        Self::MplsInIp,
        Self::Ah,
    ];

    /// The frame around an IP packet of either version.
    pub fn frame(self, ip: &[u8]) -> (LinkType, Vec<u8>) {
        let four = ip.first().is_some_and(|b| b >> 4 == 4);
        let kind: u16 = if four { 0x0800 } else { 0x86dd };
        let number: u8 = if four { 4 } else { 41 };
        let k = kind.to_be_bytes();
        let ppp: [u8; 2] = if four { [0, 0x21] } else { [0, 0x57] };
        let family: u8 = if four { 2 } else { 30 };
        let eth = |kind: u16, body: &[u8]| (LinkType(1), ethernet(kind, body));
        let in4 = |protocol: u8, body: &[u8]| eth(0x0800, &outer4(protocol, body));
        let in6 = |protocol: u8, body: &[u8]| eth(0x86dd, &outer6(protocol, body));
        let frame = || ethernet(kind, ip);
        let pppoe = || join(&[&[0x11, 0, 0x12, 0x34], &((ip.len() + 2) as u16).to_be_bytes(), &ppp, ip]);
        let mpls = || join(&[&[0, 1, 0x20, 64], &[0, 2, 0x21, 64], ip]);
        match self {
            Self::Ethernet => eth(kind, ip),
            Self::EthernetPadded => {
                let mut f = frame();
                f.resize(f.len().max(60), 0xa5);
                (LinkType(1), f)
            }
            Self::Snap => eth((ip.len() + 8) as u16, &join(&[&[0xaa, 0xaa, 3, 0, 0, 0], &k, ip])),
            Self::Vlan => eth(0x8100, &join(&[&[0x20, 7], &k, ip])),
            Self::QinQ => eth(0x88a8, &join(&[&[0, 7, 0x81, 0, 0, 8], &k, ip])),
            Self::OldQinQ => eth(0x9100, &join(&[&[0, 7, 0x81, 0, 0, 8], &k, ip])),
            Self::Mpls => eth(0x8847, &mpls()),
            Self::MplsEthernet => eth(0x8847, &join(&[&[0, 1, 0x21, 64, 0, 0, 0, 9], &frame()])),
            Self::PppoE => eth(0x8864, &pppoe()),
            Self::Macsec => eth(0x88e5, &join(&[&[0x20, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 0, 1], &k, ip, &[9; 16]])),
            Self::Ppp => (LinkType(9), join(&[&[0xff, 3], &ppp, ip])),
            Self::PppEther => (LinkType(51), pppoe()),
            Self::Vxlan => in4(17, &udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &frame()]))),
            Self::VxlanLinux => in6(17, &udp(8472, &join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &frame()]))),
            Self::VxlanGpe => in4(17, &udp(4790, &join(&[&[0x0c, 0, 0, if four { 1 } else { 2 }, 0, 0, 42, 0], ip]))),
            Self::Geneve => {
                in4(17, &udp(6081, &join(&[&[2, 0, 0x65, 0x58, 0, 0, 42, 0], &[1, 2, 3, 1, 5, 6, 7, 8], &frame()])))
            }
            Self::Gre => in4(47, &join(&[&[0, 0], &k, ip])),
            Self::GreFull => in6(47, &join(&[&[0xb0, 0], &k, &[0; 12], ip])),
            Self::GreTeb => in4(47, &join(&[&[0, 0, 0x65, 0x58], &frame()])),
            Self::Nvgre => in4(47, &join(&[&[0x20, 0, 0x65, 0x58, 0, 0, 42, 1], &frame()])),
            Self::Erspan1 => in4(47, &join(&[&[0, 0, 0x88, 0xbe], &frame()])),
            Self::Erspan2 => {
                in4(47, &join(&[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0x10, 7, 0, 42, 0, 0, 0, 3], &frame()]))
            }
            Self::Erspan3 => {
                let header = [0x20, 7, 0, 42, 0, 0, 0, 5, 0, 0, 0, 0];
                in4(47, &join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &header, &frame()]))
            }
            Self::Erspan3Platform => {
                let header = [0x20, 7, 0, 42, 0, 0, 0, 5, 0, 0, 0x08, 1];
                in4(47, &join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &header, &[7; 8], ip]))
            }
            Self::Sll => (LinkType(113), join(&[&[0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0], &k, ip])),
            Self::SllVlan => {
                let header = [0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0x81, 0, 0, 7];
                (LinkType(113), join(&[&header, &k, ip]))
            }
            Self::Sll2 => (LinkType(276), join(&[&k, &[0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 2, 2, 2, 2, 2, 0, 0], ip])),
            Self::Null => (LinkType(0), join(&[&[family, 0, 0, 0], ip])),
            Self::NullBig => (LinkType(0), join(&[&[0, 0, 0, family], ip])),
            Self::Loop => (LinkType(108), join(&[&[0, 0, 0, family], ip])),
            Self::RawIp => (LinkType(101), ip.to_vec()),
            Self::IpByLink => (LinkType(if four { 228 } else { 229 }), ip.to_vec()),
            Self::Nflog => {
                let len = ((ip.len() + 4) as u16).to_le_bytes();
                let family = if four { 2 } else { 10 };
                // A prefix attribute of 5 bytes, which is padded to 8, stands before the packet.
                let f = join(&[&[family, 0, 0, 1], &[5, 0, 10, 0, 0, 0, 0, 0], &len, &[9, 0], ip]);
                (LinkType(239), f)
            }
            Self::IpIp => in4(number, ip),
            Self::IpInSix => in6(number, ip),
            Self::EtherIp => in4(97, &join(&[&[0x30, 0], &frame()])),
            Self::EthernetInSix => in6(143, &frame()),
            Self::MplsInIp => in4(137, &mpls()),
            Self::Ah => in4(51, &join(&[&[number, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], &[3; 12], ip])),
        }
    }
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet frame without checksum.
pub fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 1], &[2, 0, 0, 0, 0, 2], &kind.to_be_bytes(), body])
}

fn outer4(protocol: u8, body: &[u8]) -> Vec<u8> {
    ipv4([192, 0, 2, 1], [192, 0, 2, 2], protocol, 9, body)
}

fn outer6(protocol: u8, body: &[u8]) -> Vec<u8> {
    ipv6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), protocol, body)
}

/// A UDP datagram to `port` without checksum.
pub fn udp(port: u16, body: &[u8]) -> Vec<u8> {
    let len = ((body.len() + 8) as u16).to_be_bytes();
    join(&[&[0xc0, 0], &port.to_be_bytes(), &len, &[0, 0], body])
}

/// The fragments of an IP packet on a link of `mtu` bytes, in order. IPv6 datagrams take their identification from
/// their own first bytes.
pub fn fragment(ip: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let four = ip[0] >> 4 == 4;
    let header = if four { 20 } else { 40 };
    let room = mtu.saturating_sub(if four { 20 } else { 48 }).max(8) / 8 * 8;
    let body = &ip[header..];
    (0..body.len()).step_by(room).map(|at| piece(ip, at, (at + room).min(body.len()))).collect()
}

/// The fragment with the bytes `from..to` of the payload of an IP packet; `from` is a multiple of 8.
pub fn piece(ip: &[u8], from: usize, to: usize) -> Vec<u8> {
    let four = ip[0] >> 4 == 4;
    let body = if four { &ip[20..] } else { &ip[40..] };
    let more = to < body.len();
    let mut p = if four { ip[..20].to_vec() } else { ip[..40].to_vec() };
    if four {
        let field = (from / 8) as u16 | if more { 0x2000 } else { 0 };
        p[2..4].copy_from_slice(&((20 + to - from) as u16).to_be_bytes());
        p[6..8].copy_from_slice(&field.to_be_bytes());
        p[10..12].fill(0);
        let checksum = internet_checksum(&p);
        p[10..12].copy_from_slice(&checksum.to_be_bytes());
    } else {
        let field = from as u16 | u16::from(more);
        let id = internet_checksum(body);
        p[4..6].copy_from_slice(&((8 + to - from) as u16).to_be_bytes());
        let next = std::mem::replace(&mut p[6], 44);
        p.extend([next, 0]);
        p.extend(field.to_be_bytes());
        p.extend(u32::from(id).to_be_bytes());
    }
    p.extend(&body[from..to]);
    p
}
