//! Figures of whole minutes and hours, beside the points: tables `<series>_1m` and `<series>_1h`.
//!
//! The writer fills them when a minute or an hour is over, in the transaction that stores its last interval, and
//! again when a point comes late; a bucket is always made from all of its points, so that a second replay changes
//! nothing. `time` is the start of the bucket, `points` their number. What stands for a column depends on
//! what it is (`Kept`); tags are kept.
//!
//! An hour can have millions of points, and the writer must not stand still for seconds: the sums of the hour at hand
//! are carried along from minute to minute, and at its end only the last minutes have to be read.

use super::prometheus::catalogue::{How, how};
use super::schema::quote;
use super::sums::{Kept, Sums};
use crate::series::{Column, Series, Type};
use crate::time::{SECOND, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params_from_iter};

/// The buckets: end of the table's name, length in ns.
pub const BUCKETS: [(&str, i64); 2] = [("1m", 60 * SECOND), ("1h", 3600 * SECOND)];

/// Points of an hour are summed up when they are this old, ns: few come later.
const LATE: i64 = 120 * SECOND;

/// Columns of events whose percentiles are kept: those that people ask for, since their values have to be kept until the
/// bucket is over.
const RANKED: [&str; 6] = ["tx_size", "tx_fee", "fee_rate", "process_time", "relay_time", "announce_to_data"];

/// What the roll-ups keep of column `c`.
fn kept(series: usize, c: &Column) -> Option<Kept> {
    if c.tag || c.kind_of_value == Type::Text {
        return None;
    }
    match (how(series, c), c.kind_of_value) {
        (_, Type::Boolean) | (How::Sum | How::Command, _) => Some(Kept::Sum),
        (How::Cumulative, _) => Some(Kept::Largest),
        (How::Gauge, _) => Some(Kept::Level),
        // Places, versions, bits and the like have no mean.
        (How::Event, Type::Integer) if ["", "index", "number", "code"].contains(&c.unit) => None,
        (How::Event, _) => Some(if RANKED.contains(&c.name) { Kept::Ranks } else { Kept::Amounts }),
    }
}

/// The roll-ups of one series.
#[derive(Debug)]
struct Table {
    series: &'static str,
    /// Columns of which something is kept, and what.
    columns: Vec<&'static Column>,
    kept: Vec<Kept>,
    tags: Vec<&'static str>,
    /// Oldest time since the last roll-up that has a new point, by bucket.
    dirty: [Option<i64>; BUCKETS.len()],
    /// The same before the last [`Rollups::roll`].
    before: [Option<i64>; BUCKETS.len()],
    /// The hour at hand, as far as it is summed up.
    hour: Option<Hour>,
}

/// An hour that is not over.
#[derive(Debug)]
struct Hour {
    start: i64,
    /// Points before this are in the sums …
    until: i64,
    /// … unless there was one too late: then all are summed up when the hour is over.
    sums: Option<Sums>,
}

/// The older of two times.
fn oldest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

/// The roll-ups of a store.
#[derive(Debug)]
pub struct Rollups {
    tables: Vec<Table>,
    /// Time of the newest point of the last interval that had one, and of the open one. Not of all of them: a clock that
    /// was ahead and is set back would leave it in the future.
    newest: Option<i64>,
    interval: Option<i64>,
}

impl Rollups {
    /// Makes or extends the tables, and finds what an earlier run left unfinished; to be called inside a transaction.
    pub fn open(conn: &Connection, series: &'static [Series]) -> Result<Self> {
        let mut tables = Vec::new();
        for (i, s) in series.iter().enumerate() {
            let (columns, kept) = s.columns.iter().filter_map(|c| Some((c, kept(i, c)?))).unzip();
            let mut table = Table {
                series: s.name,
                columns,
                kept,
                tags: s.columns.iter().filter(|c| c.tag).map(|c| c.name).collect(),
                dirty: [None; BUCKETS.len()],
                before: [None; BUCKETS.len()],
                hour: None,
            };
            for (bucket, (suffix, _)) in BUCKETS.iter().enumerate() {
                table.prepare(conn, suffix)?;
                // The last bucket may have been cut short.
                let sql = format!(
                    "SELECT coalesce((SELECT max(time) FROM {}), (SELECT min(time) FROM {}))",
                    quote(&table.name(suffix)),
                    quote(s.name)
                );
                table.dirty[bucket] = conn.query_row(&sql, [], |r| r.get(0)).optional()?.flatten();
            }
            tables.push(table);
        }
        Ok(Self { tables, newest: None, interval: None })
    }

    /// A point of a series was written.
    #[inline]
    pub fn touch(&mut self, series: usize, time: Timestamp) {
        let time = time.nanos();
        self.interval = self.interval.max(Some(time));
        if let Some(table) = self.tables.get_mut(series) {
            for dirty in &mut table.dirty {
                *dirty = oldest(*dirty, Some(time));
            }
            if let Some(hour) = table.hour.as_mut().filter(|h| (h.start..h.until).contains(&time)) {
                hour.sums = None;
            }
        }
    }

