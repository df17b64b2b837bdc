//! The most probable readings of a connection so far, and what a further write makes of them.
//!
//! A reading is a [`State`] of the protocol and the chain of messages that led
//! to it. Every end of a segment may end a message; each reading goes on with
//! every message that the bytes may be, and the best [`READINGS`] of them all
//! are kept (a beam search over what Viterbi's algorithm would search whole:
//! the state has too many values for a table). Readings that come to the same
//! state are one.

use super::Estimate;
use super::kind::Kind;
use super::model::Model;
use super::state::{State, Tick};
use super::ways::{BEHIND, Search, Tile, Ways, Write, go_on, go_on_jointly, walk};
use crate::flow::{PacketIndex, Side};
use crate::time::Timestamp;

/// Readings kept.
pub const READINGS: usize = 8;
/// A second that passes makes the others so much less probable than the best: what is not confirmed by then was wrong.
const FADING: f32 = 1.0;
/// The same of each write: what lasts through many is seldom right, and each costs time.
const TIRED: f32 = 0.1;
/// Messages that wait for a decision, over all readings; what is older is decided when there are more.
pub const NODES: usize = 56;
/// Places for messages that an idle connection keeps, and by which more are made.
const FEW: usize = 8;
/// The same for readings.
const FEW_READINGS: usize = 2;

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

/// Working memory, shared by the connections of a partition.
#[derive(Default)]
pub struct Scratch {
    ways: Ways,
    search: Search,
    /// What a write that can only be read in one way has decided at once.
    pub decided: Vec<Node>,
    /// The messages that were decided of a connection that is believed: who reads it takes them from here, before the next
    /// connection is read.
    pub told: Vec<Estimate>,
    /// Where the connection that is read has its readings and messages meanwhile ([`Beam::take_room`]).
    beam: Beam,
    readings: Vec<Reading>,
    /// By message, the readings that have it, a bit each.
    masks: Vec<u8>,
    /// By message, its place when others are forgotten.
    places: Vec<u16>,
    path: Vec<u16>,
}

const _: () = assert!(READINGS <= 8, "a bit of `Scratch::masks` each");

/// The readings of one connection.
#[derive(Default)]
pub struct Beam {
    /// Best first.
    pub readings: Vec<Reading>,
    /// Their messages.
    pub nodes: Vec<Node>,
}

impl Beam {
    /// One reading: nothing happened yet.
    pub fn new(caller: Option<Side>) -> Self {
        let mut readings = Vec::with_capacity(FEW_READINGS);
        readings.push(Reading { state: State::new(caller), score: 0.0, node: NONE });
        Self { readings, nodes: Vec::new() }
    }

    /// Has its contents in a room of all connections, where there is space for more and which is at hand; returns its own
    /// place, for [`Beam::leave_room`].
    #[must_use]
    pub fn take_room(&mut self, scratch: &mut Scratch) -> Self {
        let mut room = std::mem::take(&mut scratch.beam);
        room.readings.clear();
        room.readings.extend_from_slice(&self.readings);
        room.nodes.clear();
        room.nodes.extend_from_slice(&self.nodes);
        std::mem::replace(self, room)
    }

    /// Has its contents in its `own` place again, which is made as large as it needs to be.
    pub fn leave_room(&mut self, scratch: &mut Scratch, mut own: Self) {
        fit(&mut own.readings, self.readings.len(), FEW_READINGS);
        own.readings.extend_from_slice(&self.readings);
        fit(&mut own.nodes, self.nodes.len(), FEW);
        own.nodes.extend_from_slice(&self.nodes);
        scratch.beam = std::mem::replace(self, own);
    }

    /// Looks at the best readings and the messages, so that they are at hand; what is told means nothing.
    #[inline]
    pub fn look(&self) -> u32 {
        let readings = self.readings.iter().take(4).fold(0, |a, r| a ^ r.state.look() ^ u32::from(r.node));
        self.nodes.iter().take(2 * FEW).fold(readings, |a, n| a ^ n.len)
    }

    /// Memory of the readings and their messages, bytes.
    pub fn allocated(&self) -> usize {
        self.readings.capacity() * size_of::<Reading>() + self.nodes.capacity() * size_of::<Node>()
    }

