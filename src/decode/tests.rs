use super::testkit::{TcpPacket, Wrap, ethernet, ipv4, ipv6, udp, with_extension};
use super::*;
use crate::capture::LinkType;
use crate::health::Vocabulary;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv6Addr};

pub(super) fn frame(link: LinkType, data: &[u8], wire_len: usize) -> Frame<'_> {
    Frame { time: Timestamp::default(), link, interface: 0, wire_len: wire_len as u32, data }
}

/// Everything in a segment as text: two segments are the same when this is.
fn told(result: Result<Segment<'_>, SkipReason>) -> String {
    result.map_or_else(|reason| reason.to_string(), |s| format!("{s:?}"))
}

fn decode_once(link: u16, data: &[u8]) -> String {
    told(Decoder::default().decode(&frame(LinkType(link), data, data.len())))
}

fn four() -> TcpPacket {
    let mut p = TcpPacket::new("10.77.0.1:8333".parse().unwrap(), "203.0.113.5:50123".parse().unwrap())
        .data(0xffff_fff0, b"\xfa\xbf\xb5\xdaping");
    p.ack = 0x0102_0304;
    p.flags = 0x18;
    p.window = 502;
    p.options = vec![1, 1, 8, 10, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1];
    p.ip_id = 0xbeef;
    p
}

fn six() -> TcpPacket {
    TcpPacket { src: "[fd77::1]:8333".parse().unwrap(), dst: "[2001:db8::7]:50123".parse().unwrap(), ..four() }
}

#[test]
fn every_field_of_a_segment() {
    let (ip4, ip6) = (four().ip(), six().ip());
    for (ip, want_id, ip_len, src, dst) in
        [(&ip4, 0xbeef, 60, "10.77.0.1", "203.0.113.5"), (&ip6, 0, 80, "fd77::1", "2001:db8::7")]
    {
        let mut decoder = Decoder::default();
        let s = decoder.decode(&frame(LinkType(101), ip, ip.len())).unwrap();
        assert_eq!((s.src_ip, s.dst_ip), (src.parse::<IpAddr>().unwrap(), dst.parse::<IpAddr>().unwrap()));
        assert_eq!((s.src_port, s.dst_port), (8333, 50123));
        assert_eq!((s.seq, s.ack), (SeqNum(0xffff_fff0), SeqNum(0x0102_0304)));
        assert_eq!((s.flags, s.window), (Flags(0x18), 502));
        assert_eq!((s.window_scale, s.tsval), (None, Some(0xdead_beef)));
        assert_eq!((s.ip_id, s.ip_len, s.payload_len), (want_id, ip_len, 8));
        assert_eq!(s.payload, b"\xfa\xbf\xb5\xdaping");
        assert_eq!(s.checksummed, &ip[ip.len() - 40..]);
        assert_eq!(s.checksum.to_be_bytes(), s.checksummed[16..18]);
        assert_eq!(checksum::verify(&s), Some(true));
        assert_eq!((decoder.used(), decoder.skipped().total(), decoder.notes().total()), (1, 0, 0));
    }
}

#[test]
fn every_encapsulation_gives_the_same_segment() {
    for packet in [four(), six()] {
        let ip = packet.ip();
        let want = decode_once(101, &ip);
        assert!(want.starts_with("Segment"), "{want}");
        for &wrap in Wrap::ALL {
            let (link, data) = wrap.frame(&ip);
            assert_eq!(decode_once(link.0, &data), want, "{wrap:?}");
        }
    }
}

#[test]
fn what_was_opened_is_counted() {
    for (wrap, note, n) in [
        (Wrap::QinQ, Note::Vlan, 2),
        (Wrap::Mpls, Note::Mpls, 1),
        (Wrap::PppoE, Note::Pppoe, 1),
        (Wrap::Macsec, Note::Macsec, 1),
        (Wrap::Vxlan, Note::Vxlan, 1),
        (Wrap::Geneve, Note::Geneve, 1),
        (Wrap::Erspan2, Note::Erspan, 1),
        (Wrap::Erspan2, Note::Gre, 1),
        (Wrap::IpInSix, Note::IpInIp, 1),
        (Wrap::EtherIp, Note::EtherIp, 1),
        (Wrap::Ah, Note::AuthenticationHeader, 1),
        (Wrap::Ethernet, Note::Vlan, 0),
    ] {
        let (link, data) = wrap.frame(&four().ip());
        let mut decoder = Decoder::default();
        assert!(decoder.decode(&frame(link, &data, data.len())).is_ok());
        assert_eq!(decoder.notes().get(note), n, "{wrap:?} {note}");
    }
}

