//! Files that end early or lie: what comes out before, and what is said.

use super::*;
use proptest::prelude::*;

/// Offsets at which each record of a file ends, and where the whole file ends.
fn ends(base: usize, header: usize, packets: &[Owned]) -> Vec<usize> {
    let mut end = base;
    packets
        .iter()
        .map(|p| {
            end += header + p.data.len();
            end
        })
        .collect()
}

/// Cuts `bytes` everywhere; `ends` are the ends of the packets, `starts` of everything a reader stops at.
fn cut_everywhere(bytes: &[u8], ends: &[usize], starts: &[usize], packets: &[Owned]) {
    let dir = tempfile::tempdir().unwrap();
    for len in 0..bytes.len() {
        let path = put(dir.path(), "a", &bytes[..len]);
        let opened = Replay::open(&[path], Options::default());
        if len < 4 {
            assert_eq!(matches!(opened, Err(CaptureError::Empty { .. })), len == 0);
            assert_eq!(matches!(opened, Err(CaptureError::NotACapture { .. })), len > 0);
            continue;
        }
        let mut replay = opened.unwrap();
        let frames = drain(&mut replay);
        let whole = ends.iter().filter(|&&end| end <= len).count();
        assert_eq!(frames, packets[..whole], "cut at {len}");
        // The record that is cut off starts at the last start before the cut.
        let start = starts.iter().copied().filter(|&start| start <= len).max().unwrap();
        if start == len {
            assert!(replay.damage().is_empty(), "cut at {len}: {:?}", replay.damage());
            continue;
        }
        let [CaptureError::Truncated { place, needed, found, .. }] = replay.damage() else {
            panic!("cut at {len}: {:?}", replay.damage())
        };
        assert_eq!((place.offset, *found), (start as u64, (len - start) as u64), "cut at {len}");
        assert!(needed > found, "cut at {len}");
        assert_eq!(replay.notes().get(CaptureNote::FileDamaged), 1);
        // Asked again it stays at its end, and says nothing twice.
        assert!(replay.next_frame().unwrap().is_none());
        assert_eq!(replay.damage().len(), 1);
    }
}

#[test]
fn pcap_cut_everywhere() {
    let packets = &packets()[..8];
    for (modified, header) in [(false, 16), (true, 24)] {
        let options = PcapOptions { nanos: false, modified, ..PcapOptions::new(LinkType(1)) };
        let mut rounded = packets.to_vec();
        for p in &mut rounded {
            p.nanos -= p.nanos % 1000;
        }
        let bytes = pcap_bytes(options, packets);
        let ends = ends(24, header, packets);
        assert_eq!(ends.last(), Some(&bytes.len()));
        let starts: Vec<usize> = [0, 24].into_iter().chain(ends.iter().copied()).collect();
        cut_everywhere(&bytes, &ends, &starts, &rounded);
    }
}

#[test]
fn pcapng_cut_everywhere() {
    let packets = &packets()[..8];
    let bytes = pcapng_bytes(ByteOrder::Big, InterfaceOptions::new(LinkType(1)), packets);
    // The section header has 28 bytes, the interface 20, its time resolution 8, the end of its options 4.
    let mut end = 60;
    let ends: Vec<usize> = packets
        .iter()
        .map(|p| {
            end += 32 + p.data.len().next_multiple_of(4);
            end
        })
        .collect();
    assert_eq!(ends.last(), Some(&bytes.len()));
    let starts: Vec<usize> = [0, 28, 60].into_iter().chain(ends.iter().copied()).collect();
    cut_everywhere(&bytes, &ends, &starts, packets);
}

/// The only damage of a file that is damaged.
fn message(bytes: &[u8], frames: usize) -> String {
    let (read, replay) = read_bytes(bytes);
    assert_eq!(read.len(), frames);
    assert_eq!(replay.damage().len(), 1);
    let text = replay.damage()[0].to_string();
    assert_eq!(text.lines().count(), 1);
    text[text.find(": byte").unwrap() + 2..].to_owned()
}

