//! Bodies that a server did not take, on disk until it does.
//!
//! One file a body, `NUMBER-POINTS.lp.gz`, written under another name first: what is there under its own
//! name is whole. In the order of their numbers, whenever they come. Bounded: the oldest leave first, and are counted.

use super::body::Body;
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Most bodies that wait: beyond it the folder would be slow.
const MOST: usize = 100_000;

/// One body on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    number: u64,
    points: u64,
    bytes: u64,
}

/// A spool is in use by another process.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process uses it.
    #[error("{}: another btcdmon uses this spool\nhint: give each sensor its own with --influx-spool", .0.display())]
    InUse(PathBuf),
    /// The system's error.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// The spool.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// Held while it is open.
    _lock: File,
    entries: VecDeque<Entry>,
    bytes: u64,
    limit: u64,
}

impl Spool {
    /// Opens the spool in `folder`, with what an earlier run left there; makes the folder if there is none.
    ///
    /// # Errors
    /// See [`SpoolError`].
    pub fn open(folder: &Path, limit: u64) -> Result<Self, SpoolError> {
        let io = |doing| move |source| SpoolError::Io { path: folder.to_path_buf(), doing, source };
        fs::create_dir_all(folder).map_err(io("make the folder of the spool"))?;
        let lock = File::create(folder.join("lock")).map_err(io("lock the spool"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse(folder.to_path_buf())),
            Err(TryLockError::Error(e)) => return Err(io("lock the spool")(e)),
        }
        let mut entries = Vec::new();
        for file in fs::read_dir(folder).map_err(io("read the spool"))? {
            let file = file.map_err(io("read the spool"))?;
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            if file.path().extension().is_some_and(|e| e == "part") {
                // Half of a body: the process died while it wrote.
                let _ = fs::remove_file(file.path());
            } else if let Some((number, points)) = parse(name) {
                let bytes = file.metadata().map_err(io("read the spool"))?.len();
                entries.push(Entry { number, points, bytes });
            }
        }
        entries.sort_unstable_by_key(|e| e.number);
        let bytes = entries.iter().map(|e| e.bytes).sum();
        Ok(Self { folder: folder.to_path_buf(), _lock: lock, entries: entries.into(), bytes, limit })
    }

    fn path(&self, e: &Entry) -> PathBuf {
        self.folder.join(format!("{:016x}-{}.lp.gz", e.number, e.points))
    }

    /// The number of the next body that is made: above all that wait.
    pub fn next(&self) -> u64 {
        self.entries.back().map_or(0, |e| e.number + 1)
    }

    /// Takes a body to its place, and gives the number of points that had to leave for it.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is there.
    pub fn push(&mut self, body: &Body) -> Result<u64, SpoolError> {
        let entry = Entry { number: body.number, points: body.points, bytes: body.data.len() as u64 };
        let mut lost = 0;
        while self.bytes + entry.bytes > self.limit || self.entries.len() >= MOST {
            // The oldest is what leaves, be it the one that comes.
            let Some(oldest) = self.entries.front().filter(|e| e.number < entry.number) else {
                return Ok(lost + body.points);
            };
            lost += oldest.points;
            self.remove_oldest();
        }
        let path = self.path(&entry);
        let part = path.with_extension("part");
        let written = File::create(&part)
            .and_then(|mut f| f.write_all(&body.data).and_then(|()| f.sync_data()))
            .and_then(|()| fs::rename(&part, &path));
        if let Err(source) = written {
            let _ = fs::remove_file(&part);
            return Err(SpoolError::Io { path, doing: "write to the spool", source });
        }
        self.bytes += entry.bytes;
        let place = self.entries.partition_point(|e| e.number < entry.number);
        self.entries.insert(place, entry);
        Ok(lost)
    }

    /// Whether `body` fits without pushing another out.
    pub fn has_room(&self, body: &Body) -> bool {
        self.bytes + body.data.len() as u64 <= self.limit && self.entries.len() < MOST
    }

    /// The oldest body; files that have gone are passed over and their points counted in `lost`.
    ///
    /// # Errors
    /// When it is there and cannot be read, for which too many open files are enough: it stays, and may be read later.
    pub fn oldest(&mut self, lost: &mut u64) -> Result<Option<(Entry, Body)>, SpoolError> {
        while let Some(&entry) = self.entries.front() {
            let path = self.path(&entry);
            match fs::read(&path) {
                Ok(data) => return Ok(Some((entry, Body { data, points: entry.points, number: entry.number }))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    *lost += entry.points;
                    self.remove_oldest();
                }
                Err(source) => return Err(SpoolError::Io { path, doing: "read from the spool", source }),
            }
        }
        Ok(None)
    }

