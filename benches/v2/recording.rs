//! A recording with its truth: segments of encrypted connections, and the messages they are known to carry.

use anyhow::{Context as _, Result};
use btcdmon::capture::{Options, PacketSource as _, Replay};
use btcdmon::decode::Decoder;
use btcdmon::flow::key::KeyHasher;
use btcdmon::flow::{
    Action, At, Checksums, Chunk, CloseReason, Config, Conversation, DirectionStats, FlowKey, Gap, Limits, PacketIndex,
    Partition, Side, Span, StreamHandler,
};
use btcdmon::message::command::{COMMANDS, Command};
use btcdmon::message::transport::{Magics, Prefix, prefix};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::Path;

/// A message that is known to have been sent.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub command: Command,
    pub offset: u64,
    pub len: u32,
    /// When the node logged it, ns since 1970.
    #[allow(dead_code, reason = "only the tests look at it")]
    pub logged: i64,
}

/// What a segment was, or what was missing.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    Span(Span),
    Gap(Gap),
}

/// One encrypted connection.
pub struct Stream {
    pub conversation: Conversation,
    pub seen: Vec<(At, Side, Seen)>,
    /// By sender; empty when nothing is known.
    pub truth: [Vec<Known>; 2],
}

pub struct Recording {
    pub name: String,
    pub streams: Vec<Stream>,
}

/// One line of `messages.jsonl.gz`.
#[derive(Deserialize)]
struct Line {
    peer: String,
    dir: String,
    command: String,
    len: u32,
    t_us: i64,
}

#[derive(Default)]
struct Collector {
    streams: Vec<Stream>,
}

impl StreamHandler for Collector {
    type Stream = usize;

    fn open(&mut self, _: At, c: &Conversation) -> usize {
        self.streams.push(Stream { conversation: *c, seen: Vec::new(), truth: Default::default() });
        self.streams.len() - 1
    }

    fn established(&mut self, _: At, _: &Conversation, _: &mut usize) {}

    fn data(&mut self, at: At, _: &Conversation, s: &mut usize, side: Side, chunk: Chunk<'_>) -> Action {
        if let Prefix::V1(_) | Prefix::Foreign = prefix(chunk.bytes, &Magics::new(&[])) {
            return Action::Count;
        }
        let Chunk { offset, bytes, time, starts_segment, pushed } = chunk;
        let span = Span { offset, len: bytes.len() as u64, time, starts_segment, pushed };
        self.measured(at, &self.streams[*s].conversation.clone(), s, side, span)
    }

    fn measured(&mut self, at: At, _: &Conversation, s: &mut usize, side: Side, span: Span) -> Action {
        self.streams[*s].seen.push((at, side, Seen::Span(span)));
        Action::Measure
    }

    fn gap(&mut self, at: At, _: &Conversation, s: &mut usize, side: Side, gap: Gap) -> Action {
        self.streams[*s].seen.push((at, side, Seen::Gap(gap)));
        Action::Measure
    }

    fn half_closed(&mut self, _: At, _: &Conversation, _: &mut usize, _: Side) {}
    fn closed(&mut self, _: At, _: &Conversation, _: &mut usize, _: CloseReason) {}
    fn revived(&mut self, _: At, _: &Conversation, _: &mut usize) {}
    fn progress(&mut self, _: At, _: &Conversation, _: &mut usize, _: &[DirectionStats; 2]) {}
}

impl Recording {
    /// Reads `folder`: `capture.pcap.zst` and `messages.jsonl.gz`, as seen from the node at `node`.
    pub fn read(folder: &Path, node: &[IpAddr]) -> Result<Self> {
        let mut streams = streams(&folder.join("capture.pcap.zst"))?;
        let truth = truth(&folder.join("messages.jsonl.gz"))?;
        for s in &mut streams {
            let Some(side) = s.conversation.initiator_or_other(node) else { continue };
            let peer = plain(&s.conversation.endpoints[side.other() as usize].to_string());
            for (dir, sender) in [("recv", side.other()), ("sent", side)] {
                let Some(known) = truth.get(&(peer.clone(), dir.to_owned())) else { continue };
                let ends = s.seen.iter().filter(|x| x.1 == sender).map(|x| match x.2 {
                    Seen::Span(p) => p.offset + p.len,
                    Seen::Gap(g) => g.offset + g.len,
                });
                let total: u64 = known.iter().map(|k| u64::from(k.1)).sum();
                let Some(mut offset) = ends.max().and_then(|end| end.checked_sub(total)) else { continue };
                for (command, len, logged) in known {
                    let (command, len, logged) = (*command, *len, *logged);
                    s.truth[sender as usize].push(Known { command, offset, len, logged });
                    offset += u64::from(len);
                }
            }
        }
        streams.retain(|s| s.truth.iter().any(|t| !t.is_empty()) && !s.seen.is_empty());
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, streams })
    }
}

/// Which end is the node.
pub trait NodeSide {
    fn initiator_or_other(&self, node: &[IpAddr]) -> Option<Side>;
}

impl NodeSide for Conversation {
    fn initiator_or_other(&self, node: &[IpAddr]) -> Option<Side> {
        Side::BOTH.into_iter().find(|s| node.contains(&self.endpoints[*s as usize].ip()))
    }
}

fn streams(path: &Path) -> Result<Vec<Stream>> {
    let config = Config {
        limits: Limits::default(),
        checksums: Checksums::Auto,
        service_ports: [8333, 18_333, 18_444, 38_333].into(),
    };
    let mut partition = Partition::new(Collector::default(), config);
    let hasher = KeyHasher::fixed();
    let mut decoder = Decoder::default();
    let mut source = Replay::open(&[path.to_owned()], Options::default())
        .with_context(|| format!("cannot open {}", path.display()))?;
    let (mut index, mut ticked) = (0, None);
    let mut last = At::default();
    while let Some(frame) = source.next_frame()? {
        index += 1;
        let at = At { index: PacketIndex(index), time: frame.time };
        let tick = *ticked.get_or_insert(frame.time);
        if frame.time.since(tick) >= btcdmon::time::SECOND {
            partition.tick(at);
            ticked = Some(frame.time);
        }
        last = at;
        let Ok(segment) = decoder.decode(&frame) else { continue };
        let (key, side) = FlowKey::of(&segment);
        partition.segment(at, hasher.hash(&key), &key, side, &segment);
    }
    partition.finish(last);
    Ok(partition.handler.streams)
}

type Truth = HashMap<(String, String), Vec<(Command, u32, i64)>>;

fn truth(path: &Path) -> Result<Truth> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let names: BTreeMap<&str, Command> =
        COMMANDS.iter().filter_map(|c| Some((c.name, Command::from_name(c.name)?))).collect();
    let mut truth = Truth::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
        let line: Line = serde_json::from_str(&line?)?;
        let Some(command) = names.get(line.command.as_str()) else { continue };
        let has_short = command.spec().is_some_and(|s| s.v2_type.is_some());
        let len = 20 + if has_short { 1 } else { 13 } + line.len;
        truth.entry((plain(&line.peer), line.dir)).or_default().push((*command, len, line.t_us * 1000));
    }
    Ok(truth)
}

/// An address without its punctuation: each program writes it in its own way.
fn plain(peer: &str) -> String {
    peer.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}
