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

/// Copies are numbered below this, nodes from it on: both have two bytes of an address.
const COPIES: u32 = 0x8000;

/// A recording: its frames (Ethernet, IPv4, TCP), and who takes part.
pub struct Recording {
    /// Time, length on the wire, bytes.
    pub frames: Vec<(i64, u32, Vec<u8>)>,
    /// The address of most connections.
    node: Ipv4Addr,
    /// Connections in it.
    pub connections: u32,
}

type End = (Ipv4Addr, u16);

fn ip(frame: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3])
}

fn word(frame: &[u8], at: usize) -> u16 {
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
            let d = f.data;
            // IPv4 without options, whole, with TCP in it.
            let plain = f.link == LinkType(1) && d.len() >= ETHERNET + 40 && d[12..15] == [8, 0, 0x45];
            if !plain || d[ETHERNET + 9] != 6 || word(d, ETHERNET + 6) & 0x3fff != 0 {
                continue;
            }
            let from = (ip(d, SOURCE), word(d, tcp(d)));
            let to = (ip(d, DESTINATION), word(d, tcp(d) + 2));
            ends.insert(if from < to { (from, to) } else { (to, from) });
            frames.push((f.time.nanos(), f.wire_len, d.to_vec()));
        }
        ensure!(!frames.is_empty(), "{} holds no TCP on IPv4 and Ethernet", path.display());
        let bitcoin = |(a, b): &(End, End)| BITCOIN.contains(&a.1) || BITCOIN.contains(&b.1);
        ensure!(ends.iter().all(bitcoin), "{} holds other ports than Bitcoin's", path.display());
        let mut seen: BTreeMap<Ipv4Addr, u32> = BTreeMap::new();
        for (a, b) in &ends {
            *seen.entry(a.0).or_default() += 1;
            *seen.entry(b.0).or_default() += 1;
        }
        // Of an address the last byte is left as it is.
        let last: BTreeSet<u8> = seen.keys().map(|ip| ip.octets()[3]).collect();
        ensure!(last.len() == seen.len(), "{} holds hosts that are not told apart", path.display());
        ensure!(ends.iter().all(|(a, b)| a.0 != b.0), "{} holds connections of a host to itself", path.display());
        let node = seen.into_iter().max_by_key(|(_, n)| *n).map_or(Ipv4Addr::UNSPECIFIED, |(ip, _)| ip);
        Ok(Self { frames, node, connections: ends.len() as u32 })
    }

    fn copies_of_a_node(&self) -> u32 {
        (CONNECTIONS / self.connections).max(1)
    }

    /// The address that `host` has in a copy.
    fn address(&self, host: Ipv4Addr, copy: u32) -> Ipv4Addr {
        let whose = if host == self.node { COPIES + copy / self.copies_of_a_node() } else { copy };
        let [_, _, a, b] = whose.to_be_bytes();
        Ipv4Addr::new(10, a, b, host.octets()[3])
    }

    /// The nodes of so many copies.
    pub fn nodes(&self, copies: u32) -> impl Iterator<Item = Ipv4Addr> {
        (0..copies).step_by(self.copies_of_a_node() as usize).map(|copy| self.address(self.node, copy))
    }

    /// Writes `copies` of it to `path`, Bitcoin's port being `port`: each with peers of its own, nodes with 125
    /// connections or so.
    pub fn write(&self, path: &Path, copies: u32, port: u16) -> Result<()> {
        ensure!(copies <= COPIES, "more than {COPIES} copies");
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = PcapWriter::new(BufWriter::with_capacity(1 << 20, file), PcapOptions::new(LinkType(1)))?;
        let rng = &mut Rng::new(0x636f_7079);
        let mut next: BinaryHeap<_> = (0..copies)
            .filter_map(|c| {
                let late = rng.range(0, WITHIN) as i64;
                self.frames.first().map(|(time, ..)| Reverse((time + late, c, 0, late)))
            })
            .collect();
        while let Some(Reverse((time, copy, i, late))) = next.pop() {
            let (_, length, mut frame) = self.frames[i].clone();
            for at in [SOURCE, DESTINATION] {
                let [a, b, c, d] = self.address(ip(&frame, at), copy).octets();
                change(&mut frame, at, [a, b]);
                change(&mut frame, at + 2, [c, d]);
            }
            for at in [tcp(&frame), tcp(&frame) + 2] {
                if BITCOIN.contains(&word(&frame, at)) {
                    change(&mut frame, at, port.to_be_bytes());
                }
            }
            out.packet(Timestamp::from_nanos(time), length, &frame)?;
            if let Some((time, ..)) = self.frames.get(i + 1) {
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
    let before = word(frame, at);
    frame[at..at + 2].copy_from_slice(&to);
    // Addresses are part of both checksums, ports of TCP's.
    for sum in [(at < tcp).then_some(IP_SUM), Some(tcp + 16)].into_iter().flatten() {
        let added = u32::from(!word(frame, sum)) + u32::from(!before) + u32::from(u16::from_be_bytes(to));
        let folded = (added & 0xffff) + (added >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        frame[sum..sum + 2].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    }
}
