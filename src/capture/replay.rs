//! Several capture files as one stream in the order of time.
//!
//! The files are sorted by the time of their first packet and opened when the
//! stream reaches it, so of a thousand rotated files one or two are open. Files
//! that overlap are merged by time; the order within a file stays as it is.
//!
//! The merge holds times, not frames: a frame is borrowed from its file's
//! window, and that file moves on only when the next frame is asked for.

use super::error::{CaptureError, shown};
use super::filter::Filter;
use super::note::Notes;
use super::open::Source;
use super::{CaptureNote, Dropped, Frame, PacketSource, Progress, walk};
use crate::health::Tally;
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;

/// How a [`Replay`] reads.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Go on when the newest plain file grows: at its end there is `None` for now, and a record that
    /// is cut off is waited for.
    pub follow: bool,
    /// Keep only frames that match this expression (pcap-filter(7)); the others are counted.
    pub filter: Option<String>,
}

/// Capture files as a [`PacketSource`].
///
/// Damage ends the file it is in and is kept in [`Replay::damage`]; [`PacketSource::next_frame`]
/// fails only when the filter does not compile for the link type of a frame, and may be asked again
/// for the frame behind that.
pub struct Replay {
    waiting: VecDeque<Waiting>,
    slots: Vec<Option<Source>>,
    /// The open files, but the one that gave the last frame.
    heap: BinaryHeap<Reverse<Key>>,
    current: Option<Key>,
    follow: Follow,
    filter: Option<Filter>,
    notes: Notes,
    damage: Vec<CaptureError>,
    progress: Progress,
    /// Bytes of the files that are closed.
    bytes_done: u64,
}

/// Next time of an open file, its place in the order of files, its slot.
type Key = (Timestamp, usize, usize);

/// A file the stream has not reached.
struct Waiting {
    path: PathBuf,
    first: Timestamp,
    /// Opened already, where that cannot be done twice (a pipe, which may be damaged at once) or need not.
    source: Option<Result<Source, CaptureError>>,
    size: Option<u64>,
}

/// The file that may grow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follow {
    No,
    /// This place in the order of files, not yet at its end.
    File(usize),
    /// At its end for now.
    Idle {
        rank: usize,
        slot: usize,
    },
}

impl Replay {
    /// Opens files, folders (all captures below them) and standard input (`-`).
    ///
    /// A missing, unreadable, empty or unknown file and a filter that does not compile are errors here.
    /// With more than one path the first packet of each is read, and standard input waited for.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Self, CaptureError> {
        let Options { follow: following, filter } = options;
        let filter = filter.map(Filter::new).transpose()?;
        let mut notes = Notes::default();
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                notes.tally.add(CaptureNote::FileIgnored, walk::captures(path, &mut files)?);
            } else {
                files.push(path.clone());
            }
        }
        if files.is_empty() {
            return Err(CaptureError::NoFiles);
        }
        let several = files.len() > 1;
        let mut waiting = Vec::with_capacity(files.len());
        for path in files {
            waiting.push(Waiting::open(path, several, &mut notes)?);
        }
        // Stable: files that start together stay in the order given.
        waiting.sort_by_key(|w| w.first);
        let mut follow = Follow::No;
        if following {
            follow = Follow::File(newest(&waiting)?);
        }
        let progress = Progress {
            bytes_total: waiting.iter().map(|w| w.size).sum(),
            files_total: waiting.len() as u64,
            ..Progress::default()
        };
        Ok(Self {
            waiting: waiting.into(),
            slots: Vec::new(),
            heap: BinaryHeap::new(),
            current: None,
            follow,
            filter,
            notes,
            damage: Vec::new(),
            progress,
            bytes_done: 0,
        })
    }

    /// Where files ended early, in the order of finding it; at most one error a file.
    pub fn damage(&self) -> &[CaptureError] {
        &self.damage
    }

    /// Frames that did not match the filter.
    pub fn filtered(&self) -> u64 {
        self.notes.tally.get(CaptureNote::FrameFiltered)
    }

    /// Files in folders that are no captures.
    pub fn ignored(&self) -> u64 {
        self.notes.tally.get(CaptureNote::FileIgnored)
    }

    /// Everything that was counted beside the frames.
    pub fn notes(&self) -> &Tally<CaptureNote> {
        &self.notes.tally
    }

    /// Frames the capturing programs lost, as far as the files tell.
    pub fn dropped(&self) -> Dropped {
        self.notes.dropped
    }

    /// Whether the next frame is there for certain without reading on, which may wait for a pipe or a file that grows.
    pub fn is_buffered(&self) -> bool {
        let current = self.current.and_then(|(_, _, slot)| self.slots.get(slot)?.as_ref());
        self.filter.is_none() && current.is_some_and(Source::is_buffered)
    }

    /// Moves to the next frame of the stream; its slot.
    fn advance(&mut self) -> Option<usize> {
        let mut best = match self.current.take() {
            Some((_, rank, slot)) => self.step(rank, slot),
            None => None,
        };
        loop {
            if let Some(&Reverse(top)) = self.heap.peek()
                && best.is_none_or(|b| top < b)
            {
                self.heap.pop();
                self.heap.extend(best.map(Reverse));
                best = Some(top);
            }
            // A file that waits and starts before all that are open.
            let due = self.waiting.front().is_some_and(|w| best.is_none_or(|(time, ..)| w.first < time));
            if !due {
                break;
            }
            let opened = self.open_next();
            self.heap.extend(opened.map(Reverse));
        }
        if best.is_none()
            && let Follow::Idle { rank, slot } = self.follow
        {
            self.follow = Follow::File(rank);
            best = self.step(rank, slot);
        }
        self.current = best;
        best.map(|(_, _, slot)| slot)
    }

    /// Moves an open file to its next record, and closes it where there is none.
    #[inline]
    fn step(&mut self, rank: usize, slot: usize) -> Option<Key> {
        let grow = self.follow == Follow::File(rank);
        let source = self.slots.get_mut(slot)?.as_mut()?;
        match source.step(&mut self.notes, grow) {
            Ok(Some(time)) => return Some((time, rank, slot)),
            Ok(None) if grow => {
                self.follow = Follow::Idle { rank, slot };
                return None;
            }
            Ok(None) => {}
            Err(e) => self.damaged(e),
        }
        if let Some(source) = self.slots.get_mut(slot).and_then(Option::take) {
            self.done(source.size.unwrap_or(0).max(source.bytes_read()));
        }
        None
    }

    /// Opens the file whose turn it is.
    fn open_next(&mut self) -> Option<Key> {
        let waiting = self.waiting.pop_front()?;
        let rank = self.progress.files_total as usize - self.waiting.len() - 1;
        let source = match waiting.source.unwrap_or_else(|| Source::open(&waiting.path)) {
            Ok(source) => source,
            Err(e) => {
                // It could be opened before: it has vanished or changed, or is a pipe that starts with damage.
                self.damaged(e);
                self.done(waiting.size.unwrap_or(0));
                return None;
            }
        };
        let slot = self.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let time = source.time();
        self.slots[slot] = Some(source);
        match time {
            Some(time) => Some((time, rank, slot)),
            None => self.step(rank, slot),
        }
    }

    /// Files that are open now.
    #[cfg(test)]
    pub(super) fn slots_open(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    fn damaged(&mut self, e: CaptureError) {
        self.notes.tally.count(CaptureNote::FileDamaged);
        self.damage.push(e);
    }

    fn done(&mut self, bytes: u64) {
        self.bytes_done = self.bytes_done.saturating_add(bytes);
        self.progress.files_done += 1;
    }
}

