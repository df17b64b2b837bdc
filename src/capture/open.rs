//! What a file is, told by its first bytes, and how to read it.
//!
//! Compressed content is looked at again. A file that starts like a capture
//! opens; damage behind its first bytes is found when its records are read.

use super::error::{CaptureError, Fault, Place, shown};
use super::note::Notes;
use super::pcap::{Pcap, is_magic};
use super::pcapng::PcapNg;
use super::window::{Record, Step, Stepped, Window};
use super::{Frame, Timestamp};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Compressions around each other that are undone; nobody means more than two.
const MAX_LAYERS: usize = 4;

/// Bytes that tell what a file is; the longest magic needs 12.
const SNIFFED: usize = 12;

/// Formats that are recognized to be named in the message, not read.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"snoop\0\0\0", "a snoop capture"),
    (b"btsnoop\0", "a Bluetooth HCI (btsnoop) capture"),
    (b"GMBU", "a Microsoft Network Monitor capture"),
    (b"RTSS", "a Microsoft Network Monitor 1 capture"),
    (b"XCP\0", "a NetXRay capture"),
    (b"TRSNIFF data", "a Sniffer capture"),
    (b"iptrace ", "an AIX iptrace capture"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"\x1f\x9d", "compress (.Z) data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"SQLite forma", "an SQLite database"),
];

/// A capture file that is open, and its record that comes next.
pub(super) struct Source {
    pub name: String,
    /// The outermost compression.
    pub compression: Option<&'static str>,
    /// Bytes on disk of a regular file.
    pub size: Option<u64>,
    window: Window,
    format: Format,
    record: Option<Record>,
    read: Arc<AtomicU64>,
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Source {
    /// Opens the capture at `path`, standard input for `-`.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = shown(path);
        let cannot = |reason| CaptureError::Open { file: name.clone(), reason };
        let (reader, size): (Box<dyn Read + Send>, _) = if path.as_os_str() == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(cannot)?;
            let about = file.metadata().map_err(cannot)?;
            let size = about.is_file().then_some(about.len());
            (Box::new(file), size)
        };
        Self::over(reader, name, size)
    }

    /// A source over any reader.
    pub fn over(reader: Box<dyn Read + Send>, name: String, size: Option<u64>) -> Result<Self, CaptureError> {
        let read = Arc::new(AtomicU64::new(0));
        let mut reader: Box<dyn Read + Send> = Box::new(Counting { reader, read: Arc::clone(&read) });
        let mut compression = None;
        for _ in 0..=MAX_LAYERS {
            let head = match head(&mut reader) {
                Ok(head) if head.is_empty() => return Err(CaptureError::Empty { file: name }),
                Ok(head) => head,
                Err(reason) => {
                    return Err(CaptureError::Read { place: Place { file: name, offset: 0, compression }, reason });
                }
            };
            let whole = Cursor::new(head.clone()).chain(reader);
            if head.starts_with(b"\x1f\x8b") {
                compression = compression.or(Some("gzip"));
                reader = Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole)));
            } else if is_zstd(&head) {
                compression = compression.or(Some("zstd"));
                reader = match zstd_reader(BufReader::new(whole)) {
                    Ok(decoder) => decoder,
                    Err(reason) => return Err(CaptureError::Open { file: name, reason }),
                };
            } else {
                let format = match head.first_chunk::<4>() {
                    Some(&magic) if is_magic(magic) => Format::Pcap(Pcap::default()),
                    Some(b"\x0a\x0d\x0d\x0a") => Format::PcapNg(PcapNg::default()),
                    _ => return Err(CaptureError::NotACapture { file: name, found: found(&head, compression) }),
                };
                let window = Window::new(Box::new(whole));
                return Ok(Self { name, compression, size, window, format, record: None, read });
            }
        }
        Err(CaptureError::NotACapture { file: name, found: format!("more than {MAX_LAYERS} compressions") })
    }

    /// Gives up the current record and goes to the next; its time, or `None` where the records end now.
    ///
    /// A record that is cut off is an error unless the file may `grow`.
    #[inline]
    pub fn step(&mut self, notes: &mut Notes, grow: bool) -> Result<Option<Timestamp>, CaptureError> {
        if let Some(record) = self.record.take() {
            self.window.consume(record.size);
        }
        match self.format.next(&mut self.window, notes) {
            Ok(Step::Record(record)) => {
                let time = record.time;
                self.record = Some(record);
                Ok(Some(time))
            }
            Ok(Step::End) => Ok(None),
            Ok(Step::Cut { .. }) if grow => Ok(None),
            Ok(Step::Cut { what, need, found }) => {
                let place = self.place(self.window.offset());
                Err(CaptureError::Truncated { place, expected: what, needed: need as u64, found: found as u64 })
            }
            Err(Fault::Damaged { offset, expected, found }) => {
                Err(CaptureError::Damaged { place: self.place(offset), expected, found })
            }
            Err(Fault::Io(reason)) => {
                let there = self.window.offset() + self.window.data().len() as u64;
                Err(CaptureError::Read { place: self.place(there), reason })
            }
        }
    }

    /// Whether the record after the current one is there without reading on.
    pub fn is_buffered(&self) -> bool {
        let current = self.record.as_ref().map_or(0, |r| r.size);
        let rest = self.window.data().get(current..).unwrap_or_default();
        match &self.format {
            Format::Pcap(f) => f.holds_packet(rest),
            Format::PcapNg(f) => f.holds_packet(rest),
        }
    }

    /// The time of the current record.
    pub fn time(&self) -> Option<Timestamp> {
        self.record.as_ref().map(|r| r.time)
    }

    /// The current record.
    #[inline]
    pub fn frame(&self) -> Option<Frame<'_>> {
        let r = self.record.as_ref()?;
        let data = self.window.data().get(r.data.clone())?;
        Some(Frame { time: r.time, link: r.link, interface: r.interface, wire_len: r.wire_len, data })
    }

    /// Bytes read so far, as they lie on disk.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn place(&self, offset: u64) -> Place {
        Place { file: self.name.clone(), offset, compression: self.compression }
    }
}

impl Format {
    #[inline]
    fn next(&mut self, window: &mut Window, notes: &mut Notes) -> Stepped {
        match self {
            Self::Pcap(f) => f.next(window, notes),
            Self::PcapNg(f) => f.next(window, notes),
        }
    }
}

/// A zstd frame, or a skippable one before it (parallel compressors write that; RFC 8878, 3.1).
fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(b"\x28\xb5\x2f\xfd")
        || matches!(head.first_chunk::<4>(), Some([first, 0x2a, 0x4d, 0x18]) if first & 0xf0 == 0x50)
}

fn zstd_reader<R: BufRead + Send + 'static>(reader: R) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(zstd::Decoder::with_buffer(reader)?))
}

/// The first bytes of a stream, fewer only at its end.
fn head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(SNIFFED);
    reader.take(SNIFFED as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The format by name, or the bytes.
fn found(head: &[u8], compression: Option<&str>) -> String {
    let what = match FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, name)) => (*name).to_owned(),
        None if head.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            format!("text starting `{}`", head.escape_ascii())
        }
        None => {
            let hex: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
            format!("the bytes {}", hex.join(" "))
        }
    };
    compression.map_or_else(|| what.clone(), |c| format!("{what} inside {c}"))
}

/// Counts what it passes on; shared, because decompressors own their reader.
struct Counting {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(into)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