    /// Takes a write; returns how much more probable the best reading became than random lengths. Messages that wait for no
    /// decision, since there is one reading only, are in [`Scratch::decided`].
    pub fn write(&mut self, model: &Model, scratch: &mut Scratch, w: &Write) -> f32 {
        let Scratch { ways, search, readings: room, decided, .. } = scratch;
        decided.clear();
        if w.ends.1.is_none() {
            self.pass(w);
            return 0.0;
        }
        ways.clear();
        search.clear();
        let mut starts = [0.0; READINGS];
        for (i, reading) in self.readings.iter_mut().enumerate() {
            starts[i] = reading.score;
            reading.score += reading.state.expire(w.now);
            go_on(model, (&mut *ways, &mut *search), w, (i as u8, &reading.state, reading.score));
        }
        if let Some(best) = self.readings.first() {
            go_on_jointly(model, (&mut *ways, &mut *search), w, &best.state);
        }
        ways.rank();
        let Some(best) = ways.best() else { return 0.0 };
        if let ([reading], [way]) = (&mut self.readings[..], ways.all()) {
            // One way only: nothing needs to be copied.
            let tiles = ways.tiles(way);
            walk(&mut reading.state, w, tiles);
            let gain = way.gain(starts[0]);
            if self.nodes.is_empty() {
                // The most frequent case.
                grow(decided, w, NONE, tiles, gain);
            } else {
                reading.node = grow(&mut self.nodes, w, reading.node, tiles, gain);
            }
            reading.score = 0.0;
        } else {
            self.choose(ways, room, w, &starts);
        }
        // While a message goes on nothing is learnt of it.
        if best.count == 0 { 0.0 } else { best.gain(0.0) }
    }

    /// Takes a write with which no message ends: the only way on from each reading.
    fn pass(&mut self, w: &Write) {
        for r in &mut self.readings {
            r.score += r.state.expire(w.now);
            walk(&mut r.state, w, &[]);
        }
        self.rank(TIRED);
    }

    /// Has the best reading first, with the score 0; the others are less probable by `fading`, and dropped when they are far
    /// behind.
    fn rank(&mut self, fading: f32) {
        if let [best] = &mut self.readings[..] {
            best.score = 0.0;
            return;
        }
        self.readings.sort_by(|a, b| b.score.total_cmp(&a.score));
        let best = self.readings.first().map_or(0.0, |r| r.score);
        for (i, r) in self.readings.iter_mut().enumerate() {
            r.score -= best + if i > 0 { fading } else { 0.0 };
        }
        self.readings.retain(|r| r.score > -BEHIND);
    }

    /// Goes the best ways. Those that come to the same state are one.
    fn choose(&mut self, ways: &Ways, room: &mut Vec<Reading>, w: &Write, starts: &[f32; READINGS]) {
        let best = ways.best().map_or(0.0, |b| b.score);
        if ways.are_one_each() {
            return self.choose_in_place(ways, room, w, (starts, best));
        }
        room.clear();
        room.reserve_exact(READINGS);
        for way in ways.all() {
            if room.len() == READINGS {
                break;
            }
            let from = usize::from(way.from);
            let tiles = ways.tiles(way);
            let place = room.len();
            // Not pushed, which would copy it twice.
            room.extend_from_slice(&self.readings[from..=from]);
            let (before, new) = room.split_at_mut(place);
            let [new] = new else { break };
            walk(&mut new.state, w, tiles);
            if before.iter().any(|r| r.state.is(&new.state)) {
                room.truncate(place);
                continue;
            }
            new.node = grow(&mut self.nodes, w, new.node, tiles, way.gain(starts[from]));
            new.score = way.score - best - if way.score < best { TIRED } else { 0.0 };
        }
        // What the connection had is room for the next one: nothing is copied back or allocated.
        std::mem::swap(&mut self.readings, room);
    }

    /// The same with one way from each reading: they need no copy, unless their order changes.
    fn choose_in_place(
        &mut self,
        ways: &Ways,
        room: &mut Vec<Reading>,
        w: &Write,
        (starts, best): (&[f32; READINGS], f32),
    ) {
        let mut kept = [0; READINGS];
        let mut n = 0;
        for way in ways.all() {
            let from = usize::from(way.from);
            let tiles = ways.tiles(way);
            walk(&mut self.readings[from].state, w, tiles);
            let state = &self.readings[from].state;
            if kept[..n].iter().any(|k| self.readings[*k].state.is(state)) {
                continue;
            }
            kept[n] = from;
            n += 1;
            let reading = &mut self.readings[from];
            reading.node = grow(&mut self.nodes, w, reading.node, tiles, way.gain(starts[from]));
            reading.score = way.score - best - if way.score < best { TIRED } else { 0.0 };
        }
        if kept[..n].iter().enumerate().all(|(i, k)| i == *k) {
            return self.readings.truncate(n);
        }
        room.clear();
        room.reserve_exact(READINGS);
        room.extend(kept[..n].iter().map(|k| self.readings[*k]));
        std::mem::swap(&mut self.readings, room);
    }

    /// A second has passed: what was not answered, and what was not confirmed, is less probable.
    pub fn second(&mut self, now: Tick) {
        for r in &mut self.readings {
            r.score += r.state.expire(now);
        }
        self.rank(FADING);
    }

