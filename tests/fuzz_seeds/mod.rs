//! Inputs to start from: pieces of the bundled captures in the form that each target takes.

use btcdmon::capture::write::{InterfaceOptions, PcapNgWriter, PcapOptions, PcapWriter};
use btcdmon::capture::{ByteOrder, LinkType, Options, PacketSource as _, Replay};
use btcdmon::decode::Decoder;
use btcdmon::message::command::{COMMANDS, Command};
use btcdmon::message::network::Network;
use btcdmon::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Frames of each capture that are looked at.
const FRAMES: usize = 3000;

struct Owned {
    time: Timestamp,
    link: LinkType,
    data: Vec<u8>,
}

/// The frames of every bundled capture.
fn captures() -> Vec<Vec<Owned>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.join("capture.pcap.zst").is_file());
    paths.sort();
    assert!(!paths.is_empty(), "no bundled capture");
    (paths.iter())
        .map(|p| {
            let mut source = Replay::open(&[p.join("capture.pcap.zst")], Options::default()).unwrap();
            let mut frames = Vec::new();
            while let Some(f) = source.next_frame().unwrap().filter(|_| frames.len() < FRAMES) {
                frames.push(Owned { time: f.time, link: f.link, data: f.data.to_vec() });
            }
            frames
        })
        .collect()
}

/// The bytes of each direction in the order of capture, as far as nothing is lost or repeated in short captures.
fn streams() -> Vec<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for frames in captures() {
        let mut decoder = Decoder::default();
        let mut of: HashMap<(SocketAddr, SocketAddr), Vec<Vec<u8>>> = HashMap::new();
        for f in &frames {
            let frame = btcdmon::capture::Frame {
                time: f.time,
                link: f.link,
                interface: 0,
                wire_len: f.data.len() as u32,
                data: &f.data,
            };
            if let Ok(s) = decoder.decode(&frame)
                && !s.payload.is_empty()
            {
                of.entry((s.src(), s.dst())).or_default().push(s.payload.to_vec());
            }
        }
        let mut of: Vec<_> = of.into_iter().collect();
        of.sort_by_key(|(ends, _)| *ends);
        all.extend(of.into_iter().map(|(_, segments)| segments));
    }
    all
}

fn two(n: usize) -> [u8; 2] {
    (n as u16).to_le_bytes()
}

/// The inputs for a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "frame_decode" => frames(),
        "segments" => segments(),
        "framer" => framer(),
        "connections" => connections(),
        "payload" => payloads(),
        "capture_file" => files(),
        other => panic!("no seeds for {other}"),
    }
}

/// Groups of a few frames; the same as raw IP; fragments are left to the mutations.
fn frames() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for frames in captures() {
        for group in frames.chunks(4).step_by(20).take(25) {
            let (mut ethernet, mut raw) = (Vec::new(), Vec::new());
            for f in group.iter().filter(|f| f.data.len() > 14) {
                for (seed, link, data) in [(&mut ethernet, 0, &f.data[..]), (&mut raw, 5, &f.data[14..])] {
                    seed.push(link);
                    seed.extend(two(data.len()));
                    seed.extend([0, 1]);
                    seed.extend(data);
                }
            }
            seeds.extend([ethernet, raw]);
        }
    }
    seeds
}

/// A handshake, data, holes, FIN, RST; by hand, since addresses and bytes are made by the target.
fn segments() -> Vec<Vec<u8>> {
    let segment = |flags: u8, what: u8, ms: u8, seq: i16, ack: i16, len: u16| {
        let mut s = vec![flags, what, ms];
        s.extend(seq.to_le_bytes());
        s.extend(ack.to_le_bytes());
        s.extend(len.to_le_bytes());
        s
    };
    let open = [segment(2, 0, 1, 0, 0, 0), segment(18, 1, 1, 0, 1, 0), segment(16, 0, 1, 1, 1, 0)].concat();
    let data = |n: u16| segment(24, 0, 5, 0, 0, n);
    let ends = [segment(17, 0, 1, 0, 0, 0), segment(17, 1, 1, 1, 1, 0)].concat();
    let hole = segment(24, 0, 5, 500, 0, 700);
    let fill = segment(24, 0, 5, -1200, 0, 600);
    let bodies: Vec<Vec<Vec<u8>>> = vec![
        vec![data(100), data(1448), data(10)],
        vec![data(100), hole.clone(), fill.clone(), data(5)],
        vec![hole.clone(), segment(16, 1, 9, 1, 1700, 0), segment(16, 1, 250, 0, 0, 0), data(9)],
        vec![data(500), segment(24, 0, 1, -250, 0, 500), segment(24, 32, 1, -100, 0, 100)],
        vec![data(50), segment(4, 0, 1, 0, 0, 0), data(50)],
        vec![segment(24, 8, 1, 9000, 0, 100), segment(24, 0, 1, 0, 0, 100), segment(24, 0, 1, 0, 0, 100)],
        vec![segment(24, 16, 1, 0, 0, 1000), data(100)],
        (0..40).map(|i| segment(24, 0, 1, 10 + i, 0, 3)).collect(),
        vec![data(100), segment(2, 0, 10, 3000, 0, 0), data(7)],
    ];
    let mut seeds = Vec::new();
    for body in bodies {
        for isn in [[0_u32, 1], [u32::MAX - 50, 0x8000_0000]] {
            let head = [&isn[0].to_le_bytes()[..], &isn[1].to_le_bytes(), &[1]].concat();
            seeds.push([&head, &open, &body.concat(), &ends].map(Vec::as_slice).concat());
            seeds.push([head, body.concat()].concat());
        }
    }
    seeds
}

