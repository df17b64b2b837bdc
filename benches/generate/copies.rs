//! A recorded capture many times over, at once: real conversations, with thousands of connections.

use super::rng::Rng;
use anyhow::{Context as _, Result, ensure};
use btcdmon::capture::write::{PcapOptions, PcapWriter};
use btcdmon::capture::{LinkType, Options, PacketSource as _, Replay};
use btcdmon::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;

/// The ports that recordings have for Bitcoin's.
const BITCOIN: [u16; 5] = [8333, 18_333, 18_444, 18_555, 38_333];
/// Copies begin within this time, ns.
const WITHIN: u64 = 2_000_000_000;
/// Connections of a node; further copies are of others.
const CONNECTIONS: u32 = 125;
/// Length of an Ethernet header.
const ETHERNET: usize = 14;
/// Where the IPv4 header has its checksum and its addresses.
const IP_SUM: usize = ETHERNET + 10;
const SOURCE: usize = ETHERNET + 12;
const DESTINATION: usize = ETHERNET + 16;

/// A recording: its frames (Ethernet, IPv4, TCP), and who takes part.
pub struct Recording {
    frames: Vec<(i64, Vec<u8>)>,
    /// The address of most connections.
    node: Ipv4Addr,
    /// Connections in it.
    pub connections: u32,
}

fn ip(frame: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3])
}

fn port(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// Where the TCP header begins.
fn tcp(frame: &[u8]) -> usize {
    ETHERNET + usize::from(frame[ETHERNET] & 15) * 4
}

impl Recording {
    /// Reads the capture at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let mut source = Replay::open(&[path.to_owned()], Options::default())
            .with_context(|| format!("cannot open {}", path.display()))?;
        let (mut frames, mut ends) = (Vec::new(), BTreeSet::new());
        while let Some(f) = source.next_frame()? {
            let plain = f.link == LinkType(1) && f.data.get(12..15).is_some_and(|d| d[..2] == [8, 0] && d[2] >> 4 == 4);
            if !plain || f.data.len() < ETHERNET + 40 || f.data[ETHERNET + 9] != 6 {
                continue;
            }
            let d = f.data;
            let from = (ip(d, SOURCE), port(d, tcp(d)));
            let to = (ip(d, DESTINATION), port(d, tcp(d) + 2));
            ends.insert(if from < to { (from, to) } else { (to, from) });
            frames.push((f.time.nanos(), d.to_vec()));
        }
        ensure!(!frames.is_empty(), "{} holds no TCP on IPv4 and Ethernet", path.display());
        let mut seen: BTreeMap<Ipv4Addr, u32> = BTreeMap::new();
        for (a, b) in &ends {
            *seen.entry(a.0).or_default() += 1;
            *seen.entry(b.0).or_default() += 1;
        }
        let node = seen.into_iter().max_by_key(|(_, n)| *n).map_or(Ipv4Addr::UNSPECIFIED, |(ip, _)| ip);
        Ok(Self { frames, node, connections: ends.len() as u32 })
    }

    /// Writes `copies` of it to `path`, Bitcoin's port being `port`: each with peers of its own, nodes with 125
    /// connections or so.
    pub fn write(&self, path: &Path, copies: u32, port: u16) -> Result<()> {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = PcapWriter::new(BufWriter::with_capacity(1 << 20, file), PcapOptions::new(LinkType(1)))?;
        let rng = &mut Rng::new(0x636f_7079);
        let mut next: BinaryHeap<_> = (0..copies)
            .filter_map(|c| {
                let late = rng.range(0, WITHIN) as i64;
                self.frames.first().map(|(time, _)| Reverse((time + late, c, 0, late)))
            })
            .collect();
        let a_node = (CONNECTIONS / self.connections).max(1);
        while let Some(Reverse((time, copy, i, late))) = next.pop() {
            let mut frame = self.frames[i].1.clone();
            for at in [SOURCE, DESTINATION] {
                let other = ip(&frame, at);
                let whose = if other == self.node { 0x8000 + copy / a_node } else { copy };
                let [_, _, a, b] = whose.to_be_bytes();
                change(&mut frame, at, [10, a]);
                change(&mut frame, at + 2, [b, other.octets()[3]]);
            }
            for at in [tcp(&frame), tcp(&frame) + 2] {
                if BITCOIN.contains(&self::port(&frame, at)) {
                    change(&mut frame, at, port.to_be_bytes());
                }
            }
            out.packet(Timestamp::from_nanos(time), frame.len() as u32, &frame)?;
            if let Some((time, _)) = self.frames.get(i + 1) {
                next.push(Reverse((time + late, copy, i + 1, late)));
            }
        }
        out.into_inner().flush()?;
        Ok(())
    }
}

/// Writes two bytes at `at` of a frame; checksums stay right, or wrong, as they were (RFC 1624).
fn change(frame: &mut [u8], at: usize, to: [u8; 2]) {
    let tcp = tcp(frame);
    let before = port(frame, at);
    frame[at..at + 2].copy_from_slice(&to);
    // Addresses are part of both checksums, ports of TCP's.
    for sum in [(at < tcp).then_some(IP_SUM), Some(tcp + 16)].into_iter().flatten() {
        let added = u32::from(!port(frame, sum)) + u32::from(!before) + u32::from(u16::from_be_bytes(to));
        let folded = (added & 0xffff) + (added >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        frame[sum..sum + 2].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    }
}
