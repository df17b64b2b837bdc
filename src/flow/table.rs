//! The conversations of one partition: found by key, ordered by age within each state.
//!
//! Four lists, one a state, each from the longest unseen to the newest, so that
//! time-outs and evictions (R20, R21) take from the front. A conversation moves
//! to the back of its list at most once a second: the order is that exact, and
//! a packet does not touch three cache lines for it.

use super::conversation::{Flow, State};
use super::key::FlowKey;
use crate::time::{SECOND, Timestamp};
use hashbrown::HashTable;

/// Place of a conversation in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u32);

/// No place: end of a list.
const NONE: u32 = u32::MAX;

/// The lists, in the order in which a full table is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Ended, lingering.
    Closed = 0,
    /// Handshake not complete.
    Embryonic = 1,
    /// One side has sent FIN.
    Closing = 2,
    /// Data may flow.
    Open = 3,
}

impl List {
    /// All, most dispensable first.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Embryonic, Self::Closing, Self::Open];

    pub(super) fn of(state: State) -> Self {
        match state {
            State::Embryonic => Self::Embryonic,
            State::Open => Self::Open,
            State::Closing => Self::Closing,
            State::Closed(_) => Self::Closed,
        }
    }
}

struct Slot<S> {
    flow: Option<Box<Flow<S>>>,
    hash: u64,
    list: List,
    moved: Timestamp,
    before: u32,
    after: u32,
}

/// The conversations of one partition.
pub struct FlowTable<S> {
    index: HashTable<u32>,
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    heads: [u32; 4],
    tails: [u32; 4],
}

impl<S> Default for FlowTable<S> {
    fn default() -> Self {
        Self { index: HashTable::new(), slots: Vec::new(), free: Vec::new(), heads: [NONE; 4], tails: [NONE; 4] }
    }
}

/// The partition was chosen by the low bits, so they are the same for all of its keys.
#[inline]
fn place(hash: u64) -> u64 {
    hash.rotate_right(8)
}

impl<S> FlowTable<S> {
    /// Conversations known, lingering ones included.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The conversation of `key`, whose hash is `hash`.
    #[inline]
    pub fn find(&self, hash: u64, key: &FlowKey) -> Option<FlowId> {
        let slots = &self.slots;
        self.index
            .find(place(hash), |&i| slots[i as usize].flow.as_ref().is_some_and(|f| f.key == *key))
            .map(|&i| FlowId(i))
    }

    /// The conversation at `id`.
    #[inline]
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow<S>> {
        self.slots.get_mut(id.0 as usize)?.flow.as_deref_mut()
    }

    /// The conversation at `id`.
    pub fn get(&self, id: FlowId) -> Option<&Flow<S>> {
        self.slots.get(id.0 as usize)?.flow.as_deref()
    }

    /// Adds a conversation that is not in the table.
    pub fn insert(&mut self, hash: u64, flow: Flow<S>) -> FlowId {
        let list = List::of(flow.state);
        let moved = flow.last_seen;
        let slot = Slot { flow: Some(Box::new(flow)), hash, list, moved, before: NONE, after: NONE };
        let i = if let Some(i) = self.free.pop() {
            self.slots[i as usize] = slot;
            i
        } else {
            self.slots.push(slot);
            self.slots.len() as u32 - 1
        };
        let slots = &self.slots;
        self.index.insert_unique(place(hash), i, |&j| place(slots[j as usize].hash));
        self.link(i, list);
        FlowId(i)
    }

    /// Takes the conversation at `id` out.
    pub fn remove(&mut self, id: FlowId) -> Option<Box<Flow<S>>> {
        let hash = self.slots.get(id.0 as usize)?.hash;
        let flow = self.slots[id.0 as usize].flow.take()?;
        self.unlink(id.0);
        if let Ok(entry) = self.index.find_entry(place(hash), |&i| i == id.0) {
            entry.remove();
        }
        self.free.push(id.0);
        Some(flow)
    }

    /// Notes that the conversation was seen at `now`, or changed state.
    #[inline]
    pub fn touch(&mut self, id: FlowId, now: Timestamp) {
        let Some(slot) = self.slots.get(id.0 as usize) else { return };
        let Some(flow) = &slot.flow else { return };
        let list = List::of(flow.state);
        // A lingering conversation is forgotten at a fixed time, however often it is seen.
        if list == slot.list && (list == List::Closed || now.since(slot.moved) < SECOND) {
            return;
        }
        self.renew(id, now);
    }

    /// Notes a change of state that no segment of the conversation caused: its silence goes on.
    pub fn relist(&mut self, id: FlowId, now: Timestamp) {
        let Some(slot) = self.slots.get(id.0 as usize) else { return };
        if slot.flow.as_ref().is_some_and(|f| List::of(f.state) != slot.list) {
            self.renew(id, now);
        }
    }

    /// Puts the conversation at the back of its state's list.
    pub fn renew(&mut self, id: FlowId, now: Timestamp) {
        let Some(list) = self.get(id).map(|f| List::of(f.state)) else { return };
        self.unlink(id.0);
        self.slots[id.0 as usize].moved = now;
        self.link(id.0, list);
    }

    /// The longest unseen conversation of `list`, and when it was seen (to the second).
    pub fn oldest(&self, list: List) -> Option<(FlowId, Timestamp)> {
        let i = self.heads[list as usize];
        self.slots.get(i as usize).map(|s| (FlowId(i), s.moved))
    }

    /// All conversations, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = FlowId> + '_ {
        self.slots.iter().enumerate().filter(|(_, s)| s.flow.is_some()).map(|(i, _)| FlowId(i as u32))
    }

    /// The conversations of `list` from the longest unseen on, with the times by which they stand there.
    #[cfg(test)]
    pub(super) fn walk(&self, list: List) -> Vec<(FlowId, Timestamp)> {
        let mut all = Vec::new();
        let mut i = self.heads[list as usize];
        while let Some(s) = self.slots.get(i as usize) {
            all.push((FlowId(i), s.moved));
            i = s.after;
        }
        all
    }

    fn link(&mut self, i: u32, list: List) {
        let tail = self.tails[list as usize];
        let slot = &mut self.slots[i as usize];
        slot.list = list;
        slot.before = tail;
        slot.after = NONE;
        match self.slots.get_mut(tail as usize) {
            Some(t) => t.after = i,
            None => self.heads[list as usize] = i,
        }
        self.tails[list as usize] = i;
    }

    fn unlink(&mut self, i: u32) {
        let (before, after, list) = {
            let s = &self.slots[i as usize];
            (s.before, s.after, s.list)
        };
        match self.slots.get_mut(before as usize) {
            Some(s) => s.after = after,
            None => self.heads[list as usize] = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(s) => s.before = before,
            None => self.tails[list as usize] = before,
        }
    }
}
