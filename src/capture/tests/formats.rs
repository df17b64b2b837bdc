//! Every format in every byte order: against what was written, against libpcap, and against bytes set by hand.

use super::*;
use std::io::Write as _;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// What libpcap reads from these bytes, on one interface.
fn libpcap(bytes: &[u8]) -> Vec<Owned> {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "a", bytes);
    let mut capture = ::pcap::Capture::from_file_with_precision(path, ::pcap::Precision::Nano).unwrap();
    // A DLT, which for Ethernet is the LINKTYPE.
    let link = capture.get_datalink().0 as u16;
    let mut frames = Vec::new();
    loop {
        match capture.next_packet() {
            Ok(p) => frames.push(Owned {
                nanos: p.header.ts.tv_sec * 1_000_000_000 + p.header.ts.tv_usec,
                link,
                interface: 0,
                wire_len: p.header.len,
                data: p.data.to_vec(),
            }),
            Err(::pcap::Error::NoMorePackets) => return frames,
            Err(e) => panic!("{e}"),
        }
    }
}

fn in_units_of(unit: i64) -> Vec<Owned> {
    let mut packets = packets();
    for p in &mut packets {
        p.nanos -= p.nanos % unit;
    }
    packets
}

#[test]
fn pcap_in_all_its_forms() {
    for order in ORDERS {
        for (nanos, modified) in [(true, false), (false, false), (false, true)] {
            let options = PcapOptions { order, nanos, modified, ..PcapOptions::new(LinkType(1)) };
            let bytes = pcap_bytes(options, &packets());
            let (frames, replay) = read_bytes(&bytes);
            assert_eq!(frames, in_units_of(if nanos { 1 } else { 1000 }), "{options:?}");
            assert_eq!(frames, libpcap(&bytes), "{options:?}");
            assert!(replay.damage().is_empty());
            assert_eq!(replay.progress().bytes_read, bytes.len() as u64);
            assert_eq!(replay.progress().bytes_total, Some(bytes.len() as u64));
            assert_eq!((replay.progress().frames, replay.progress().files_done), (70, 1));
        }
    }
}

#[test]
fn pcapng_in_all_its_resolutions() {
    for order in ORDERS {
        // None is microseconds; libpcap refuses nothing of these.
        for (tsresol, unit) in
            [(None, 1000), (Some(6), 1000), (Some(9), 1), (Some(3), 1_000_000), (Some(0), 1_000_000_000)]
        {
            for tsoffset in [0, 1_000_000_000] {
                let interface = InterfaceOptions { tsresol, tsoffset, ..InterfaceOptions::new(LinkType(1)) };
                let bytes = pcapng_bytes(order, interface, &packets());
                let (frames, replay) = read_bytes(&bytes);
                assert_eq!(frames, in_units_of(unit), "{order:?} {interface:?}");
                assert_eq!(frames, libpcap(&bytes), "{order:?} {interface:?}");
                assert!(replay.damage().is_empty());
            }
        }
        // 2^-20 s, rounded down twice: written in whole units, read in whole nanoseconds.
        let interface = InterfaceOptions { tsresol: Some(0x94), ..InterfaceOptions::new(LinkType(1)) };
        let bytes = pcapng_bytes(order, interface, &packets());
        let expected: Vec<i64> = packets()
            .iter()
            .map(|p| (((i128::from(p.nanos) << 20) / 1_000_000_000 * 1_000_000_000) >> 20) as i64)
            .collect();
        let (frames, _) = read_bytes(&bytes);
        assert_eq!(frames.iter().map(|f| f.nanos).collect::<Vec<_>>(), expected);
        assert_eq!(frames, libpcap(&bytes));
    }
}

