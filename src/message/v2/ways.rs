//! What a write may be: all ways on from a reading, each with how probable it is.
//!
//! A way is not gone before it is chosen ([`super::beam`]): most are not worth
//! the copy of a state.

use super::kind::Kind;
use super::model::{Choice, Model, Possible, Room, below, larger, value};
use super::situation::Situation;
use super::size;
use super::state::{Stage, State, Tick, UNSURE};
use crate::flow::{PacketIndex, Side};
use crate::time::Timestamp;

/// A way this much less probable than the best (natural logarithm) is not gone.
pub const BEHIND: f32 = 7.5;
/// A way this much less probable than another from the same reading is not gone: what is improbable already when it is read
/// is less likely to be right than what has become improbable.
const WORSE: f32 = 6.0;
/// Log probability, beyond its length, of bytes that no message explains.
const UNKNOWN: f32 = -12.0;
/// The same in a gap.
const LOST: f32 = -3.0;
/// Log probability that one write holds several messages, for each further one.
const JOINED: f32 = -2.5;
/// Log probability that a message goes on after PSH.
const MIDDLE: f32 = -20.0;
/// An explanation worse than this, against random lengths, has other ways looked for.
const POOR: f32 = -6.0;
/// A way of several messages this much worse than the best so far is left out.
const NOT_MUCH: f32 = 6.0;
/// Messages of one write at most.
const TILES: usize = 8;
/// Steps of the search for several messages in one write.
const SEARCH: usize = 8;
/// The same before the handshake is complete: what it consists of is short and may be written together.
const SEARCH_HANDSHAKE: usize = 64;
/// Longest write that is taken for several short messages.
const LONGEST_JOINED: u32 = 2000;
/// Garbage terminator and version packet (BIP 324).
const VERSION_PACKET: u32 = TERMINATOR + size::PACKET;
/// Garbage terminator.
const TERMINATOR: u32 = 16;
/// Bytes before the first message: key, garbage, terminator and version packet.
const LONGEST_PREAMBLE: u32 = 64 + 4095 + VERSION_PACKET;
/// Log probability that a write before the first message is as usual: key and garbage, and perhaps what follows them;
/// terminator and version packet, which btcd writes one after the other; `version`.
const AS_USUAL: f32 = -0.7;
/// The same of key and garbage in several writes.
const IN_PARTS: f32 = -6.0;

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

/// A message, or bytes that are none: what they are, how many, how many entries.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// What; [`Kind::Start`] for key, garbage and so on.
    pub kind: Kind,
    /// Bytes.
    pub len: u32,
    /// Entries.
    pub entries: u32,
}

/// A way to go on from a reading, not gone yet: most are not worth the copy of its state.
#[derive(Clone, Copy)]
pub struct Way {
    /// Its log probability.
    pub score: f32,
    /// How improbable its lengths are when nothing is known of them ([`Model::noise`]).
    noise: f32,
    /// From this one on of [`Ways::tiles`].
    tiles: u16,
    /// Messages that end with the write; none while one goes on.
    pub count: u8,
    /// Place of the reading.
    pub from: u8,
}

impl Way {
    /// How much more probable it is than random lengths, from a reading with the score `start`.
    #[inline]
    pub fn gain(&self, start: f32) -> f32 {
        self.score - start + self.noise
    }
}

/// A way of several messages, half gone.
#[derive(Clone, Copy)]
struct Part {
    score: f32,
    rest: u32,
    /// Places of its messages in [`Model::fixed`].
    tiles: [u8; TILES - 1],
    count: u8,
}

/// The ways on from all readings.
#[derive(Default)]
pub struct Ways {
    all: Vec<Way>,
    /// The best of their scores.
    best: f32,
    tiles: Vec<Tile>,
}

/// A write that the reading in the first place explains poorly by one message.
#[derive(Clone, Copy)]
struct Poor {
    /// Log probability of the reading.
    score: f32,
    /// The same of the best of its ways.
    best: f32,
    total: u32,
}

