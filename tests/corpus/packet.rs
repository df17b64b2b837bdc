//! Frames taken apart and put together again, without the sensor's decoder.

use super::Packet;
use btcdmon::decode::testkit::TcpPacket;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const PSH: u8 = 8;
pub const ACK: u8 = 16;

fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([b[at], b[at + 1]])
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

/// The IP packet in a whole Ethernet frame, without padding.
pub fn ip(p: &Packet) -> Option<&[u8]> {
    assert_eq!(p.link, 1, "the recordings are of Ethernet");
    let body = p.data.get(14..)?;
    let len = match u16_at(&p.data, 12) {
        0x0800 => usize::from(u16_at(body, 2)),
        0x86dd => 40 + usize::from(u16_at(body, 4)),
        _ => return None,
    };
    Some(&body[..len])
}

/// The TCP segment in a frame.
pub fn tcp(p: &Packet) -> Option<TcpPacket> {
    let ip = ip(p)?;
    let (src, dst, ip_id, t): (IpAddr, IpAddr, u16, &[u8]) = if ip[0] >> 4 == 4 {
        if ip[9] != 6 {
            return None;
        }
        assert_eq!(ip[0] & 15, 5, "no IPv4 options before TCP in the recordings");
        assert_eq!(u16_at(ip, 6) & 0x3fff, 0, "no fragments in the recordings");
        let address = |at: usize| Ipv4Addr::from(u32_at(ip, at)).into();
        (address(12), address(16), u16_at(ip, 4), &ip[20..])
    } else {
        if ip[6] != 6 {
            return None;
        }
        let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).unwrap()).into();
        (address(8), address(24), 0, &ip[40..])
    };
    let header = usize::from(t[12] >> 4) * 4;
    let mut s = TcpPacket::new(SocketAddr::new(src, u16_at(t, 0)), SocketAddr::new(dst, u16_at(t, 2)));
    s.seq = u32_at(t, 4);
    s.ack = u32_at(t, 8);
    s.flags = t[13];
    s.window = u16_at(t, 14);
    s.options = t[20..header].to_vec();
    s.payload = t[header..].to_vec();
    s.ip_id = ip_id;
    Some(s)
}

/// A frame like `p` with another segment in it, checksums right.
pub fn with_tcp(p: &Packet, segment: &TcpPacket) -> Packet {
    with_ip(p, &segment.ip())
}

/// A frame like `p` with another IP packet in it.
pub fn with_ip(p: &Packet, ip: &[u8]) -> Packet {
    let data = [&p.data[..14], ip].concat();
    Packet { wire_len: data.len() as u32, data, ..*p }
}

/// Replaces every TCP segment by those that `change` makes of it.
pub fn map_tcp(packets: &[Packet], mut change: impl FnMut(TcpPacket) -> Vec<TcpPacket>) -> Vec<Packet> {
    let mut out = Vec::with_capacity(packets.len());
    for p in packets {
        match tcp(p) {
            None => out.push(p.clone()),
            Some(s) => out.extend(change(s).iter().map(|s| with_tcp(p, s))),
        }
    }
    out
}

/// The segment cut into segments of at most `size` bytes, as a sender with a smaller MSS does.
pub fn split(s: &TcpPacket, size: usize) -> Vec<TcpPacket> {
    if s.payload.len() <= size {
        return vec![s.clone()];
    }
    let n = s.payload.len().div_ceil(size);
    let piece = |(i, bytes): (usize, &[u8])| {
        let mut piece = s.clone();
        piece.seq = s.seq.wrapping_add((i * size) as u32);
        piece.payload = bytes.to_vec();
        piece.ip_id = s.ip_id.wrapping_add(i as u16);
        if i + 1 < n {
            piece.flags &= !(FIN | PSH);
        }
        piece
    };
    s.payload.chunks(size).enumerate().map(piece).collect()
}
