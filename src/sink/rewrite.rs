//! Time as people write it, in SQL: `1h`, and `time > '2026-11-22'`.
//!
//! SQLite knows neither durations nor that the column `time` is a time. A
//! number with one of InfluxQL's units becomes integer nanoseconds; a text that
//! the column `time` is compared with becomes nanoseconds since 1970 (SQLite
//! would compare an integer with a text, which is true for every row; hence a
//! text column must not be named `time` in a subquery). Other strings, quoted
//! identifiers and comments stay as they are.

use crate::time::SECOND;
use std::borrow::Cow;

/// Why a statement could not be rewritten; the message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// The duration has more nanoseconds than 63 bits hold.
    #[error("{0}: longer than 292 years, which is the longest duration in nanoseconds")]
    TooLong(String),
    /// `time` is compared with a text that is no time.
    #[error(
        "time is compared with {0}, which is not a time\nhint: write '2026-11-22', '2026-11-22 20:00:00', '2026-11-22T20:00:00Z' or now() - 1h; in UTC unless an offset is given"
    )]
    NotATime(String),
    /// InfluxQL's `GROUP BY time(1m)`.
    #[error("time({0}) is InfluxQL\nhint: write time_bucket({0}, time), in SELECT and in GROUP BY")]
    InfluxBucket(String),
}

/// Nanoseconds of an InfluxQL unit (`ns`, `u`, `us`, `µs`, `ms`, `s`, `m`, `h`, `d`, `w`).
pub fn unit(name: &str) -> Option<i64> {
    Some(match name {
        "ns" => 1,
        "u" | "us" | "µ" | "µs" | "μ" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        "w" => 7 * 86_400 * SECOND,
        _ => return None,
    })
}

/// `1h`, `30s`, `1h30m` in nanoseconds; `None` when `token` is not a duration.
fn duration(token: &str) -> Option<Result<i64, RewriteError>> {
    let mut rest = token;
    let mut sum = Some(0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let factor = unit(&rest[digits..end]).filter(|_| digits > 0)?;
        let n = rest[..digits].parse::<i64>().ok().and_then(|n| n.checked_mul(factor));
        sum = sum.zip(n).and_then(|(a, b)| a.checked_add(b));
        rest = &rest[end..];
    }
    Some(sum.ok_or_else(|| RewriteError::TooLong(token.to_owned())))
}

/// A time as RFC 3339, or as date and time of day or date alone in UTC, in nanoseconds since 1970.
pub fn parse_time(text: &str) -> Option<i64> {
    let time = text.parse::<jiff::Timestamp>().or_else(|_| {
        text.parse::<jiff::civil::DateTime>().and_then(|t| t.to_zoned(jiff::tz::TimeZone::UTC)).map(|z| z.timestamp())
    });
    i64::try_from(time.ok()?.as_nanosecond()).ok()
}

/// Where the scanner is in a comparison with `time`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    Nothing,
    Time,
    Call,
    Operator,
    Between,
    First,
    And,
}

/// `sql` with durations and times as integers.
///
/// # Errors
/// See [`RewriteError`].
pub fn rewrite(sql: &str) -> Result<Cow<'_, str>, RewriteError> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    let mut near = Near::Nothing;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let end = at + token(rest, first);
        let text = &sql[at..end];
        let replacement = match first {
            '0'..='9' => match duration(text) {
                Some(_) if near == Near::Call => return Err(RewriteError::InfluxBucket(text.to_owned())),
                Some(d) => Some(d?),
                None => None,
            },
            '\'' if matches!(near, Near::Operator | Near::Between | Near::And) => {
                let inner = text.trim_matches('\'');
                Some(parse_time(inner).ok_or_else(|| RewriteError::NotATime(text.to_owned()))?)
            }
            _ => None,
        };
        if let Some(n) = replacement {
            let out = out.get_or_insert_with(|| String::with_capacity(sql.len() + 32));
            out.push_str(&sql[copied..at]);
            out.push_str(&n.to_string());
            copied = end;
        }
        near = next(near, first, text);
        at = end;
    }
    Ok(match out {
        None => Cow::Borrowed(sql),
        Some(mut out) => {
            out.push_str(&sql[copied..]);
            Cow::Owned(out)
        }
    })
}

/// Follows `time < '…'`, `time BETWEEN '…' AND '…'` and `time(1m)` through the token `text`.
fn next(near: Near, first: char, text: &str) -> Near {
    let blank = first.is_whitespace() || text.starts_with("--") || text.starts_with("/*");
    let word = |w: &str| text.eq_ignore_ascii_case(w);
    match (near, first) {
        _ if blank => near,
        _ if word("time") || word("\"time\"") => Near::Time,
        (Near::Time, '(') => Near::Call,
        (Near::Time | Near::Operator, '<' | '>' | '=' | '!') => Near::Operator,
        (Near::Time, _) if word("not") => Near::Time,
        (Near::Time, _) if word("between") => Near::Between,
        (Near::Between, '\'') => Near::First,
        (Near::First, _) if word("and") => Near::And,
        _ => Near::Nothing,
    }
}

/// Whether `c` continues an identifier or a number in SQLite's grammar.
fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// Length in bytes of the token at the start of `rest`, which begins with `first`.
fn token(rest: &str, first: char) -> usize {
    let one = first.len_utf8();
    let word = |from: usize| rest[from..].find(|c| !in_word(c)).map_or(rest.len(), |n| from + n);
    match first {
        '\'' | '"' | '`' => quoted(rest, first as u8),
        '[' => rest.find(']').map_or(rest.len(), |n| n + 1),
        '-' if rest.starts_with("--") => rest.find('\n').map_or(rest.len(), |n| n + 1),
        '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |n| n + 4),
        // A parameter: `?5`, `:5m`, `@5m`, `$5m`.
        '?' | ':' | '@' | '$' => word(one),
        // `.5` is a float; what follows another dot is a name.
        '.' if rest[one..].starts_with(|c: char| c.is_ascii_digit()) => word(one),
        '0'..='9' => {
            let end = word(one);
            // `1.5h` and `1.5e3` stay whole; SQLite says what is wrong with the former.
            if rest[end..].starts_with('.') { word(end + 1) } else { end }
        }
        c if in_word(c) => word(one),
        _ => one,
    }
}

/// Length of a quoted token, in which the doubled quote stands for itself; all of `rest` when it does not end.
fn quoted(rest: &str, quote: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut i = 1;
    while i < bytes.len() {
        if bytes[i] == quote {
            if bytes.get(i + 1) != Some(&quote) {
                return i + 1;
            }
            i += 1;
        }
        i += 1;
    }
    bytes.len()
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