    /// Marks by which readings each message is had; returns the newest one that all share.
    pub fn common(&self, scratch: &mut Scratch) -> u16 {
        let Some(first) = self.readings.first() else { return NONE };
        self.mark(scratch);
        let all = 0xff_u8 >> (8 - self.readings.len());
        self.chain(first.node).find(|n| scratch.masks[usize::from(*n)] == all).unwrap_or(NONE)
    }

    fn mark(&self, scratch: &mut Scratch) {
        scratch.masks.clear();
        scratch.masks.resize(self.nodes.len(), 0);
        for (i, r) in self.readings.iter().enumerate() {
            self.chain(r.node).for_each(|n| scratch.masks[usize::from(n)] |= 1 << i);
        }
    }

    /// The messages that led to `node`, newest first.
    pub fn chain(&self, node: u16) -> impl Iterator<Item = u16> {
        std::iter::successors(Some(node), |n| self.nodes.get(*n as usize).map(|n| n.parent)).take_while(|n| *n != NONE)
    }

    /// The messages up to `node`, oldest first, each with the share of the readings that have it, by probability.
    /// Those readings that do not have `node` are dropped, and so are these messages.
    pub fn decide(&mut self, scratch: &mut Scratch, node: u16, mut tell: impl FnMut(&Node, f32)) {
        if let [reading] = &mut self.readings[..]
            && reading.node == node
        {
            // One reading, all of it: the most frequent case.
            reading.node = NONE;
            scratch.path.clear();
            scratch.path.extend(self.chain(node));
            scratch.path.iter().rev().for_each(|n| tell(&self.nodes[usize::from(*n)], 1.0));
            return self.nodes.clear();
        }
        self.mark(scratch);
        let weights: [f32; READINGS] = std::array::from_fn(|i| self.readings.get(i).map_or(0.0, |r| r.score.exp()));
        let all: f32 = weights.iter().sum();
        scratch.path.clear();
        scratch.path.extend(self.chain(node));
        for n in scratch.path.iter().rev() {
            let mask = scratch.masks[usize::from(*n)];
            let with: f32 = weights.iter().enumerate().map(|(i, w)| if mask >> i & 1 == 1 { *w } else { 0.0 }).sum();
            tell(&self.nodes[usize::from(*n)], if all > 0.0 { with / all } else { 0.0 });
        }
        let mask = scratch.masks.get(usize::from(node)).copied().unwrap_or(0);
        let mut i = 0;
        self.readings.retain(|_| {
            i += 1;
            mask >> (i - 1) & 1 == 1
        });
        self.forget(scratch, node);
    }

    /// Forgets the messages up to `node`, and those of no reading.
    fn forget(&mut self, scratch: &mut Scratch, node: u16) {
        scratch.places.clear();
        scratch.places.resize(self.nodes.len(), NONE);
        for r in &self.readings {
            for n in self.chain(r.node).take_while(|n| *n != node) {
                scratch.places[usize::from(n)] = 0;
            }
        }
        for (next, m) in scratch.places.iter_mut().filter(|m| **m == 0).enumerate() {
            *m = next as u16;
        }
        let place = |n: u16| scratch.places.get(usize::from(n)).copied().unwrap_or(NONE);
        for r in &mut self.readings {
            r.node = place(r.node);
        }
        for n in &mut self.nodes {
            n.parent = place(n.parent);
        }
        let mut i = 0;
        self.nodes.retain(|_| {
            i += 1;
            scratch.places[i - 1] != NONE
        });
    }

    /// Its messages take more memory than an idle connection has.
    pub fn is_long(&self) -> bool {
        self.nodes.len() > FEW
    }
}

/// Makes room for `n` in a vector, by multiples of `few`, and empties it. Hardly more is kept, so that what thousands of
/// connections have is close together.
fn fit<T>(own: &mut Vec<T>, n: usize, few: usize) {
    own.clear();
    let room = n.next_multiple_of(few);
    if own.capacity() < n || own.capacity() > room.max(few) + few {
        *own = Vec::with_capacity(room);
    }
}

/// Makes `tiles` the newest messages after `node`; returns the last.
fn grow(nodes: &mut Vec<Node>, w: &Write, mut node: u16, tiles: &[Tile], gain: f32) -> u16 {
    let mut rest: u32 = tiles.iter().map(|t| t.len).sum();
    for Tile { kind, len, entries } in tiles {
        let offset = w.end.saturating_sub(u64::from(rest));
        rest -= len;
        // Key, garbage and so on are no messages.
        if *kind != Kind::Start {
            let Write { side, lost, time, index, .. } = *w;
            nodes.push(Node {
                parent: node,
                kind: *kind,
                side,
                lost,
                len: *len,
                entries: *entries,
                offset,
                time,
                index,
                gain,
            });
            node = (nodes.len() - 1) as u16;
        }
    }
    node
}
