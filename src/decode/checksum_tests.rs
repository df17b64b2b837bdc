use super::super::testkit::TcpPacket;
use super::super::{Decoder, SeqNum};
use super::*;
use crate::capture::{Frame, LinkType};
use crate::time::Timestamp;
use proptest::prelude::*;

fn decoded(ip: &[u8], wire_len: usize) -> Option<bool> {
    let frame = Frame {
        time: Timestamp::default(),
        link: LinkType(101),
        interface: 0,
        wire_len: wire_len as u32,
        data: &ip[..wire_len.min(ip.len())],
    };
    verify(&Decoder::default().decode(&frame).unwrap())
}

#[test]
fn example_of_rfc_1071() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(u16::from_be(fold(sum(&bytes))), 0xddf2);
}

#[test]
fn carries_out_of_every_lane_are_kept() {
    // 4096 words of 0xffff are 0 in one's complement, which the fold shows as 0xffff; one more byte adds to it.
    let mut bytes = vec![0xff; 8192];
    assert_eq!(fold(sum(&bytes)), 0xffff);
    bytes.extend([0x12, 0x34, 0x56]);
    assert_eq!(u16::from_be(fold(sum(&bytes))), 0x1234 + 0x5600);
}

#[test]
fn segment_computed_by_hand() {
    // 10.0.0.1:1 > 10.0.0.2:2, no payload: 0a00+0001+0a00+0002+0006+0014 + 0001+0002+5010 = 6430, complement 9bcf.
    let mut ip = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    ip.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0x9b, 0xcf, 0, 0]);
    assert_eq!(decoded(&ip, 40), Some(true));
    ip[37] ^= 1;
    assert_eq!(decoded(&ip, 40), Some(false));
}

#[test]
fn not_told_when_the_capture_cut_the_payload() {
    let packet = TcpPacket::new("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap()).data(1, &[7; 100]);
    let ip = packet.ip();
    assert_eq!(decoded(&ip, 140), Some(true));
    assert_eq!(decoded(&ip, 139), None);
    let segment_of_two_families = Segment {
        src_ip: "10.0.0.1".parse().unwrap(),
        dst_ip: "::1".parse().unwrap(),
        src_port: 0,
        dst_port: 0,
        seq: SeqNum(0),
        ack: SeqNum(0),
        flags: super::super::Flags(0),
        window: 0,
        window_scale: None,
        tsval: None,
        checksum: 0,
        ip_id: 0,
        ip_len: 0,
        payload_len: 0,
        payload: &[],
        checksummed: &[1],
    };
    assert_eq!(verify(&segment_of_two_families), None);
}

proptest! {
    #[test]
    fn agrees_with_the_slow_sum(
        v6: bool,
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        options in proptest::collection::vec(any::<u8>(), 0..40),
        error: u16,
    ) {
        let (src, dst) = if v6 { ("[fd77::1]:8333", "[fd77::2]:50000") } else { ("10.1.2.3:8333", "203.0.113.9:1") };
        let mut packet = TcpPacket::new(src.parse().unwrap(), dst.parse().unwrap()).data(77, &payload);
        packet.options = options;
        packet.checksum_error = error;
        let ip = packet.ip();
        // 0 and 0xffff are one number in one's complement, so that pair of checksums is right either way.
        let at = if v6 { 56 } else { 36 };
        let same = error == 0 || (error == 0xffff && matches!(ip[at..at + 2], [0, 0] | [0xff, 0xff]));
        prop_assert_eq!(decoded(&ip, ip.len()), Some(same));
    }
}
