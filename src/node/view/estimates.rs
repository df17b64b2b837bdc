//! Inferred messages of encrypted connections.

use super::View;
use crate::flow::{At, PacketIndex};
use crate::message::v2::Estimate;
use crate::node::encrypted::handshake::Handshake;
use crate::node::encrypted::{Encrypted, Sighting};
use crate::node::output::{Direction, Output, SeenEstimate};
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
            let mut handshake = Handshake::has(kind).then(|| c.handshake.get_or_insert_default());
            let news = handshake.as_mut().is_some_and(|h| {
                let before = h.complete.is_some();
                let news = h.note(sender, kind, time);
                completed |= h.complete.is_some() && !before;
                news
            });
            for (i, (node, side)) in ends.into_iter().flatten().enumerate() {
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
                if let Some(handshake) = handshake.as_mut().filter(|_| news)
                    && let Some(complete) = handshake.complete
                {
                    let time = handshake.points[i].ok_or(complete);
                    let way = if c.conversation.initiator == side { "outbound" } else { "inbound" };
                    let (whose, features) = (handshake.implementation(side.other()), handshake.features(side.other()));
                    let point = node.handshake_point(time, || peers::encrypted(way, whose, &features, id.0));
                    handshake.points[i] = Some(point);
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