#[test]
fn sections_of_both_orders_and_interfaces_of_many_kinds() {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Big).unwrap();
    w.interface(InterfaceOptions::new(LinkType(1))).unwrap();
    w.interface(InterfaceOptions { tsresol: Some(0x80 | 1), snaplen: 2, ..InterfaceOptions::new(LinkType(101)) })
        .unwrap();
    w.packet(1, at(1_500_000_000), 9, &[1, 2, 3]).unwrap();
    w.block(0x0bad, b"custom").unwrap();
    w.packet(0, at(2_000_000_001), 1, &[4]).unwrap();
    w.simple(&[5, 6]).unwrap();
    w.statistics(0, Dropped { interface: 3, system: 1 }).unwrap();
    w.statistics(0, Dropped { interface: 5, system: 1 }).unwrap();
    w.statistics(1, Dropped { interface: 10, system: 0 }).unwrap();
    w.section(ByteOrder::Little).unwrap();
    w.interface(InterfaceOptions { tsoffset: -1, ..InterfaceOptions::new(LinkType(276)) }).unwrap();
    w.packet(0, at(-999_999_999), 7, &[8; 7]).unwrap();
    // An obsolete packet block: interface 0 with 4 drops, 2 s in ns after the offset of -1 s, one of two bytes.
    let body = [0, 0, 4, 0, 0, 0, 0, 0, 0x00, 0x94, 0x35, 0x77, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0];
    w.block(2, &body).unwrap();
    let (frames, replay) = read_bytes(&w.into_inner());
    let frame =
        |nanos, link, interface, wire_len, data: &[u8]| Owned { nanos, link, interface, wire_len, data: data.to_vec() };
    let expected = vec![
        frame(1_500_000_000, 101, 1, 9, &[1, 2]),
        frame(2_000_000_001, 1, 0, 1, &[4]),
        frame(2_000_000_001, 1, 0, 2, &[5, 6]),
        frame(-999_999_999, 276, 2, 7, &[8; 7]),
        frame(1_000_000_000, 276, 2, 2, &[9]),
    ];
    assert_eq!(frames, expected);
    assert!(replay.damage().is_empty(), "{:?}", replay.damage());
    assert_eq!(replay.dropped(), Dropped { interface: 19, system: 1 });
    assert_eq!(replay.notes().get(CaptureNote::BlockSkipped), 1);
    assert_eq!(replay.notes().get(CaptureNote::TimeMissing), 1);
}

#[test]
fn simple_packets_end_at_the_snap_length_and_at_the_block() {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    w.interface(InterfaceOptions { snaplen: 3, ..InterfaceOptions::new(LinkType(1)) }).unwrap();
    w.simple(&[1, 2, 3, 4, 5]).unwrap();
    // Claims 2 of the 3 snapped bytes' worth in a block with room for none.
    w.block(3, &[2, 0, 0, 0]).unwrap();
    let (frames, _) = read_bytes(&w.into_inner());
    assert_eq!((frames[0].wire_len, &frames[0].data[..]), (5, &[1, 2, 3][..]));
    assert_eq!((frames[1].wire_len, &frames[1].data[..]), (2, &[][..]));
}

#[test]
fn old_versions_swap_the_lengths() {
    // Version, the two lengths as written; one byte of five was captured.
    for (version, first, second) in [((2, 2), 5, 1), ((2, 3), 5, 1), ((2, 3), 1, 5), ((543, 0), 5, 1), ((2, 4), 1, 5)] {
        let (major, minor): (u16, u16) = version;
        for big in [false, true] {
            let mut bytes = Vec::new();
            let mut u32s = |n: u32| bytes.extend(if big { n.to_be_bytes() } else { n.to_le_bytes() });
            u32s(0xa1b2_c3d4);
            u32s(if big {
                u32::from(major) << 16 | u32::from(minor)
            } else {
                u32::from(minor) << 16 | u32::from(major)
            });
            // With an FCS length of 4 and a class in the upper half of the link type.
            for n in [0, 0, 65_535, 0x4401_0001, 10, 20, first, second] {
                u32s(n);
            }
            bytes.push(0xee);
            let (frames, replay) = read_bytes(&bytes);
            let expected = Owned { nanos: 10_000_020_000, link: 1, interface: 0, wire_len: 5, data: vec![0xee] };
            assert_eq!(frames, [expected], "{version:?} {big} {:?}", replay.damage());
        }
    }
}

