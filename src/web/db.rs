//! The store for the API: read-only, a few statements at a time, each with a limit of time and memory.

use super::answer::ApiError;
use crate::sink::query::{Limits, StoreReader, Summary};
use crate::sink::rollup::BUCKETS;
use crate::sink::rows::{Cell, RowSink};
use crate::time::Timestamp;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Threads that read the store. They are of low priority, and one statement keeps one of them busy.
pub const READERS: usize = 4;
/// Statements by people at once: the pages' own always find a thread.
const FOREIGN: usize = 2;
/// Statements that wait for a thread at most; further ones are told to come again.
const WAITING: usize = 64;
/// Longest run of a statement.
pub const TIME: Duration = Duration::from_secs(5);
/// Longest wait for a thread: some that run as long as they may are over before.
const PATIENCE: Duration = Duration::from_secs(12);
/// Memory that the process may grow by during a statement, bytes: sorting and joining are done in memory.
const MEMORY: u64 = 256 << 20;
/// Looks at the clock between two looks at the memory.
const RARELY: u32 = 64;
/// Bytes of an answer at most: what a browser can still show.
const ANSWER: usize = 16 << 20;
/// The range of the store is looked up at most so often.
const RANGE: Duration = Duration::from_secs(2);

/// Whose statement it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One of the API's own.
    Own,
    /// One that came with a request.
    Foreign,
}

/// A range of time, ns, and when it was found.
type Range = Option<(Instant, Option<(i64, i64)>)>;

/// The store.
pub struct Db {
    path: Option<PathBuf>,
    waiting: Arc<Semaphore>,
    foreign: Arc<Semaphore>,
    range: Mutex<Range>,
    interval: i64,
}

/// Rows of an answer.
#[derive(Debug, Default)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Their values.
    pub rows: Vec<Vec<Value>>,
    /// Bytes of texts so far.
    bytes: usize,
    /// The answer became too large.
    pub cut: bool,
}

impl RowSink for Rows {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.columns = names.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<bool> {
        let row: Vec<Value> = cells
            .iter()
            .map(|c| match c {
                Cell::Null => Value::Null,
                Cell::Integer(n) => (*n).into(),
                // JSON has no infinity: it is not known.
                Cell::Real(x) => serde_json::Number::from_f64(*x).map_or(Value::Null, Value::Number),
                Cell::Text(_) | Cell::Blob(_) => c.plain().into(),
            })
            .collect();
        self.bytes += row.iter().map(|v| 16 + v.as_str().map_or(0, str::len)).sum::<usize>();
        self.cut = self.bytes > ANSWER;
        if !self.cut {
            self.rows.push(row);
        }
        Ok(!self.cut)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One reader at work.
pub struct Reader {
    store: StoreReader,
    until: Instant,
    memory: u64,
    /// Nobody waits for the answer any more.
    left: Arc<AtomicBool>,
}

/// Says that whoever asked has left, when the future of the answer is dropped.
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Reader {
    /// A reader of the store at `path`, with its limits from now on, and until `left` is set.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn open(path: &Path, now: Timestamp, left: Arc<AtomicBool>) -> Result<Self, ApiError> {
        let store = StoreReader::open_bounded(path, now)?;
        Ok(Self { store, until: Instant::now() + TIME, memory: resident(), left })
    }

    /// Runs one statement, of `rows` rows at most.
    ///
    /// # Errors
    /// What is wrong with it, or that it took too long.
    pub fn run(&mut self, sql: &str, rows: u64) -> Result<(Rows, Summary), ApiError> {
        let mut out = Rows::default();
        let (until, memory, left) = (self.until, self.memory, Arc::clone(&self.left));
        let mut looks = 0;
        let stop = move || {
            looks += 1;
            Instant::now() >= until
                || left.load(Ordering::Relaxed)
                || (looks % RARELY == 0 && resident() > memory.saturating_add(MEMORY))
        };
        let limits = Limits { rows: Some(rows), stop: Some(Box::new(stop)) };
        let mut summary = self.store.run(sql, limits, &mut out)?;
        summary.complete &= !out.cut;
        Ok((out, summary))
    }
}

/// Memory of the process, bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).map_or(0, |pages| pages * 4096)
}

impl Db {
    /// The store at `path`, if there is one, whose intervals have this length, ns.
    pub fn new(path: Option<PathBuf>, interval: i64) -> Self {
        Self {
            path,
            waiting: Arc::new(Semaphore::new(WAITING)),
            foreign: Arc::new(Semaphore::new(FOREIGN)),
            range: Mutex::new(None),
            interval,
        }
    }

