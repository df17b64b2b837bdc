//! A share of all conversations with its own caps: the entry point of the flow stage.
//!
//! Everything that limits or times a conversation lives in its partition, so
//! that the number of workers changes no result.

use super::anomaly::{Anomaly, CloseReason, GapCause};
use super::conversation::{Flow, State, begins};
use super::half::Half;
use super::handler::{At, PacketIndex, StreamHandler};
use super::key::{FlowKey, Side};
use super::lifecycle::SynOutcome;
use super::limits::Config;
use super::table::{FlowId, FlowTable, List};
use crate::decode::segment::{Flags, Segment};
use crate::health::Tally;

/// Number of partitions; a conversation's is the low bits of its key's hash.
pub const PARTITIONS: usize = 32;

/// A share of all conversations.
pub struct Partition<H: StreamHandler> {
    /// Gives the streams a meaning.
    pub handler: H,
    config: Config,
    table: FlowTable<H::Stream>,
    tally: Tally<Anomaly>,
    /// Conversations with segments since the last tick. The id tells a place that was taken again.
    dirty: Vec<(FlowId, PacketIndex)>,
    /// Conversations with a hole, likewise.
    waiting: Vec<(FlowId, PacketIndex)>,
    held: usize,
}

impl<H: StreamHandler> Partition<H> {
    /// An empty partition.
    pub fn new(handler: H, config: Config) -> Self {
        Self {
            handler,
            config,
            table: FlowTable::default(),
            tally: Tally::default(),
            dirty: Vec::new(),
            waiting: Vec::new(),
            held: 0,
        }
    }

    /// What was odd so far.
    pub fn anomalies(&self) -> &Tally<Anomaly> {
        &self.tally
    }

    /// Conversations known, lingering ones included.
    pub fn conversations(&self) -> usize {
        self.table.len()
    }

    /// Bytes held back beyond holes, overhead included.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Takes one segment of this partition.
    pub fn segment(&mut self, at: At, hash: u64, key: &FlowKey, side: Side, segment: &Segment<'_>) {
        let known = self.table.find(hash, key);
        let opened = known.is_none();
        let id = match known {
            Some(id) => id,
            None => match self.open(at, hash, key, side, segment) {
                Some(id) => id,
                None => return self.tally.count(Anomaly::NoConversation),
            },
        };
        let Some(flow) = self.table.get_mut(id) else { return };
        let half = &mut flow.halves[side as usize];
        if half.recent.is_duplicate(segment, at.time, self.config.limits.duplicate) {
            return self.tally.count(Anomaly::DuplicateFrame);
        }
        if half.checksums.rejects(self.config.checksums, segment) {
            self.tally.count(Anomaly::BadChecksum);
            return self.ignored(id, side, segment);
        }
        let id = if segment.flags.has(Flags::SYN) && !opened {
            match flow.syn(side, segment, &mut self.tally) {
                SynOutcome::Belongs => id,
                SynOutcome::Ignored => return self.ignored(id, side, segment),
                SynOutcome::Reused => {
                    flow.close(at, CloseReason::Reused, None, &mut self.handler);
                    self.forget(at, id);
                    match self.open(at, hash, key, side, segment) {
                        Some(id) => id,
                        None => return,
                    }
                }
            }
        } else {
            id
        };
        self.apply(at, id, side, segment);
    }

    /// A segment that tells nothing was on the wire all the same.
    fn ignored(&mut self, id: FlowId, side: Side, segment: &Segment<'_>) {
        if let Some(flow) = self.table.get_mut(id) {
            count_frame(&mut flow.halves[side as usize], segment);
        }
        self.mark(id);
    }

    /// Applies a segment that belongs to the conversation at `id`.
    fn apply(&mut self, at: At, id: FlowId, side: Side, segment: &Segment<'_>) {
        let Self { table, handler, config, tally, .. } = self;
        let Some(flow) = table.get_mut(id) else { return };
        count_frame(&mut flow.halves[side as usize], segment);
        flow.last_seen = at.time;
        flow.learn_window(side, segment);
        let held = held_bytes(flow);
        if flow.disproves_rst(at, side, segment) {
            tally.count(Anomaly::RstSuspect);
            flow.state = State::Open;
            handler.revived(at, &flow.conversation, &mut flow.stream);
        }
        if segment.flags.has(Flags::RST) {
            reset(flow, at, side, segment, tally, handler);
        } else if matches!(flow.state, State::Closed(_)) {
            tally.add(Anomaly::AfterClose, u64::from(segment.payload_len > 0));
        } else {
            take(flow, at, side, segment, config, tally, handler);
        }
        let now_held = held_bytes(flow);
        self.held = self.held + now_held - held;
        let waits = flow.has_hole() && !flow.waiting;
        flow.waiting |= waits;
        if waits {
            let conversation = flow.conversation.id;
            self.waiting.push((id, conversation));
        }
        self.mark(id);
        self.table.touch(id, at.time);
        if self.held > self.config.limits.partition_held_bytes {
            self.relieve(at);
        }
    }

