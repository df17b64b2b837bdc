//! What reads the segments of one encrypted connection: the readings of it, how far it is believed, what is decided.

use super::Estimate;
use super::beam::{Beam, NODES, NONE, Node, Scratch};
use super::counts::Writer;
use super::kind::Kind;
use super::model::Model;
use super::state::{State, Tick, UNSURE};
use super::ways::Write;
use crate::flow::{PacketIndex, Side};
use crate::time::{SECOND, Timestamp};

/// A message waits this long for evidence, ns.
const DEADLINE: i64 = 3 * SECOND;
/// Evidence (natural logarithm, against random lengths) at which a connection is believed.
const BELIEVED: f32 = 25.0;
/// Evidence at which it is not any more.
const DOUBTED: f32 = -10.0;
/// Evidence is kept within these: a connection is judged by what it did lately.
const EVIDENCE: (f32, f32) = (-20.0, 40.0);
/// Answered requests that a connection joined in the middle must have shown.
const ANSWERED: u8 = 3;
/// Messages that wait until the connection is believed.
const HELD: usize = 32;
/// Segments that wait to be read together: the readings of a connection are memory that, with thousands of them, each time
/// comes from far.
pub const UNREAD: usize = 15;
/// After so many segments that nothing explains, as many are let pass unread.
const PATIENCE: u32 = 256;
/// Unit of [`Tick`], ns.
const TICK: i64 = 100_000;
/// After so many (2.5 days) they are counted anew.
const LONG: Tick = 1 << 31;
/// Full segments of a side are counted up to so many; then both counts are halved.
const PUSHES: u16 = 1 << 12;
/// Segments shorter than this are no full ones.
const SMALLEST_FULL: u32 = 512;
/// Payloads of a full segment with the usual MTUs and options (RFC 879, RFC 6691; 1500, 1492, 1280, 576 bytes).
const FULL: [u32; 12] = [1460, 1448, 1452, 1440, 1428, 1420, 1408, 1400, 1388, 1220, 1208, 536];

/// A segment, or a gap of known length, that was not read yet.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Stream offset after its last byte.
    pub end: u64,
    /// When it was captured, or the gap became clear.
    pub time: Timestamp,
    /// In which frame.
    pub index: PacketIndex,
    /// Bytes.
    pub len: u32,
    /// Who sent it.
    pub side: Side,
    /// It has PSH.
    pub pushed: bool,
    /// It is a gap.
    pub lost: bool,
}

/// The readings of one encrypted connection, and what they tell. In this order, so that the last segment that may wait, and
/// what it makes the others be read by, come from memory together.
#[repr(C)]
pub struct Reader {
    /// Those that wait to be read, and what is left of others.
    segments: [Segment; UNREAD],
    beam: Beam,
    base: Option<Timestamp>,
    /// Longest segment and how often it was seen.
    full: [(u32, u8); 2],
    /// Full segments without PSH, and with it.
    pushes: [[u16; 2]; 2],
    evidence: f32,
    from_start: bool,
    believed: bool,
    /// Segments since it was last believed.
    unread: u32,
    /// Decided messages of a connection that is not believed yet.
    held: Vec<Estimate>,
}

impl Reader {
    /// A connection whose first byte is seen, made by `caller`, or one joined in the middle.
    pub fn new(caller: Option<Side>) -> Self {
        let none = Segment {
            end: 0,
            time: Timestamp::from_nanos(0),
            index: PacketIndex(0),
            len: 0,
            side: Side::Low,
            pushed: false,
            lost: false,
        };
        Self {
            segments: [none; UNREAD],
            beam: Beam::new(caller),
            base: None,
            full: [(0, 0); 2],
            pushes: [[0; 2]; 2],
            evidence: 0.0,
            from_start: caller.is_some(),
            believed: false,
            unread: 0,
            held: Vec::new(),
        }
    }

    /// Whether its lengths have shown that it is a Bitcoin connection.
    pub fn is_believed(&self) -> bool {
        self.believed
    }

    /// Whether there are messages that time alone will decide.
    pub fn waits(&self) -> bool {
        self.believed && !self.beam.nodes.is_empty()
    }

    /// Memory that it has, bytes.
    pub fn allocated(&self) -> usize {
        size_of::<Self>() + self.beam.allocated() + self.held.capacity() * size_of::<Estimate>()
    }

    /// Whose habits `side` has, as far as its handshake told, by the segments that were read.
    pub fn writer(&self, side: Side) -> Writer {
        self.state().map_or(Writer::Any, |s| s.ends[side as usize].writer)
    }

    /// What it is most probably at, by the segments that were read.
    pub fn state(&self) -> Option<&State> {
        self.beam.readings.first().map(|r| &r.state)
    }