#[test]
fn padding_is_no_payload() {
    let mut packet = four();
    packet.options.clear();
    packet.payload.clear();
    let (link, data) = Wrap::EthernetPadded.frame(&packet.ip());
    assert_eq!(data.len(), 60);
    let mut decoder = Decoder::default();
    let s = decoder.decode(&frame(link, &data, 60)).unwrap();
    assert_eq!((s.payload_len, s.payload, s.ip_len, s.checksummed.len()), (0, &b""[..], 40, 20));
}

#[test]
fn a_length_of_zero_is_the_length_of_the_frame() {
    for packet in [four(), six()] {
        let mut packet = packet;
        packet.payload = vec![0x5a; 100_000];
        let ip = packet.ip();
        let (link, data) = Wrap::Vlan.frame(&ip);
        // The second time the capture cut the frame at 200 bytes.
        for keep in [data.len(), 200] {
            let mut decoder = Decoder::default();
            let s = decoder.decode(&frame(link, &data[..keep], data.len())).unwrap();
            assert_eq!((s.payload_len, s.ip_len as usize), (100_000, ip.len()));
            assert_eq!(s.payload.len(), 100_000 - (data.len() - keep));
            assert_eq!(s.checksummed.is_empty(), keep == 200);
            assert_eq!(decoder.notes().get(Note::IpLengthZero), 1);
        }
        // A frame length that no packet has is not believed.
        assert_eq!(told(Decoder::default().decode(&frame(link, &data[..200], 3 << 30))), "malformed_ip");
    }
}

#[test]
fn jumbograms_have_their_length_in_an_option() {
    let mut packet = six();
    packet.payload = vec![0x5a; 70_000];
    let plain = packet.ip();
    let len = (plain.len() - 40 + 8) as u32;
    let mut ip = with_extension(&plain, 0, &[0, 0, 0xc2, 4, 0, 0, 0, 0]);
    ip[44..48].copy_from_slice(&len.to_be_bytes());
    ip.extend([0; 20]);
    let mut decoder = Decoder::default();
    let s = decoder.decode(&frame(LinkType(101), &ip, ip.len())).unwrap();
    assert_eq!((s.payload_len, s.ip_len, checksum::verify(&s)), (70_000, 40 + len, Some(true)));
    assert_eq!(decoder.notes().get(Note::Jumbogram), 1);
    ip[44] = 0x40;
    assert_eq!(decode_once(101, &ip), "malformed_ip");
}

#[test]
fn a_cut_at_every_byte_gives_a_segment_or_a_truncation() {
    for packet in [four(), six()] {
        let ip = packet.ip();
        let whole = decode_once(101, &ip);
        for &wrap in Wrap::ALL {
            let (link, data) = wrap.frame(&ip);
            let mut payload = 0;
            for keep in 0..=data.len() {
                let mut decoder = Decoder::default();
                match decoder.decode(&frame(link, &data[..keep], data.len())) {
                    Ok(s) => {
                        assert_eq!((s.payload_len, s.ip_len as usize), (8, ip.len()), "{wrap:?} {keep}");
                        assert_eq!(s.payload, &packet.payload[..s.payload.len()]);
                        assert!(s.payload.len() >= payload, "{wrap:?} {keep}");
                        payload = s.payload.len();
                        assert_eq!(s.checksummed.is_empty(), payload < 8);
                        if payload == 8 {
                            assert_eq!(format!("{s:?}"), whole, "{wrap:?} {keep}");
                        }
                    }
                    Err(reason) => {
                        use SkipReason::{TruncatedIp, TruncatedLink, TruncatedTcp, TruncatedTunnel, Udp};
                        assert_eq!(payload, 0);
                        assert!(
                            matches!(reason, TruncatedLink | TruncatedIp | TruncatedTunnel | TruncatedTcp)
                                // Without its port UDP cannot be told from a tunnel.
                                || (reason == Udp && format!("{wrap:?}").contains(['V', 'G'])),
                            "{wrap:?} {keep} {reason}"
                        );
                    }
                }
                assert_eq!(decoder.used() + decoder.skipped().total(), 1);
            }
            assert_eq!(payload, 8, "{wrap:?}");
        }
    }
}

/// A mirror may cut frames without saying so: the IP length is believed, not the frame length.
#[test]
fn a_cut_that_the_frame_length_hides_is_found() {
    let (link, data) = Wrap::Erspan2.frame(&four().ip());
    let mut decoder = Decoder::default();
    let s = decoder.decode(&frame(link, &data[..data.len() - 5], data.len() - 5)).unwrap();
    assert_eq!((s.payload_len, s.payload, s.checksummed.len()), (8, &four().payload[..3], 0));
    assert_eq!(decoder.notes().get(Note::PayloadCut), 1);
}

