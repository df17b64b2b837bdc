//! The same frames in every kind of file, and spread over several files.

use super::baselines;
use super::corpus::run::{assert_same, run};
use super::corpus::{Packet, Random, packet, read};
use btcdmon::capture::write::{InterfaceOptions, PcapNgWriter, PcapOptions, PcapWriter};
use btcdmon::capture::{ByteOrder, LinkType};
use btcdmon::decode::testkit::Wrap;
use btcdmon::time::Timestamp;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `if_tsresol` of 2^-30 s.
const TWO_TO_THE_30: u8 = 0x9e;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

fn at(p: &Packet) -> Timestamp {
    Timestamp::from_nanos(p.time)
}

fn pcap(packets: &[Packet], options: PcapOptions) -> Vec<u8> {
    let mut w = PcapWriter::new(Vec::new(), options).unwrap();
    for p in packets {
        w.packet(at(p), p.wire_len, &p.data).unwrap();
    }
    w.into_inner()
}

fn nanos(packets: &[Packet]) -> Vec<u8> {
    pcap(packets, PcapOptions::new(LinkType(1)))
}

fn pcapng(packets: &[Packet], order: ByteOrder, interface: InterfaceOptions) -> Vec<u8> {
    let mut w = PcapNgWriter::new(Vec::new(), order).unwrap();
    w.interface(interface).unwrap();
    for p in packets {
        w.packet(0, at(p), p.wire_len, &p.data).unwrap();
    }
    w.into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The packets with their times cut to multiples of `unit` ns.
fn rounded(packets: &[Packet], unit: i64) -> Vec<Packet> {
    packets.iter().map(|p| Packet { time: p.time / unit * unit, ..p.clone() }).collect()
}

#[test]
fn file_formats() {
    let folder = tempfile::tempdir().unwrap();
    for (capture, expected) in baselines() {
        let p = &capture.packets;
        let mut files: Vec<(String, Vec<u8>, i64)> = Vec::new();
        for order in ORDERS {
            for (nanos, modified) in [(true, false), (false, false), (false, true)] {
                let options = PcapOptions { order, nanos, modified, ..PcapOptions::new(LinkType(1)) };
                files.push((format!("pcap {options:?}"), pcap(p, options), if nanos { 1 } else { 1000 }));
            }
            let ng = InterfaceOptions::new(LinkType(1));
            files.push((format!("pcapng {order:?}"), pcapng(p, order, ng), 1));
            files.push((
                format!("pcapng µs {order:?}"),
                pcapng(p, order, InterfaceOptions { tsresol: None, ..ng }),
                1000,
            ));
            let offset = InterfaceOptions { tsoffset: 1_700_000_000, ..ng };
            files.push((format!("pcapng offset {order:?}"), pcapng(p, order, offset), 1));
        }
        let plain = nanos(p);
        files.push(("gzip".to_owned(), gzip(&plain), 1));
        files.push(("gzip in two members".to_owned(), [gzip(&plain[..999]), gzip(&plain[999..])].concat(), 1));
        files.push(("zstd".to_owned(), zstd::encode_all(&plain[..], 1).unwrap(), 1));
        let two = [zstd::encode_all(&plain[..777], 1).unwrap(), zstd::encode_all(&plain[777..], 1).unwrap()].concat();
        files.push(("zstd in two frames".to_owned(), two, 1));
        for (what, bytes, unit) in files {
            let found = read(&[put(folder.path(), "capture", &bytes)]);
            assert_eq!(found, rounded(p, unit), "{}, {what}", capture.name);
            assert_same(&format!("{}, {what}", capture.name), expected, &run(&found).directions());
        }
    }
}

/// Two sections of opposite byte order, each with interfaces of other link types and resolutions.
#[test]
fn pcapng_sections_and_interfaces() {
    let interfaces =
        [(Wrap::Ethernet, Some(9)), (Wrap::Sll, None), (Wrap::RawIp, Some(TWO_TO_THE_30)), (Wrap::Sll2, Some(7))];
    let folder = tempfile::tempdir().unwrap();
    for (capture, expected) in baselines() {
        let mut random = Random(3);
        let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Big).unwrap();
        let half = capture.packets.len() / 2;
        for (i, p) in capture.packets.iter().enumerate() {
            if i == half {
                w.section(ByteOrder::Little).unwrap();
            }
            if i == 0 || i == half {
                for (wrap, tsresol) in interfaces {
                    let link = wrap.frame(&[0x45; 20]).0;
                    // A power of two so fine needs an offset to have room for the seconds.
                    let tsoffset = if tsresol == Some(TWO_TO_THE_30) { p.time / 1_000_000_000 - 5 } else { 0 };
                    w.interface(InterfaceOptions { tsresol, tsoffset, ..InterfaceOptions::new(link) }).unwrap();
                }
            }
            let interface = random.below(interfaces.len());
            match packet::ip(p) {
                Some(ip) => {
                    let data = interfaces[interface].0.frame(ip).1;
                    w.packet(interface as u32, at(p), data.len() as u32, &data).unwrap();
                }
                None => w.packet(0, at(p), p.wire_len, &p.data).unwrap(),
            }
        }
        let found = read(&[put(folder.path(), "capture.pcapng", &w.into_inner())]);
        assert!(found.iter().zip(&capture.packets).all(|(a, b)| (b.time - a.time) < 1000 && a.time <= b.time));
        assert_same(&format!("{}, sections", capture.name), expected, &run(&found).directions());
    }
}

#[test]
fn several_files() {
    for (capture, expected) in baselines() {
        for seed in 0..5 {
            let mut random = Random(seed);
            let mut cuts: Vec<usize> = (0..random.below(9)).map(|_| random.below(capture.packets.len())).collect();
            cuts.extend([0, capture.packets.len()]);
            cuts.sort_unstable();
            cuts.dedup();
            let folder = tempfile::tempdir().unwrap();
            let write = |(i, range): (usize, &[usize])| {
                let part = &capture.packets[range[0]..range[1]];
                // Names say nothing of the order, and each part is another kind of file.
                let name = format!("{:02x}", (i * 37 + 11) % 64);
                let bytes = match i % 3 {
                    0 => nanos(part),
                    1 => gzip(&nanos(part)),
                    _ => pcapng(part, ByteOrder::Big, InterfaceOptions::new(LinkType(1))),
                };
                put(folder.path(), &name, &bytes)
            };
            let mut files: Vec<PathBuf> = cuts.windows(2).enumerate().map(write).collect();
            files.reverse();
            for paths in [files, vec![folder.path().to_owned()]] {
                let found = read(&paths);
                assert!(found == capture.packets, "{}, seed {seed}: other frames", capture.name);
                assert_same(&format!("{}, files, seed {seed}", capture.name), expected, &run(&found).directions());
            }
        }
    }
}

/// A tap with one port for each direction.
#[test]
fn directions_in_two_files() {
    for (capture, expected) in baselines() {
        let to_node = |p: &&Packet| packet::tcp(p).is_some_and(|s| s.dst.ip().to_string() == capture.node);
        let (recv, sent): (Vec<_>, Vec<_>) = capture.packets.iter().partition(to_node);
        let owned = |packets: Vec<&Packet>| nanos(&packets.into_iter().cloned().collect::<Vec<_>>());
        let folder = tempfile::tempdir().unwrap();
        let files = [put(folder.path(), "recv", &owned(recv)), put(folder.path(), "sent", &owned(sent))];
        assert_same(&format!("{}, two taps", capture.name), expected, &run(&read(&files)).directions());
    }
}
