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
use super::limits::{Checksums, Config};
use super::quarantine::{Busy, Quarantined, nobody};
use super::receive::{count_frame, figures, finish_halves, held_bytes, reset, take};
use super::table::{FlowId, FlowTable, List};
use crate::decode::checksum;
use crate::decode::segment::{Flags, Segment};
use crate::health::Tally;
use std::hint::black_box;

/// Number of partitions; a conversation's is the low bits of its key's hash.
pub const PARTITIONS: usize = 32;

/// Conversations whose figures are looked for at once.
const TOGETHER: usize = 8;

/// A share of all conversations.
pub struct Partition<H: StreamHandler> {
    /// Gives the streams a meaning.
    pub handler: H,
    config: Config,
    pub(super) table: FlowTable<H::Stream>,
    pub(super) tally: Tally<Anomaly>,
    /// Conversations with segments since the last tick. The id tells a place that was taken again.
    pub(super) dirty: Vec<(FlowId, PacketIndex)>,
    /// Conversations with a hole, likewise.
    pub(super) waiting: Vec<(FlowId, PacketIndex)>,
    pub(super) held: usize,
    pub(super) busy: Busy,
    pub(super) quarantined: Quarantined,
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
            busy: Busy::Nothing,
            quarantined: nobody(),
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
        let id = match known {
            Some(id) => id,
            None if self.config.checksums == Checksums::On && checksum::verify(segment) == Some(false) => {
                return self.tally.count(Anomaly::BadChecksum);
            }
            None if self.quarantined.contains(key) => return self.tally.count(Anomaly::QuarantinedSegment),
            None => match self.open(at, hash, key, side, segment) {
                Some(id) => id,
                None => return self.tally.count(Anomaly::NoConversation),
            },
        };
        self.busy = Busy::Flow(id);
        let Some(flow) = self.table.get_mut(id) else { return };
        let half = &mut flow.halves[side as usize];
        // A damaged frame must not make its sound copy look like a duplicate: checksum first.
        if half.checksums.rejects(self.config.checksums, segment) {
            self.tally.count(Anomaly::BadChecksum);
            return self.ignored(id, side, segment);
        }
        if half.recent.is_duplicate(segment, at.time, self.config.limits.duplicate) {
            return self.tally.count(Anomaly::DuplicateFrame);
        }
        // An RST is judged as one (R17) whatever other flags it has.
        let id = if known.is_some() && segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::RST) {
            match flow.syn(side, segment, &mut self.tally) {
                SynOutcome::Belongs => id,
                SynOutcome::Ignored => return self.ignored(id, side, segment),
                SynOutcome::Reused => {
                    let recent = flow.halves[side as usize].recent.clone();
                    self.close_and_forget(at, id, CloseReason::Reused);
                    let Some(id) = self.open(at, hash, key, side, segment) else { return };
                    if let Some(flow) = self.table.get_mut(id) {
                        flow.halves[side as usize].recent = recent;
                    }
                    id
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
        if !segment.flags.has(Flags::RST) {
            flow.learn_window(side, segment);
        }
        let held = held_bytes(flow);
        if flow.disproves_rst(at, side, segment) {
            tally.count(Anomaly::RstSuspect);
            flow.state = if flow.established { State::Open } else { State::Embryonic };
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
            let entry = (id, flow.conversation.id);
            self.prune();
            self.waiting.push(entry);
        }
        self.mark(id);
        self.table.touch(id, at.time);
        self.busy = Busy::Nothing;
        if self.held > self.config.limits.partition_held_bytes {
            self.relieve(at);
        }
    }

    fn open(&mut self, at: At, hash: u64, key: &FlowKey, side: Side, segment: &Segment<'_>) -> Option<FlowId> {
        let (conversation, state) = begins(at, key, side, segment, &self.config)?;
        if self.table.len() >= self.config.limits.conversations {
            self.evict(at);
        }
        self.busy = Busy::Opening(*key);
        let stream = self.handler.open(at, &conversation);
        let mut halves = [Half::default(), Half::default()];
        if segment.flags.has(Flags::SYN) {
            halves[side as usize].begin(segment.seq.plus(1));
            if segment.flags.has(Flags::ACK) {
                halves[side.other() as usize].begin(segment.ack);
            }
        }
        let established = state == State::Open;
        let flow = Flow {
            key: *key,
            conversation,
            halves,
            stream,
            state,
            established,
            last_seen: at.time,
            dirty: false,
            waiting: false,
        };
        let id = self.table.insert(hash, flow);
        self.busy = Busy::Flow(id);
        if established {
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
            let entry = (id, flow.conversation.id);
            self.prune();
            self.dirty.push(entry);
        }
    }

    /// Between two ticks conversations may come and go without end: before either list holds more than
    /// twice as many entries as there may be conversations, those of forgotten ones are dropped.
    fn prune(&mut self) {
        let Self { table, dirty, waiting, config, .. } = self;
        for list in [dirty, waiting] {
            if list.len() > 2 * config.limits.conversations {
                list.retain(|&(id, conversation)| table.get(id).is_some_and(|f| f.conversation.id == conversation));
            }
        }
    }

    /// One second of capture time has passed: holes, time-outs, figures.
    pub fn tick(&mut self, at: At) {
        let waiting = std::mem::take(&mut self.waiting);
        for (id, conversation) in waiting {
            self.busy = Busy::Flow(id);
            let Self { table, handler, config, .. } = self;
            let Some(flow) = table.get_mut(id).filter(|f| f.waiting && f.conversation.id == conversation) else {
                continue;
            };
            let (held, stats) = (held_bytes(flow), figures(flow));
            if !matches!(flow.state, State::Closed(_)) {
                for side in flow.sides() {
                    flow.check_hole(at, side, config, handler);
                }
                finish_halves(flow, at, handler);
            }
            flow.waiting = flow.has_hole() && !matches!(flow.state, State::Closed(_));
            let (now_held, waits, changed) = (held_bytes(flow), flow.waiting, figures(flow) != stats);
            self.held = self.held + now_held - held;
            if changed {
                self.mark(id);
            }
            if waits {
                self.waiting.push((id, conversation));
            }
            self.table.relist(id, at.time);
        }
        self.report(at);
        self.expire(at);
        self.handler.tick();
    }

    /// Tells the handler the figures of every conversation that changed.
    fn report(&mut self, at: At) {
        let Self { table, handler, dirty, busy, .. } = self;
        let mut kept = 0;
        for i in 0..dirty.len() {
            if i % TOGETHER == 0 {
                *busy = Busy::Nothing;
                ahead(table, handler, &dirty[i..dirty.len().min(i + TOGETHER)]);
            }
            let (id, conversation) = dirty[i];
            *busy = Busy::Flow(id);
            let Some(flow) = table.get_mut(id).filter(|f| f.dirty && f.conversation.id == conversation) else {
                continue;
            };
            let stats = figures(flow);
            handler.progress(at, &flow.conversation, &mut flow.stream, &stats);
            flow.dirty = handler.waits(&flow.stream);
            if flow.dirty {
                dirty[kept] = (id, conversation);
                kept += 1;
            }
        }
        dirty.truncate(kept);
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
                let silent = at.time.since(seen);
                if silent < 0 {
                    // The capture's clock was set back; else this one would keep all behind it from expiring.
                    self.table.renew(id, at.time);
                    continue;
                }
                if silent < timeout {
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
        self.busy = Busy::Flow(id);
        let Self { table, handler, held, .. } = self;
        if let Some(flow) = table.get_mut(id) {
            let stats = figures(flow);
            *held -= held_bytes(flow);
            flow.close(at, reason, None, handler);
            *held += held_bytes(flow);
            flow.dirty |= figures(flow) != stats;
        }
        self.forget(at, id);
    }

    fn forget(&mut self, at: At, id: FlowId) {
        let Self { table, handler, .. } = self;
        if let Some(flow) = table.get_mut(id).filter(|f| f.dirty) {
            let stats = figures(flow);
            handler.progress(at, &flow.conversation, &mut flow.stream, &stats);
        }
        if let Some(flow) = self.table.remove(id) {
            self.held -= held_bytes(&flow);
        }
    }

    /// Held-back data exceeds the partition's cap: the largest buffers become gaps, down to 7/8 (R48).
    fn relieve(&mut self, at: At) {
        let goal = self.config.limits.partition_held_bytes / 8 * 7;
        let mut largest: Vec<(usize, FlowId, Side)> = Vec::new();
        for &(id, conversation) in &self.waiting {
            let Some(flow) = self.table.get(id).filter(|f| f.conversation.id == conversation) else { continue };
            for side in flow.sides() {
                largest.push((flow.halves[side as usize].ooo.allocated(), id, side));
            }
        }
        largest.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (bytes, id, side) in largest {
            if self.held <= goal || bytes == 0 {
                break;
            }
            self.busy = Busy::Flow(id);
            let Self { table, handler, .. } = self;
            let Some(flow) = table.get_mut(id) else { continue };
            let before = held_bytes(flow);
            let (half, mut out) = flow.split(at, side, handler);
            half.release(GapCause::MemoryCap, &mut out);
            finish_halves(flow, at, handler);
            let after = held_bytes(flow);
            self.held = self.held + after - before;
            self.tally.count(Anomaly::EvictedBuffer);
            self.table.relist(id, at.time);
            self.mark(id);
        }
    }

    /// The capture ends: every conversation is closed, in the order in which they were opened.
    pub fn finish(&mut self, at: At) {
        let mut ids: Vec<_> =
            self.table.ids().filter_map(|id| self.table.get(id).map(|f| (f.conversation.id, id))).collect();
        ids.sort_unstable();
        for (_, id) in ids {
            self.close_and_forget(at, id, CloseReason::EndOfCapture);
        }
    }
}

/// Has the figures of all these come from memory side by side.
fn ahead<H: StreamHandler>(table: &FlowTable<H::Stream>, handler: &H, next: &[(FlowId, PacketIndex)]) {
    let mut flows = [None; TOGETHER];
    for (flow, (id, _)) in flows.iter_mut().zip(next) {
        *flow = table.get(*id);
    }
    let flows = flows.into_iter().flatten();
    let look = |f: &Flow<H::Stream>| {
        let [low, high] = &f.halves;
        f.conversation.id.0 ^ low.stats.packets ^ low.stats.gap_bytes ^ high.stats.packets ^ high.stats.gap_bytes
    };
    black_box(flows.clone().map(look).fold(0, |a, b| a ^ b));
    handler.ahead(flows.map(|f| &f.stream));
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