#[test]
fn extension_headers_are_passed_over() {
    let plain = six().ip();
    let want = decode_once(101, &plain);
    let without_length = |text: &str| text.split("ip_len").next().unwrap().to_owned();
    for (kind, header) in [
        (0, vec![0, 0, 5, 2, 0, 0, 1, 0]),
        (60, [&[0, 1][..], &[1, 12], &[0; 12]].concat()),
        (51, [&[0, 4][..], &[0; 22]].concat()),
        (44, vec![0, 0, 0, 0, 0, 0, 0, 9]),
        (43, [&[0, 2, 2, 0][..], &[0; 20]].concat()),
        (135, vec![0; 8]),
    ] {
        let ip = with_extension(&plain, kind, &header);
        let got = decode_once(101, &ip);
        assert_eq!(without_length(&got), without_length(&want), "{kind}");
        assert!(got.contains(&format!("ip_len: {}, payload_len: 8", ip.len())), "{got}");
    }
    let mut many = plain.clone();
    for n in 1..=20 {
        many = with_extension(&many, 60, &[0, 0, 1, 4, 0, 0, 0, 0]);
        let end = if n <= 15 { "Segment" } else { "nesting_too_deep" };
        assert!(decode_once(101, &many).starts_with(end), "{n}");
    }
}

