//! Memory for messages that span segments: a pool with a cap, one a partition.
//!
//! A buffer grows with what has arrived, never with what a header claims.
//! When the pool exceeds its cap, the message that has waited longest for its
//! next byte is given up (a sender that trickles must not displace one that
//! sends): its framer learns so at its next byte and skips the rest by arithmetic.

use crate::flow::PacketIndex;

/// Memory for gathered messages in one partition, bytes: one of the largest messages, and some.
pub const GATHER_CAP: usize = 5 * 1024 * 1024;
/// Emptied buffers of a kind kept for the next message.
const SPARE: usize = 2;
/// Larger buffers are handed out again only to a message of which as much has arrived, bytes: a sender
/// that announces much and sends little must not pin them.
const SMALL: usize = 64 * 1024;
/// First size of a buffer, bytes.
const FIRST: usize = 4 * 1024;

/// A buffer in use.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    slot: u32,
    turn: u64,
}

#[derive(Debug, Default)]
struct Slot {
    bytes: Vec<u8>,
    /// Which use of the slot this is; a ticket of an earlier turn was given up.
    turn: u64,
    grown: PacketIndex,
    used: bool,
}

/// The pool.
#[derive(Debug)]
pub struct GatherPool {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Emptied buffers, up to [`SMALL`] and larger.
    spare: [Vec<Vec<u8>>; 2],
    allocated: usize,
    cap: usize,
    given_up: u64,
}

impl GatherPool {
    /// An empty pool of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), spare: [Vec::new(), Vec::new()], allocated: 0, cap, given_up: 0 }
    }

    /// Messages given up for the cap since the last call.
    pub fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Bytes allocated to messages.
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// A fresh buffer.
    pub fn start(&mut self, now: PacketIndex) -> Ticket {
        let i = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[i as usize];
        slot.turn += 1;
        slot.used = true;
        slot.grown = now;
        slot.bytes = self.spare[0].pop().unwrap_or_default();
        self.allocated += slot.bytes.capacity();
        Ticket { slot: i, turn: slot.turn }
    }

    /// Adds `bytes` of at most `total` in all; false when the message was given up.
    pub fn extend(&mut self, ticket: &Ticket, bytes: &[u8], total: usize, now: PacketIndex) -> bool {
        let Some(slot) = self.slots.get_mut(ticket.slot as usize).filter(|s| s.used && s.turn == ticket.turn) else {
            return false;
        };
        slot.grown = now;
        let need = slot.bytes.len() + bytes.len();
        let had = slot.bytes.capacity();
        if need > had {
            // Doubling, but never beyond what the message can need.
            let goal = need.max(had * 2).max(FIRST).min(total.max(need));
            let large = if goal > SMALL { self.spare[1].iter().position(|s| s.capacity() >= goal) } else { None };
            if let Some(large) = large {
                let mut larger = self.spare[1].swap_remove(large);
                larger.extend_from_slice(&slot.bytes);
                std::mem::swap(&mut slot.bytes, &mut larger);
                keep(&mut self.spare, larger);
            } else {
                slot.bytes.reserve_exact(goal - slot.bytes.len());
            }
        }
        slot.bytes.extend_from_slice(bytes);
        self.allocated = self.allocated + slot.bytes.capacity() - had;
        if self.allocated > self.cap {
            self.relieve(ticket.slot);
        }
        true
    }

    /// What was gathered so far.
    pub fn bytes(&self, ticket: &Ticket) -> Option<&[u8]> {
        let slot = self.slots.get(ticket.slot as usize).filter(|s| s.used && s.turn == ticket.turn)?;
        Some(&slot.bytes)
    }

    /// Takes the bytes out; hand them back with [`GatherPool::recycle`]. None when the message was given up.
    pub fn finish(&mut self, ticket: &Ticket) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut(ticket.slot as usize).filter(|s| s.used && s.turn == ticket.turn)?;
        let bytes = std::mem::take(&mut slot.bytes);
        slot.used = false;
        self.free.push(ticket.slot);
        self.allocated -= bytes.capacity();
        Some(bytes)
    }

    /// Keeps an emptied buffer for the next message.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        keep(&mut self.spare, bytes);
    }

    /// Gives large buffers back that no message has taken: they come in bursts, and every partition would keep some.
    pub fn rest(&mut self) {
        self.spare[1].clear();
    }

    /// Forgets a message.
    pub fn abandon(&mut self, ticket: &Ticket) {
        if let Some(bytes) = self.finish(ticket) {
            self.recycle(bytes);
        }
    }

    /// Gives up the longest waiting messages, but not the one at `but`, down to 3/4 of the cap.
    fn relieve(&mut self, but: u32) {
        let mut waiting: Vec<(PacketIndex, u32)> = (self.slots.iter().enumerate())
            .filter(|(i, s)| s.used && *i as u32 != but)
            .map(|(i, s)| (s.grown, i as u32))
            .collect();
        waiting.sort_unstable();
        for (_, i) in waiting {
            if self.allocated <= self.cap / 4 * 3 {
                break;
            }
            let slot = &mut self.slots[i as usize];
            self.allocated -= slot.bytes.capacity();
            slot.bytes = Vec::new();
            slot.used = false;
            self.free.push(i);
            self.given_up += 1;
        }
    }
}

