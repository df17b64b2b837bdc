//! What can go wrong with the store, and what the operator can do about it.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// An error of the store; each says what to do.
///
/// After an error of [`Store::write`](super::Store::write) or [`Store::commit`](super::Store::commit)
/// nothing of the open interval is in the store, what was committed before is.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder of the store does not exist.
    #[error("{}: the folder {} does not exist\nhint: create it, or name another file with --store", path.display(), folder.display())]
    NoFolder {
        /// The store.
        path: PathBuf,
        /// The missing folder.
        folder: PathBuf,
    },
    /// The path names a folder, a device or a pipe.
    #[error("{}: not a regular file\nhint: name a file for the store, such as btcdmon.db", .0.display())]
    NotAFile(PathBuf),
    /// The file is there and is not SQLite.
    #[error("{}: this file is not a btcdmon store, nor any SQLite database; it was left as it is\nhint: name another file with --store", .0.display())]
    NotSqlite(PathBuf),
    /// The file is a database of another program.
    #[error("{}: this SQLite database belongs to another program (application_id {application_id:#010x}); it was left as it is\nhint: name another file with --store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the database says it is; 0 when it says nothing.
        application_id: i32,
    },
    /// The store was written by a newer btcdmon.
    #[error("{}: the store has layout version {found}, this btcdmon knows up to {known}\nhint: update btcdmon, or name another file with --store", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: i32,
        /// Newest version this program knows.
        known: i32,
    },
    /// A column of the store has another type than this program would write.
    #[error("{}: column {table}.{column} is {found} in the store and {wanted} in this btcdmon\nhint: keep the file and start a new one with --store", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The series.
        table: String,
        /// The column.
        column: String,
        /// Declared type in the store.
        found: String,
        /// Declared type this program needs.
        wanted: &'static str,
    },
    /// Somebody else writes to this store.
    #[error("{}: locked: {who}\nhint: stop it, or give this sensor its own file with --store", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who seems to hold the lock.
        who: &'static str,
    },
    /// No space is left.
    #[error("{}: the disk is full; everything up to the last finished interval is safe\nhint: free space; the sensor goes on with the next interval", .0.display())]
    Full(PathBuf),
    /// The file or its folder cannot be written.
    #[error("{}: cannot write there ({why})\nhint: the store needs a folder it can create files in; check owner and permissions, or name another file with --store", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Message of the system or of SQLite.
        why: String,
    },
    /// The file is damaged.
    #[error("{}: the store is damaged ({why})\nhint: `sqlite3 FILE .recover` saves what can be read; start a new file with --store", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's message.
        why: String,
    },
    /// Anything else that SQLite reports.
    #[error("{}: {doing}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// Anything else that the system reports.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Sorts SQLite's error into the ones that an operator can act on.
    pub(super) fn from_sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let why = source.to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Locked { path, who: "another program is writing to the store" }
            }
            Some(ErrorCode::DiskFull) => Self::Full(path),
            // The index of the log lies in memory that the file system must back: no room for it.
            Some(ErrorCode::SystemIoFailure)
                if source.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) =>
            {
                Self::Full(path)
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { path, why }
            }
            Some(ErrorCode::NotADatabase) => Self::NotSqlite(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, why },
            _ => Self::Sqlite { path, doing, source },
        }
    }
}
