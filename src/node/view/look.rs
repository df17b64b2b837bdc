//! What whoever shows the nodes to people may look at, between two events. Nothing is made here.

use super::View;
use crate::flow::{PacketIndex, Side};
use crate::health::Tally;
use crate::node::connection::Connection;
use crate::node::totals::Node;
use crate::node::trouble::Trouble;
use crate::series::sensor::Counters;
use crate::time::Timestamp;
use std::net::IpAddr;

/// A connection of a watched node: its number, what is known of it, the node's place and side.
pub type Seen<'a> = (PacketIndex, &'a Connection, usize, Side);

impl View {
    /// The nodes whose names are final, each with its place.
    pub fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, n)| n.named)
    }

    /// Addresses of the node at a place, as given or found.
    pub fn addresses(&self, node: usize) -> Vec<IpAddr> {
        self.watch.nodes().get(node).map(super::super::watch::Watched::addresses).unwrap_or_default()
    }

    /// A connection that is known.
    pub fn connection(&self, id: PacketIndex) -> Option<&Connection> {
        self.connections.get(&id).map(|c| &**c)
    }

    /// All Bitcoin connections of the nodes that have not ended, in no order.
    pub fn open_connections(&self) -> impl Iterator<Item = Seen<'_>> {
        self.connections.iter().filter(|(_, c)| c.ended.is_none()).flat_map(|(id, c)| seen(*id, c))
    }

    /// Those that ended and are still known, newest first.
    pub fn ended_connections(&self) -> impl Iterator<Item = Seen<'_>> {
        let known = |(at, id): &(Timestamp, PacketIndex)| {
            Some((*id, self.connections.get(id).filter(|c| c.ended == Some(*at))?))
        };
        self.ended.iter().rev().filter_map(known).flat_map(|(id, c)| seen(id, c))
    }

    /// What the stages before had counted when the last interval ended.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What this stage had to forget or could not follow, by then.
    pub fn troubles(&self) -> &Tally<Trouble> {
        &self.troubles
    }
}

fn seen(id: PacketIndex, c: &Connection) -> impl Iterator<Item = Seen<'_>> {
    c.nodes.iter().flatten().filter(|_| c.is_bitcoin()).map(move |(node, side)| (id, c, *node, *side))
}
