//! What the readers of capture files count beside the frames.

use crate::health::Tally;

crate::vocabulary! {
    /// What is special about a capture; none of it ends a file.
    pub enum CaptureNote {
        FileIgnored = "file_ignored": "A file in a folder is no capture and was left alone.",
        FileDamaged = "file_damaged": "A file ended early; the frames before the damage were used.",
        FrameFiltered = "frame_filtered": "A frame does not match the capture filter and was left out.",
        BlockSkipped = "block_skipped": "A pcapng block holds neither packets nor statistics and was skipped.",
        TimeMissing = "time_missing": "A pcapng packet has no time; the time of the packet before it was used.",
        TimeSaturated = "time_saturated": "A time lies outside the years 1677 to 2262 and was moved to their edge.",
        StatisticsStray = "statistics_stray": "Statistics of an interface that is not described were left out.",
    }
}

/// Frames the capturing program lost, as the files tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// By the interface (`isb_ifdrop`, and the drop count of obsolete packet blocks).
    pub interface: u64,
    /// By the operating system (`isb_osdrop`).
    pub system: u64,
}

/// The counters all files of a source share.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub tally: Tally<CaptureNote>,
    pub dropped: Dropped,
    /// The number the next interface gets.
    pub next_interface: u32,
}

impl Notes {
    /// A number for one more interface.
    pub fn number_interface(&mut self) -> u32 {
        let number = self.next_interface;
        self.next_interface = number.saturating_add(1);
        number
    }
}