impl Waiting {
    fn open(path: PathBuf, several: bool, notes: &mut Notes) -> Result<Self, CaptureError> {
        let mut source = Source::open(&path)?;
        let size = source.size;
        if !several {
            return Ok(Self { path, first: Timestamp::default(), source: Some(Ok(source)), size });
        }
        let never = Timestamp::from_nanos(i64::MAX);
        if size.is_some() {
            // Looked at only: counts and errors are taken when the stream gets there.
            let first = source.step(&mut Notes::default(), false).ok().flatten();
            return Ok(Self { path, first: first.unwrap_or(never), source: None, size });
        }
        let (first, source) = match source.step(notes, true) {
            Ok(first) => (first.unwrap_or(never), Ok(source)),
            Err(e) => (never, Err(e)),
        };
        Ok(Self { path, first, source: Some(source), size })
    }
}

/// The place of the file to follow: the last one, which must be plain.
fn newest(waiting: &[Waiting]) -> Result<usize, CaptureError> {
    let last = waiting.len().saturating_sub(1);
    let Some(w) = waiting.get(last) else { return Ok(last) };
    let compression = match &w.source {
        Some(Ok(source)) => source.compression,
        Some(Err(_)) => None,
        None => Source::open(&w.path)?.compression,
    };
    match compression {
        Some(compression) => Err(CaptureError::FollowCompressed { file: shown(&w.path), compression }),
        None => Ok(last),
    }
}

impl PacketSource for Replay {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        loop {
            let Some(slot) = self.advance() else { return Ok(None) };
            if let Some(filter) = &mut self.filter
                && let Some(frame) = self.slots[slot].as_ref().and_then(Source::frame)
                && !filter.passes(frame.link, frame.data)?
            {
                self.notes.tally.count(CaptureNote::FrameFiltered);
                continue;
            }
            self.progress.frames += 1;
            return Ok(self.slots[slot].as_ref().and_then(Source::frame));
        }
    }

    fn progress(&self) -> Progress {
        let open: u64 = self.slots.iter().flatten().map(Source::bytes_read).sum();
        let bytes_read = self.bytes_done.saturating_add(open);
        // A followed file grows beyond the size it was opened with.
        let bytes_total = self.progress.bytes_total.map(|total| total.max(bytes_read));
        Progress { bytes_read, bytes_total, ..self.progress }
    }
}