fn keep(spare: &mut [Vec<Vec<u8>>; 2], mut bytes: Vec<u8>) {
    let kind = &mut spare[usize::from(bytes.capacity() > SMALL)];
    if kind.len() < SPARE && bytes.capacity() > 0 {
        bytes.clear();
        kind.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_the_longest_waiting_message() {
        let mut pool = GatherPool::new(10_000);
        let old = pool.start(PacketIndex(1));
        assert!(pool.extend(&old, &[1; 4000], 8000, PacketIndex(1)));
        let new = pool.start(PacketIndex(2));
        assert!(pool.extend(&new, &[2; 7000], 7000, PacketIndex(2)));
        assert_eq!(pool.take_given_up(), 1);
        assert!(!pool.extend(&old, &[1; 10], 8000, PacketIndex(3)));
        assert_eq!(pool.bytes(&new).map(<[u8]>::len), Some(7000));
        assert!(pool.allocated() <= 10_000);
        // The place is taken again, and the old ticket still says no.
        let third = pool.start(PacketIndex(4));
        assert!(!pool.extend(&old, &[1], 8000, PacketIndex(4)));
        assert!(pool.extend(&third, &[3], 10, PacketIndex(4)));
    }

    #[test]
    fn grows_with_what_arrives_not_with_what_is_claimed() {
        let mut pool = GatherPool::new(GATHER_CAP);
        let t = pool.start(PacketIndex(1));
        assert!(pool.extend(&t, &[0; 10], 4_000_000, PacketIndex(1)));
        assert!(pool.allocated() <= FIRST);
        let bytes = pool.finish(&t).unwrap();
        assert_eq!((bytes.len(), pool.allocated()), (10, 0));
        pool.recycle(bytes);
        assert!(pool.finish(&t).is_none());
    }

    #[test]
    fn at_rest_there_are_no_large_buffers() {
        let mut pool = GatherPool::new(GATHER_CAP);
        for bytes in [3_000_000, 100] {
            let t = pool.start(PacketIndex(1));
            assert!(pool.extend(&t, &vec![0; bytes], bytes, PacketIndex(1)));
            pool.abandon(&t);
        }
        assert_eq!(pool.spare.each_ref().map(Vec::len), [1, 1]);
        pool.rest();
        assert_eq!(pool.spare.each_ref().map(Vec::len), [1, 0]);
    }

    #[test]
    fn a_large_buffer_is_handed_out_again_only_to_what_has_arrived() {
        let mut pool = GatherPool::new(GATHER_CAP);
        let block = pool.start(PacketIndex(1));
        assert!(pool.extend(&block, &vec![0; 3_000_000], 3_000_000, PacketIndex(1)));
        pool.abandon(&block);
        // Claims 4 MB and sends a byte: gets no 3 MB for it.
        let trickle = pool.start(PacketIndex(2));
        assert!(pool.extend(&trickle, &[0], 4_000_000, PacketIndex(2)));
        assert!(pool.allocated() <= FIRST);
        // The next block gets them, with what it had.
        let block = pool.start(PacketIndex(3));
        assert!(pool.extend(&block, &vec![7; 60_000], 2_500_000, PacketIndex(3)));
        assert!(pool.extend(&block, &vec![8; 60_000], 2_500_000, PacketIndex(4)));
        assert!(pool.allocated() >= 3_000_000);
        let bytes = pool.bytes(&block).unwrap();
        assert_eq!((bytes.len(), bytes[59_999], bytes[60_000]), (120_000, 7, 8));
        pool.abandon(&block);
        pool.abandon(&trickle);
        assert_eq!(pool.allocated(), 0);
    }
}
