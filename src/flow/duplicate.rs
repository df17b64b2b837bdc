//! One frame captured twice (R45): a mirror of both ports of a switch, or of ingress and egress, shows each frame twice.
//!
//! Two frames are the same when the whole TCP header that matters (numbers,
//! flags, window, checksum, timestamps), the IPv4 identification and the
//! payload length agree and they were captured at most 5 ms apart. A real
//! retransmission differs at least in the identification or the timestamp.

use crate::decode::segment::Segment;
use crate::time::Timestamp;

/// Frames remembered per direction: a mirror's second copy comes within a few frames.
const REMEMBERED: usize = 8;

/// The last few frames of one direction, as digests.
#[derive(Clone, Debug, Default)]
pub struct RecentFrames {
    /// Digest, and the low half of the capture time in ns; a connection has two of these, so they are kept small.
    frames: [(u32, u32); REMEMBERED],
    at: u8,
}

impl RecentFrames {
    /// Whether `segment` was captured before, at most `within` nanoseconds ago; remembers it if not.
    #[inline]
    pub fn is_duplicate(&mut self, segment: &Segment<'_>, time: Timestamp, within: i64) -> bool {
        let digest = digest(segment);
        let (now, within) = (time.nanos() as u32, within as u32);
        // The times repeat after 4.3 s; two frames so far apart differ in their TCP timestamps or identification.
        if self.frames.iter().any(|&(d, t)| d == digest && (now.wrapping_sub(t) as i32).unsigned_abs() <= within) {
            return true;
        }
        self.frames[usize::from(self.at)] = (digest, now);
        self.at = (self.at + 1) % REMEMBERED as u8;
        false
    }
}

/// Mixes the fields into one word that is never 0, the value of an empty place.
///
/// Not a keyed hash: an attacker who makes two different segments collide only hides one of his own.
fn digest(s: &Segment<'_>) -> u32 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let words = [
        u64::from(s.seq.0) << 32 | u64::from(s.ack.0),
        u64::from(s.tsval.unwrap_or(0)) << 32 | u64::from(s.payload_len),
        u64::from(s.flags.0) << 48 | u64::from(s.window) << 32 | u64::from(s.checksum) << 16 | u64::from(s.ip_id),
    ];
    (words.iter().fold(K, |h, w| (h ^ w).wrapping_mul(K).rotate_left(29)) >> 32) as u32 | 1
}
