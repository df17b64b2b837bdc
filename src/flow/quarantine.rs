//! A conversation on which this program failed: given up, so that all others go on.
//!
//! Nothing below is meant to panic. Should some input find a way all the same,
//! whoever drives the partition catches the panic and calls
//! [`Partition::quarantine`], and one connection has not blinded the sensor for
//! the others.

use super::anomaly::{Anomaly, CloseReason};
use super::handler::{At, StreamHandler};
use super::key::FlowKey;
use super::partition::Partition;
use super::receive::held_bytes;
use super::table::FlowId;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Conversations that stay in quarantine at most; beyond, all of them may try again.
const QUARANTINED: usize = 1024;

/// What a partition is working on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Busy {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// A conversation that is about to begin.
    Opening(FlowKey),
    /// This conversation.
    Flow(FlowId),
}

/// Keys whose segments are not looked at.
pub(super) type Quarantined = HashSet<FlowKey, ahash::RandomState>;

/// An empty set; its hashes are the same in every run.
pub(super) fn nobody() -> Quarantined {
    HashSet::with_hasher(ahash::RandomState::with_seeds(5, 6, 7, 8))
}

impl<H: StreamHandler> Partition<H> {
    /// After a panic in one of the partition's methods: gives up the conversation that was being worked on,
    /// counted as [`Anomaly::ContainedPanic`]. Whether there was one.
    pub fn quarantine(&mut self, at: At) -> bool {
        self.tally.count(Anomaly::ContainedPanic);
        let busy = std::mem::take(&mut self.busy);
        let key = match busy {
            Busy::Nothing => None,
            Busy::Opening(key) => Some(key),
            Busy::Flow(id) => self.table.remove(id).map(|flow| {
                let mut flow = *flow;
                let handler = &mut self.handler;
                // The handler may be what has failed, and may fail again.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    handler.closed(at, &flow.conversation, &mut flow.stream, CloseReason::Quarantined);
                }));
                flow.key
            }),
        };
        // The lists of the partition may have been under way.
        self.held = 0;
        self.dirty.clear();
        self.waiting.clear();
        for id in self.table.ids() {
            let Some(flow) = self.table.get(id) else { continue };
            self.held += held_bytes(flow);
            let entry = (id, flow.conversation.id);
            self.dirty.extend(flow.dirty.then_some(entry));
            self.waiting.extend(flow.waiting.then_some(entry));
        }
        if self.quarantined.len() >= QUARANTINED {
            self.quarantined.clear();
        }
        self.quarantined.extend(key);
        key.is_some()
    }
}