fn framer() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (i, segments) in streams().into_iter().enumerate() {
        for (from, start) in [(0, 0_u8), (3, 1), (9, 2)] {
            let mut seed = vec![start, 1, 24, 255, 7, 100, 3, 20, 64];
            for piece in segments.iter().skip(from).take(20).flat_map(|s| s.chunks(4000)) {
                seed.push(0);
                seed.extend(two(piece.len()));
                seed.extend(piece);
            }
            // A message of its own, a gap, a claim.
            seed.extend([160, 8, 1, 2, 3, 4, 5, 6, 7, 8, 230, i as u8, 0, 163, 2, 9, 9, 40, 0, 255]);
            seeds.push(seed);
        }
    }
    seeds
}

fn connections() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let streams = streams();
    for (i, pair) in streams.chunks(2).enumerate() {
        for how in [3_u8, 1, 7, 0] {
            let mut seed = vec![how | (i as u8 & 1) << 3];
            for n in 0..12 {
                for (side, stream) in pair.iter().enumerate() {
                    let Some(segment) = stream.get(n) else { continue };
                    for piece in segment.chunks(2047) {
                        seed.push(8 << 3 | side as u8);
                        seed.extend(two(piece.len()));
                        seed.extend(piece);
                    }
                }
                if n == 7 {
                    seed.extend([4 << 3, 30, 0]);
                }
            }
            seed.extend([1 << 3, 0, 0, 7 << 3, 0, 0]);
            seeds.push(seed);
        }
    }
    seeds
}

/// A few payloads of each command that the captures hold, and an empty one of each command.
fn payloads() -> Vec<Vec<u8>> {
    let magics = Network::NAMED.map(Network::magic);
    let mut of: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for segments in streams() {
        let stream = segments.concat();
        let mut at = 0;
        while let Some(header) = stream.get(at..at + 24) {
            if !magics.iter().any(|m| header.starts_with(m)) {
                at += 1;
                continue;
            }
            let field: [u8; 12] = header[4..16].try_into().unwrap();
            let length = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
            let index = Command::from_field(&field).index();
            let Some(payload) = stream.get(at + 24..at + 24 + length) else { break };
            let known = of.entry(index).or_default();
            if known.len() < 6 && length < 20_000 {
                known.push([&[index as u8], payload].concat());
            }
            at += 24 + length;
        }
    }
    assert!(of.len() >= 8, "the captures hold {} commands", of.len());
    of.into_values().flatten().chain((0..=COMMANDS.len()).map(|i| vec![i as u8, 0, 0, 0, 0])).collect()
}

fn files() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for frames in captures() {
        let some: Vec<_> = frames.iter().take(12).collect();
        let link = some[0].link;
        for order in [ByteOrder::Little, ByteOrder::Big] {
            for (nanos, modified) in [(true, false), (false, false), (false, true)] {
                let options = PcapOptions { order, nanos, modified, ..PcapOptions::new(link) };
                let mut w = PcapWriter::new(Vec::new(), options).unwrap();
                for f in &some {
                    w.packet(f.time, f.data.len() as u32, &f.data).unwrap();
                }
                seeds.push(w.into_inner());
            }
            let mut w = PcapNgWriter::new(Vec::new(), order).unwrap();
            let interface = w.interface(InterfaceOptions::new(link)).unwrap();
            for f in &some {
                w.packet(interface, f.time, f.data.len() as u32, &f.data).unwrap();
            }
            w.statistics(interface, btcdmon::capture::Dropped::default()).unwrap();
            w.section(ByteOrder::Little).unwrap();
            w.interface(InterfaceOptions::new(LinkType(101))).unwrap();
            w.simple(&some[0].data).unwrap();
            seeds.push(w.into_inner());
        }
    }
    let compressed = zstd::encode_all(&seeds[0][..], 3).unwrap();
    seeds.push(compressed);
    seeds
}
