use super::super::testkit::{TcpPacket, Wrap, fragment, piece};
use super::super::{Decoder, Segment, checksum};
use super::*;
use crate::capture::{Frame, LinkType};
use crate::health::Vocabulary;
use proptest::prelude::*;

fn at(ip: &[u8], seconds: i64) -> Frame<'_> {
    let time = Timestamp::from_parts(1_700_000_000 + seconds, 0);
    Frame { time, link: LinkType(101), interface: 0, wire_len: ip.len() as u32, data: ip }
}

fn feed(decoder: &mut Decoder, ip: &[u8]) -> Result<Vec<u8>, &'static str> {
    match decoder.decode(&at(ip, 0)) {
        Ok(s) => {
            assert_eq!(checksum::verify(&s), Some(true));
            Ok(s.payload.to_vec())
        }
        Err(reason) => Err(reason.name()),
    }
}

const V4: (&str, &str) = ("10.77.0.1:8333", "203.0.113.5:50123");
const V6: (&str, &str) = ("[fd77::1]:8333", "[2001:db8::7]:50123");

fn packet((src, dst): (&str, &str), len: usize, id: u16) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|n| (n * 7 + n / 256) as u8).collect();
    let mut p = TcpPacket::new(src.parse().unwrap(), dst.parse().unwrap()).data(u32::from(id), &payload);
    p.ip_id = id;
    p.ip()
}

fn payload(ip: &[u8]) -> Vec<u8> {
    ip[if ip[0] >> 4 == 4 { 40 } else { 60 }..].to_vec()
}

#[test]
fn four_fragments_in_every_order() {
    for addresses in [V4, V6] {
        let ip = packet(addresses, 150, 1);
        let parts = fragment(&ip, 96);
        assert_eq!(parts.len(), if addresses == V4 { 3 } else { 4 });
        let n = parts.len();
        for order in 0..n.pow(n as u32) {
            let order: Vec<usize> = (0..n).map(|k| order / n.pow(k as u32) % n).collect();
            if (0..n).any(|k| !order.contains(&k)) {
                continue;
            }
            let mut decoder = Decoder::default();
            for &k in &order[..n - 1] {
                assert_eq!(feed(&mut decoder, &parts[k]), Err("fragment_pending"));
            }
            assert_eq!(feed(&mut decoder, &parts[order[n - 1]]), Ok(payload(&ip)), "{order:?}");
            assert_eq!(decoder.fragments_held(), (0, 0));
            assert_eq!(decoder.notes().get(Note::DatagramReassembled), 1);
            assert_eq!((decoder.used(), decoder.skipped().total()), (1, n as u64 - 1));
        }
    }
}

#[test]
fn the_ip_length_is_what_the_fragments_cost() {
    let ip = packet(V4, 150, 1);
    let parts = fragment(&ip, 96);
    let mut decoder = Decoder::default();
    assert!(parts[..2].iter().all(|p| decoder.decode(&at(p, 0)).is_err()));
    let Segment { ip_len, ip_id, payload_len, .. } = decoder.decode(&at(&parts[2], 0)).unwrap();
    assert_eq!((ip_len as usize, ip_id, payload_len), (ip.len() + 40, 1, 150));
}

#[test]
fn fragments_of_a_tunnel_around_fragments() {
    let inner = packet(V6, 900, 0);
    let mut decoder = Decoder::default();
    let mut outcomes = Vec::new();
    for part in fragment(&inner, 600) {
        let (_, frame) = Wrap::Vxlan.frame(&part);
        for outer in fragment(&frame[14..], 300) {
            outcomes.push(feed(&mut decoder, &outer));
        }
    }
    assert_eq!(outcomes.pop(), Some(Ok(payload(&inner))));
    assert!(outcomes.iter().all(|o| *o == Err("fragment_pending")));
    assert_eq!(decoder.notes().get(Note::DatagramReassembled), 3);
    assert_eq!(decoder.fragments_held(), (0, 0));
}

#[test]
fn repeats_are_harmless() {
    for addresses in [V4, V6] {
        let ip = packet(addresses, 150, 1);
        let parts = fragment(&ip, 96);
        let mut decoder = Decoder::default();
        for part in &parts[..parts.len() - 1] {
            assert_eq!(feed(&mut decoder, part), Err("fragment_pending"));
            assert_eq!(feed(&mut decoder, part), Err("fragment_duplicate"));
        }
        assert_eq!(feed(&mut decoder, &parts[parts.len() - 1]), Ok(payload(&ip)));
    }
}

