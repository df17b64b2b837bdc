//! What crosses from the connections to the node: small digests in capture order.

use super::body::Body;
use super::command::Command;
use super::contents::Digest;
use super::read::DecodeError;
use super::transport::Transport;
use super::v2::Estimate;
use crate::flow::{At, CloseReason, Conversation, DirectionStats, PacketIndex, Side};
use crate::time::Timestamp;

/// One message, decoded.
#[derive(Clone, Debug)]
pub struct Message {
    /// Which side sent it.
    pub side: Side,
    /// Its type.
    pub command: Command,
    /// The command field of a type without a row in the table.
    pub unknown_name: Option<Box<str>>,
    /// Payload bytes by the header.
    pub payload_bytes: u32,
    /// Header bytes: 24, or 20 in the form of before 2012.
    pub header_bytes: u8,
    /// Checksum in the header; absent in the old form.
    pub checksum: Option<[u8; 4]>,
    /// Whether it matches the payload.
    pub checksum_valid: bool,
    /// A gap of the stream lies in the payload: nothing was decoded.
    pub truncated: bool,
    /// Payload bytes that the gap swallowed.
    pub missing: u32,
    /// Capture time of the first byte; the event's time is that of the last.
    pub first: Timestamp,
    /// Stream offset of the header.
    pub offset: u64,
    /// What it says, or why that cannot be told; [`Body::Unknown`] for a truncated message.
    pub body: Result<Body, DecodeError>,
    /// Payload bytes beyond the contents.
    pub trailing: u32,
    /// What the series of the node are made of; absent when nobody wants those.
    pub digest: Option<Digest>,
}

/// What happened on a connection.
#[derive(Clone, Debug)]
pub enum What {
    /// The handshake is complete, or the connection was joined in the middle.
    Established(Box<Conversation>),
    /// It is known, or known better, what the connection speaks.
    Transport(Transport),
    /// A message.
    Message(Message),
    /// Messages of an encrypted connection, inferred. They carry their own times: the event is when they were decided.
    Estimates(Box<[Estimate]>),
    /// Cumulative figures of both directions, by sending side, and the messages of an encrypted connection that were
    /// decided at this tick.
    Progress([DirectionStats; 2], Box<[Estimate]>),
    /// A side sent its FIN.
    HalfClosed(Side),
    /// The connection ended.
    Closed(CloseReason),
    /// It did not: the RST was forged.
    Revived,
}

impl What {
    /// The inferred messages that it tells.
    #[inline]
    pub fn estimates(&self) -> &[Estimate] {
        match self {
            Self::Estimates(estimates) | Self::Progress(_, estimates) => estimates,
            _ => &[],
        }
    }
}

/// An event of a connection.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, and caused by which frame.
    pub at: At,
    /// The connection.
    pub connection: PacketIndex,
    /// What happened.
    pub what: What,
}
