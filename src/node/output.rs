//! What comes out of the node stage: messages as a watched node saw them, and points.

use super::connection::Connection;
use crate::flow::{At, PacketIndex, Side};
use crate::message::event::Message;
use crate::message::network::Network;
use crate::message::v2::Estimate;
use crate::series::Point;
use crate::series::delivery::Delivery;
use std::net::SocketAddr;

/// Seen from the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the node.
    Recv = 0,
    /// From the node.
    Sent = 1,
}

impl Direction {
    /// `recv` or `sent`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recv => "recv",
            Self::Sent => "sent",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Recv => Self::Sent,
            Self::Sent => Self::Recv,
        }
    }
}

/// A message as a watched node saw it.
#[derive(Clone, Copy, Debug)]
pub struct SeenMessage<'a> {
    /// When its last byte was there, and in which frame.
    pub at: At,
    /// The connection.
    pub connection: PacketIndex,
    /// The node.
    pub node: &'a str,
    /// The other end.
    pub peer: SocketAddr,
    /// Seen from the node.
    pub direction: Direction,
    /// The network.
    pub network: Option<Network>,
    /// The message.
    pub message: &'a Message,
    /// Of a `pong`: how long ago its `ping` was, µs.
    pub round_trip: Option<u64>,
}

/// An inferred message of an encrypted connection as a watched node saw it.
#[derive(Clone, Copy, Debug)]
pub struct SeenEstimate<'a> {
    /// When it was decided, and by which frame; the message has its own.
    pub at: At,
    /// The connection.
    pub connection: PacketIndex,
    /// The node.
    pub node: &'a str,
    /// The other end.
    pub peer: SocketAddr,
    /// Seen from the node.
    pub direction: Direction,
    /// The message.
    pub estimate: &'a Estimate,
    /// Of a `pong`: how long ago its `ping` was, µs.
    pub round_trip: Option<u64>,
}

/// A connection that ended a while ago, with its last figures: it is forgotten now.
#[derive(Clone, Copy, Debug)]
pub struct Gone<'a> {
    /// Its number.
    pub id: PacketIndex,
    /// What was known of it.
    pub connection: &'a Connection,
    /// The node.
    pub node: &'a str,
    /// The node's side.
    pub side: Side,
}

/// Where the node stage's results go.
pub trait Output {
    /// A message, once for each watched node at its ends.
    fn message(&mut self, message: &SeenMessage<'_>);
    /// The same of an inferred one.
    fn estimate(&mut self, _estimate: &SeenEstimate<'_>) {}
    /// A Bitcoin connection of a watched node is forgotten.
    fn forgotten(&mut self, _gone: &Gone<'_>) {}
    /// A point of an event series.
    fn point(&mut self, point: Point);
    /// All points of an interval that ended; what came before may be committed with them.
    fn interval(&mut self, points: Vec<Point>);
    /// How the points fare behind this output, for the series `sensor`; a replay does not say, so that it
    /// gives the same points each time.
    fn delivery(&self) -> Option<Delivery> {
        None
    }
    /// Whether somebody wants points of events: where nobody does, none are made.
    fn wants_points(&self) -> bool {
        true
    }
}
