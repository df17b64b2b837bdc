//! How connections end: who ended them, what that says of the node, what stays known of them.

use super::{ATTEMPTS, REMEMBERED, View};
use crate::flow::{CloseReason, PacketIndex, Side};
use crate::message::transport::Transport;
use crate::node::output::{Gone, Output};
use crate::node::report::ConnectionReport;
use crate::node::trouble::Trouble;
use crate::time::Timestamp;

impl View {
    /// A side sends no more: when it is the node's and the first, the node ends the connection.
    pub(super) fn closed_by(&mut self, id: PacketIndex, side: Side, time: Timestamp) {
        let Some(c) = self.connections.get_mut(&id).filter(|c| c.closed_first.is_none()) else { return };
        c.closed_first = Some((side, time));
        for (node, _) in c.nodes.into_iter().flatten().filter(|(_, its_side)| *its_side == side) {
            self.nodes[node].ledger.closed(id, true, time, &mut self.coins);
        }
    }

    pub(super) fn close(&mut self, id: PacketIndex, reason: CloseReason, time: Timestamp) {
        let Some(c) = self.connections.get(&id) else { return };
        for (node, side) in c.nodes.into_iter().flatten() {
            let ledger = &mut self.nodes[node].ledger;
            ledger.closed(id, false, time, &mut self.coins);
            let (sent, recv) = (&c.stats[side as usize], &c.stats[side.other() as usize]);
            let first = match c.closed_first {
                Some((first, at)) if first == side => Some(at),
                // An RST does not tell whose it is; a peer that spoke and waits does not send one.
                None if reason == CloseReason::Rst && recv.payload_bytes > 0 => Some(time),
                _ => None,
            };
            let inbound = c.is_bitcoin() && c.conversation.initiator != side;
            if let Some(at) = first.filter(|_| inbound && sent.payload_bytes == 0) {
                let source = c.conversation.endpoints[side.other() as usize].ip();
                ledger.refused(source, at.since(c.established), time);
            }
        }
    }

    pub(super) fn end(&mut self, id: PacketIndex, time: Timestamp, out: &mut impl Output) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        c.ended = Some(time);
        self.note_attempt(id, time);
        self.ended.push_back((time, id));
        if self.ended.len() > REMEMBERED {
            self.troubles.count(Trouble::ForgottenConnection);
            self.forget_oldest(out);
        }
    }

    /// Remembers a v2 attempt that ended without an answer, for the v1 connection that may follow.
    pub(super) fn note_attempt(&mut self, id: PacketIndex, ended: Timestamp) {
        let Some(c) = self.connections.get(&id) else { return };
        let initiator = c.conversation.initiator;
        let answered = c.stats[initiator.other() as usize].payload_bytes > 0;
        if c.transport != Transport::V2 || answered {
            return;
        }
        let ends = c.conversation.endpoints;
        self.attempts.push_back((ended, ends[initiator as usize].ip(), ends[initiator.other() as usize]));
        if self.attempts.len() > ATTEMPTS {
            self.troubles.count(Trouble::ForgottenAttempt);
            self.attempts.pop_front();
        }
    }

    pub(super) fn forget_oldest(&mut self, out: &mut impl Output) {
        let Some((ended, id)) = self.ended.pop_front() else { return };
        if self.connections.get(&id).is_some_and(|c| c.ended == Some(ended)) {
            let Some(c) = self.connections.remove(&id).filter(|c| c.is_bitcoin()) else { return };
            for (node, side) in c.nodes.into_iter().flatten() {
                self.nodes[node].remember(ConnectionReport::new(&c, side));
                out.forgotten(&Gone { id, connection: &c, node: &self.nodes[node].name, side });
            }
        }
    }
}