    /// Time of the newest point of the last interval that had one.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest.map(Timestamp::from_nanos)
    }

    /// What was made since the last commit is not in the store: it will be made anew.
    pub fn undo(&mut self) {
        self.interval = None;
        for table in &mut self.tables {
            for (dirty, before) in table.dirty.iter_mut().zip(table.before) {
                *dirty = oldest(*dirty, before);
            }
            table.hour = None;
        }
    }

    /// Makes the buckets that are over; with `all` also those that are not. Inside the transaction of the points.
    pub fn roll(&mut self, conn: &Connection, all: bool) -> Result<()> {
        let last = self.newest;
        if let Some(interval) = self.interval {
            if last.is_none() {
                self.resume(conn, interval)?;
            }
            self.newest = self.interval.take();
        }
        // When the clock was set back, the buckets that were open then are made now: nothing comes to them for long.
        let ahead = last.filter(|last| Some(*last) > self.newest).map(Timestamp::from_nanos);
        let newest = self.newest().unwrap_or(Timestamp::from_nanos(i64::MIN));
        for table in &mut self.tables {
            table.before = table.dirty;
            let mut minute = false;
            for (bucket, (_, length)) in BUCKETS.iter().enumerate() {
                let Some(from) = table.dirty[bucket] else { continue };
                let from = Timestamp::from_nanos(from).floor(*length).nanos();
                let open = newest.floor(*length).nanos();
                let end = |ahead: Timestamp| ahead.floor(*length).plus(*length).nanos();
                let to = if all { i64::MAX } else { ahead.map_or(open, end) };
                if from < to {
                    table.fill(conn, bucket, from, to)?;
                    // Points of the open bucket wait for its end.
                    table.dirty[bucket] = (!all).then_some(open);
                    minute |= bucket == 0 && !all;
                }
            }
            if minute {
                table.advance(conn, newest)?;
            }
        }
        Ok(())
    }

    /// Finds the bucket that an earlier run left unfinished before `time`, though there are some after it, of a clock
    /// that was ahead then.
    fn resume(&mut self, conn: &Connection, time: i64) -> Result<()> {
        for table in &mut self.tables {
            for (bucket, (suffix, _)) in BUCKETS.iter().enumerate() {
                let sql = format!("SELECT max(time) FROM {} WHERE time <= ?1", quote(&table.name(suffix)));
                let left: Option<i64> = conn.query_row(&sql, [time], |r| r.get(0))?;
                table.dirty[bucket] = oldest(table.dirty[bucket], left);
            }
        }
        Ok(())
    }
}

/// The items, each behind a comma.
fn joined(items: impl Iterator<Item = String>) -> String {
    items.fold(String::new(), |all, item| all + ", " + &item)
}

impl Table {
    fn name(&self, suffix: &str) -> String {
        format!("{}_{suffix}", self.series)
    }

    /// The columns of figures: name, and declared type.
    fn figures(&self) -> Vec<(String, &'static str)> {
        let of = |(c, kept): (&&Column, &Kept)| {
            let whole = if c.kind_of_value == Type::Float { "REAL" } else { "INTEGER" };
            let name = c.name;
            kept.figures()
                .into_iter()
                .map(move |(end, real)| (format!("{name}{end}"), if real { "REAL" } else { whole }))
        };
        self.columns.iter().zip(&self.kept).flat_map(of).collect()
    }

    fn keys(&self) -> Vec<String> {
        ["sensor", "node"].iter().chain(&self.tags).map(|t| quote(t)).collect()
    }

    /// Makes the table; one of an older version is copied into the new shape.
    fn prepare(&self, conn: &Connection, suffix: &str) -> Result<()> {
        let name = self.name(suffix);
        let mut wanted: Vec<String> = ["time", "sensor", "node"].map(str::to_owned).to_vec();
        wanted.extend(self.tags.iter().map(ToString::to_string));
        wanted.push("points".to_owned());
        wanted.extend(self.figures().into_iter().map(|f| f.0));
        let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let found: Vec<String> = statement.query_map([&name], |r| r.get(0))?.collect::<Result<_>>()?;
        if found == wanted {
            return Ok(());
        }
        let old = quote(&format!("_old_{name}"));
        if !found.is_empty() {
            conn.execute_batch(&format!("ALTER TABLE {} RENAME TO {old}", quote(&name)))?;
        }
        let tags = joined(self.tags.iter().map(|t| format!("{} TEXT NOT NULL DEFAULT ''", quote(t))));
        let figures = joined(self.figures().iter().map(|(n, kind)| format!("{} {kind}", quote(n))));
        conn.execute_batch(&format!(
            "CREATE TABLE {} (time INTEGER NOT NULL, sensor TEXT NOT NULL, node TEXT NOT NULL{tags}, points INTEGER NOT NULL{figures}, PRIMARY KEY (time, {})) STRICT, WITHOUT ROWID",
            quote(&name),
            self.keys().join(", ")
        ))?;
        if !found.is_empty() {
            let common: Vec<String> = wanted.iter().filter(|w| found.contains(w)).map(|w| quote(w)).collect();
            let common = common.join(", ");
            conn.execute_batch(&format!(
                "INSERT OR REPLACE INTO {} ({common}) SELECT {common} FROM {old}; DROP TABLE {old}",
                quote(&name)
            ))?;
        }
        Ok(())
    }

