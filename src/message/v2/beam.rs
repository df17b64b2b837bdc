//! The most probable readings of a connection so far, and what a further write makes of them.
//!
//! A reading is a [`State`] of the protocol and the chain of messages that led
//! to it. Every end of a segment may end a message; each reading goes on with
//! every message that the bytes may be, and the best [`READINGS`] of them all
//! are kept (a beam search over what Viterbi's algorithm would search whole:
//! the state has too many values for a table). Readings that come to the same
//! state are one.

use super::counts::Owe;
use super::kind::Kind;
use super::model::Model;
use super::size::{self, FIXED};
use super::state::{Stage, State, Tick, UNSURE};
use crate::flow::{PacketIndex, Side};
use crate::time::Timestamp;

/// Readings kept.
pub const READINGS: usize = 8;
/// A reading this much less probable than the best (natural logarithm) is dropped.
const BEHIND: f32 = 14.0;
/// Messages that wait for a decision, over all readings; what is older is decided when there are more.
pub const NODES: usize = 56;
/// Places for them that are kept.
const MOST: usize = 64;
/// Log probability, beyond its length, of bytes that no message explains.
const UNKNOWN: f32 = -12.0;
/// The same in a gap.
const LOST: f32 = -3.0;
/// Log probability that one write holds several messages, for each further one.
const JOINED: f32 = -2.5;
/// Log probability that a message goes on after PSH.
const MIDDLE: f32 = -20.0;
/// An explanation worse than this, against random lengths, has other ways looked for.
const POOR: f32 = -4.0;
/// Messages of one write at most.
const TILES: usize = 8;
/// Steps of the search for several messages in one write.
const SEARCH: usize = 400;
/// Longest write that is taken for several short messages.
const LONGEST_JOINED: u32 = 2000;
/// Bytes before the first message: key (BIP 324), garbage, terminator and version packet.
const LONGEST_PREAMBLE: u32 = 64 + 4095 + 16 + 20;

/// No node.
pub const NONE: u16 = u16::MAX;

/// A message in the chain of a reading.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The message before, or [`NONE`].
    pub parent: u16,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub side: Side,
    /// Its end was not captured.
    pub lost: bool,
    /// Its bytes.
    pub len: u32,
    /// Its entries.
    pub entries: u32,
    /// Its stream offset.
    pub offset: u64,
    /// When its last byte was captured.
    pub time: Timestamp,
    /// In which frame.
    pub index: PacketIndex,
    /// How much more probable it is than random lengths (natural logarithm).
    pub gain: f32,
}

/// One reading.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Where it thinks the protocol stands.
    pub state: State,
    /// Its log probability, the best one's being 0.
    pub score: f32,
    /// Its newest message.
    pub node: u16,
}

/// What is known of one segment.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// Who sent it.
    pub side: Side,
    /// Stream offset after its last byte.
    pub end: u64,
    /// Bytes.
    pub len: u32,
    /// When it was captured.
    pub time: Timestamp,
    /// The same in the unit of [`State`].
    pub now: Tick,
    /// In which frame.
    pub index: PacketIndex,
    /// Log probability that no message ends here, and that one does; none: it is not considered.
    pub ends: (Option<f32>, Option<f32>),
    /// It is a gap: nothing was captured.
    pub lost: bool,
}

/// How improbable a length is when nothing is known of it: even over the logarithm of the length.
pub fn noise(len: u32) -> f32 {
    (len.max(1) as f32).ln() + 2.4
}

/// A way to go on.
#[derive(Clone, Copy)]
struct Way {
    state: State,
    score: f32,
    /// Score of the reading it comes from.
    start: f32,
    /// Place of that reading.
    from: u16,
    tiles: [(Kind, u32, u32); TILES],
    count: u8,
}

/// Working memory, shared by the connections of a partition.
#[derive(Default)]
pub struct Scratch {
    ways: Vec<Way>,
    stack: Vec<(Way, u32)>,
    marks: Vec<u16>,
    pub(super) path: Vec<u16>,
}

impl Scratch {
    fn push(&mut self, way: &Way) {
        if let Some(same) = self.ways.iter_mut().find(|w| w.state == way.state && w.count == way.count) {
            if way.score > same.score {
                *same = *way;
            }
            return;
        }
        self.ways.push(*way);
    }

    fn best(&self) -> f32 {
        self.ways.iter().map(|w| w.score).fold(f32::NEG_INFINITY, f32::max)
    }
}

/// The readings of one connection.
pub struct Beam {
    /// Best first.
    pub readings: Vec<Reading>,
    /// Their messages.
    pub nodes: Vec<Node>,
}

impl Beam {
    /// One reading: nothing happened yet.
    pub fn new(from_start: bool) -> Self {
        Self { readings: vec![Reading { state: State::new(from_start), score: 0.0, node: NONE }], nodes: Vec::new() }
    }

    /// Memory of the readings and their messages, bytes.
    pub fn allocated(&self) -> usize {
        self.readings.capacity() * size_of::<Reading>() + self.nodes.capacity() * size_of::<Node>()
    }

