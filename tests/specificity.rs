//! Of connections that are no encrypted Bitcoin connections nothing is inferred, whatever port they use: TLS, SSH, HTTP,
//! noise, and hundreds of odd captures with every port taken for Bitcoin's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

use btcdmon::capture::{Frame, LinkType, Options, PacketSource as _, Replay};
use btcdmon::decode::Decoder;
use btcdmon::decode::testkit::{TcpPacket, Wrap};
use btcdmon::flow::key::KeyHasher;
use btcdmon::flow::{At, Checksums, Config, FlowKey, Limits, PacketIndex, Partition};
use btcdmon::message::connections::Connections;
use btcdmon::message::transport::Magics;
use btcdmon::time::{SECOND, Timestamp};
use corpus::{Packet, Random};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first part of the program over frames: how many messages it infers.
struct Sensor {
    partition: Partition<Connections>,
    decoder: Decoder,
    hasher: KeyHasher,
    at: At,
    ticked: Option<Timestamp>,
    /// Inferred messages.
    told: usize,
}

impl Sensor {
    fn new(ports: &[u16]) -> Self {
        let service_ports = ports.into();
        let config = Config { limits: Limits::default(), checksums: Checksums::Off, service_ports };
        Self {
            partition: Partition::new(Connections::new(Magics::new(&[]), ports.into(), false), config),
            decoder: Decoder::default(),
            hasher: KeyHasher::fixed(),
            at: At::default(),
            ticked: None,
            told: 0,
        }
    }

    fn count(&mut self) {
        let mut events = Vec::new();
        self.partition.handler.take_events(&mut events);
        self.told += events.iter().map(|e| e.what.estimates().len()).sum::<usize>();
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        self.at = At { index: PacketIndex(self.at.index.0 + 1), time: frame.time };
        let ticked = *self.ticked.get_or_insert(frame.time);
        if frame.time.since(ticked) >= SECOND {
            self.partition.tick(self.at);
            self.ticked = Some(frame.time);
        }
        if let Ok(segment) = self.decoder.decode(frame) {
            let (key, side) = FlowKey::of(&segment);
            self.partition.segment(self.at, self.hasher.hash(&key), &key, side, &segment);
        }
        self.count();
    }

    fn packets(mut self, packets: &[Packet]) -> usize {
        for p in packets {
            let time = Timestamp::from_nanos(p.time);
            let link = LinkType(p.link);
            self.frame(&Frame { time, link, interface: 0, wire_len: p.wire_len, data: &p.data });
        }
        self.finish()
    }

    fn finish(mut self) -> usize {
        self.partition.finish(self.at);
        self.count();
        self.told
    }
}

/// A connection made up: frames of both ends.
struct Talk {
    packets: Vec<Packet>,
    ends: [SocketAddr; 2],
    seq: [u32; 2],
    time: i64,
}

impl Talk {
    fn new(port: u16, client: u16) -> Self {
        let ends = [SocketAddr::from(([10, 1, 2, 3], client)), SocketAddr::from(([10, 9, 9, 9], port))];
        Self { packets: Vec::new(), ends, seq: [1000, 9000], time: 1_730_000_000 * SECOND }
    }

    fn put(&mut self, from: usize, flags: u8, payload: &[u8]) {
        self.time += 300_000;
        let mut p = TcpPacket::new(self.ends[from], self.ends[1 - from]).data(self.seq[from], payload);
        p.ack = self.seq[1 - from];
        p.flags = flags;
        let begun = u32::from(flags & 3 != 0);
        self.seq[from] = self.seq[from].wrapping_add(payload.len() as u32 + begun);
        let (link, data) = Wrap::Ethernet.frame(&p.ip());
        self.packets.push(Packet { time: self.time, link: link.0, wire_len: data.len() as u32, data });
    }

    fn open(&mut self) {
        self.put(0, 0x02, &[]);
        self.put(1, 0x12, &[]);
        self.put(0, 0x10, &[]);
    }

    /// A write of one end, in segments of 1448 bytes.
    fn write(&mut self, from: usize, bytes: &[u8]) {
        let last = bytes.len().div_ceil(1448);
        for (i, part) in bytes.chunks(1448).enumerate() {
            self.put(from, if i + 1 == last { 0x18 } else { 0x10 }, part);
        }
    }
}

fn noise(random: &mut Random, n: usize) -> Vec<u8> {
    (0..n).map(|_| random.next() as u8).collect()
}

/// A TLS record (RFC 8446): type, version, length, contents.
fn record(random: &mut Random, kind: u8, n: usize) -> Vec<u8> {
    let mut all = vec![kind, 3, 3, (n >> 8) as u8, n as u8];
    all.extend(noise(random, n));
    all
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug)]
enum Speech {
    /// TLS 1.3: hellos, then records of requests and answers.
    Tls,
    /// SSH: banners, then packets of multiples of 8 bytes and a MAC of 16, a key press at a time.
    Ssh,
    Http,
    /// A websocket or the like: short messages both ways at any time.
    Chat,
    /// Random bytes, lengths even over the logarithm.
    Noise,
    /// The same, the first 64 bytes apart: like the key of BIP 324 and then nothing that is Bitcoin's.
    Key,
}