    /// Whether nothing that waits was made before `body`.
    pub fn is_next(&self, body: &Body) -> bool {
        self.entries.front().is_none_or(|e| body.number < e.number)
    }

    /// Forgets a body that was delivered; it may have left already.
    pub fn done(&mut self, entry: Entry) {
        if self.entries.front() == Some(&entry) {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some(e) = self.entries.pop_front() {
            let _ = fs::remove_file(self.path(&e));
            self.bytes -= e.bytes;
        }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Points that wait.
    pub fn points(&self) -> u64 {
        self.entries.iter().map(|e| e.points).sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Number and points of a file's name.
fn parse(name: &str) -> Option<(u64, u64)> {
    let (number, points) = name.strip_suffix(".lp.gz")?.split_once('-')?;
    Some((u64::from_str_radix(number, 16).ok()?, points.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(points: u64, bytes: usize) -> Body {
        Body { data: vec![7; bytes], points, number: points }
    }

    fn drain(spool: &mut Spool) -> Vec<u64> {
        let mut lost = 0;
        let mut all = Vec::new();
        while let Some((entry, body)) = spool.oldest(&mut lost).unwrap() {
            all.push(body.points);
            spool.done(entry);
        }
        assert_eq!(lost, 0);
        all
    }

    #[test]
    fn keeps_bodies_in_order_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 1000).unwrap();
        (1..=3).for_each(|n| assert_eq!(spool.push(&body(n, 10)).unwrap(), 0));
        assert!(matches!(Spool::open(dir.path(), 1000), Err(SpoolError::InUse(_))));
        drop(spool);
        fs::write(dir.path().join("0000000000000009-1.part"), "half").unwrap();
        fs::write(dir.path().join("notes.txt"), "not ours").unwrap();
        let mut spool = Spool::open(dir.path(), 1000).unwrap();
        spool.push(&body(4, 10)).unwrap();
        assert_eq!((spool.bytes(), spool.points()), (40, 10));
        assert_eq!(drain(&mut spool), [1, 2, 3, 4]);
        assert_eq!((spool.bytes(), spool.is_empty()), (0, true));
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["lock", "notes.txt"]);
    }

    #[test]
    fn the_oldest_leave_a_full_spool_and_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 100).unwrap();
        let lost: Vec<u64> = (1..=5).map(|n| spool.push(&body(n, 30)).unwrap()).collect();
        assert_eq!(lost, [0, 0, 0, 1, 2]);
        assert_eq!(spool.push(&body(6, 90)).unwrap(), 3 + 4 + 5);
        assert_eq!(spool.push(&body(7, 101)).unwrap(), 6 + 7, "one that never fits");
        assert_eq!(drain(&mut spool), [0_u64; 0]);
    }

    #[test]
    fn a_late_body_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 100).unwrap();
        for n in [3, 5, 2] {
            assert_eq!(spool.push(&body(n, 30)).unwrap(), 0);
        }
        assert!(spool.is_next(&body(1, 30)) && !spool.is_next(&body(4, 30)));
        assert_eq!(spool.push(&body(1, 30)).unwrap(), 1, "the oldest does not push out newer ones");
        assert_eq!(spool.push(&body(4, 30)).unwrap(), 2);
        assert_eq!(spool.next(), 6);
        assert_eq!(drain(&mut spool), [3, 4, 5]);
    }

    #[test]
    fn a_file_that_has_gone_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 1000).unwrap();
        spool.push(&body(5, 10)).unwrap();
        spool.push(&body(6, 10)).unwrap();
        fs::remove_file(dir.path().join("0000000000000005-5.lp.gz")).unwrap();
        let mut lost = 0;
        assert_eq!(spool.oldest(&mut lost).unwrap().unwrap().1.points, 6);
        assert_eq!((lost, spool.bytes()), (5, 10));
    }

    #[test]
    fn a_file_that_cannot_be_read_now_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 1000).unwrap();
        (5..=6).for_each(|n| assert_eq!(spool.push(&body(n, 10)).unwrap(), 0));
        let (path, aside) = (dir.path().join("0000000000000005-5.lp.gz"), dir.path().join("aside"));
        // Reading a folder fails, also for root.
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        let mut lost = 0;
        let error = spool.oldest(&mut lost).unwrap_err().to_string();
        assert!(error.contains("5-5.lp.gz: read from the spool: "), "{error}");
        assert_eq!((lost, spool.bytes(), spool.points()), (0, 20, 11));
        fs::remove_dir(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        assert_eq!(drain(&mut spool), [5, 6]);
    }
}
