//! SQL functions of `btcdmon query`; [`HELP`] describes them.

use super::rewrite::parse_time;
use crate::time::Timestamp;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Examples, and what a statement may use beyond SQLite's SQL, for the help of `btcdmon query`.
pub const HELP: &str = "\
Examples:
  btcdmon query --store node.db \"SELECT * FROM blocks WHERE time > now() - 1d\"
  btcdmon query --store node.db --csv \"SELECT rfc3339(time), status, num_tx FROM processed_blocks\"

Times are integers, nanoseconds since 1970. A statement may use:
  1h, 30s, 1h30m            durations: ns, u or us, ms, s, m, h, d, w
  time > '2026-11-22T20:00:00Z'
                            the column time compared with a date, or a date and a time of day (UTC)
  now()                     the time of the query
  time_bucket(1m, time)     start of the interval that holds the time, for GROUP BY
  rfc3339(time)             the time as text
  ns('2026-11-22')          the text as a time
  percentile(value, 95)     aggregate: the value that 95 % of the values do not exceed (nearest rank)
NULL means not known. The tables _series and _schema say what every column means.
";

/// Registers them; `now` is read at each call.
pub(super) fn register(conn: &Connection, now: Arc<AtomicI64>) -> Result<()> {
    // Deterministic within a statement, so that SQLite computes `now() - 1h` once and not per row.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    super::percentile::register(conn)?;
    conn.create_scalar_function("now", 0, flags, move |_| Ok(now.load(Ordering::Relaxed)))?;
    conn.create_scalar_function("time_bucket", 2, flags, |c| {
        let width: Option<i64> = integer(c, 0, "time_bucket(width, time): the width is a duration such as 1m")?;
        let time: Option<i64> = integer(c, 1, "time_bucket(width, time): the time is an integer, ns since 1970")?;
        if width.is_some_and(|w| w <= 0) {
            return Err(user("time_bucket(width, time): the width must be longer than 0"));
        }
        Ok(width.zip(time).map(|(w, t)| Timestamp::from_nanos(t).floor(w).nanos()))
    })?;
    conn.create_scalar_function("rfc3339", 1, flags, |c| {
        let time = integer(c, 0, "rfc3339(time): the time is an integer, ns since 1970")?;
        Ok(time.map(|t| Timestamp::from_nanos(t).to_string()))
    })?;
    conn.create_scalar_function("ns", 1, flags, |c| {
        let Some(text) = c.get::<Option<String>>(0).map_err(|_| user("ns(text): the argument is a text"))? else {
            return Ok(None);
        };
        parse_time(&text).map(Some).ok_or_else(|| user("ns(text): write '2026-11-22T20:00:00Z' or '2026-11-22'"))
    })
}

fn integer(c: &Context<'_>, i: usize, message: &'static str) -> Result<Option<i64>> {
    c.get(i).map_err(|_| user(message))
}

fn user(message: &'static str) -> Error {
    Error::UserFunctionError(message.into())
}
