//! Every cap and time-out of the flow stage: unit, reason, what happens.

use crate::time::SECOND;
use std::sync::Arc;

/// Caps and time-outs. All times are capture time in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Held-back bytes per direction, overhead included. Bulk block transfer with loss legally leaves
    /// megabytes above a hole; past the cap the hole becomes a gap (R42).
    pub held_bytes: usize,
    /// Held-back segments per direction (R42).
    pub held_segments: usize,
    /// Held-back bytes per partition; past it the largest buffer becomes a gap (R47, R48).
    pub partition_held_bytes: usize,
    /// Conversations per partition; past it the least valuable one is evicted (R21).
    pub conversations: usize,
    /// Handshake not completed (R20).
    pub embryonic: i64,
    /// No segment at all (R20): nodes ping every 2 min and drop a silent peer after 20 min.
    pub idle: i64,
    /// After the first FIN (R20).
    pub closing: i64,
    /// A closed conversation stays known, so that late segments do not open a new one (R19).
    pub linger: i64,
    /// A hole that the receiver has acknowledged: on mirror ports the ACK may be captured first (R40, R41).
    pub ack_grace: i64,
    /// … or this many later segments of the direction.
    pub ack_grace_segments: u64,
    /// A hole when no acknowledgment of the direction was ever seen (R43).
    pub one_sided: i64,
    /// Two equal frames within this time are one frame captured twice (R45).
    pub duplicate: i64,
}

/// Distance in bytes beyond which a sequence number or acknowledgment is not believed (R37).
pub const FAR: i64 = 16 * 1024 * 1024;
/// Segments in a row that must agree on a new place in the sequence space (R37).
pub const FAR_AGREE: u8 = 3;
/// Accounting overhead of one held-back segment, bytes (R47).
pub const SEGMENT_OVERHEAD: usize = 128;
/// TCP timestamps older than this are not compared (RFC 7323 section 5.5), nanoseconds.
pub const PAWS_IDLE: i64 = 24 * 86_400 * SECOND;
/// Receive window assumed for RST validation when the scale is not known, bytes.
pub const RST_WINDOW: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            held_bytes: 4 * 1024 * 1024,
            held_segments: 4096,
            partition_held_bytes: 4 * 1024 * 1024,
            conversations: 4096,
            embryonic: 60 * SECOND,
            idle: 30 * 60 * SECOND,
            closing: 60 * SECOND,
            linger: 10 * SECOND,
            ack_grace: SECOND / 4,
            ack_grace_segments: 64,
            one_sided: SECOND,
            duplicate: 5_000_000,
        }
    }
}

/// What to do about TCP checksums (R06).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Never look.
    Off,
    /// Ignore every segment whose checksum is wrong.
    On,
    /// Sample the first data segments of each direction; when half of them are wrong the host
    /// computes checksums in hardware, and they are not looked at.
    #[default]
    Auto,
}

/// Configuration of the flow stage.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Caps and time-outs.
    pub limits: Limits,
    /// Checksum policy.
    pub checksums: Checksums,
    /// Ports on which a service listens: decides who opened a conversation joined in the middle,
    /// and which conversations are taken up by a segment without data. Sorted.
    pub service_ports: Arc<[u16]>,
}

impl Config {
    /// Whether a service listens on `port`.
    pub fn is_service(&self, port: u16) -> bool {
        self.service_ports.binary_search(&port).is_ok()
    }
}
