//! The statement that makes a line of a series: buckets of time, and one figure of each.
//!
//! Names in it are those of [`SERIES`](crate::series::SERIES); values of the request stand in it as quoted texts.

use super::rolled::{Source, Template};
use crate::sink::prometheus::catalogue::How;

/// Tags of every series.
pub const COMMON: [&str; 2] = ["sensor", "node"];

/// What is made of the values of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agg {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The mean of each line's values, the lines added up: gauges by tag.
    Level,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The newest.
    Last,
    /// How many there are.
    Count,
    /// Per second.
    Rate,
    /// A percentile: nearest rank.
    Percentile(u8),
}

impl Agg {
    /// Its name in the API.
    pub fn name(self) -> String {
        match self {
            Self::Sum => "sum".to_owned(),
            Self::Mean | Self::Level => "mean".to_owned(),
            Self::Max => "max".to_owned(),
            Self::Min => "min".to_owned(),
            Self::Last => "last".to_owned(),
            Self::Count => "count".to_owned(),
            Self::Rate => "rate".to_owned(),
            Self::Percentile(p) => format!("p{p}"),
        }
    }

    /// The one of a name; nothing for `auto`.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "max" => Self::Max,
            "min" => Self::Min,
            "last" => Self::Last,
            "count" => Self::Count,
            "rate" => Self::Rate,
            _ => Self::Percentile(name.strip_prefix('p')?.parse().ok().filter(|p| (1..=99).contains(p))?),
        })
    }
}

/// A name as SQL has it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it.
pub fn text(value: &str) -> String {
    // A NUL would end the statement.
    format!("'{}'", value.replace('\0', "").replace('\'', "''"))
}

/// What the statement is about.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Where the rows are.
    pub source: &'a Source,
    /// The column.
    pub column: &'a str,
    /// How it counts.
    pub how: How,
    /// What is made of it.
    pub agg: Agg,
    /// The tags of the series.
    pub tags: &'a [&'a str],
    /// Those that make lines of their own.
    pub by: &'a [&'a str],
    /// Conditions, joined by AND.
    pub conditions: &'a str,
    /// The range, ns; the second is not in it.
    pub range: (i64, i64),
    /// Length of a bucket, ns.
    pub step: i64,
    /// Length of an interval of the rows, ns.
    pub interval: i64,
    /// The store holds nothing older than this: a counter began at 0 there.
    pub begin: i64,
}

/// A statement that gives `bucket, <by …>, value`.
pub fn statement(a: &Asked<'_>, template: Template) -> String {
    let table = quote(&a.source.table);
    let (from, to) = a.range;
    let step = a.step;
    let bucket = format!("time - ((time % {step}) + {step}) % {step}");
    let keys: Vec<String> = COMMON.iter().chain(a.tags).map(|t| quote(t)).collect();
    let keys = keys.join(", ");
    let by: Vec<String> = a.by.iter().map(|t| quote(t)).collect();
    let by_list = by.iter().fold(String::new(), |list, t| list + ", " + t);
    let where_ = format!("time >= {from} AND time < {to}{}", a.conditions);
    match template {
        Template::Plain(value) => {
            format!("SELECT {bucket} AS bucket{by_list}, {value} FROM {table} WHERE {where_} GROUP BY bucket{by_list}")
        }
        Template::PerLine(value) => format!(
            "SELECT bucket{by_list}, sum(v) FROM (SELECT {bucket} AS bucket, {keys}, {value} AS v FROM {table} WHERE {where_} GROUP BY bucket, {keys}) GROUP BY bucket{by_list}"
        ),
        Template::Newest(value, over) => format!(
            "SELECT bucket{by_list}, {over}(v) FROM (SELECT {bucket} AS bucket, {keys}, {value} AS v, max(time) FROM {table} WHERE {where_} AND {value} IS NOT NULL GROUP BY bucket, {keys}) GROUP BY bucket{by_list}"
        ),
        Template::Rate(value) => {
            // The row before the range tells where the first one began.
            let before = from.saturating_sub(2 * a.interval);
            let interval = a.interval;
            let (growth, length) = if a.how == How::Cumulative {
                // A counter that fell began anew.
                let begin = a.begin.saturating_add(a.interval);
                (
                    format!(
                        "CASE WHEN p IS NULL THEN CASE WHEN time <= {begin} THEN v END WHEN v >= p THEN v - p ELSE v END"
                    ),
                    format!(
                        "CASE WHEN p IS NULL THEN CASE WHEN time <= {begin} THEN {interval} END WHEN v >= p THEN time - pt ELSE {interval} END"
                    ),
                )
            } else {
                ("v".to_owned(), format!("CASE WHEN pt IS NULL THEN {interval} ELSE min(time - pt, {interval}) END"))
            };
            format!(
                "SELECT bucket{by_list}, sum(r) FROM (SELECT {bucket} AS bucket, {keys}, sum(g) * 1000000000.0 / sum(l) AS r FROM (SELECT time, {keys}, {growth} AS g, CASE WHEN v IS NOT NULL THEN {length} END AS l FROM (SELECT time, {keys}, {value} AS v, lag({value}) OVER w AS p, lag(time) OVER w AS pt FROM {table} WHERE time >= {before} AND time < {to}{} WINDOW w AS (PARTITION BY {keys} ORDER BY time))) WHERE time >= {from} AND l > 0 GROUP BY bucket, {keys}) GROUP BY bucket{by_list}",
                a.conditions
            )
        }
    }
}