    /// Makes the buckets from `from`, the start of one, up to `to`.
    fn fill(&mut self, conn: &Connection, bucket: usize, from: i64, to: i64) -> Result<()> {
        let (suffix, length) = BUCKETS[bucket];
        let keys = self.keys();
        let all = keys.len() + 2 + self.figures().len();
        let sql = format!(
            "INSERT OR REPLACE INTO {} (time, {}, points{}) VALUES (?{})",
            quote(&self.name(suffix)),
            keys.join(", "),
            joined(self.figures().iter().map(|f| quote(&f.0))),
            ", ?".repeat(all - 1)
        );
        let mut insert = conn.prepare_cached(&sql)?;
        let mut store = |start: i64, sums: &mut Sums| -> Result<()> {
            for row in sums.rows(&self.kept) {
                insert.execute(params_from_iter(std::iter::once(Value::Integer(start)).chain(row)))?;
            }
            Ok(())
        };
        let known = self.hour.take_if(|h| bucket == 1 && h.start < to);
        let (mut sums, rest) = match known.filter(|h| h.start == from) {
            Some(Hour { until, sums: Some(sums), .. }) => (sums, until),
            _ => (Sums::default(), from),
        };
        let mut start = from;
        self.scan(conn, rest, to, |time, row| {
            let of = Timestamp::from_nanos(time).floor(length).nanos();
            if of != start {
                store(std::mem::replace(&mut start, of), &mut sums)?;
            }
            sums.take(row, keys.len(), &self.kept)
        })?;
        store(start, &mut sums)
    }

    /// Sums up the hour at hand, but for its last minutes.
    fn advance(&mut self, conn: &Connection, newest: Timestamp) -> Result<()> {
        let start = newest.floor(BUCKETS[1].1).nanos();
        let to = newest.floor(BUCKETS[0].1).plus(-LATE).nanos();
        if to <= start {
            return Ok(());
        }
        let known = self.hour.take().filter(|h| h.start == start);
        let mut hour = known.unwrap_or_else(|| Hour { start, until: start, sums: Some(Sums::default()) });
        if let Some(sums) = hour.sums.as_mut().filter(|_| hour.until < to) {
            let keys = self.keys().len();
            self.scan(conn, hour.until, to, |_, row| sums.take(row, keys, &self.kept))?;
            hour.until = to;
        }
        self.hour = Some(hour);
        Ok(())
    }

    /// Reads points of a span, in the order in which they lie.
    fn points(&self) -> String {
        let keys = self.keys().join(", ");
        format!(
            "SELECT time, {keys}{} FROM {} WHERE time >= ?1 AND time < ?2 ORDER BY time, {keys}",
            joined(self.columns.iter().map(|c| quote(c.name))),
            quote(self.series)
        )
    }

    /// Hands the points from `from` up to `to` to `each`, in the order of their keys.
    fn scan(
        &self,
        conn: &Connection,
        from: i64,
        to: i64,
        mut each: impl FnMut(i64, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = conn.prepare_cached(&self.points())?;
        let mut rows = statement.query([from, to])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, row)?;
        }
        Ok(())
    }
}

/// Lengths of time that are kept, ns; nothing: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Retention {
    /// Points.
    pub raw: Option<i64>,
    /// Minutes.
    pub minutes: Option<i64>,
    /// Hours.
    pub hours: Option<i64>,
}

impl Retention {
    /// Everything, for ever: what a replay does.
    pub const FOREVER: Self = Self { raw: None, minutes: None, hours: None };
    /// Points 7 days, minutes 90 days, hours for ever: what a live capture does unless it is told otherwise.
    pub const LIVE: Self = Self { raw: Some(7 * 86_400 * SECOND), minutes: Some(90 * 86_400 * SECOND), hours: None };

    /// The tables of a series, each with the length of time that it is kept.
    pub fn tables(&self, series: &str) -> [(String, Option<i64>); 3] {
        let name = |i: usize| format!("{series}_{}", BUCKETS[i].0);
        [(series.to_owned(), self.raw), (name(0), self.minutes), (name(1), self.hours)]
    }
}

#[cfg(test)]
#[path = "rollup_tests.rs"]
mod tests;
