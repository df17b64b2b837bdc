//! Whether a wrong TCP checksum means damage or hardware offloading (R06).

use super::limits::Checksums;
use crate::decode::checksum;
use crate::decode::segment::Segment;

/// Data segments of a direction that are looked at before deciding.
const SAMPLE: u8 = 8;

/// The sample of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChecksumSample {
    seen: u8,
    bad: u8,
    /// Sum of the newest segment's payload, folded, where it was looked at.
    payload: Option<u32>,
}

impl ChecksumSample {
    /// Whether `segment` is to be ignored for its checksum. Segments that the capture cut are never judged.
    #[inline]
    pub fn rejects(&mut self, policy: Checksums, segment: &Segment<'_>) -> bool {
        if policy == Checksums::Off {
            return false;
        }
        let sums = checksum::sums(segment);
        self.payload = sums.map(|s| fold(s.payload));
        let Some(sums) = sums else { return false };
        if policy == Checksums::On { !sums.right } else { self.auto(segment, sums.right) }
    }

    /// Sum of the payload of the segment that was judged last; with [`Checksums::Off`] it is not known.
    #[inline]
    pub fn payload(&self) -> Option<u32> {
        self.payload
    }

    fn auto(&mut self, segment: &Segment<'_>, good: bool) -> bool {
        let decided = self.seen >= SAMPLE;
        if decided && self.bad * 2 >= SAMPLE {
            return false;
        }
        if decided {
            return !good;
        }
        if segment.payload_len > 0 {
            self.seen += 1;
            self.bad += u8::from(!good);
        }
        // While sampling, a wrong checksum amid right ones is damage; as the first it may be offloading.
        !good && self.seen - self.bad > self.bad
    }
}

/// 32 bits of a sum: its high half counts the carries.
fn fold(sum: u64) -> u32 {
    (sum as u32).wrapping_add((sum >> 32) as u32)
}
