//! Where the rows of a line come from: the points, or their roll-ups of minutes and hours.
//!
//! Points are exact and many, and leave first. Minutes serve ranges of more than [`POINTS_UP_TO`], hours those of more
//! than [`MINUTES_UP_TO`], or what the finer rows no longer hold, as far as they keep what is asked for.

use super::sql::{Agg, quote};
use crate::series::{Column, Type, id};
use crate::sink::prometheus::catalogue::How;
use crate::time::SECOND;

/// Points serve ranges up to this, ns.
pub const POINTS_UP_TO: i64 = 6 * 3600 * SECOND;
/// Minutes serve ranges up to this, ns.
pub const MINUTES_UP_TO: i64 = 14 * 86_400 * SECOND;

/// A table of the series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub table: String,
    /// Length of its buckets, ns; none: points.
    pub bucket: Option<i64>,
}

/// The shape of a statement, with the SQL of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// An aggregate over all rows of a bucket.
    Plain(String),
    /// An aggregate over the rows of each line, the lines added up.
    PerLine(String),
    /// The newest row of each line; over the lines this aggregate.
    Newest(String, &'static str),
    /// Per second.
    Rate(String),
}

/// What `auto` is for a column.
pub fn auto(series: usize, c: &Column, how: How) -> Agg {
    match how {
        How::Cumulative | How::Command => Agg::Rate,
        How::Sum => Agg::Sum,
        _ if series == id::BLOCKS => Agg::Last,
        How::Gauge => Agg::Level,
        How::Event if matches!(c.kind_of_value, Type::Integer | Type::Float) => Agg::Mean,
        How::Event => Agg::Count,
    }
}

/// The shape for points; nothing when it has no meaning.
pub fn of_points(series: usize, c: &Column, how: How, agg: Agg) -> Option<Template> {
    let q = quote(c.name);
    let number = !c.tag && c.kind_of_value != Type::Text;
    Some(match agg {
        Agg::Count => Template::Plain(format!("count({q})")),
        Agg::Last => Template::Newest(q, if number && series != id::BLOCKS { "sum" } else { "max" }),
        _ if !number => return None,
        Agg::Sum => Template::Plain(format!("sum({q})")),
        Agg::Mean => Template::Plain(format!("avg({q})")),
        Agg::Level => Template::PerLine(format!("avg({q})")),
        Agg::Max => Template::Plain(format!("max({q})")),
        Agg::Min => Template::Plain(format!("min({q})")),
        Agg::Percentile(p) => Template::Plain(format!("percentile({q}, {p})")),
        Agg::Rate if matches!(how, How::Gauge | How::Event) => return None,
        Agg::Rate => Template::Rate(q),
    })
}

/// The shape for roll-ups; nothing when they do not keep it.
pub fn of_rollups(series: usize, c: &Column, how: How, agg: Agg) -> Option<Template> {
    if c.tag || c.kind_of_value == Type::Text {
        return None;
    }
    let figure = |suffix: &str| quote(&format!("{}{suffix}", c.name));
    let q = figure("");
    let boolean = c.kind_of_value == Type::Boolean;
    let event = how == How::Event && !boolean;
    if event && c.kind_of_value == Type::Integer && ["", "index", "number", "code"].contains(&c.unit) {
        return None;
    }
    // Of an event that has no such figure nothing is in the mean, but it is among the points.
    let weight = format!("CASE WHEN {q} IS NOT NULL THEN points END");
    Some(match (agg, how) {
        (Agg::Count, _) => Template::Plain(format!("sum({weight})")),
        (Agg::Rate, How::Cumulative | How::Sum | How::Command) => Template::Rate(q),
        (Agg::Sum, How::Sum | How::Command) => Template::Plain(format!("sum({q})")),
        (Agg::Sum, How::Event) if boolean => Template::Plain(format!("sum({q})")),
        (Agg::Sum, How::Event) => Template::Plain(format!("sum({})", figure("_sum"))),
        (Agg::Mean, How::Sum | How::Command) => Template::Plain(format!("sum({q}) * 1.0 / sum({weight})")),
        (Agg::Mean, How::Event) if boolean => Template::Plain(format!("sum({q}) * 1.0 / sum({weight})")),
        (Agg::Mean, How::Gauge | How::Event) => Template::Plain(format!("sum({q} * points) / sum({weight})")),
        (Agg::Level, How::Gauge) => Template::PerLine(format!("sum({q} * points) / sum({weight})")),
        (Agg::Max, How::Cumulative) => Template::Plain(format!("max({q})")),
        (Agg::Max, How::Gauge | How::Event) if !boolean => Template::Plain(format!("max({})", figure("_max"))),
        (Agg::Min, How::Gauge | How::Event) if !boolean => Template::Plain(format!("min({})", figure("_min"))),
        (Agg::Last, How::Cumulative) => Template::Newest(q, "sum"),
        (Agg::Last, How::Gauge) if series == id::BLOCKS => Template::Newest(figure("_max"), "max"),
        _ => return None,
    })
}