    fn open(&mut self, at: At, hash: u64, key: &FlowKey, side: Side, segment: &Segment<'_>) -> Option<FlowId> {
        let (conversation, state) = begins(at, key, side, segment, &self.config)?;
        if self.table.len() >= self.config.limits.conversations {
            self.evict(at);
        }
        let stream = self.handler.open(at, &conversation);
        let mut halves = [Half::default(), Half::default()];
        if segment.flags.has(Flags::SYN) {
            halves[side as usize].begin(segment.seq.plus(1));
            if segment.flags.has(Flags::ACK) {
                halves[side.other() as usize].begin(segment.ack);
            }
        }
        let flow =
            Flow { key: *key, conversation, halves, stream, state, last_seen: at.time, dirty: false, waiting: false };
        let id = self.table.insert(hash, flow);
        if state == State::Open {
            let Self { table, handler, .. } = self;
            if let Some(flow) = table.get_mut(id) {
                handler.established(at, &flow.conversation, &mut flow.stream);
            }
        }
        Some(id)
    }

    /// Notes that the conversation has figures to report at the next tick.
    #[inline]
    fn mark(&mut self, id: FlowId) {
        if let Some(flow) = self.table.get_mut(id).filter(|f| !f.dirty) {
            flow.dirty = true;
            let conversation = flow.conversation.id;
            self.dirty.push((id, conversation));
        }
    }

    /// One second of capture time has passed: holes, time-outs, figures.
    pub fn tick(&mut self, at: At) {
        let waiting = std::mem::take(&mut self.waiting);
        for (id, conversation) in waiting {
            let Self { table, handler, config, .. } = self;
            let Some(flow) = table.get_mut(id).filter(|f| f.waiting && f.conversation.id == conversation) else {
                continue;
            };
            let held = held_bytes(flow);
            if !matches!(flow.state, State::Closed(_)) {
                flow.check_hole(at, Side::Low, config, handler);
                flow.check_hole(at, Side::High, config, handler);
                finish_halves(flow, at, handler);
            }
            flow.waiting = flow.has_hole() && !matches!(flow.state, State::Closed(_));
            let (now_held, waits) = (held_bytes(flow), flow.waiting);
            self.held = self.held + now_held - held;
            if waits {
                self.waiting.push((id, conversation));
            }
            self.table.touch(id, at.time);
        }
        self.report(at);
        self.expire(at);
    }

    /// Tells the handler the figures of every conversation that changed.
    fn report(&mut self, at: At) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for (id, conversation) in dirty.drain(..) {
            let Self { table, handler, .. } = self;
            if let Some(flow) = table.get_mut(id).filter(|f| f.dirty && f.conversation.id == conversation) {
                flow.dirty = false;
                let stats = [flow.halves[0].stats, flow.halves[1].stats];
                handler.progress(at, &flow.conversation, &mut flow.stream, &stats);
            }
        }
        self.dirty = dirty;
    }

    /// Closes what has been silent for too long (R20) and forgets what has lingered (R19).
    fn expire(&mut self, at: At) {
        let limits = self.config.limits;
        let all = [
            (List::Closed, limits.linger, CloseReason::IdleTimeout),
            (List::Embryonic, limits.embryonic, CloseReason::EmbryonicTimeout),
            (List::Closing, limits.closing, CloseReason::ClosingTimeout),
            (List::Open, limits.idle, CloseReason::IdleTimeout),
        ];
        for (list, timeout, reason) in all {
            while let Some((id, seen)) = self.table.oldest(list) {
                if at.time.since(seen) < timeout {
                    break;
                }
                self.close_and_forget(at, id, reason);
            }
        }
    }

    /// Makes room for one conversation (R21).
    fn evict(&mut self, at: At) {
        let victim = List::ALL.iter().find_map(|&list| self.table.oldest(list).map(|(id, _)| (list, id)));
        if let Some((list, id)) = victim {
            if list != List::Closed {
                self.tally.count(Anomaly::EvictedConversation);
            }
            self.close_and_forget(at, id, CloseReason::Evicted);
        }
    }

    fn close_and_forget(&mut self, at: At, id: FlowId, reason: CloseReason) {
        let Self { table, handler, held, .. } = self;
        if let Some(flow) = table.get_mut(id) {
            *held -= held_bytes(flow);
            flow.close(at, reason, None, handler);
            *held += held_bytes(flow);
        }
        self.forget(at, id);
    }

    fn forget(&mut self, at: At, id: FlowId) {
        let Some(mut flow) = self.table.remove(id) else { return };
        self.held -= held_bytes(&flow);
        if flow.dirty {
            let stats = [flow.halves[0].stats, flow.halves[1].stats];
            self.handler.progress(at, &flow.conversation, &mut flow.stream, &stats);
        }
    }

    /// Held-back data exceeds the partition's cap: the largest buffers become gaps, down to 7/8 (R48).
    fn relieve(&mut self, at: At) {
        let goal = self.config.limits.partition_held_bytes / 8 * 7;
        let mut largest: Vec<(usize, FlowId, Side)> = Vec::new();
        for &(id, conversation) in &self.waiting {
            let Some(flow) = self.table.get(id).filter(|f| f.conversation.id == conversation) else { continue };
            for side in Side::BOTH {
                largest.push((flow.halves[side as usize].ooo.allocated(), id, side));
            }
        }
        largest.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        for (bytes, id, side) in largest {
            if self.held <= goal || bytes == 0 {
                break;
            }
            let Self { table, handler, .. } = self;
            let Some(flow) = table.get_mut(id) else { continue };
            let before = held_bytes(flow);
            let (half, mut out) = flow.split(at, side, handler);
            half.flush(GapCause::MemoryCap, &mut out);
            finish_halves(flow, at, handler);
            let after = held_bytes(flow);
            self.held = self.held + after - before;
            self.tally.count(Anomaly::EvictedBuffer);
            self.table.touch(id, at.time);
        }
    }

    /// The capture ends: every conversation is closed, in the order in which they were opened.
    pub fn finish(&mut self, at: At) {
        self.report(at);
        let mut ids: Vec<_> =
            self.table.ids().filter_map(|id| self.table.get(id).map(|f| (f.conversation.id, id))).collect();
        ids.sort_unstable();
        for (_, id) in ids {
            self.close_and_forget(at, id, CloseReason::EndOfCapture);
        }
    }
}