#[test]
fn a_source_route_ends_at_the_endpoint() {
    let last: Ipv6Addr = "2001:db8::99".parse().unwrap();
    let mut packet = six();
    packet.dst = "[2001:db8::99]:8333".parse().unwrap();
    let mut ip = packet.ip();
    ip[24..40].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    let waypoint = [0x55; 16];
    for (header, dst) in [
        ([&[0, 2, 2, 1, 0, 0, 0, 0], &last.octets()[..]].concat(), last),
        ([&[0, 4, 4, 1, 1, 0, 0, 0], &last.octets()[..], &waypoint].concat(), last),
        ([&[0, 2, 2, 0, 0, 0, 0, 0], &waypoint[..]].concat(), "2001:db8::1".parse().unwrap()),
    ] {
        let ip = with_extension(&ip, 43, &header);
        let mut decoder = Decoder::default();
        let s = decoder.decode(&frame(LinkType(229), &ip, ip.len())).unwrap();
        assert_eq!(s.dst_ip, IpAddr::V6(dst));
        assert_eq!(checksum::verify(&s), Some(dst == last));
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    for (n, want) in [(8, "Segment"), (9, "nesting_too_deep")] {
        let tags = [[0, 1, 0x81, 0].repeat(n - 1), vec![0, 1, 8, 0], four().ip()].concat();
        assert!(decode_once(1, &ethernet(0x8100, &tags)).starts_with(want), "{n} tags");
        let mut ip = four().ip();
        for _ in 0..n {
            ip = ipv4([192, 0, 2, 1], [192, 0, 2, 2], 4, 0, &ip);
        }
        assert!(decode_once(101, &ip).starts_with(want), "{n} packets");
    }
    assert_eq!(decode_once(1, &ethernet(0x8847, &[0, 0, 0, 64].repeat(40))), "nesting_too_deep");
}

#[test]
fn every_other_frame_has_one_reason() {
    let in4 = |protocol, body: &[u8]| ethernet(0x0800, &ipv4([192, 0, 2, 1], [192, 0, 2, 2], protocol, 0, body));
    let zero = Ipv6Addr::UNSPECIFIED;
    let (plain, mut bad) = (four().ip(), four().ip());
    bad[0] = 0x44;
    let mut short = four().ip();
    short[3] = 19;
    let mut shorter_than_tcp = four().ip();
    shorter_than_tcp[3] = 39;
    let mut offset = four().ip();
    offset[32] = 0x40;
    let mut long_offset = four().ip();
    long_offset[32] = 0xf0;
    for (link, data, want) in [
        (147, plain.clone(), "unsupported_link_type"),
        (1, vec![0; 13], "truncated_link"),
        (1, ethernet(0x0806, &[0; 28]), "arp"),
        (1, ethernet(38, &[0x42, 0x42, 3, 0, 0]), "llc"),
        (1, ethernet(0x88cc, &[0; 28]), "not_ip"),
        (1, ethernet(1501, &[0; 28]), "not_ip"),
        (1, ethernet(0x8864, &[0x11, 0xa7, 0, 0, 0, 2, 0, 0x21]), "not_ip"),
        (1, ethernet(0x8864, &[0x11, 0, 0, 0, 0, 2, 0xc0, 0x21]), "not_ip"),
        (1, ethernet(0x8847, &[0, 0, 1, 1, 0x10, 0, 0, 0]), "not_ip"),
        (1, ethernet(0x88e5, &[0x2c, 0, 0, 0, 0, 1]), "encrypted_tunnel"),
        (1, ethernet(0x86dd, &plain), "malformed_ip"),
        (0, [&[7, 0, 0, 0], &plain[..]].concat(), "not_ip"),
        (113, [&[0; 14][..], &[0, 12], &plain].concat(), "not_ip"),
        (101, vec![], "truncated_ip"),
        (101, vec![0x50; 40], "malformed_ip"),
        (101, bad, "malformed_ip"),
        (101, short, "malformed_ip"),
        (101, shorter_than_tcp, "malformed_tcp"),
        (101, offset, "malformed_tcp"),
        (101, long_offset, "malformed_tcp"),
        (101, plain[..30].to_vec(), "truncated_tcp"),
        (1, in4(17, &udp(53, &[0; 20])), "udp"),
        (1, in4(17, &udp(4789, &[0; 40])), "udp"),
        (1, in4(17, &udp(6081, &[0xc0; 40])), "udp"),
        (1, in4(17, &udp(6081, &[0, 0x80, 0x65, 0x58, 0, 0, 0, 0])), "unsupported_tunnel"),
        (1, in4(17, &udp(6081, &[0x3f, 0, 0x65, 0x58, 0, 0, 0, 0])), "malformed_tunnel"),
        (1, in4(17, &udp(4790, &[0x0c, 0, 0, 4, 0, 0, 0, 0])), "unsupported_tunnel"),
        (1, in4(1, &[8, 0, 0, 0]), "icmp"),
        (229, ipv6(zero, zero, 58, &[128, 0, 0, 0]), "icmp"),
        (229, ipv6(zero, zero, 59, &[1]), "other_protocol"),
        (229, ipv6(zero, zero, 60, &[6, 1, 0, 0, 0, 0, 0, 0]), "malformed_ip"),
        (1, in4(132, &[0; 12]), "other_protocol"),
        (1, in4(50, &[0; 40]), "encrypted_tunnel"),
        (1, in4(115, &[0; 40]), "unsupported_tunnel"),
        (1, in4(47, &[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0]), "unsupported_tunnel"),
        (1, in4(47, &[0x40, 0, 8, 0, 0, 0, 0, 0]), "unsupported_tunnel"),
        (1, in4(47, &[0xb0, 0, 8, 0, 0, 0]), "malformed_tunnel"),
        (1, in4(47, &[0, 0, 0x12, 0x34, 0, 0, 0, 0]), "not_ip"),
        (1, in4(97, &[0x40, 0]), "unsupported_tunnel"),
    ] {
        assert_eq!(decode_once(link, &data), want, "{link} {data:02x?}");
    }
}

#[test]
fn options_of_a_segment() {
    const MALFORMED: Note = Note::TcpOptionsMalformed;
    let ts = [8, 10, 0, 0, 0, 5, 0, 0, 0, 0];
    for (flags, options, scale, tsval, malformed) in [
        (2, vec![2, 4, 5, 0xb4, 1, 3, 3, 7], Some(7), None, 0),
        (2, [&[2, 4, 5, 0xb4, 4, 2], &ts[..], &[1, 3, 3, 7]].concat(), Some(7), Some(5), 0),
        // Not on a SYN, after the end, a second one, too large.
        (16, vec![3, 3, 7, 0], None, None, 0),
        (2, vec![0, 3, 3, 7], None, None, 0),
        (2, vec![3, 3, 2, 3, 3, 9], Some(2), None, 0),
        (2, vec![3, 3, 200, 0], Some(14), None, 0),
        // Lengths 0 and 1, over the end, wrong for the kind, a kind without length.
        (2, vec![3, 3, 7, 99, 0, 0, 0, 0], Some(7), None, 1),
        (2, vec![99, 1, 3, 3, 7, 0, 0, 0], None, None, 1),
        (2, vec![8, 10, 0, 0], None, None, 1),
        (2, vec![8, 4, 0, 0], None, None, 1),
        (2, vec![1, 1, 1, 99], None, None, 1),
        (2, vec![0xfe, 40, 0, 0], None, None, 1),
    ] {
        let packet = TcpPacket { flags, options: options.clone(), ..four() };
        let ip = packet.ip();
        let mut decoder = Decoder::default();
        let s = decoder.decode(&frame(LinkType(101), &ip, ip.len())).unwrap();
        assert_eq!((s.window_scale, s.tsval), (scale, tsval), "{options:?}");
        assert_eq!(decoder.notes().get(MALFORMED), malformed, "{options:?}");
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = SkipReason::ALL.iter().map(|r| r.name()).collect();
    names.extend(Note::ALL.iter().map(|n| n.name()));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

fn any_packet() -> impl Strategy<Value = TcpPacket> {
    let bytes = |n| proptest::collection::vec(any::<u8>(), 0..n);
    (any::<bool>(), any::<[u16; 4]>(), any::<[u32; 2]>(), any::<u8>(), bytes(40), bytes(200)).prop_map(
        |(v6, [sport, dport, window, ip_id], [seq, ack], flags, options, payload)| {
            let (src, dst): (IpAddr, IpAddr) = if v6 {
                ("fd77::1".parse().unwrap(), "2001:db8::7".parse().unwrap())
            } else {
                ("10.77.0.1".parse().unwrap(), "203.0.113.5".parse().unwrap())
            };
            let (src, dst) = ((src, sport).into(), (dst, dport).into());
            TcpPacket { src, dst, seq, ack, flags, window, options, payload, ip_id, checksum_error: 0 }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// etherparse's own way through a packet, which shares only the header slices with the decoder.
    #[test]
    fn agrees_with_etherparse(packet in any_packet(), vlan: bool, cut in 0_usize..400) {
        let ip = packet.ip();
        let (link, data) = if vlan { Wrap::Vlan } else { Wrap::EthernetPadded }.frame(&ip);
        let keep = data.len().saturating_sub(cut);
        let mut decoder = Decoder::default();
        let ours = decoder.decode(&frame(link, &data[..keep], data.len()));
        let theirs = etherparse::LaxSlicedPacket::from_ethernet(&data[..keep]).ok();
        let theirs = theirs.as_ref().and_then(|p| match (&p.transport, &p.net) {
            (Some(etherparse::TransportSlice::Tcp(tcp)), Some(net)) => Some((tcp, net)),
            _ => None,
        });
        match (ours, theirs) {
            (Ok(s), Some((tcp, net))) => {
                prop_assert_eq!((s.src_port, s.dst_port), (tcp.source_port(), tcp.destination_port()));
                prop_assert_eq!((s.seq.0, s.ack.0), (tcp.sequence_number(), tcp.acknowledgment_number()));
                prop_assert_eq!((s.window, s.checksum), (tcp.window_size(), tcp.checksum()));
                prop_assert_eq!(s.payload, tcp.payload());
                prop_assert_eq!(s.flags.has(Flags::SYN), tcp.syn());
                let incomplete = net.ip_payload_ref().unwrap().incomplete;
                prop_assert_eq!(incomplete, s.payload.len() < s.payload_len as usize);
                prop_assert_eq!(incomplete, s.checksummed.is_empty());
            }
            (Err(_), None) => {}
            (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs.is_some()),
        }
    }

    #[test]
    fn any_bytes_have_one_outcome(
        link in proptest::sample::select(vec![0_u16, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 239, 276, 7]),
        frames in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200), any::<u32>()), 1..8),
    ) {
        let mut decoder = Decoder::default();
        for (n, (data, wire_len)) in frames.iter().enumerate() {
            let result = decoder.decode(&frame(LinkType(link), data, *wire_len as usize));
            prop_assert!(result.is_err() || result.is_ok_and(|s| s.payload.len() <= s.payload_len as usize));
            prop_assert_eq!(decoder.used() + decoder.skipped().total(), n as u64 + 1);
        }
    }

    /// Valid frames with a few bytes changed go deeper than random ones.
    #[test]
    fn any_damage_has_one_outcome(
        wrap in proptest::sample::select(Wrap::ALL),
        packet in any_packet(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (link, mut data) = wrap.frame(&packet.ip());
        for (at, byte) in damage {
            let n = data.len().min(120);
            data[at.index(n)] = byte;
        }
        let keep = cut.index(data.len() + 1);
        let mut decoder = Decoder::default();
        for kept in [data.len(), keep] {
            let result = decoder.decode(&frame(link, &data[..kept], data.len()));
            prop_assert!(result.is_err() || result.is_ok_and(|s| s.payload.len() <= s.payload_len as usize));
        }
        prop_assert_eq!(decoder.used() + decoder.skipped().total(), 2);
    }
}