    fn now(&mut self, time: Timestamp) -> Tick {
        let base = *self.base.get_or_insert(time);
        let now = time.since(base).max(0) / TICK;
        if now < i64::from(LONG) {
            return now as Tick;
        }
        // Connections live for weeks: what was before this becomes the beginning.
        let earlier = i64::from(LONG / 2);
        self.base = Some(time.plus(-earlier * TICK));
        let by = Tick::try_from(now - earlier).unwrap_or(Tick::MAX);
        self.beam.readings.iter_mut().for_each(|r| r.state.shift(by));
        LONG / 2
    }

    /// Keeps a segment as the one at `place` of those that wait.
    #[inline]
    pub fn keep(&mut self, place: u8, segment: Segment) {
        self.segments[usize::from(place)] = segment;
    }

    /// Looks at the first `new` of the segments that wait.
    #[inline]
    pub fn look(&self, new: u8) -> u32 {
        // A line of the cache has room for two.
        let segments = self.segments.iter().take(usize::from(new)).step_by(2).fold(0, |a, s| a ^ s.len);
        segments ^ self.beam.readings.len() as u32 ^ self.unread
    }

    /// Looks at the readings and their messages.
    #[inline]
    pub fn look_further(&self) -> u32 {
        self.beam.look()
    }

    /// Reads the first `new` of the segments that wait.
    pub fn read(&mut self, model: &Model, scratch: &mut Scratch, new: u8) {
        let own = self.beam.take_room(scratch);
        self.read_all(model, scratch, new);
        if self.beam.is_long() {
            // What all agree on need not wait for the next second.
            let common = self.beam.common(scratch);
            self.settle(scratch, common);
        }
        self.beam.leave_room(scratch, own);
    }

    fn read_all(&mut self, model: &Model, scratch: &mut Scratch, new: u8) {
        for i in 0..usize::from(new) {
            let segment = self.segments[i];
            let ends = if segment.lost { (Some(-1.0), Some(-0.5)) } else { self.ends(&segment) };
            let now = self.now(segment.time);
            let Segment { end, time, index, len, side, lost, .. } = segment;
            self.write(model, scratch, &Write { side, end, len, time, now, index, ends, lost });
        }
    }

    /// How probable it is that no message ends with a segment, and that one does.
    fn ends(&mut self, s: &Segment) -> (Option<f32>, Option<f32>) {
        let full = self.fills_segment(s.side, s.len);
        let pushes = &mut self.pushes[s.side as usize];
        if full {
            pushes[usize::from(s.pushed)] += 1;
            // Long before both are as many as there is room for, and nothing is told by them any more.
            if pushes.contains(&PUSHES) {
                *pushes = pushes.map(|n| n / 2);
            }
        }
        let telling = pushes[0] > pushes[1];
        match (s.pushed, full) {
            (true, false) => (None, Some(0.0)),
            // Unless all segments have it, PSH ends a write also when that fills its segment.
            (true, true) if telling => (Some(-9.0), Some(0.0)),
            (true, true) => (Some(-1.5), Some(-0.25)),
            (false, true) => (Some(0.0), None),
            (false, false) => (Some(-0.7), Some(-0.7)),
        }
    }

    /// The place in the stream of `side` is not known any more: go on at the next segment.
    pub fn restart(&mut self, side: Side, time: Timestamp) {
        let now = self.now(time);
        for r in &mut self.beam.readings {
            r.state.ends[side as usize].pending = 0;
            r.state.miss(side, now + UNSURE);
        }
    }

    fn fills_segment(&mut self, side: Side, len: u32) -> bool {
        if len < SMALLEST_FULL {
            return false;
        }
        let (largest, times) = &mut self.full[side as usize];
        if len > *largest {
            (*largest, *times) = (len, 1);
        } else if len == *largest {
            *times = times.saturating_add(1);
        }
        len == *largest && (FULL.contains(&len) || *times > 2)
    }

    fn write(&mut self, model: &Model, scratch: &mut Scratch, w: &Write) {
        if !self.believed {
            self.unread += 1;
            if self.unread > PATIENCE {
                return self.sleep();
            }
        }
        let gain = self.beam.write(model, scratch, w);
        self.evidence = (self.evidence + gain).clamp(EVIDENCE.0, EVIDENCE.1);
        self.judge(&mut scratch.told);
        if !scratch.decided.is_empty() {
            let Scratch { decided, told, .. } = scratch;
            for node in &*decided {
                self.decided(told, node, 1.0);
            }
        } else if self.beam.readings.len() == 1 {
            let node = self.beam.readings[0].node;
            self.settle(scratch, node);
        } else if self.beam.nodes.len() > NODES {
            self.crowded(scratch);
        }
    }