fn say(talk: &mut Talk, random: &mut Random, speech: Speech, i: usize) {
    let r = |random: &mut Random, n: usize| random.below(n);
    match speech {
        Speech::Tls => {
            let asked = 60 + r(random, 900);
            let request = record(random, 23, asked);
            talk.write(0, &request);
            let answer: Vec<u8> = (0..=r(random, 4))
                .flat_map(|_| {
                    let n = 30 + r(random, 4000);
                    record(random, 23, n)
                })
                .collect();
            talk.write(1, &answer);
        }
        Speech::Ssh => {
            let key = noise(random, 36);
            talk.write(0, &key);
            talk.write(1, &key);
            if i.is_multiple_of(9) {
                let n = 36 + 8 * r(random, 400);
                let screen = noise(random, n);
                talk.write(1, &screen);
            }
        }
        Speech::Http => {
            talk.write(0, format!("GET /{} HTTP/1.1\r\nHost: example.org\r\n\r\n", random.next()).as_bytes());
            let n = r(random, 20_000);
            let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n").into_bytes();
            answer.extend(noise(random, n));
            talk.write(1, &answer);
        }
        Speech::Chat => {
            let sizes = [29, 31, 33, 58, 64, 94, 120, 243, 517, 1300];
            let n = sizes[r(random, sizes.len())] + r(random, 6);
            let message = noise(random, n);
            talk.write(r(random, 2), &message);
        }
        Speech::Noise | Speech::Key => {
            let octave = 1 << r(random, 13);
            let n = octave + r(random, octave);
            let message = noise(random, n);
            talk.write(r(random, 2), &message);
        }
    }
}

/// A conversation of some minutes; the beginning of one `joined` in the middle is not captured.
fn conversation(speech: Speech, seed: u64, joined: bool) -> Vec<Packet> {
    let random = &mut Random(seed);
    let mut talk = Talk::new(8333, 40_000 + seed as u16);
    if !joined {
        talk.open();
        let hello: [Vec<u8>; 2] = match speech {
            Speech::Tls => [record(random, 22, 512), record(random, 22, 3000)],
            Speech::Ssh => [b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()],
            Speech::Key => [noise(random, 64 + seed as usize % 300), noise(random, 64 + seed as usize % 900)],
            _ => [Vec::new(), Vec::new()],
        };
        (0..2).for_each(|from| talk.write(from, &hello[from]));
    }
    for i in 0..500 {
        say(&mut talk, random, speech, i);
        talk.time += [1_000_000, 20_000_000, 400_000_000, 2 * SECOND][random.below(4)];
    }
    talk.packets
}

#[test]
fn other_protocols_and_noise_on_a_bitcoin_port() {
    for speech in [Speech::Tls, Speech::Ssh, Speech::Http, Speech::Chat, Speech::Noise, Speech::Key] {
        for joined in [false, true] {
            for seed in 1..=12 {
                let told = Sensor::new(&[8333]).packets(&conversation(speech, seed, joined));
                assert_eq!(told, 0, "{speech:?}, joined: {joined}, seed {seed}");
            }
        }
    }
}

#[test]
fn plain_connections() {
    for name in ["btcd-v1", "btcd-ipv6"] {
        let packets = corpus::read(&[corpus::bundled(name).join("capture.pcap.zst")]);
        assert_eq!(Sensor::new(&[8333, 18_444]).packets(&packets), 0, "{name}");
        // Joined in the middle.
        for share in [3, 7] {
            let told = Sensor::new(&[8333, 18_444]).packets(&packets[packets.len() * share / 10..]);
            assert_eq!(told, 0, "{name} from {share}/10");
        }
    }
    let encrypted = corpus::read(&[corpus::bundled("btcd-v2-messages").join("capture.pcap.zst")]);
    assert!(Sensor::new(&[8333, 18_444]).packets(&encrypted) > 500, "or nothing is tested here");
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn odd_captures_with_every_port_taken_for_bitcoins() {
    let Some(shared) = std::env::var_os("BTCDMON_SHARED").map(PathBuf::from) else {
        eprintln!("SKIPPED: odd captures; set BTCDMON_SHARED to the folder that holds stress/tcpdump-tests.tar.zst");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let archive = shared.join("stress/tcpdump-tests.tar.zst");
    let status = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(status.unwrap().success(), "tar and zstd are needed");
    let mut paths = Vec::new();
    files(folder.path(), &mut paths);
    let ports: Vec<u16> = (1..=u16::MAX).collect();
    let (mut read, mut frames) = (0, 0);
    for path in &paths {
        // What is no capture is another test's affair.
        let Ok(mut replay) = Replay::open(std::slice::from_ref(path), Options::default()) else { continue };
        read += 1;
        let mut sensor = Sensor::new(&ports);
        while let Ok(Some(frame)) = replay.next_frame() {
            sensor.frame(&frame);
            frames += 1;
        }
        assert_eq!(sensor.finish(), 0, "{}", path.display());
    }
    assert!(read > 700 && frames > 5000, "{read} captures of {}, {frames} frames", paths.len());
}