/// Room for the search of ways.
#[derive(Default)]
pub struct Search {
    /// Set by the reading in the first place, until all were gone on from.
    poor: Option<Poor>,
    /// For what a long write may be.
    long: Room,
    stack: Vec<Part>,
    /// After each message of the part that is gone on from.
    states: Vec<State>,
}

impl Search {
    /// Nothing of another write is left, which a fault may have ended.
    pub fn clear(&mut self) {
        self.poor = None;
    }
}

impl Ways {
    /// No way yet.
    pub fn clear(&mut self) {
        self.all.clear();
        self.tiles.clear();
        self.best = f32::NEG_INFINITY;
    }

    #[inline]
    fn push(&mut self, from: u8, (score, noise): (f32, f32), tiles: &[Tile]) {
        let Ok(place) = u16::try_from(self.tiles.len()) else { return };
        for tile in tiles {
            self.tiles.push(*tile);
        }
        self.all.push(Way { score, noise, tiles: place, count: tiles.len() as u8, from });
        self.best = larger(self.best, score);
    }

    /// The messages of a way.
    pub fn tiles(&self, way: &Way) -> &[Tile] {
        &self.tiles[usize::from(way.tiles)..][..usize::from(way.count)]
    }

    /// Keeps those that are not far behind the best, best first.
    pub fn rank(&mut self) {
        if self.all.len() == 1 {
            return;
        }
        let best = self.best;
        self.all.retain(|way| way.score > best - BEHIND);
        self.all.sort_by(|a, b| b.score.total_cmp(&a.score));
    }

    /// All.
    pub fn all(&self) -> &[Way] {
        &self.all
    }

    /// Whether no reading has two of them: then there are no more than readings.
    pub fn are_one_each(&self) -> bool {
        let mut from = 0_u8;
        self.all.iter().all(|way| {
            let before = from;
            from |= 1 << way.from;
            from != before
        })
    }

    /// The best, when they are ranked.
    pub fn best(&self) -> Option<Way> {
        self.all.first().copied()
    }
}

/// Goes on from `state` with `tiles`; without any, a message goes on.
pub fn walk(state: &mut State, w: &Write, tiles: &[Tile]) {
    if tiles.is_empty() {
        let pending = &mut state.ends[w.side as usize].pending;
        *pending = pending.saturating_add(w.len);
    }
    tell(state, w, tiles);
}

/// `state` after the messages `tiles`.
fn tell(state: &mut State, w: &Write, tiles: &[Tile]) {
    for t in tiles {
        state.apply(w.side, t.kind, (t.len, t.entries), w.now);
        if w.lost && t.kind == Kind::Unknown {
            state.miss(w.side, w.now + UNSURE);
        }
    }
}

/// All ways on from a reading, one message each.
pub fn go_on(
    model: &Model,
    (ways, room): (&mut Ways, &mut Search),
    w: &Write,
    (from, state, score): (u8, &State, f32),
) {
    // The way is at most as probable as the reading.
    if score <= ways.best - BEHIND {
        return;
    }
    let end = &state.ends[w.side as usize];
    let total = end.pending.saturating_add(w.len);
    if let Some(p) = w.ends.0 {
        ways.push(from, (score + p, 0.0), &[]);
    }
    let Some(p) = w.ends.1 else { return };
    let score = score + p;
    let at = state.situation(model, w.side, w.now);
    if end.stage == Stage::Key {
        return preamble(model, ways, &at, (from, u32::from(end.preamble), score), total);
    }
    let noise = model.noise(total);
    let unknown = score + if w.lost { LOST } else { UNKNOWN } - noise;
    let mut best = unknown;
    let mut least = larger(larger(ways.best, best) - BEHIND, unknown - 2.0);
    let Choice { all, most } = model.possible(total, &mut room.long);
    // What may be the most probable first: the others are seldom worth a closer look then.
    let most = at.most_of_all(total, most);
    let top = most.largest();
    let of = |kind| score + value(most.of(kind));
    let likely = if score + value(top) > least { all.iter().find(|p| most.of(p.kind) == top) } else { None };
    let scored = |p: &Possible| {
        if at.is_plain(p.kind) { of(p.kind) } else { score + at.score(p.kind, (total, p.entries), p.size) }
    };
    let tile = |p: &Possible| [Tile { kind: p.kind, len: total, entries: p.entries }];
    if let Some(likely) = likely {
        let first = scored(likely);
        least = larger(least, first - WORSE);
        if first > least {
            best = larger(best, first);
            ways.push(from, (first, noise), &tile(likely));
        }
        if most.above(below(least - score)) > 1 {
            for possible in all.iter().filter(|p| p.kind != likely.kind) {
                if of(possible.kind) <= least {
                    continue;
                }
                let p = scored(possible);
                if p > least {
                    best = larger(best, p);
                    least = larger(least, p - WORSE);
                    ways.push(from, (p, noise), &tile(possible));
                }
            }
        }
    }
    // What is that far behind the other readings' ways would not be kept.
    best = larger(best, ways.best - BEHIND);
    if best - score + noise < POOR {
        if from == 0 && total <= LONGEST_JOINED {
            // Perhaps another reading explains it well: see then.
            room.poor = Some(Poor { score, best, total });
        }
        ways.push(from, (unknown, noise), &[Tile { kind: Kind::Unknown, len: total, entries: 0 }]);
        if w.ends.0.is_none() {
            // Perhaps the message goes on after all.
            ways.push(from, (score + MIDDLE, 0.0), &[]);
        }
    }
}