    /// Takes a write; returns how much more probable the best reading became than random lengths.
    pub fn write(&mut self, model: &Model, scratch: &mut Scratch, w: &Write) -> f32 {
        scratch.ways.clear();
        for i in 0..self.readings.len() {
            self.go_on(model, scratch, w, i);
        }
        let best = scratch.best();
        scratch.ways.retain(|way| way.score > best - BEHIND);
        scratch.ways.sort_by(|a, b| b.score.total_cmp(&a.score));
        scratch.ways.truncate(READINGS);
        let mut readings = std::mem::take(&mut self.readings);
        let parents: [u16; READINGS] = std::array::from_fn(|i| readings.get(i).map_or(NONE, |r| r.node));
        readings.clear();
        let mut gain = 0.0;
        for (rank, way) in scratch.ways.iter().enumerate() {
            let mut node = parents[way.from as usize];
            let tiles = &way.tiles[..usize::from(way.count)];
            let mut rest: u32 = tiles.iter().map(|t| t.1).sum();
            let better = way.score - way.start + tiles.iter().map(|t| noise(t.1)).sum::<f32>();
            // While a message goes on nothing is learnt of it.
            if rank == 0 && !tiles.is_empty() {
                gain = better + way.start;
            }
            for (kind, len, entries) in tiles {
                let this = Node {
                    parent: node,
                    kind: *kind,
                    side: w.side,
                    lost: w.lost,
                    len: *len,
                    entries: *entries,
                    offset: w.end.saturating_sub(u64::from(rest)),
                    time: w.time,
                    index: w.index,
                    gain: better,
                };
                rest -= len;
                // Key, garbage and so on are no messages.
                if *kind != Kind::Start {
                    node = self.nodes.len() as u16;
                    self.nodes.push(this);
                }
            }
            readings.push(Reading { state: way.state, score: way.score - best, node });
        }
        self.readings = readings;
        gain
    }

    /// All ways on from reading `i`.
    fn go_on(&mut self, model: &Model, scratch: &mut Scratch, w: &Write, i: usize) {
        let mut reading = self.readings[i];
        reading.score += reading.state.expire(w.now);
        let end = &reading.state.ends[w.side as usize];
        let total = end.pending.saturating_add(w.len);
        let base = Way {
            state: reading.state,
            score: reading.score,
            start: self.readings[i].score,
            from: i as u16,
            tiles: [(Kind::Unknown, 0, 0); TILES],
            count: 0,
        };
        if let Some(p) = w.ends.0 {
            let mut way = base;
            way.state.ends[w.side as usize].pending = total;
            way.score += p;
            scratch.push(&way);
        }
        let Some(p) = w.ends.1 else { return };
        let base = Way { score: base.score + p, ..base };
        if end.stage == Stage::Key {
            return preamble(model, scratch, w, &base, total);
        }
        let unknown = if w.lost { LOST } else { UNKNOWN };
        let mut best = base.score + unknown - noise(total);
        let threshold = best;
        let found = scratch.ways.len();
        let mut list = [(Kind::Unknown, 0); 16];
        let mut n = 0;
        size::candidates(total, |kind, entries| {
            if n < list.len() {
                list[n] = (kind, entries);
                n += 1;
            }
        });
        for &(kind, entries) in &list[..n] {
            let p = base.score + base.state.score(model, w.side, kind, (total, entries), w.now);
            if p > best - BEHIND && p > threshold - 2.0 {
                best = best.max(p);
                scratch.push(&told(&base, w, p, kind, (total, entries)));
            }
        }
        let poor = best - base.score + noise(total) < POOR;
        if poor {
            if total <= LONGEST_JOINED {
                several(model, scratch, w, &base, total, best);
            }
            let mut way = told(&base, w, threshold, Kind::Unknown, (total, 0));
            if w.lost {
                way.state.unsure = w.now + UNSURE;
            }
            scratch.push(&way);
            if w.ends.0.is_none() && scratch.ways.len() > found {
                // Perhaps the message goes on after all.
                let mut way = base;
                way.state.ends[w.side as usize].pending = total;
                way.score += MIDDLE;
                scratch.push(&way);
            }
        }
    }

    /// Marks the readings' messages; returns the newest one that all share.
    pub fn common(&self, scratch: &mut Scratch) -> u16 {
        let all = self.readings.len() as u16;
        scratch.marks.clear();
        scratch.marks.resize(self.nodes.len(), 0);
        for r in &self.readings {
            self.chain(r.node).for_each(|n| scratch.marks[n as usize] += 1);
        }
        self.readings
            .first()
            .and_then(|r| self.chain(r.node).find(|n| scratch.marks[*n as usize] == all))
            .unwrap_or(NONE)
    }

    /// The messages that led to `node`, newest first.
    pub fn chain(&self, node: u16) -> impl Iterator<Item = u16> {
        std::iter::successors(Some(node), |n| self.nodes.get(*n as usize).map(|n| n.parent)).take_while(|n| *n != NONE)
    }

