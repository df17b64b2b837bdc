//! Inferred messages of encrypted connections.

use super::View;
use crate::flow::{At, PacketIndex};
use crate::message::v2::Estimate;
use crate::node::encrypted::Sighting;
use crate::node::output::{Direction, Output, SeenEstimate};
use crate::series::peers;

impl View {
    pub(super) fn estimate(&mut self, id: PacketIndex, at: At, estimate: &Estimate, out: &mut impl Output) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        let Estimate { side: sender, kind, time, confidence, .. } = *estimate;
        let Some(command) = kind.command() else { return };
        let round_trip = c.estimated_round_trip(estimate);
        let handshake = c.handshake.get_or_insert_default();
        let before = handshake.complete;
        let news = handshake.note(sender, kind, time);
        for (i, (node, side)) in c.nodes.into_iter().flatten().enumerate() {
            let direction = if sender == side { Direction::Sent } else { Direction::Recv };
            let peer = c.conversation.endpoints[side.other() as usize];
            let node = &mut self.nodes[node];
            node.wanted = out.wants_points();
            node.estimate(direction, command.index(), u64::from(estimate.len));
            node.exchanges.estimate(direction, estimate, round_trip);
            let size = estimate.payload_bytes();
            node.sighting(Sighting { connection: id, peer, direction, kind, size, time, confidence });
            if let Some(complete) = handshake.complete.filter(|_| news) {
                let time = handshake.points[i].ok_or(complete);
                let way = if c.conversation.initiator == side { "outbound" } else { "inbound" };
                let (whose, features) = (handshake.implementation(side.other()), handshake.features(side.other()));
                let point = node.handshake_point(time, || peers::encrypted(way, whose, &features, id.0));
                handshake.points[i] = Some(point);
            }
            node.points.drain(..).for_each(|p| out.point(p));
            let node = &node.name;
            out.estimate(&SeenEstimate { at, connection: id, node, peer, direction, estimate, round_trip });
        }
        if before != handshake.complete {
            self.recount(id);
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
