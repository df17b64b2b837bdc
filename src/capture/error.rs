//! What can be wrong with a capture, each message on one line.

use super::LinkType;
use std::fmt;
use std::io;
use std::path::Path;

/// The end of every message about a file that is no capture.
const ACCEPTED: &str = "accepted are pcap and pcapng, plain or compressed with gzip or zstd";

/// Why a capture could not be opened, or where its reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No path was given.
    #[error("no capture file was named")]
    NoFiles,
    /// The file or folder cannot be opened or listed.
    #[error("{file}: cannot open: {reason}")]
    Open {
        /// Path as shown to people.
        file: String,
        /// What the system said.
        reason: io::Error,
    },
    /// There is no byte in the file, or none in the compressed stream.
    #[error("{file}: is empty; {ACCEPTED}")]
    Empty {
        /// Path as shown to people.
        file: String,
    },
    /// The file starts with something else.
    #[error("{file}: found {found}; {ACCEPTED}")]
    NotACapture {
        /// Path as shown to people.
        file: String,
        /// The format by name, or the first bytes.
        found: String,
    },
    /// A folder without any capture in it.
    #[error("{folder}: holds no capture ({ignored} other files in it); {ACCEPTED}")]
    NoCaptureInside {
        /// Path as shown to people.
        folder: String,
        /// Files that were looked at and are no captures.
        ignored: u64,
    },
    /// `follow` was asked for, and the newest file is compressed.
    #[error("{file}: cannot follow a compressed file ({compression})")]
    FollowCompressed {
        /// Path as shown to people.
        file: String,
        /// Name of the compression.
        compression: &'static str,
    },
    /// The system or the decompressor failed in the middle.
    #[error("{place}: cannot read on: {reason}")]
    Read {
        /// Where the bytes that could be read end.
        place: Place,
        /// What the system or the decompressor said.
        reason: io::Error,
    },
    /// A field has a value that cannot be.
    #[error("{place}: expected {expected}, found {found}")]
    Damaged {
        /// Where the field is.
        place: Place,
        /// What would have been right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The file ends within a record.
    #[error("{place}: cut off: expected {expected} of {needed} bytes, found {found} bytes")]
    Truncated {
        /// Where the record starts.
        place: Place,
        /// The kind of record.
        expected: &'static str,
        /// Bytes the record needs, as far as they are known.
        needed: u64,
        /// Bytes of it that are there.
        found: u64,
    },
    /// libpcap does not compile the filter.
    #[error("filter `{expression}` on link type {}: {message}", .link.0)]
    Filter {
        /// The expression as given.
        expression: String,
        /// The link type it was compiled for.
        link: LinkType,
        /// What libpcap said.
        message: String,
    },
    /// libpcap does not list the interfaces.
    #[error("cannot list the network interfaces: {message}")]
    Interfaces {
        /// What libpcap said.
        message: String,
    },
    /// There is no interface of this name.
    #[error("there is no network interface `{interface}`; there are: {known}")]
    NoSuchInterface {
        /// The name.
        interface: String,
        /// The names there are.
        known: String,
    },
    /// None was named, and there is no default route to go by.
    #[error("this host has no default route; name the interface to capture on with -i: {known}")]
    NoDefaultInterface {
        /// The names there are.
        known: String,
    },
    /// The process may not capture.
    #[error(
        "no right to capture on {interface}; run it as root, or give the program the right with: sudo setcap cap_net_raw+ep {}, or run it by its systemd unit (deploy/systemd)",
        program()
    )]
    NoRight {
        /// The interface.
        interface: String,
    },
    /// The interface cannot be captured on.
    #[error("cannot capture on {interface}: {message}")]
    Device {
        /// The interface.
        interface: String,
        /// What libpcap or the system said.
        message: String,
    },
    /// No interface is left.
    #[error("{interface}: nothing is left to capture on ({message}); start again when the interface is back")]
    Gone {
        /// The interfaces.
        interface: String,
        /// What libpcap said.
        message: String,
    },
}

/// This program's own file, for `setcap`.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "btcdmon".to_owned(), |p| shown(&p))
}

impl CaptureError {
    /// The place in a file the error is about, when it is about one.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Read { place, .. } | Self::Damaged { place, .. } | Self::Truncated { place, .. } => Some(place),
            _ => None,
        }
    }
}

/// A byte of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path as shown to people.
    pub file: String,
    /// Bytes before it, in the uncompressed stream.
    pub offset: u64,
    /// Name of the (outermost) compression, if any.
    pub compression: Option<&'static str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: byte {}", self.file, self.offset)?;
        match self.compression {
            Some(name) => write!(f, " of the uncompressed stream ({name})"),
            None => Ok(()),
        }
    }
}

/// `path` for a message: control characters (a name may hold a newline) are escaped.
pub(super) fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "standard input".to_owned();
    }
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// What a record reader reports; the file adds its name.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Damaged { offset: u64, expected: String, found: String },
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl Fault {
    pub fn damaged(offset: u64, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Damaged { offset, expected: expected.into(), found: found.into() }
    }
}
