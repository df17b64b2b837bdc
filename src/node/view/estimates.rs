//! Inferred messages of encrypted connections.

use super::View;
use crate::flow::{At, PacketIndex, Side};
use crate::message::v2::Estimate;
use crate::node::connection::Connection;
use crate::node::encrypted::handshake::Handshake;
use crate::node::encrypted::{Encrypted, Sighting};
use crate::node::output::{Direction, Output, SeenEstimate};
use crate::node::totals::Node;
use crate::series::peers;

impl View {
    /// Takes messages of one connection.
    pub(super) fn estimates(&mut self, id: PacketIndex, at: At, estimates: &[Estimate], out: &mut impl Output) {
        let Self { connections, nodes, .. } = self;
        let Some(c) = connections.get_mut(&id) else { return };
        let (ends, wanted) = (c.nodes, out.wants_points());
        let mut completed = false;
        for estimate in estimates {
            let Estimate { side: sender, kind, time, confidence, .. } = *estimate;
            let Some(command) = kind.command() else { continue };
            let round_trip = c.estimated_round_trip(estimate);
            // Most messages are of no handshake.
            let mut news = false;
            if Handshake::has(kind) {
                let handshake = c.handshake.get_or_insert_default();
                let before = handshake.complete.is_some();
                news = handshake.note(sender, kind, time);
                completed |= handshake.complete.is_some() && !before;
            }
            for (i, end) in ends.iter().enumerate() {
                let Some((node, side)) = *end else { continue };
                let direction = if sender == side { Direction::Sent } else { Direction::Recv };
                let peer = c.conversation.endpoints[side.other() as usize];
                let node = &mut nodes[node];
                node.wanted = wanted;
                node.estimate(direction, command.index(), u64::from(estimate.len));
                node.exchanges.estimate(direction, estimate, round_trip);
                if Encrypted::concerns(kind) {
                    let size = estimate.payload_bytes();
                    node.sighting(Sighting { connection: id, peer, direction, kind, size, time, confidence });
                }
                if news {
                    handshake(id, c, node, (i, side));
                }
                if !node.points.is_empty() {
                    node.points.drain(..).for_each(|p| out.point(p));
                }
                let node = &node.name;
                out.estimate(&SeenEstimate { at, connection: id, node, peer, direction, estimate, round_trip });
            }
        }
        if completed {
            self.recount(id);
        }
    }
}

/// Writes the point of a handshake that is complete, or writes it again, for the node at the end `i`.
#[cold]
fn handshake(id: PacketIndex, c: &mut Connection, node: &mut Node, (i, side): (usize, Side)) {
    let Some(handshake) = &mut c.handshake else { return };
    let Some(complete) = handshake.complete else { return };
    let time = handshake.points[i].ok_or(complete);
    let way = if c.conversation.initiator == side { "outbound" } else { "inbound" };
    let (whose, features) = (handshake.implementation(side.other()), handshake.features(side.other()));
    let point = node.handshake_point(time, || peers::encrypted(way, whose, &features, id.0));
    handshake.points[i] = Some(point);
}