#[test]
fn seconds_are_unsigned() {
    let (frames, _) = read_bytes(&small(&[(4_294_967_295_999_999_999, 1)]));
    assert_eq!(frames[0].nanos, 4_294_967_295_999_999_999);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn compressed_once_twice_and_in_pieces() {
    let plain = pcap_bytes(PcapOptions::new(LinkType(1)), &packets());
    let (a, b) = plain.split_at(plain.len() / 2 + 3);
    let skippable = [0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    for (name, bytes) in [
        ("gzip", gzip(&plain)),
        ("zstd", zstd(&plain)),
        ("members", [gzip(a), gzip(b)].concat()),
        ("frames", [zstd(a), zstd(b)].concat()),
        ("skippable", [&skippable[..], &zstd(&plain)].concat()),
        ("nested", zstd(&gzip(&plain))),
    ] {
        let (frames, replay) = read_bytes(&bytes);
        assert_eq!(frames, packets(), "{name}");
        assert!(replay.damage().is_empty(), "{name} {:?}", replay.damage());
        assert_eq!(replay.progress().bytes_read, bytes.len() as u64, "{name}");
    }
}

#[test]
fn names_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    let error = |bytes: &[u8]| {
        let path = put(dir.path(), "x\ny", bytes);
        let e = Replay::open(&[path], Options::default()).err().unwrap().to_string();
        assert_eq!(e.lines().count(), 1);
        e[e.find("x\\ny: ").unwrap() + 6..].to_owned()
    };
    let accepted = "accepted are pcap and pcapng, plain or compressed with gzip or zstd";
    assert_eq!(error(b""), format!("is empty; {accepted}"));
    assert_eq!(error(&gzip(b"")), format!("is empty; {accepted}"));
    assert_eq!(error(b"snoop\0\0\0\0\0\0\x02"), format!("found a snoop capture; {accepted}"));
    assert_eq!(error(b"hello, world"), format!("found text starting `hello, world`; {accepted}"));
    assert_eq!(error(&[0xd4, 0xc3, 0xb2]), format!("found the bytes d4 c3 b2; {accepted}"));
    assert_eq!(error(&gzip(b"BZh91AY")), format!("found bzip2 data inside gzip; {accepted}"));
    let mut deep = small(&[]);
    for _ in 0..6 {
        deep = gzip(&deep);
    }
    assert!(error(&deep).starts_with("found more than 4 compressions"));
    let missing = dir.path().join("missing");
    assert!(matches!(Replay::open(&[missing], Options::default()), Err(CaptureError::Open { .. })));
    assert!(matches!(Replay::open(&[], Options::default()), Err(CaptureError::NoFiles)));
}

#[test]
fn a_header_without_packets_is_fine() {
    let (frames, replay) = read_bytes(&small(&[]));
    assert!(frames.is_empty() && replay.damage().is_empty());
}

#[test]
fn writers_refuse_what_does_not_fit() {
    let mut w = PcapWriter::new(Vec::new(), PcapOptions::new(LinkType(1))).unwrap();
    assert!(w.packet(at(-1), 0, &[]).is_err());
    assert!(PcapWriter::new(Vec::new(), PcapOptions { modified: true, ..PcapOptions::new(LinkType(1)) }).is_err());
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    assert!(w.packet(0, at(0), 0, &[]).is_err());
    w.interface(InterfaceOptions { tsoffset: 1, ..InterfaceOptions::new(LinkType(1)) }).unwrap();
    assert!(w.packet(0, at(0), 0, &[]).is_err());
}
