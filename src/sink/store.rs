//! The embedded store: an SQLite file that one sensor writes and anybody reads.
//!
//! Points are written into an open transaction; [`Store::commit`] ends it once
//! per interval, so that a reader sees whole intervals and a crash loses at
//! most one. While the sensor runs the file is in WAL mode (readers do not
//! wait); [`Store::close`] folds the log in and leaves one ordinary file.

use super::contract::{Sink, SinkError, Status, fits};
use super::error::StoreError;
use super::escape::escape;
use super::lock::WriterLock;
use super::pruning::Pruning;
use super::rollup::{Retention, Rollups};
use super::schema::{self, APPLICATION_ID, LAYOUT_VERSION, quote};
use crate::health::Tally;
use crate::series::delivery::Loss;
use crate::series::{Point, Series, Value};
use crate::time::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for a lock that some other program holds for a moment (a backup, an operator's `DELETE`).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The log is cut to this many bytes after a checkpoint: one long interval must not occupy the disk for ever.
const JOURNAL_LIMIT: i64 = 64 << 20;

/// Page cache in KiB: the right edge of every table's tree fits many times over; four times as much saves no time.
const CACHE_KIB: i64 = 4 << 10;

/// Statements of a series: its points, two roll-ups, and what deletes the old rows of the three. With fewer kept they are
/// parsed anew each interval, which took an eighth of the writer's time.
const STATEMENTS: usize = 6;

/// The store, open for writing.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    lock: WriterLock,
    path: PathBuf,
    sensor: String,
    series: &'static [Series],
    /// One INSERT per series.
    sql: Vec<String>,
    /// Positions in the batch at hand, by series.
    by_series: Vec<Vec<u32>>,
    /// Points in the open transaction.
    pending: u64,
    committed: u64,
    loss: Tally<Loss>,
    rollups: Rollups,
    retention: Retention,
    pruning: Pruning,
    /// The last thing that was tried failed.
    failed: bool,
}

/// Whose file it is.
enum Found {
    New,
    Ours,
}

impl Store {
    /// Opens the store at `path` for `sensor`, makes it when there is none, and extends the tables
    /// when `series` has got new columns.
    ///
    /// # Errors
    /// See [`StoreError`]. A file that is not a btcdmon store is left byte for byte as it was.
    pub fn open(path: &Path, sensor: &str, series: &'static [Series]) -> Result<Self, StoreError> {
        let path = plain(path);
        // Twice: the first look keeps us from leaving anything beside a foreign file, the second one,
        // under the lock, is the one that counts.
        identify(&path)?;
        let lock = WriterLock::take(&path)?;
        let found = identify(&path)?;
        let (conn, rollups) = connect(&path, &found, series)?;
        let pruning =
            Pruning::new(newest(&conn, series).map_err(|e| StoreError::from_sqlite(&path, "read the newest time", e))?);
        conn.set_prepared_statement_cache_capacity(series.len() * STATEMENTS + 8);
        Ok(Self {
            conn,
            lock,
            path,
            sensor: escape(sensor).into_owned(),
            series,
            sql: series.iter().map(schema::insert).collect(),
            by_series: vec![Vec::new(); series.len()],
            pending: 0,
            committed: 0,
            loss: Tally::default(),
            rollups,
            retention: Retention::FOREVER,
            pruning,
            failed: false,
        })
    }

    /// Deletes what is older than that from now on, about once an hour of the capture; see `pruning`.
    pub fn keep(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Writes `points` into the open interval. The same point written twice is one row.
    ///
    /// # Errors
    /// The open interval is lost then, these points included ([`Loss::RolledBack`]); the next call
    /// starts a new one. A point that does not fit its series is no error but counted ([`Loss::Malformed`]).
    pub fn write(&mut self, points: &[Point]) -> Result<(), StoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let before = self.pending + points.len() as u64 + self.loss.get(Loss::Malformed);
        self.try_write(points).map_err(|e| {
            self.pending = before - self.loss.get(Loss::Malformed);
            self.abandon("write points", e)
        })
    }

    fn try_write(&mut self, points: &[Point]) -> rusqlite::Result<()> {
        if self.conn.is_autocommit() {
            self.conn.execute_batch("BEGIN IMMEDIATE")?;
        }
        for (i, point) in points.iter().enumerate() {
            match self.by_series.get_mut(point.series).filter(|_| fits(self.series, point)) {
                Some(bucket) => bucket.push(i as u32),
                None => self.loss.count(Loss::Malformed),
            }
        }
        for (bucket, sql) in self.by_series.iter_mut().zip(&self.sql) {
            if bucket.is_empty() {
                continue;
            }
            let mut statement = self.conn.prepare_cached(sql)?;
            // Bindings outlive the execution, so the sensor is bound once.
            statement.raw_bind_parameter(2, self.sensor.as_str())?;
            for &i in bucket.iter() {
                let point = &points[i as usize];
                bind(&mut statement, point, self.series[point.series].columns)?;
                statement.raw_execute()?;
                self.rollups.touch(point.series, point.time);
            }
            self.pending += bucket.len() as u64;
            bucket.clear();
        }
        Ok(())
    }