    /// Does `work` on a thread of its own; `now` is what `now()` gives. Who leaves takes his statement along.
    ///
    /// # Errors
    /// There is no store, it cannot be read, too many wait, or what `work` says.
    pub async fn read<T: Send + 'static>(
        &self,
        whose: Whose,
        now: Timestamp,
        work: impl FnOnce(&mut Reader) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let path = self.path.clone().ok_or_else(ApiError::no_store)?;
        let busy = || ApiError::busy("too many statements at once; ask again in a moment");
        let waits = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        let turn: Option<OwnedSemaphorePermit> = if whose == Whose::Foreign {
            let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.foreign).acquire_owned()).await;
            Some(turn.map_err(|_| busy())?.map_err(|_| busy())?)
        } else {
            None
        };
        let left = Arc::new(AtomicBool::new(false));
        let _here = Waits(Arc::clone(&left));
        let done = tokio::task::spawn_blocking(move || {
            let _held = (waits, turn);
            work(&mut Reader::open(&path, now, left)?)
        });
        done.await.unwrap_or_else(|_| Err(busy()))
    }

    /// First and last time of the series in the store, ns; nothing when it is empty.
    pub async fn range(&self) -> Option<(i64, i64)> {
        let known = *self.range.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, range)) = known.filter(|(at, _)| at.elapsed() < RANGE) {
            return range;
        }
        let found = {
            let interval = self.interval;
            self.read(Whose::Own, Timestamp::default(), move |r| r.range(interval)).await
        };
        // Between two intervals of a busy store: what was known stays.
        let range = found.unwrap_or_else(|_| known.and_then(|(_, range)| range));
        *self.range.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), range));
        range
    }

    /// Forgets the range, as the store is complete now.
    pub fn forget_range(&self) {
        *self.range.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Reader {
    /// First and last time in the store, ns: every interval has a point of `sensor`, at its end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn range(&mut self, interval: i64) -> Result<Option<(i64, i64)>, ApiError> {
        let spans = self.spans("sensor")?;
        let (rows, _) = self.run("SELECT max(time) FROM sensor", 1)?;
        let newest = rows.rows.first().and_then(|r| r.first()).and_then(Value::as_i64);
        let newest = newest.or_else(|| spans.iter().flatten().max().copied());
        Ok(oldest(&spans).map(|t| t.saturating_sub(interval)).zip(newest))
    }

    /// The oldest row of the points, the minutes and the hours of a series, ns.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn spans(&mut self, name: &str) -> Result<[Option<i64>; 3], ApiError> {
        let tables = [name.to_owned(), format!("{name}_{}", BUCKETS[0].0), format!("{name}_{}", BUCKETS[1].0)];
        let each = tables.map(|t| format!("(SELECT min(time) FROM {t})")).join(", ");
        let (rows, _) = self.run(&format!("SELECT {each}"), 1)?;
        let row = rows.rows.first().map(Vec::as_slice).unwrap_or_default();
        Ok([0, 1, 2].map(|i: usize| row.get(i).and_then(Value::as_i64)))
    }
}

/// Where the rows begin. A roll-up begins up to its own length earlier than the points that it is made of: where those
/// are still there, they tell.
pub fn oldest(spans: &[Option<i64>; 3]) -> Option<i64> {
    let first = spans.iter().flatten().min().copied()?;
    let held = |t: &&i64| t.saturating_sub(first) < BUCKETS[1].1;
    spans.iter().flatten().find(held).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::SERIES;
    use crate::sink::store::Store;
    use std::sync::mpsc;

    #[tokio::test]
    async fn who_leaves_takes_his_statement_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        Store::open(&path, "s", SERIES).unwrap().close().unwrap();
        let db = Db::new(Some(path), 1);
        let (begins, begun) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let work = move |reader: &mut Reader| {
            reader.until += Duration::from_hours(1);
            begins.send(()).unwrap();
            let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
            ends.send(reader.run(endless, 1).map(|_| ()).map_err(|e| e.code)).unwrap();
            Ok(())
        };
        let asked = db.read(Whose::Foreign, Timestamp::default(), work);
        assert!(tokio::time::timeout(Duration::from_millis(200), asked).await.is_err(), "an endless statement ended");
        begun.recv_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!(ended.recv_timeout(Duration::from_mins(1)).unwrap(), Err("time_limit"));
    }
}