/// More ways on from the reading in the first place, when all were gone on from: several messages in one write, if nothing
/// else explains it.
#[inline]
pub fn go_on_jointly(model: &Model, (ways, room): (&mut Ways, &mut Search), w: &Write, state: &State) {
    let Some(Poor { score, best, total }) = room.poor.take() else { return };
    // Another reading may have explained it; that one is then rather taken for right than that nodes write messages together,
    // which hardly any does.
    let best = larger(best, ways.best);
    if best - score + model.noise(total) < POOR {
        several(model, (ways, room), w, (state, score), (total, best));
    }
}

/// A write before the first message: key, garbage, terminator, version packet; or `version`, with or without the last
/// two before it.
#[inline(never)]
fn preamble(model: &Model, ways: &mut Ways, at: &Situation<'_>, (from, before, score): (u8, u32, f32), total: u32) {
    if before.saturating_add(total) <= LONGEST_PREAMBLE {
        let noise = model.noise(total);
        let is_usual = before == 0 || matches!(total, TERMINATOR | size::PACKET | VERSION_PACKET);
        let p = if is_usual { AS_USUAL } else { IN_PARTS };
        ways.push(from, (score + p - noise, noise), &[Tile { kind: Kind::Start, len: total, entries: 0 }]);
    }
    for ahead in [0, VERSION_PACKET] {
        let len = total.saturating_sub(ahead);
        let complete = before + ahead >= 100 && before >= 64 && before + ahead <= LONGEST_PREAMBLE;
        if complete && size::VERSION.contains(&len) {
            let size = model.size(Kind::Version, (len, 1));
            let p = at.score(Kind::Version, (len, 1), size) + AS_USUAL;
            ways.push(from, (score + p, model.noise(len)), &[Tile { kind: Kind::Version, len, entries: 1 }]);
        }
    }
}

