//! One TCP segment as the flow stage takes it.

use super::seq::SeqNum;
use std::net::{IpAddr, SocketAddr};

/// The flags of the TCP header that the sensor looks at (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push function.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment field is significant.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer field is significant.
    pub const URG: u8 = 0x20;

    /// Whether all of `mask` is set.
    #[inline]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
}

/// One TCP segment, its payload borrowed from the frame or from the fragment reassembler.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Source address.
    pub src_ip: IpAddr,
    /// Destination address.
    pub dst_ip: IpAddr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first payload byte (of the SYN, when set).
    pub seq: SeqNum,
    /// Acknowledgment number; meaningful with [`Flags::ACK`].
    pub ack: SeqNum,
    /// Header flags.
    pub flags: Flags,
    /// Window as in the header, not scaled.
    pub window: u16,
    /// Window scale option (RFC 7323), on SYN segments.
    pub window_scale: Option<u8>,
    /// TSval of the timestamps option (RFC 7323).
    pub tsval: Option<u32>,
    /// Checksum field of the TCP header as it stands there.
    pub checksum: u16,
    /// Identification field of the IPv4 header, 0 for IPv6.
    pub ip_id: u16,
    /// IP total length in bytes (headers included): what the segment cost on the wire.
    pub ip_len: u32,
    /// Payload bytes by the IP length; `payload` may hold fewer (snap length).
    pub payload_len: u32,
    /// The captured payload bytes, never more than `payload_len`.
    pub payload: &'a [u8],
    /// The bytes that the TCP checksum covers (TCP header and payload); empty when the capture cut
    /// them, so that the checksum cannot be told.
    pub checksummed: &'a [u8],
}

impl Segment<'_> {
    /// Source endpoint.
    pub fn src(&self) -> SocketAddr {
        SocketAddr::new(self.src_ip, self.src_port)
    }

    /// Destination endpoint.
    pub fn dst(&self) -> SocketAddr {
        SocketAddr::new(self.dst_ip, self.dst_port)
    }
}