#[test]
fn first_byte_wins_in_ipv4() {
    let ip = packet(V4, 140, 1);
    let mut other = ip.clone();
    other[60..].fill(0xee);
    let mut decoder = Decoder::default();
    assert_eq!(feed(&mut decoder, &piece(&ip, 48, 96)), Err("fragment_pending"));
    // Covers 48..96 again with other bytes; only 40..48 and 96..104 are new, and those are right.
    let mut overlap = piece(&other, 40, 104);
    overlap[20..28].copy_from_slice(&ip[60..68]);
    overlap[20 + 56..].copy_from_slice(&ip[20 + 96..20 + 104]);
    assert_eq!(feed(&mut decoder, &overlap), Err("fragment_pending"));
    assert_eq!(feed(&mut decoder, &piece(&ip, 0, 40)), Err("fragment_pending"));
    assert_eq!(feed(&mut decoder, &piece(&ip, 104, 160)), Ok(payload(&ip)));
    assert_eq!(decoder.notes().get(Note::OverlapV4), 1);
}

#[test]
fn overlap_drops_an_ipv6_datagram_and_all_that_follows() {
    let ip = packet(V6, 140, 1);
    let mut decoder = Decoder::default();
    assert_eq!(feed(&mut decoder, &piece(&ip, 48, 96)), Err("fragment_pending"));
    assert_eq!(feed(&mut decoder, &piece(&ip, 40, 104)), Err("fragment_overlap"));
    for (from, to) in [(0, 48), (48, 96), (96, 160)] {
        assert_eq!(feed(&mut decoder, &piece(&ip, from, to)), Err("fragment_overlap"));
    }
    assert_eq!((decoder.used(), decoder.notes().get(Note::OverlapV6)), (0, 1));
    assert_eq!(decoder.fragments_held(), (1, DATAGRAM_COST));
    decoder.expire(Timestamp::from_parts(1_700_000_031, 0));
    assert_eq!(decoder.fragments_held(), (0, 0));
    assert_eq!(decoder.notes().get(Note::DatagramExpired), 0);
}

#[test]
fn impossible_fragments() {
    let ip = packet(V4, 140, 1);
    let mut decoder = Decoder::default();
    let mut odd = piece(&ip, 0, 48);
    odd[3] -= 1;
    assert_eq!(feed(&mut decoder, &odd), Err("fragment_malformed"));
    let mut empty = piece(&ip, 48, 48);
    empty[6] |= 0x20;
    assert_eq!(feed(&mut decoder, &empty), Err("fragment_malformed"));
    let mut death = piece(&ip, 0, 48);
    death[6..8].copy_from_slice(&0x1fff_u16.to_be_bytes());
    assert_eq!(feed(&mut decoder, &death), Err("fragment_malformed"));
    assert_eq!(decoder.fragments_held(), (0, 0));
    // Two ends, and bytes behind the end.
    assert_eq!(feed(&mut decoder, &piece(&ip, 104, 160)), Err("fragment_pending"));
    let longer = packet(V4, 160, 1);
    assert_eq!(feed(&mut decoder, &piece(&longer, 104, 180)), Err("fragment_malformed"));
    assert_eq!(feed(&mut decoder, &piece(&longer, 160, 176)), Err("fragment_malformed"));
    let shorter = packet(V4, 120, 1);
    assert_eq!(feed(&mut decoder, &piece(&shorter, 104, 140)), Err("fragment_malformed"));
    assert_eq!(feed(&mut decoder, &piece(&ip, 0, 104)), Ok(payload(&ip)));
}

#[test]
fn a_cut_fragment_is_dropped() {
    let part = piece(&packet(V4, 140, 1), 0, 48);
    let mut decoder = Decoder::default();
    let cut = Frame { data: &part[..60], ..at(&part, 0) };
    assert_eq!(decoder.decode(&cut).map(|_| ()), Err(FragmentTruncated));
    assert_eq!(decoder.fragments_held(), (0, 0));
}

#[test]
fn fragments_of_no_use_are_not_kept() {
    let mut part = piece(&packet(V4, 140, 1), 0, 48);
    part[9] = 1;
    assert_eq!(feed(&mut Decoder::default(), &part), Err("icmp"));
}