/// A write that holds several messages: those of a fixed length first, and one of any kind.
#[inline(never)] // it is rare, and long
fn several(
    model: &Model,
    (ways, Search { long, stack, states, .. }): (&mut Ways, &mut Search),
    w: &Write,
    (before, score): (&State, f32),
    (total, mut best): (u32, f32),
) {
    let fixed = |place: u8| {
        let (len, Possible { kind, entries, .. }, _) = model.fixed()[usize::from(place)];
        Tile { kind, len, entries }
    };
    states.clear();
    stack.clear();
    stack.push(Part { score, rest: total, tiles: [0; TILES - 1], count: 0 });
    let steps = if before.shakes_hands() { SEARCH_HANDSHAKE } else { SEARCH };
    for _ in 0..steps {
        let Some(Part { score, rest, mut tiles, count }) = stack.pop() else { break };
        let (count, joined) = (usize::from(count), score + JOINED);
        if joined <= best - NOT_MUCH {
            // Better ones were found since.
            continue;
        }
        if let Some(last) = count.checked_sub(1) {
            // Depth first: those before its last message are still there.
            states.truncate(last);
            let mut state = *states.last().unwrap_or(before);
            tell(&mut state, w, &[fixed(tiles[last])]);
            states.push(state);
        }
        let at = states.last().unwrap_or(before).situation(model, w.side, w.now);
        if count > 0 {
            let Choice { all, most } = model.possible(rest, long);
            let most = at.most_of_all(rest, most);
            let none = joined + value(most.largest()) <= best - NOT_MUCH;
            for &Possible { kind, entries, size } in if none { &[] } else { all } {
                if joined + value(most.of(kind)) <= best - NOT_MUCH {
                    continue;
                }
                let p = joined + at.score(kind, (rest, entries), size);
                if p > best - NOT_MUCH {
                    best = best.max(p);
                    let last = Tile { kind, len: rest, entries };
                    let all: [_; TILES] = std::array::from_fn(|i| if i < count { fixed(tiles[i]) } else { last });
                    let all = &all[..=count];
                    ways.push(0, (p, all.iter().map(|t| model.noise(t.len)).sum()), all);
                }
            }
        }
        if count + 1 >= TILES {
            continue;
        }
        let first = stack.len();
        let habits = at.by_habit();
        for (place, &(len, Possible { kind, entries, size }, most)) in (0..).zip(model.fixed()) {
            if len + size::SHORTEST > rest {
                continue;
            }
            // What is left is another message at least, or two: what cannot come out better than the best is not begun.
            let ahead = JOINED + larger(model.top(rest - len), JOINED);
            if at.most(kind, habits.of(kind), (len, most)) <= below(best - joined - ahead) {
                continue;
            }
            let p = joined + at.score(kind, (len, entries), size);
            if p + ahead > best {
                tiles[count] = place;
                stack.push(Part { score: p, rest: rest - len, tiles, count: (count + 1) as u8 });
            }
        }
        // The most probable first.
        stack[first..].sort_unstable_by(|a, b| a.score.total_cmp(&b.score));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes on from the state before the last message only: that is the same as from the beginning.
    #[test]
    fn several_messages_are_as_probable_as_one_after_the_other() {
        let model = Model::learnt();
        let (mut ways, mut search, mut seen) = (Ways::default(), Search::default(), [0; TILES + 1]);
        let mut state = State::new(Some(Side::Low));
        let mut shaken = State::new(Some(Side::Low));
        for kind in [Kind::Version, Kind::WtxidRelay, Kind::SendAddrV2, Kind::Verack] {
            for side in Side::BOTH {
                shaken.apply(side, kind, (33, 1), 10);
            }
        }
        for side in Side::BOTH {
            state.apply(side, Kind::Version, (140, 1), 10);
        }
        for (state, len) in [state, shaken].iter().flat_map(|s| (42..=LONGEST_JOINED).map(move |len| (s, len))) {
            let now = 10 + len % 7 * 100;
            let time = Timestamp::from_nanos(i64::from(now) * 100_000);
            let ends = (None, Some(0.0));
            let w = Write { side: Side::Low, end: 9999, len, time, now, index: PacketIndex(1), ends, lost: false };
            ways.clear();
            go_on(model, (&mut ways, &mut search), &w, (0, state, -1.5));
            go_on_jointly(model, (&mut ways, &mut search), &w, state);
            for way in ways.all().iter().filter(|way| way.count > 1) {
                let tiles = ways.tiles(way);
                assert_eq!(tiles.iter().map(|t| t.len).sum::<u32>(), len);
                let (mut after, mut p) = (*state, -1.5);
                for t in tiles {
                    let size = model.size(t.kind, (t.len, t.entries));
                    p += JOINED + after.situation(model, w.side, now).score(t.kind, (t.len, t.entries), size);
                    tell(&mut after, &w, &[*t]);
                }
                assert!((p - way.score).abs() < 0.001, "{len} bytes: {p} {} {tiles:?}", way.score);
                seen[tiles.len()] += 1;
            }
        }
        assert!(seen[2..=5].iter().all(|n| *n > 10), "{seen:?}");
    }
}