    /// Share of the readings that have `node`, by probability.
    pub fn share(&self, node: u16) -> f32 {
        let (mut with, mut all) = (0.0, 0.0);
        for r in &self.readings {
            let p = r.score.exp();
            all += p;
            if self.chain(r.node).any(|n| n == node) {
                with += p;
            }
        }
        if all > 0.0 { with / all } else { 0.0 }
    }

    /// Drops the readings that do not have `node`.
    pub fn decide(&mut self, node: u16) {
        let keep: Vec<bool> = self.readings.iter().map(|r| self.chain(r.node).any(|n| n == node)).collect();
        let mut keep = keep.into_iter();
        self.readings.retain(|_| keep.next().unwrap_or(false));
    }

    /// Forgets the messages up to `node`, and those of no reading.
    pub fn forget(&mut self, scratch: &mut Scratch, node: u16) {
        scratch.marks.clear();
        scratch.marks.resize(self.nodes.len(), NONE);
        for r in &self.readings {
            for n in self.chain(r.node).take_while(|n| *n != node) {
                scratch.marks[n as usize] = 0;
            }
        }
        for (next, m) in scratch.marks.iter_mut().filter(|m| **m == 0).enumerate() {
            *m = next as u16;
        }
        let place = |n: u16| scratch.marks.get(n as usize).copied().unwrap_or(NONE);
        for r in &mut self.readings {
            r.node = place(r.node);
        }
        for n in &mut self.nodes {
            n.parent = place(n.parent);
        }
        let mut i = 0;
        self.nodes.retain(|_| {
            i += 1;
            scratch.marks[i - 1] != NONE
        });
        if self.nodes.is_empty() && self.nodes.capacity() > 16 {
            self.nodes = Vec::new(); // an idle connection keeps little memory
        } else if self.nodes.capacity() > MOST {
            self.nodes.shrink_to(MOST);
        }
    }
}

/// `base` after one more message.
fn told(base: &Way, w: &Write, score: f32, kind: Kind, (len, n): (u32, u32)) -> Way {
    let mut way = Way { score, ..*base };
    way.state.apply(w.side, kind, (len, n), w.now);
    if let Some(tile) = way.tiles.get_mut(usize::from(way.count)) {
        *tile = (kind, len, n);
        way.count += 1;
    }
    way
}

/// A write before the first message: key, garbage, terminator, version packet; or `version`, with or without the last
/// two before it.
fn preamble(model: &Model, scratch: &mut Scratch, w: &Write, base: &Way, total: u32) {
    let before = base.state.ends[w.side as usize].preamble;
    if before + total <= LONGEST_PREAMBLE {
        let mut way = *base;
        let end = &mut way.state.ends[w.side as usize];
        end.preamble += total;
        end.pending = 0;
        way.tiles[0] = (Kind::Start, total, 0);
        way.count = 1;
        way.score += -0.7 - noise(total);
        scratch.push(&way);
    }
    for ahead in [0, 36] {
        let len = total.saturating_sub(ahead);
        let complete = before + ahead >= 100 && before >= 64 && before + ahead <= LONGEST_PREAMBLE;
        if complete && size::VERSION.contains(&len) {
            let p = base.state.score(model, w.side, Kind::Version, (len, 1), w.now) - 0.7;
            scratch.push(&told(base, w, base.score + p, Kind::Version, (len, 1)));
        }
    }
}

/// A write that holds several messages: those of a fixed length first, and one of any kind.
fn several(model: &Model, scratch: &mut Scratch, w: &Write, base: &Way, total: u32, mut best: f32) {
    scratch.stack.clear();
    scratch.stack.push((*base, total));
    let mut steps = 0;
    while let Some((way, rest)) = scratch.stack.pop() {
        steps += 1;
        if steps > SEARCH {
            break;
        }
        if way.count > 0 {
            size::candidates(rest, |kind, n| {
                let p = way.score + JOINED + way.state.score(model, w.side, kind, (rest, n), w.now);
                if p > best - 6.0 {
                    best = best.max(p);
                    let next = told(&way, w, p, kind, (rest, n));
                    scratch.ways.push(next);
                }
            });
        }
        if usize::from(way.count) + 1 >= TILES {
            continue;
        }
        for (len, kinds) in FIXED.iter().filter(|f| f.0 + 21 <= rest) {
            for kind in *kinds {
                let mut n = 1;
                size::candidates(*len, |k, entries| n = if k == *kind { entries } else { n });
                let p = way.score + JOINED + way.state.score(model, w.side, *kind, (*len, n), w.now);
                if p > best {
                    scratch.stack.push((told(&way, w, p, *kind, (*len, n)), rest - len));
                }
            }
        }
    }
}

/// What a side owes in the best reading, for tests.
impl Reading {
    /// What `side` owes first.
    pub fn owes(&self, side: Side) -> Owe {
        self.state.ends[side as usize].owes()
    }
}
