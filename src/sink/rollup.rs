//! Figures of whole minutes and hours, beside the points: tables `<series>_1m` and `<series>_1h`.
//!
//! The writer fills them when a minute or an hour is over, in the transaction that stores its last interval, and
//! again when a point comes late; a bucket is always made from all of its points, so that a second replay changes
//! nothing. `time` is the start of the bucket, `points` their number. What stands for a column depends on
//! what it is (`Figure`); tags are kept.

use super::prometheus::catalogue::{How, how};
use super::schema::quote;
use crate::series::{Column, Series, Type};
use crate::time::{SECOND, Timestamp};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::{Connection, OptionalExtension as _, Result};

/// The buckets: end of the table's name, length in ns.
pub const BUCKETS: [(&str, i64); 2] = [("1m", 60 * SECOND), ("1h", 3600 * SECOND)];

/// Percentiles kept of the figures of events.
const PERCENTILES: [u32; 11] = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95];

/// Columns of events whose percentiles are kept: those that people ask for, since each costs a sort of the bucket.
const RANKED: [&str; 6] = ["tx_size", "tx_fee", "fee_rate", "process_time", "relay_time", "announce_to_data"];

/// Values that a percentile is made of at most; of more, every second one and so on.
const VALUES: usize = 1 << 17;

/// A column of a roll-up: name, declared type, SQL over the points of the bucket.
type Figure = (String, &'static str, String);

/// What a roll-up holds of column `c`.
fn figures(series: usize, c: &Column) -> Vec<Figure> {
    let (name, q) = (c.name, quote(c.name));
    let one = |suffix: &str, kind, sql: &str| (format!("{name}{suffix}"), kind, sql.replace("{}", &q));
    let number = match c.kind_of_value {
        Type::Integer => "INTEGER",
        Type::Float => "REAL",
        // How many are true.
        Type::Boolean => return vec![one("", "INTEGER", "sum({})")],
        Type::Text => return Vec::new(),
    };
    match how(series, c) {
        How::Cumulative => vec![one("", number, "max({})")],
        How::Sum | How::Command => vec![one("", number, "sum({})")],
        How::Gauge => {
            vec![one("", "REAL", "avg({})"), one("_min", number, "min({})"), one("_max", number, "max({})")]
        }
        // Places, versions, bits and the like have no mean.
        How::Event if ["", "index", "number", "code"].contains(&c.unit) && c.kind_of_value == Type::Integer => {
            Vec::new()
        }
        How::Event => {
            let mut all = vec![
                one("", "REAL", "avg({})"),
                one("_sum", number, "sum({})"),
                one("_min", number, "min({})"),
                one("_max", number, "max({})"),
            ];
            if RANKED.contains(&name) {
                all.extend(PERCENTILES.map(|p| one(&format!("_p{p}"), "REAL", &format!("percentile({{}}, {p})"))));
            }
            all
        }
    }
}

/// The roll-ups of one series.
#[derive(Debug)]
struct Table {
    series: &'static str,
    figures: Vec<Figure>,
    tags: Vec<&'static str>,
    /// Oldest time since the last roll-up that has a new point, by bucket.
    dirty: [Option<i64>; BUCKETS.len()],
}

/// The roll-ups of a store.
#[derive(Debug)]
pub struct Rollups {
    tables: Vec<Table>,
    /// Time of the newest point.
    newest: i64,
}

impl Rollups {
    /// Makes or extends the tables, and finds what an earlier run left unfinished; to be called inside a transaction.
    pub fn open(conn: &Connection, series: &'static [Series]) -> Result<Self> {
        register(conn)?;
        let mut tables = Vec::new();
        for (i, s) in series.iter().enumerate() {
            let mut table = Table {
                series: s.name,
                figures: s.columns.iter().filter(|c| !c.tag).flat_map(|c| figures(i, c)).collect(),
                tags: s.columns.iter().filter(|c| c.tag).map(|c| c.name).collect(),
                dirty: [None; BUCKETS.len()],
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
        Ok(Self { tables, newest: i64::MIN })
    }

    /// A point of a series was written.
    #[inline]
    pub fn touch(&mut self, series: usize, time: Timestamp) {
        let time = time.nanos();
        self.newest = self.newest.max(time);
        if let Some(table) = self.tables.get_mut(series) {
            for dirty in &mut table.dirty {
                *dirty = Some(dirty.map_or(time, |d| d.min(time)));
            }
        }
    }

    /// Time of the newest point of this run.
    pub fn newest(&self) -> Timestamp {
        Timestamp::from_nanos(self.newest)
    }

    /// Makes the buckets that are over; with `all` also those that are not. Inside the transaction of the points.
    pub fn roll(&mut self, conn: &Connection, all: bool) -> Result<()> {
        for table in &mut self.tables {
            for (bucket, (suffix, length)) in BUCKETS.iter().enumerate() {
                let Some(from) = table.dirty[bucket] else { continue };
                let from = Timestamp::from_nanos(from).floor(*length).nanos();
                let open = Timestamp::from_nanos(self.newest).floor(*length).nanos();
                let to = if all { i64::MAX } else { open };
                if from < to {
                    table.fill(conn, suffix, *length, from, to)?;
                    // Points of the open bucket wait for its end.
                    table.dirty[bucket] = (!all).then_some(open);
                }
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

    fn keys(&self) -> Vec<String> {
        ["sensor", "node"].iter().chain(&self.tags).map(|t| quote(t)).collect()
    }

    /// Makes the table; one of an older version is copied into the new shape.
    fn prepare(&self, conn: &Connection, suffix: &str) -> Result<()> {
        let name = self.name(suffix);
        let mut wanted: Vec<String> = ["time", "sensor", "node"].map(str::to_owned).to_vec();
        wanted.extend(self.tags.iter().map(ToString::to_string));
        wanted.push("points".to_owned());
        wanted.extend(self.figures.iter().map(|f| f.0.clone()));
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
        let figures = joined(self.figures.iter().map(|(n, kind, _)| format!("{} {kind}", quote(n))));
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

    fn fill(&self, conn: &Connection, suffix: &str, length: i64, from: i64, to: i64) -> Result<()> {
        let keys = self.keys().join(", ");
        let names = joined(self.figures.iter().map(|f| quote(&f.0)));
        let values = joined(self.figures.iter().map(|f| f.2.clone()));
        // The remainder is negative before 1970.
        let start = format!("time - ((time % {length}) + {length}) % {length}");
        let sql = format!(
            "INSERT OR REPLACE INTO {} (time, {keys}, points{names}) SELECT {start}, {keys}, count(*){values} FROM {} WHERE time >= ?1 AND time < ?2 GROUP BY 1, {keys}",
            quote(&self.name(suffix)),
            quote(self.series)
        );
        conn.prepare_cached(&sql)?.execute([from, to])?;
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

/// `percentile(value, p)`: nearest rank, as InfluxQL has it: the smallest value that p % of the values do not exceed.
struct Percentile;

/// Values so far, every how many-th is taken, how many came, and p.
struct Values {
    taken: Vec<f64>,
    every: u64,
    seen: u64,
    p: f64,
}

impl Aggregate<Values, Option<f64>> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> Result<Values> {
        Ok(Values { taken: Vec::new(), every: 1, seen: 0, p: 0.0 })
    }

    fn step(&self, c: &mut Context<'_>, v: &mut Values) -> Result<()> {
        v.p = c.get::<Option<f64>>(1)?.unwrap_or(0.0);
        let Some(x) = c.get::<Option<f64>>(0)? else { return Ok(()) };
        if v.seen.is_multiple_of(v.every) {
            v.taken.push(x);
            if v.taken.len() >= VALUES {
                let mut odd = false;
                v.taken.retain(|_| {
                    odd = !odd;
                    odd
                });
                v.every *= 2;
            }
        }
        v.seen += 1;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, values: Option<Values>) -> Result<Option<f64>> {
        let Some(mut v) = values.filter(|v| !v.taken.is_empty()) else { return Ok(None) };
        v.taken.sort_unstable_by(f64::total_cmp);
        let rank = (v.p / 100.0 * v.taken.len() as f64).ceil().clamp(1.0, v.taken.len() as f64);
        Ok(Some(v.taken[rank as usize - 1]))
    }
}

/// Registers `percentile`.
pub(super) fn register(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_aggregate_function("percentile", 2, flags, Percentile)
}

#[cfg(test)]
#[path = "rollup_tests.rs"]
mod tests;