#[inline]
fn count_frame(half: &mut Half, segment: &Segment<'_>) {
    half.stats.packets += 1;
    half.stats.wire_bytes += u64::from(segment.ip_len);
}

#[inline]
fn held_bytes<S>(flow: &Flow<S>) -> usize {
    flow.halves[0].ooo.allocated() + flow.halves[1].ooo.allocated()
}

/// A segment of a running conversation: acknowledgment, data, FIN, holes of both directions.
#[inline]
fn take<H: StreamHandler>(
    flow: &mut Flow<H::Stream>,
    at: At,
    side: Side,
    s: &Segment<'_>,
    config: &Config,
    tally: &mut Tally<Anomaly>,
    handler: &mut H,
) {
    if s.flags.has(Flags::ACK) {
        flow.halves[side.other() as usize].acknowledged(s.ack, tally);
    }
    let completes = !s.flags.has(Flags::SYN) && (flow.conversation.initiator == side || s.payload_len > 0);
    if flow.state == State::Embryonic && completes {
        flow.state = State::Open;
        handler.established(at, &flow.conversation, &mut flow.stream);
    }
    if s.flags.has(Flags::URG) && s.payload_len > 0 {
        tally.count(Anomaly::UrgentData);
    }
    if s.payload_len > 0 || s.flags.has(Flags::FIN) {
        let (half, mut out) = flow.split(at, side, handler);
        half.segment(s, at.time, &config.limits, tally, &mut out);
    }
    flow.check_hole(at, side, config, handler);
    flow.check_hole(at, side.other(), config, handler);
    finish_halves(flow, at, handler);
}

/// Notes directions that have reached their FIN, and the end when both have.
#[inline]
fn finish_halves<H: StreamHandler>(flow: &mut Flow<H::Stream>, at: At, handler: &mut H) {
    if !(flow.halves[0].finished || flow.halves[1].finished) || matches!(flow.state, State::Closed(_)) {
        return;
    }
    flow.state = State::Closing;
    for side in Side::BOTH {
        let half = &mut flow.halves[side as usize];
        if half.finished && !half.told {
            half.told = true;
            handler.half_closed(at, &flow.conversation, &mut flow.stream, side);
        }
    }
    if flow.halves.iter().all(|h| h.finished) {
        flow.close(at, CloseReason::Fin, None, handler);
    }
}

fn reset<H: StreamHandler>(
    flow: &mut Flow<H::Stream>,
    at: At,
    side: Side,
    s: &Segment<'_>,
    tally: &mut Tally<Anomaly>,
    handler: &mut H,
) {
    if s.payload_len > 0 {
        tally.count(Anomaly::RstPayload);
    }
    if matches!(flow.state, State::Closed(_)) {
        tally.count(Anomaly::AfterClose);
    } else if flow.believes_rst(side, s) {
        flow.close(at, CloseReason::Rst, Some(side), handler);
    } else {
        tally.count(Anomaly::RstOutsideWindow);
    }
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