    /// Nothing explains it: rest for a while, then look at it as if joined in the middle.
    fn sleep(&mut self) {
        if self.unread == PATIENCE + 1 {
            self.beam = Beam { readings: Vec::new(), nodes: Vec::new() };
            self.held = Vec::new();
        }
        if self.unread > 2 * PATIENCE {
            let Self { segments, full, pushes, .. } = *self;
            *self = Self { segments, full, pushes, ..Self::new(None) };
        }
    }

    fn judge(&mut self, told: &mut Vec<Estimate>) {
        if self.believed {
            self.believed = self.evidence > DOUBTED;
            self.unread = 0;
        } else if self.evidence >= BELIEVED {
            let Some(state) = self.state() else { return };
            let handshake = Kind::Verack.once().is_some_and(|bit| state.ends.iter().any(|e| e.once & bit != 0));
            self.believed = if self.from_start { handshake } else { state.answered >= ANSWERED };
            if self.believed {
                told.append(&mut self.held);
                self.held = Vec::new();
            }
        }
    }

    /// One second of capture time has passed; the first `new` of the segments that wait are read, too.
    pub fn tick(&mut self, model: &Model, scratch: &mut Scratch, (new, time): (u8, Timestamp)) {
        if new == 0 && self.beam.nodes.is_empty() {
            return;
        }
        let own = self.beam.take_room(scratch);
        self.read_all(model, scratch, new);
        if !self.beam.nodes.is_empty() {
            let now = self.now(time);
            self.beam.second(now);
            let common = self.beam.common(scratch);
            self.settle(scratch, common);
            self.overdue(scratch, time.plus(-DEADLINE));
        }
        self.beam.leave_room(scratch, own);
    }

    /// Decides everything up to `time` as the best reading has it.
    fn overdue(&mut self, scratch: &mut Scratch, time: Timestamp) {
        let Some(best) = self.beam.readings.first().map(|r| r.node) else { return };
        let old = self.beam.chain(best).find(|n| self.beam.nodes[*n as usize].time <= time);
        if let Some(node) = old {
            self.settle(scratch, node);
        }
    }

    fn crowded(&mut self, scratch: &mut Scratch) {
        let common = self.beam.common(scratch);
        self.settle(scratch, common);
        if self.beam.nodes.len() > NODES * 3 / 4 {
            let best = self.beam.readings.first().map_or(NONE, |r| r.node);
            let half = self.beam.chain(best).count() / 2;
            let node = self.beam.chain(best).nth(half).unwrap_or(NONE);
            self.settle(scratch, node);
        }
    }

    /// Decides the messages up to `node`.
    fn settle(&mut self, scratch: &mut Scratch, node: u16) {
        if node == NONE {
            return;
        }
        let mut beam = std::mem::take(&mut self.beam);
        let mut told = std::mem::take(&mut scratch.told);
        beam.decide(scratch, node, |node, share| self.decided(&mut told, node, share));
        (self.beam, scratch.told) = (beam, told);
    }

    /// A message is decided, which so large a share of the readings has: it is told, or waits until the connection is
    /// believed.
    #[inline]
    fn decided(&mut self, told: &mut Vec<Estimate>, node: &Node, share: f32) {
        let Some(message) = estimate(node, share) else { return };
        if !self.believed {
            if self.held.len() >= HELD {
                self.held.remove(0);
            }
            return self.held.push(message);
        }
        told.push(message);
    }

    /// The connection ends: everything is decided.
    pub fn finish(&mut self, scratch: &mut Scratch) {
        let best = self.beam.readings.first().map_or(NONE, |r| r.node);
        self.settle(scratch, best);
    }
}

fn estimate(node: &Node, share: f32) -> Option<Estimate> {
    node.kind.command()?;
    if node.lost {
        return None;
    }
    // What is hardly better explained than by chance is hardly believed; most is so much better that this is 1.
    let plausible = if node.gain > 8.0 { 1.0 } else { 1.0 / (1.0 + (-(node.gain + 9.0)).exp()) };
    let confidence = (share * plausible * 0.999 * 1000.0) as u16;
    let Node { side, kind, offset, len, entries, time, index, .. } = *node;
    Some(Estimate { side, kind, offset, len, entries, time, index, confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_psh_tells_is_never_forgotten() {
        let mut reader = Reader::new(Some(Side::Low));
        let Segment { end, time, index, side, .. } = reader.segments[0];
        let mut ends = |pushed| reader.ends(&Segment { end, time, index, side, len: 1448, pushed, lost: false });
        for _ in 0..100_000 {
            ends(false);
            ends(false);
            assert_eq!(ends(true), (Some(-9.0), Some(0.0)));
        }
    }
}
