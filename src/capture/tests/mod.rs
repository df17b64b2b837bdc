//! Tests of the whole way from bytes to frames.

mod damage;
mod follow;
mod formats;
mod merge;

use super::write::{InterfaceOptions, PcapNgWriter, PcapOptions, PcapWriter};
use super::*;
use std::fs;
use std::path::{Path, PathBuf};

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    nanos: i64,
    link: u16,
    interface: u32,
    wire_len: u32,
    data: Vec<u8>,
}

fn owned(frame: Frame<'_>) -> Owned {
    Owned {
        nanos: frame.time.nanos(),
        link: frame.link.0,
        interface: frame.interface,
        wire_len: frame.wire_len,
        data: frame.data.to_vec(),
    }
}

fn drain(replay: &mut Replay) -> Vec<Owned> {
    let mut frames = Vec::new();
    while let Some(frame) = replay.next_frame().unwrap() {
        frames.push(owned(frame));
    }
    frames
}

/// Writes the bytes to a file and reads it to its end.
fn read_bytes(bytes: &[u8]) -> (Vec<Owned>, Replay) {
    let dir = tempfile::tempdir().unwrap();
    let mut replay = Replay::open(&[put(dir.path(), "a", bytes)], Options::default()).unwrap();
    (drain(&mut replay), replay)
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// A pcap file of packets of one byte each: (time in ns, byte).
fn small(packets: &[(i64, u8)]) -> Vec<u8> {
    let mut w = PcapWriter::new(Vec::new(), PcapOptions::new(LinkType(101))).unwrap();
    for &(nanos, byte) in packets {
        w.packet(at(nanos), 1, &[byte]).unwrap();
    }
    w.into_inner()
}

/// The single byte of each frame.
fn bytes_of(frames: &[Owned]) -> Vec<u8> {
    frames.iter().map(|f| f.data[0]).collect()
}

/// Packets of all small lengths, cut and whole, with times that need every digit.
fn packets() -> Vec<Owned> {
    (0..70_u32)
        .map(|i| Owned {
            nanos: 1_700_000_000_123_456_789 + i64::from(i) * 1_000_000_007,
            link: 1,
            interface: 0,
            wire_len: i + i % 3 * 1000,
            data: (0..i).map(|n| (n * 7 + i) as u8).collect(),
        })
        .collect()
}

fn pcap_bytes(options: PcapOptions, packets: &[Owned]) -> Vec<u8> {
    let mut w = PcapWriter::new(Vec::new(), options).unwrap();
    for p in packets {
        w.packet(at(p.nanos), p.wire_len, &p.data).unwrap();
    }
    w.into_inner()
}

fn pcapng_bytes(order: ByteOrder, interface: InterfaceOptions, packets: &[Owned]) -> Vec<u8> {
    let mut w = PcapNgWriter::new(Vec::new(), order).unwrap();
    w.interface(interface).unwrap();
    for p in packets {
        w.packet(0, at(p.nanos), p.wire_len, &p.data).unwrap();
    }
    w.into_inner()
}
