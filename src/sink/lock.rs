//! One writer a store.
//!
//! SQLite's own lock is free between two intervals, so a second sensor could
//! slip in and stop the first one. Hence an advisory lock on `FILE-lock`; a
//! lock on the database file itself is out of question, since closing such a
//! handle drops SQLite's POSIX locks of the whole process
//! (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).

use super::error::StoreError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often to look again when the lock file is replaced under our hands.
const ATTEMPTS: usize = 16;

/// The held lock; free when dropped (or when the process dies, however it dies).
#[derive(Debug)]
pub(super) struct WriterLock {
    file: File,
    path: PathBuf,
}

impl WriterLock {
    /// Takes the lock of the store `store`, or says who has it.
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let mut name = store.as_os_str().to_owned();
        name.push("-lock");
        let path = PathBuf::from(name);
        let io = |source| StoreError::Io { path: store.to_path_buf(), doing: "lock the store", source };
        for _ in 0..ATTEMPTS {
            let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = opened.map_err(|e| match e.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound => {
                    StoreError::ReadOnly { path: store.to_path_buf(), why: e.to_string() }
                }
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(store.to_path_buf()),
                _ => io(e),
            })?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked {
                        path: store.to_path_buf(),
                        who: "another btcdmon is writing to this store",
                    });
                }
                Err(TryLockError::Error(e)) => return Err(io(e)),
            }
            // The former holder may have removed the file between our open and our lock: then this
            // lock is on a file that nobody else will find.
            let ours = file.metadata().map_err(io)?;
            if fs::metadata(&path).is_ok_and(|m| (m.dev(), m.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { file, path });
            }
        }
        Err(StoreError::Locked { path: store.to_path_buf(), who: "the lock file changes all the time" })
    }

    /// Frees the lock and leaves no file behind.
    pub(super) fn release(self) {
        // Removed while still held, see `take`. A file that cannot be removed does no harm.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}
