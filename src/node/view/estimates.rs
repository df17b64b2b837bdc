//! Inferred messages of encrypted connections.

use super::View;
use crate::flow::{At, PacketIndex};
use crate::message::v2::Estimate;
use crate::node::output::{Direction, Output, SeenEstimate};

impl View {
    pub(super) fn estimate(&mut self, id: PacketIndex, at: At, estimate: &Estimate, out: &mut impl Output) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        let Some(command) = estimate.kind.command() else { return };
        for (node, side) in c.nodes.into_iter().flatten() {
            let direction = if estimate.side == side { Direction::Sent } else { Direction::Recv };
            let peer = c.conversation.endpoints[side.other() as usize];
            let node = &mut self.nodes[node];
            node.estimate(direction, command.index(), u64::from(estimate.len));
            node.points.drain(..).for_each(|p| out.point(p));
            out.estimate(&SeenEstimate { at, connection: id, node: &node.name, peer, direction, estimate });
        }
    }

    /// Bytes that inferred messages explain.
    pub(super) fn explained(&mut self, id: PacketIndex, bytes: [u64; 2]) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        for (node, side) in c.nodes.into_iter().flatten() {
            let share = &mut self.nodes[node].shares[1];
            share.explained_recv += bytes[side.other() as usize] - c.explained[side.other() as usize];
            share.explained_sent += bytes[side as usize] - c.explained[side as usize];
        }
        c.explained = bytes;
    }
}
