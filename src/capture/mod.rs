//! Where frames come from: capture files, standard input (and live devices).
//!
//! A source hands out one [`Frame`] at a time, borrowed from its own buffer.
//! It never sleeps and knows no clock: at the end of what there is now it
//! returns `Ok(None)`, and may be asked again (a file that still grows).

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