    /// Ends the interval: what was written is now visible to readers and survives a crash of the process.
    ///
    /// # Errors
    /// The interval is lost then ([`Loss::RolledBack`]), the ones before it are not.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.finish_interval(false)
    }

    fn finish_interval(&mut self, last: bool) -> Result<(), StoreError> {
        let rolled = self.rollups.roll(&self.conn, last);
        match rolled.and_then(|()| self.conn.execute_batch("COMMIT")) {
            Ok(()) => {
                self.committed += std::mem::take(&mut self.pending);
                self.failed = false;
                self.retain()
            }
            Err(e) => Err(self.abandon("commit the interval", e)),
        }
    }

    /// Deletes what is too old, once an hour of the capture.
    fn retain(&mut self) -> Result<(), StoreError> {
        let Some(newest) = self.rollups.newest().filter(|_| self.retention != Retention::FOREVER) else {
            return Ok(());
        };
        if !self.pruning.is_due(newest) {
            return Ok(());
        }
        let retention = self.retention;
        let tables = self.series.iter().flat_map(|s| retention.tables(s.name));
        let old: Vec<_> = tables.filter_map(|(table, kept)| Some((table, newest.plus(-kept?)))).collect();
        self.delete(&old).map(drop)
    }

    /// Deletes the committed rows of all series that are older than `before` and gives their number.
    ///
    /// # Errors
    /// As [`Store::commit`]; it commits the open interval first.
    pub fn prune(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        self.commit()?;
        let old: Vec<_> = self.series.iter().map(|s| (s.name.to_owned(), before)).collect();
        self.delete(&old)
    }

    /// Deletes the rows of each table that are older than the time beside it.
    fn delete(&mut self, old: &[(String, Timestamp)]) -> Result<u64, StoreError> {
        let run = |conn: &Connection| -> rusqlite::Result<u64> {
            conn.execute_batch("BEGIN IMMEDIATE")?;
            let mut rows = 0;
            for (table, before) in old {
                let sql = format!("DELETE FROM {} WHERE time < ?1", quote(table));
                rows += conn.prepare_cached(&sql)?.execute([before.nanos()])? as u64;
            }
            conn.execute_batch("COMMIT")?;
            // Gives back one page a step.
            let mut vacuum = conn.prepare_cached("PRAGMA incremental_vacuum")?;
            let mut steps = vacuum.query([])?;
            while steps.next()?.is_some() {}
            Ok(rows)
        };
        run(&self.conn).map_err(|e| self.abandon("delete old rows", e))
    }

    /// Commits, folds the write-ahead log into the file and closes it: one ordinary file is left,
    /// which can be copied and read anywhere.
    ///
    /// # Errors
    /// As [`Store::commit`]. When a reader is in the way of folding, the log stays beside the file; that is no error.
    pub fn close(mut self) -> Result<(), StoreError> {
        let result = if self.failed { Ok(()) } else { self.finish() };
        let _ = self.conn.busy_timeout(Duration::ZERO);
        let _ = self.conn.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        let _ = self.conn.pragma_update(None, "journal_mode", "DELETE");
        let Self { conn, lock, path, .. } = self;
        let closed = conn.close().map_err(|(_, e)| StoreError::from_sqlite(&path, "close the store", e));
        lock.release();
        result.and(closed)
    }

    /// Commits, and makes the roll-ups of the minute and the hour at hand.
    fn finish(&mut self) -> Result<(), StoreError> {
        if self.conn.is_autocommit() {
            let begun = self.conn.execute_batch("BEGIN IMMEDIATE");
            begun.map_err(|e| self.abandon("make the last roll-ups", e))?;
        }
        self.finish_interval(true)
    }

    /// Number of points committed since the store was opened.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Number of points that wait for [`Store::commit`].
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// Points that were handed over and are not in the store, by reason.
    pub fn loss(&self) -> &Tally<Loss> {
        &self.loss
    }

    /// Drops the open transaction and counts what was in it.
    fn abandon(&mut self, doing: &'static str, error: rusqlite::Error) -> StoreError {
        // SQLite may have rolled back already (disk full); then this fails, which is as good.
        let _ = self.conn.execute_batch("ROLLBACK");
        self.failed = true;
        self.loss.add(Loss::RolledBack, std::mem::take(&mut self.pending));
        self.by_series.iter_mut().for_each(Vec::clear);
        self.rollups.undo();
        StoreError::from_sqlite(&self.path, doing, error)
    }
}

impl Sink for Store {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        Ok(Self::write(self, points)?)
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        Ok(Self::commit(self)?)
    }

    fn status(&self) -> Status {
        Status { delivered: self.committed, lost: self.loss.clone(), spool_bytes: 0 }
    }

    fn close(mut self: Box<Self>) -> Result<Status, SinkError> {
        Self::commit(&mut self)?;
        let status = self.status();
        Self::close(*self)?;
        Ok(status)
    }
}