#[test]
fn age_is_capture_time() {
    let ip = packet(V4, 140, 1);
    let mut decoder = Decoder::default();
    for (seconds, done) in [(30, true), (31, false)] {
        assert_eq!(feed(&mut decoder, &piece(&ip, 0, 80)), Err("fragment_pending"));
        assert_eq!(decoder.decode(&at(&piece(&ip, 80, 160), seconds)).is_ok(), done);
    }
    assert_eq!(decoder.notes().get(Note::DatagramExpired), 1);
    assert_eq!(decoder.fragments_held().0, 1);
}

#[test]
fn the_oldest_makes_room() {
    let limits = FragmentLimits { datagrams: 3, ..FragmentLimits::default() };
    let mut decoder = Decoder::new(limits);
    let ips: Vec<_> = (0..5).map(|id| packet(V4, 140, id)).collect();
    for ip in &ips {
        assert_eq!(feed(&mut decoder, &piece(ip, 0, 80)), Err("fragment_pending"));
        assert!(decoder.fragments_held().0 <= 3);
    }
    assert_eq!(decoder.notes().get(Note::DatagramEvicted), 2);
    assert_eq!(feed(&mut decoder, &piece(&ips[4], 80, 160)), Ok(payload(&ips[4])));
    assert_eq!(feed(&mut decoder, &piece(&ips[0], 80, 160)), Err("fragment_pending"));
}

#[test]
fn bytes_and_pieces_have_limits() {
    let limits = FragmentLimits { bytes: 20_000, pieces: 4, ..FragmentLimits::default() };
    let mut decoder = Decoder::new(limits);
    for id in 0..100 {
        assert_eq!(feed(&mut decoder, &piece(&packet(V4, 2000, id), 0, 1480)), Err("fragment_pending"));
        assert!(decoder.fragments_held().1 <= limits.bytes);
    }
    assert_eq!(decoder.fragments_held().0 as u64 + decoder.notes().get(Note::DatagramEvicted), 100);
    let many = packet(V4, 2000, 200);
    for n in 0..6 {
        let want = if n < 4 { "fragment_pending" } else { "fragment_dropped" };
        assert_eq!(feed(&mut decoder, &piece(&many, n * 16, n * 16 + 8)), Err(want), "{n}");
    }
    let mut tiny = Decoder::new(FragmentLimits { bytes: 100, ..limits });
    assert_eq!(feed(&mut tiny, &piece(&many, 0, 1480)), Err("fragment_dropped"));
    assert_eq!(tiny.fragments_held(), (0, 0));
}

proptest! {
    /// Whatever parts come in whatever order, IPv4 gives what a map of bytes with "first wins" gives.
    #[test]
    fn agrees_with_a_map_of_bytes(
        parts in proptest::collection::vec((0_usize..12, 1_usize..5, any::<u8>()), 1..40),
    ) {
        const LEN: usize = 96;
        let base = packet(V4, LEN - 20, 3);
        let mut map = [None::<u8>; LEN];
        let mut reassembler = Reassembler::new(FragmentLimits::default());
        let mut notes = Tally::default();
        let mut out = Vec::new();
        for (from, len, fill) in parts {
            let (from, to) = (from * 8, (from * 8 + len * 8).min(LEN));
            let mut ip = piece(&base, from, to);
            ip[20..].fill(fill);
            let Err(super::super::ip::Stop::Fragment(f)) =
                super::super::ip::v4(View { data: &ip, missing: 0 }, &mut notes)
                .map_err(super::super::ip::Stop::Skip)
                .and_then(|mut packet| super::super::extension::pass(&mut packet, &mut notes))
            else {
                // 0..96 in one part is no fragment.
                continue;
            };
            for byte in &mut map[from..to] {
                byte.get_or_insert(fill);
            }
            let got = reassembler.insert(&f, Timestamp::default(), &mut out, &mut notes);
            let (datagrams, bytes) = reassembler.held();
            match got {
                Ok(packet) => {
                    let want: Option<Vec<u8>> = map.iter().copied().collect();
                    prop_assert_eq!(Some(packet.payload.data.to_vec()), want);
                    prop_assert_eq!((datagrams, bytes), (0, 0));
                    map = [None; LEN];
                }
                Err(_) => prop_assert!(map.contains(&None)),
            }
        }
        let kept = map.iter().flatten().count();
        prop_assert!(reassembler.held().1 >= kept);
    }
}
