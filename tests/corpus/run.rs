//! The stages over frames in memory, and what they said.

use super::Packet;
use btcdmon::app::batch::BatchLimits;
use btcdmon::app::stage::{Consumer, Settings, Stages};
use btcdmon::capture::{Dropped, Frame, LinkType};
use btcdmon::flow::key::KeyHasher;
use btcdmon::flow::{Checksums, Limits};
use btcdmon::message::body::Body;
use btcdmon::message::network::Network;
use btcdmon::message::read::DecodeError;
use btcdmon::message::transport::Magics;
use btcdmon::node::{Config, Direction, Output, Report, SeenMessage};
use btcdmon::series::Point;
use btcdmon::time::{SECOND, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a message is, whenever it was captured.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub offset: u64,
    pub command: String,
    pub payload_bytes: u32,
    pub checksum: Option<[u8; 4]>,
    pub checksum_valid: bool,
    pub truncated: bool,
    pub missing: u32,
    pub trailing: u32,
    /// Holds txid, wtxid, block hash, counts.
    pub body: Result<Body, DecodeError>,
}

/// A message as it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub node: String,
    pub peer: SocketAddr,
    /// Frame that opened the connection, counted from 1.
    pub connection: u64,
    pub recv: bool,
    /// Capture times of first and last byte.
    pub times: (i64, i64),
    pub content: Content,
}

/// Everything a run said.
pub struct Run {
    pub messages: Vec<Seen>,
    pub points: Vec<Point>,
    pub report: Report,
}

#[derive(Default)]
struct Recorder {
    messages: Vec<Seen>,
    points: Vec<Point>,
}

impl Output for Recorder {
    fn message(&mut self, seen: &SeenMessage<'_>) {
        let m = seen.message;
        self.messages.push(Seen {
            node: seen.node.to_owned(),
            peer: seen.peer,
            connection: seen.connection.0,
            recv: seen.direction == Direction::Recv,
            times: (m.first.nanos(), seen.at.time.nanos()),
            content: Content {
                offset: m.offset,
                command: m.unknown_name.as_deref().unwrap_or(m.command.name()).to_owned(),
                payload_bytes: m.payload_bytes,
                checksum: m.checksum,
                checksum_valid: m.checksum_valid,
                truncated: m.truncated,
                missing: m.missing,
                trailing: m.trailing,
                body: m.body.clone(),
            },
        });
    }

    fn point(&mut self, point: Point) {
        self.points.push(point);
    }

    fn interval(&mut self, points: Vec<Point>) {
        self.points.extend(points);
    }
}

impl Consumer for Recorder {}

/// The settings of a replay on one thread without options, but for the watched node.
pub fn settings(node: Option<&str>, checksums: Checksums) -> Settings {
    let mut ports: Vec<u16> = Network::NAMED.iter().filter_map(|n| n.default_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Arc<[u16]> = ports.into();
    let nodes = node.iter().map(|n| n.parse().unwrap()).collect();
    Settings {
        ports: Arc::clone(&ports),
        magics: Magics::new(&[]),
        digests: true,
        checksums,
        limits: Limits::default(),
        node: Config { nodes, interval: 10 * SECOND, ports, learn: btcdmon::node::view::LEARN_FILES },
        workers: 0,
        batches: BatchLimits::default(),
        hasher: KeyHasher::fixed(),
    }
}

/// Runs the stages over `packets`.
pub fn run_with(packets: &[Packet], settings: &Settings) -> Run {
    let mut stages = Stages::new(settings, Recorder::default()).unwrap();
    for p in packets {
        let frame = Frame {
            time: Timestamp::from_nanos(p.time),
            link: LinkType(p.link),
            interface: 0,
            wire_len: p.wire_len,
            data: &p.data,
        };
        stages.frame(&frame, Dropped::default());
    }
    let btcdmon::app::stage::Finished { report, out } = stages.finish(Dropped::default()).unwrap();
    let c = &report.capture;
    assert_eq!(c.frames, packets.len() as u64);
    assert_eq!(c.frames_used + c.frames_skipped.values().sum::<u64>(), c.frames, "every frame has one outcome");
    Run { messages: out.messages, points: out.points, report }
}

/// Runs the stages as `btcdmon replay` does without options.
pub fn run(packets: &[Packet]) -> Run {
    run_with(packets, &settings(None, Checksums::Auto))
}

/// Node, peer, which connection between the two, whether to the node.
pub type Direct = (String, SocketAddr, usize, bool);

impl Run {
    /// Messages by connection and direction, in order.
    pub fn directions(&self) -> BTreeMap<Direct, Vec<Content>> {
        let mut ranks: BTreeMap<(String, SocketAddr), Vec<u64>> = BTreeMap::new();
        for m in &self.messages {
            let ids = ranks.entry((m.node.clone(), m.peer)).or_default();
            if let Err(at) = ids.binary_search(&m.connection) {
                ids.insert(at, m.connection);
            }
        }
        let mut all: BTreeMap<Direct, Vec<Content>> = BTreeMap::new();
        for m in &self.messages {
            let rank = ranks[&(m.node.clone(), m.peer)].iter().position(|&c| c == m.connection).unwrap();
            all.entry((m.node.clone(), m.peer, rank, m.recv)).or_default().push(m.content.clone());
        }
        all
    }

    /// A count of the report, 0 when it is not there.
    pub fn trouble(&self, name: &str) -> u64 {
        self.report.capture.message_troubles.get(name).copied().unwrap_or(0)
    }

    /// A TCP anomaly's count.
    pub fn anomaly(&self, name: &str) -> u64 {
        self.report.capture.tcp_anomalies.get(name).copied().unwrap_or(0)
    }
}

/// Fails with the first difference.
pub fn assert_same(what: &str, expected: &BTreeMap<Direct, Vec<Content>>, found: &BTreeMap<Direct, Vec<Content>>) {
    for (direction, messages) in expected {
        let other = found.get(direction).map_or(&[][..], Vec::as_slice);
        for (i, (a, b)) in messages.iter().zip(other).enumerate() {
            assert_eq!(a, b, "{what}: message {i} of {direction:?}");
        }
        let at = messages.len().min(other.len());
        assert!(
            messages.len() == other.len(),
            "{what}: {direction:?} has {} messages instead of {}; first without a partner: {:?} / {:?}",
            other.len(),
            messages.len(),
            messages.get(at),
            other.get(at),
        );
    }
    let more: Vec<_> = found.keys().filter(|k| !expected.contains_key(*k)).collect();
    assert!(more.is_empty(), "{what}: messages in other directions: {more:?}");
}