/// A relative path with a leading `./`: SQLite takes `file:…` and `:memory:` for something else.
pub(super) fn plain(path: &Path) -> PathBuf {
    if path.is_relative() { Path::new(".").join(path) } else { path.to_path_buf() }
}

/// Looks at the file without changing anything: `immutable` keeps SQLite from locks, logs and recovery.
fn identify(path: &Path) -> Result<Found, StoreError> {
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new("."));
            return if folder.is_dir() {
                Ok(Found::New)
            } else {
                Err(StoreError::NoFolder { path: path.to_path_buf(), folder: folder.to_path_buf() })
            };
        }
        Err(source) => return Err(StoreError::Io { path: path.to_path_buf(), doing: "look at the file", source }),
        Ok(m) if !m.is_file() => return Err(StoreError::NotAFile(path.to_path_buf())),
        Ok(m) if m.len() == 0 => return Ok(Found::New),
        Ok(_) => {}
    }
    let sql = |e| StoreError::from_sqlite(path, "look at the file", e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(immutable_uri(path), flags).map_err(sql)?;
    let pragma = |name| conn.pragma_query_value(None, name, |r| r.get::<_, i32>(0)).map_err(sql);
    let application_id = pragma("application_id")?;
    let found = pragma("user_version")?;
    if application_id != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_path_buf(), application_id });
    }
    if found > LAYOUT_VERSION {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known: LAYOUT_VERSION });
    }
    Ok(Found::Ours)
}

/// URI that reads `path` as it stands on the disk.
pub(super) fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for &b in path.as_os_str().as_bytes() {
        if b.is_ascii_alphanumeric() || b"/._-~".contains(&b) {
            uri.push(char::from(b));
        } else {
            let _ = write!(uri, "%{b:02X}");
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    uri
}

fn connect(path: &Path, found: &Found, series: &'static [Series]) -> Result<(Connection, Rollups), StoreError> {
    let sql = |e| StoreError::from_sqlite(path, "open the store", e);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if matches!(found, Found::New) {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
    let setup = |conn: &Connection| {
        conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // What SQLite has to put aside goes into the store's own folder: a confined process may write nowhere else. Deprecated for programs whose threads change it; here it is set before there are any.
        if let Some(folder) = path.parent().and_then(Path::to_str).filter(|f| !f.is_empty()) {
            conn.pragma_update(None, "temp_store_directory", folder)?;
        }
        conn.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT)?;
        if matches!(found, Found::New) {
            // Must precede the first table; lets `prune` give pages back.
            conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        } else {
            wal(conn)?;
        }
        Ok(())
    };
    setup(&conn).map_err(sql)?;
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(sql)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
    transaction.pragma_update(None, "user_version", LAYOUT_VERSION).map_err(sql)?;
    schema::prepare(&transaction, path, series)?;
    let rollups = Rollups::open(&transaction, series).map_err(sql)?;
    transaction.commit().map_err(sql)?;
    // A new file goes to WAL only now: so its header, which `identify` reads, says from the first
    // commit on whose file it is.
    wal(&conn).map_err(sql)?;
    Ok((conn, rollups))
}

fn wal(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "NORMAL")
}

/// Time of the newest point that is there.
fn newest(conn: &Connection, series: &[Series]) -> rusqlite::Result<Option<Timestamp>> {
    let mut newest = None;
    for s in series {
        let sql = format!("SELECT max(time) FROM {}", quote(s.name));
        newest = newest.max(conn.query_row(&sql, [], |r| r.get::<_, Option<i64>>(0))?);
    }
    Ok(newest.map(Timestamp::from_nanos))
}

fn bind(statement: &mut Statement<'_>, point: &Point, columns: &[crate::series::Column]) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(1, point.time.nanos())?;
    statement.raw_bind_parameter(3, escape(&point.node).as_ref())?;
    for (i, (value, column)) in point.values.iter().zip(columns).enumerate() {
        let at = i + 4;
        match value {
            // A key has no NULL.
            Value::Absent if column.tag => statement.raw_bind_parameter(at, "")?,
            Value::Absent => statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(ValueRef::Null))?,
            Value::Text(v) => statement.raw_bind_parameter(at, escape(v).as_ref())?,
            Value::Integer(v) if column.tag => statement.raw_bind_parameter(at, v.to_string())?,
            Value::Float(v) if column.tag => statement.raw_bind_parameter(at, v.to_string())?,
            Value::Boolean(v) if column.tag => statement.raw_bind_parameter(at, v.to_string())?,
            Value::Integer(v) => statement.raw_bind_parameter(at, v)?,
            Value::Boolean(v) => statement.raw_bind_parameter(at, v)?,
            // Not a number is not known; SQLite would say the same of NaN, JSON cannot say infinity.
            Value::Float(v) => statement.raw_bind_parameter(at, v.is_finite().then_some(*v))?,
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
