//! Where frames come from: capture files, standard input, network interfaces.
//!
//! A source of files hands out one [`Frame`] at a time, borrowed from its own buffer.
//! It never sleeps and knows no clock: at the end of what there is now it
//! returns `Ok(None)`, and may be asked again (a file that still grows).
//!
//! Reading order: `window` (bytes), `pcap` and `pcapng` (records), `open`
//! (what a file is), `replay` (several files as one stream); [`device`], [`live`] with `merge`
//! (network interfaces), [`rotate`] (what was seen live, kept as pcapng).

pub mod device;
mod error;
pub mod expression;
mod filter;
pub mod live;
mod merge;
mod note;
mod open;
mod pcap;
mod pcapng;
mod replay;
mod resolution;
pub mod rotate;
mod scripted;
mod walk;
mod window;
pub mod write;

#[cfg(test)]
mod tests;

pub use error::{CaptureError, Place};
pub use live::{Live, LiveOptions};
pub use note::{CaptureNote, Dropped};
pub use replay::{Options, Replay};
pub use scripted::Scripted;
pub use window::{ByteOrder, MAX_RECORD};

use crate::time::Timestamp;

/// Link type of a frame as in a capture file (LINKTYPE_…, tcpdump.org/linktypes.html), not a DLT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// One captured frame, borrowed from its source.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub time: Timestamp,
    /// Link type of the interface it was captured on.
    pub link: LinkType,
    /// Interface number, counted over all files of the source.
    pub interface: u32,
    /// Bytes the frame had on the wire; `data` may hold fewer (snap length).
    pub wire_len: u32,
    /// The bytes that were captured.
    pub data: &'a [u8],
}

/// Something that hands out frames one at a time.
pub trait PacketSource {
    /// The next frame, or `None` at the end of what there is now.
    ///
    /// The frame before is given up by the call. After `None` the source may be
    /// asked again. Whether an error ends the source is said by each source.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError>;

    /// How far the source has come.
    fn progress(&self) -> Progress;
}

/// How far a source has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far, as they lie on disk (compressed where the file is).
    pub bytes_read: u64,
    /// Bytes there are, as far as that is known: not for a pipe or a device.
    pub bytes_total: Option<u64>,
    /// Frames handed out so far.
    pub frames: u64,
    /// Files read to their end (or to their damage) so far.
    pub files_done: u64,
    /// Files of the source.
    pub files_total: u64,
}

/// Hands the frames of a capture file held in memory to `each`, `most` of them at most; returns how many there were.
/// For the fuzz targets.
#[doc(hidden)]
pub fn read_bytes(file: Vec<u8>, most: u64, mut each: impl FnMut(Frame<'_>)) -> Result<u64, CaptureError> {
    let size = file.len() as u64;
    let mut source = open::Source::over(Box::new(std::io::Cursor::new(file)), "input".to_owned(), Some(size))?;
    let (mut notes, mut frames) = (note::Notes::default(), 0);
    while frames < most && source.step(&mut notes, false)?.is_some() {
        if let Some(frame) = source.frame() {
            frames += 1;
            each(frame);
        }
    }
    Ok(frames)
}
