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
}

impl ChecksumSample {
    /// Whether `segment` is to be ignored for its checksum. Segments that the capture cut are never judged.
    #[inline]
    pub fn rejects(&mut self, policy: Checksums, segment: &Segment<'_>) -> bool {
        match policy {
            Checksums::Off => false,
            Checksums::On => checksum::verify(segment) == Some(false),
            Checksums::Auto => self.auto(segment),
        }
    }

    fn auto(&mut self, segment: &Segment<'_>) -> bool {
        let decided = self.seen >= SAMPLE;
        if decided && self.bad * 2 >= SAMPLE {
            return false;
        }
        let Some(good) = checksum::verify(segment) else { return false };
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
