//! What was captured live, kept as pcapng in files that take turns.
//!
//! The newest file always has the given name. When it is full (or the program starts and finds one) it is moved
//! aside: `node.pcapng` becomes `node-20261126T101500.123456Z.pcapng`, by the time at which it was last written to.
//! The oldest files are removed. Blocks are made where the frames are ([`Blocks`]) and written where there is time
//! ([`Rotating`]).

use super::pcapng::block;
use super::write::PcapNgWriter;
use super::{ByteOrder, Dropped, Frame, LinkType};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where to keep frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateOptions {
    /// The newest file.
    pub path: PathBuf,
    /// Bytes at which a file is full.
    pub size: Option<u64>,
    /// Files kept at most, the newest one included.
    pub keep: Option<u32>,
}

/// Enhanced packet blocks in memory.
#[derive(Debug, Default)]
pub struct Blocks {
    /// The blocks.
    pub bytes: Vec<u8>,
    /// Their number.
    pub frames: u64,
}

impl Blocks {
    /// Adds a frame, with nanoseconds.
    pub fn push(&mut self, frame: &Frame<'_>) {
        let (len, time) = (frame.data.len() as u32, frame.time.nanos().max(0) as u64);
        let padded = len.next_multiple_of(4);
        let total = padded + 32;
        let words = [block::ENHANCED, total, frame.interface, (time >> 32) as u32, time as u32, len, frame.wire_len];
        for word in words {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend_from_slice(frame.data);
        self.bytes.resize(self.bytes.len() + (padded - len) as usize, 0);
        self.bytes.extend(total.to_le_bytes());
        self.frames += 1;
    }

    /// Makes it empty, and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.frames = 0;
    }
}

/// The files.
#[derive(Debug)]
pub struct Rotating {
    options: RotateOptions,
    /// What stands at the start of each file: the section and its interfaces.
    head: Vec<u8>,
    interfaces: u32,
    file: File,
    written: u64,
}

impl Rotating {
    /// Starts a file for frames of `interfaces` (name and link type, by number).
    pub fn create(options: RotateOptions, interfaces: &[(String, LinkType)]) -> io::Result<Self> {
        let head = head(interfaces)?;
        aside(&options.path)?;
        let file = open(&options.path)?;
        let interfaces = interfaces.len() as u32;
        let mut new = Self { options, head, interfaces, file, written: 0 };
        new.begin()?;
        Ok(new)
    }

    /// Appends blocks; begins another file before when this one is full.
    ///
    /// # Errors
    /// As the system has them; nothing of `blocks` is in the file then, and the next call may succeed.
    pub fn append(&mut self, blocks: &[u8], dropped: Dropped) -> io::Result<()> {
        let empty = self.written <= self.head.len() as u64;
        if !empty && self.options.size.is_some_and(|most| self.written + blocks.len() as u64 > most) {
            self.rotate(dropped)?;
        }
        if self.written == 0 {
            self.begin()?;
        }
        self.write(blocks)
    }

    /// Moves the file aside and begins another.
    pub fn rotate(&mut self, dropped: Dropped) -> io::Result<()> {
        self.finish(dropped)?;
        aside(&self.options.path)?;
        self.file = open(&self.options.path)?;
        self.written = 0;
        self.begin()
    }

    /// Writes the counts of dropped frames, the end of a file.
    pub fn finish(&mut self, dropped: Dropped) -> io::Result<()> {
        let mut w = PcapNgWriter::bare(Vec::new());
        for interface in 0..self.interfaces {
            // The counts are of all interfaces: they stand with the first.
            let d = if interface == 0 { dropped } else { Dropped::default() };
            w.block(block::STATISTICS, &statistics(interface, d))?;
        }
        self.write(&w.into_inner())
    }

    /// Takes over another size and number of files.
    pub fn set_limits(&mut self, size: Option<u64>, keep: Option<u32>) {
        (self.options.size, self.options.keep) = (size, keep);
    }

    fn begin(&mut self) -> io::Result<()> {
        let head = std::mem::take(&mut self.head);
        let result = self.write(&head);
        self.head = head;
        result?;
        self.prune()
    }

    /// All of `bytes`, or nothing of them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => self.written += bytes.len() as u64,
            Err(e) => {
                self.file.set_len(self.written)?;
                return Err(e);
            }
        }
        Ok(())
    }

    fn prune(&self) -> io::Result<()> {
        let Some(keep) = self.options.keep else { return Ok(()) };
        let (folder, prefix, suffix) = parts(&self.options.path);
        let mut old = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let stamp = name.to_str().and_then(|n| n.strip_prefix(&prefix)?.strip_suffix(&suffix));
            if stamp.is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit()) && s.contains('T') && s.contains('Z'))
            {
                old.push(entry.path());
            }
        }
        old.sort_unstable();
        let surplus = old.len().saturating_sub(keep.saturating_sub(1) as usize);
        old[..surplus].iter().try_for_each(fs::remove_file)
    }
}

/// Only the owner may read what was said on the network. Appending: so that a truncated file has no hole.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).append(true).mode(0o640).open(path)
}

/// Folder, beginning and end of the names of files moved aside.
fn parts(path: &Path) -> (PathBuf, String, String) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = |s: Option<&std::ffi::OsStr>| s.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    (folder.to_path_buf(), format!("{}-", text(path.file_stem())), extension)
}

/// Moves a file that is there out of the way.
fn aside(path: &Path) -> io::Result<()> {
    let at = match fs::symlink_metadata(path) {
        Ok(m) if m.is_file() => m,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "is there and no regular file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let (folder, prefix, suffix) = parts(path);
    let stamp = jiff::Timestamp::new(at.mtime(), at.mtime_nsec() as i32)
        .map_or_else(|_| at.mtime().to_string(), |t| t.strftime("%Y%m%dT%H%M%S.%6fZ").to_string());
    for again in 0..100 {
        let more = if again == 0 { String::new() } else { format!("-{again}") };
        let target = folder.join(format!("{prefix}{stamp}{more}{suffix}"));
        if !fs::exists(&target)? {
            return fs::rename(path, target);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of one time beside it"))
}

/// Section and interfaces, with their names (`if_name`) and nanoseconds (`if_tsresol`).
fn head(interfaces: &[(String, LinkType)]) -> io::Result<Vec<u8>> {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Little)?;
    for (name, link) in interfaces {
        let mut body = Vec::new();
        body.extend(link.0.to_le_bytes());
        body.extend([0, 0]);
        body.extend(0_u32.to_le_bytes());
        option(&mut body, 2, name.as_bytes());
        option(&mut body, 9, &[9]);
        option(&mut body, 0, &[]);
        w.block(block::INTERFACE, &body)?;
    }
    Ok(w.into_inner())
}

/// Drops of an interface: `isb_ifdrop` and `isb_osdrop`.
fn statistics(interface: u32, dropped: Dropped) -> Vec<u8> {
    let mut body = interface.to_le_bytes().to_vec();
    body.extend([0; 8]);
    option(&mut body, 5, &dropped.interface.to_le_bytes());
    option(&mut body, 7, &dropped.system.to_le_bytes());
    option(&mut body, 0, &[]);
    body
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;