fn with(bytes: &[u8], offset: usize, value: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn says_where_and_what() {
    // Records of 17 bytes from byte 24 on.
    let pcap = small(&[(1, 1), (2, 2), (3, 3)]);
    assert_eq!(
        message(&with(&pcap, 41 + 8, 16_777_217), 1),
        "byte 49: expected a packet of at most 16777216 bytes, found a captured length of 16777217"
    );
    assert_eq!(message(&with(&pcap, 4, 5), 0), "byte 4: expected pcap version 2.0 to 2.4, found version 5.0");
    assert_eq!(
        message(&with(&pcap, 58 + 8, 16_777_216), 2),
        "byte 58: cut off: expected a packet record of 16777232 bytes, found 17 bytes"
    );
    let packet = Owned { nanos: 1, link: 1, interface: 0, wire_len: 4, data: vec![1; 4] };
    // Blocks of 36 bytes from byte 60 on.
    let ng = pcapng_bytes(ByteOrder::Little, InterfaceOptions::new(LinkType(1)), &[packet.clone(), packet]);
    for (offset, value, frames, expected) in [
        (12, 2, 0, "byte 12: expected pcapng version 1, found version 2.0"),
        // Not an interface any more but an unknown block: the packets are on none.
        (28, 7, 0, "byte 68: expected a packet on a described interface, found one on interface 0"),
        (60 + 4, 35, 0, "byte 64: expected a block length of 32 to 16777216 bytes, a multiple of 4, found 35"),
        (60 + 4, 28, 0, "byte 64: expected a block length of 32 to 16777216 bytes, a multiple of 4, found 28"),
        (
            96 + 4,
            16_777_220,
            1,
            "byte 100: expected a block length of 32 to 16777216 bytes, a multiple of 4, found 16777220",
        ),
        (96 + 8, 1, 1, "byte 104: expected a packet on a described interface, found one on interface 1"),
        (
            96 + 20,
            5,
            1,
            "byte 116: expected a captured length of at most 4 bytes, which the block has room for, found 5",
        ),
        (60 + 32, 32, 0, "byte 92: expected the block length 36 again, found 32"),
        (44, 0x0002_0009, 0, "byte 44: expected 1 bytes of if_tsresol, found 2"),
        (44, 0x0040_0009, 0, "byte 44: expected an option of at most 8 bytes, found 64"),
    ] {
        assert_eq!(message(&with(&ng, offset, value), frames), expected);
    }
}

#[test]
fn a_lying_section_header_is_damage() {
    let ng = pcapng_bytes(ByteOrder::Little, InterfaceOptions::new(LinkType(1)), &[]);
    assert_eq!(message(&with(&ng, 8, 7), 0), "byte 8: expected the byte-order magic 0x1a2b3c4d, found 0x7");
}

#[test]
fn damage_inside_compression_says_so() {
    let plain = pcap_bytes(PcapOptions::new(LinkType(1)), &packets());
    // Several zstd blocks of 128 KiB of noise.
    let mut noise = 1_u32;
    let long: Vec<Owned> = (0..400)
        .map(|nanos| {
            let mut next = || {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            };
            Owned { nanos, link: 1, interface: 0, wire_len: 1000, data: (0..1000).map(|_| next()).collect() }
        })
        .collect();
    let compressed = zstd::encode_all(&pcap_bytes(PcapOptions::new(LinkType(1)), &long)[..], 1).unwrap();
    let (frames, replay) = read_bytes(&compressed[..compressed.len() - 1]);
    // How much of the last block comes out is zstd's affair; what came out is used up to the last whole packet.
    let [CaptureError::Read { place, .. }] = replay.damage() else { panic!("{:?}", replay.damage()) };
    assert!(frames.len() >= 3 * 131_072 / 1016);
    assert_eq!(frames[..], long[..(place.offset as usize - 24) / 1016]);
    let text = replay.damage()[0].to_string();
    assert!(text.ends_with(" of the uncompressed stream (zstd): cannot read on: incomplete frame"), "{text}");
    // Where not even the first bytes come out nobody can say what it is.
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "a", &compressed[..9]);
    let e = Replay::open(&[path], Options::default()).err().unwrap().to_string();
    assert!(e.ends_with("byte 0 of the uncompressed stream (zstd): cannot read on: incomplete frame"), "{e}");
    // A whole frame around a file that is cut.
    let compressed = zstd::encode_all(&plain[..plain.len() - 1], 1).unwrap();
    let expected = format!("byte {} of the uncompressed stream (zstd): cut off", plain.len() - 16 - 69);
    assert!(message(&compressed, 69).starts_with(&expected));
}

#[test]
fn damage_in_one_file_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut bad = small(&[(10, 1), (30, 3), (50, 5)]);
    bad.truncate(bad.len() - 1);
    let paths = [put(dir.path(), "bad", &bad), put(dir.path(), "good", &small(&[(20, 2), (40, 4), (60, 6)]))];
    let mut replay = Replay::open(&paths, Options::default()).unwrap();
    assert_eq!(bytes_of(&drain(&mut replay)), [1, 2, 3, 4, 6]);
    assert_eq!(replay.damage().len(), 1);
    assert_eq!(replay.damage()[0].place().unwrap().offset, 24 + 2 * 17);
    assert_eq!(replay.progress().files_done, 2);
    assert_eq!(replay.progress().bytes_read, replay.progress().bytes_total.unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any bytes written over a file: it ends, hands out no byte that is not in it, and reports at most one damage.
    #[test]
    fn mutations_do_no_harm(
        kind in 0..4_usize,
        writes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let packets = &packets()[..20];
        let mut bytes = match kind {
            0 => pcap_bytes(PcapOptions::new(LinkType(1)), packets),
            1 => pcap_bytes(PcapOptions { order: ByteOrder::Big, ..PcapOptions::new(LinkType(1)) }, packets),
            2 => pcapng_bytes(ByteOrder::Little, InterfaceOptions::new(LinkType(1)), packets),
            _ => pcapng_bytes(ByteOrder::Big, InterfaceOptions::new(LinkType(1)), packets),
        };
        for (index, byte) in &writes {
            let index = index.index(bytes.len());
            bytes[index] = *byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut paths = vec![put(dir.path(), "a", &bytes)];
        for paths in [paths.clone(), { paths.push(put(dir.path(), "b", &small(&[(7, 7)]))); paths }] {
            let Ok(mut replay) = Replay::open(&paths, Options::default()) else { continue };
            let frames = drain(&mut replay);
            let sum: usize = frames.iter().map(|f| f.data.len()).sum();
            prop_assert!(sum <= bytes.len() + 1);
            prop_assert!(replay.damage().len() <= 1);
            prop_assert_eq!(replay.progress().files_done, paths.len() as u64);
        }
    }
}
