//! `/api/v1/series`: what there is, and lines of it over time.

use super::answer::{ApiError, Reply};
use super::db::{Reader, Whose, oldest};
use super::endpoints;
use super::params::Params;
use super::rolled::{MINUTES_UP_TO, POINTS_UP_TO, Source, Template, auto, of_points, of_rollups};
use super::shared::Shared;
use super::sql::{Agg, Asked, COMMON, statement, text};
use crate::series::reference::{cadence_word, kind_word, type_word};
use crate::series::{Cadence, Column, SERIES, Type, id};
use crate::sink::prometheus::catalogue::how;
use crate::sink::rollup::BUCKETS;
use crate::time::{SECOND, Timestamp};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Columns of one request at most: each is a statement.
const COLUMNS: usize = 64;
/// Values of one answer at most, over all lines.
const VALUES: usize = 400_000;
/// Points of a line without `points`.
const POINTS: i64 = 600;

/// Lengths of buckets, seconds; beyond them whole numbers of the last.
const STEPS: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    1_209_600, 2_592_000,
];

/// `GET /api/v1/series`
pub async fn list(RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(&endpoints::SERIES_LIST, query.as_deref())?;
    let series: Vec<Value> = (SERIES.iter())
        .map(|s| {
            let columns: Vec<Value> = (s.columns.iter())
                .map(|c| {
                    json!({"name": c.name, "type": type_word(c.kind_of_value), "unit": c.unit,
                        "kind": kind_word(c.kind), "tag": c.tag, "help": c.help})
                })
                .collect();
            let point = if s.cadence == Cadence::Event { "event" } else { "interval" };
            json!({"name": s.name, "help": s.help, "point": point, "cadence": cadence_word(s.cadence), "columns": columns})
        })
        .collect();
    Ok(Reply::json(&json!({ "series": series })))
}

/// What is asked of a series, understood.
struct Question {
    series: usize,
    columns: Vec<(&'static Column, Agg)>,
    tags: Vec<&'static str>,
    by: Vec<&'static str>,
    conditions: String,
    /// A condition on a column that roll-ups do not have.
    needs_points: bool,
    from: Option<i64>,
    to: Option<i64>,
    points: i64,
    interval: i64,
}

/// `GET /api/v1/series/{name}`
pub async fn lines(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::SERIES_LINES, query.as_deref())?;
    let question = understand(&shared, &name, &params)?;
    let answer = shared.db.read(Whose::Own, Timestamp::default(), move |r| answer(r, &question)).await?;
    Ok(if params.csv() { as_csv(&answer) } else { Reply::json(&answer) })
}

fn understand(shared: &Shared, name: &str, params: &Params) -> Result<Question, ApiError> {
    let series = SERIES.iter().position(|s| s.name == name);
    let series = series.ok_or_else(|| ApiError::not_found(format!("no series `{name}`; /api/v1/series lists them")))?;
    let described = &SERIES[series];
    let find = |column: &str| {
        let found = described.columns.iter().find(|c| c.name == column);
        found.ok_or_else(|| {
            let message =
                format!("the series `{name}` has no column `{column}`; `btcdmon series {name}` explains those it has");
            ApiError::not_found(message)
        })
    };
    let agg = params.text("agg").filter(|a| *a != "auto");
    let agg =
        agg.map(|a| Agg::of_name(a).ok_or_else(|| ApiError::bad(format!("agg={a}: no such aggregate")))).transpose()?;
    let asked = params.list("columns");
    let columns: Vec<&Column> = if asked.is_empty() {
        let numbers = described.columns.iter().filter(|c| !c.tag && c.kind_of_value != Type::Text);
        numbers.take(COLUMNS).collect()
    } else {
        asked.iter().map(|c| find(c)).collect::<Result<_, _>>()?
    };
    if columns.len() > COLUMNS {
        return Err(ApiError::bad(format!("{} columns; at most {COLUMNS} in one request", columns.len())));
    }
    let mut lines = Vec::new();
    for c in columns {
        let how = how(series, c);
        let chosen = agg.unwrap_or_else(|| auto(series, c, how));
        // Without a list of columns those are left out that have no such figure.
        if of_points(series, c, how, chosen).is_some() {
            lines.push((c, chosen));
        } else if !asked.is_empty() {
            let message = format!("the column `{}` has no {}; try agg=auto", c.name, chosen.name());
            return Err(ApiError::not_found(message));
        }
    }
    let tags: Vec<&'static str> = described.columns.iter().filter(|c| c.tag).map(|c| c.name).collect();
    let mut by = Vec::new();
    for wanted in params.list("by") {
        let found = tags.iter().chain(&COMMON).find(|t| **t == wanted).copied();
        let tag = found.ok_or_else(|| {
            let known = tags.iter().chain(&COMMON).copied().collect::<Vec<_>>().join(", ");
            ApiError::not_found(format!("by={wanted}: `{name}` has the tags {known}"))
        })?;
        if !by.contains(&tag) {
            by.push(tag);
        }
    }
    let mut conditions = String::new();
    let node = match params.text("node") {
        Some(node) => Some(node.to_owned()),
        None if by.contains(&"node") => None,
        None => first_node(shared),
    };
    if let Some(node) = node.filter(|_| series != id::SENSOR) {
        conditions = format!(" AND node = {}", text(&node));
    }
    let mut needs_points = false;
    if let Some((column, value)) = params.text("where").map(|w| w.split_once(':').unwrap_or((w, ""))) {
        let c = find(column)?;
        needs_points = !c.tag;
        let value = match (c.tag, c.kind_of_value, value.parse::<f64>()) {
            (false, Type::Integer | Type::Float, Ok(n)) if n.is_finite() => format!("{n}"),
            (false, Type::Boolean, _) => u8::from(["1", "true"].contains(&value)).to_string(),
            _ => text(value),
        };
        let _ = write!(conditions, " AND {} = {value}", super::sql::quote(c.name));
    }
    let nanos = |name: &str| params.number(name).map(|us| us.saturating_mul(1000));
    Ok(Question {
        series,
        columns: lines,
        tags,
        by,
        conditions,
        needs_points,
        from: nanos("from"),
        to: nanos("to"),
        points: params.number("points").unwrap_or(POINTS),
        interval: shared.config.interval,
    })
}

/// The node whose figures are meant when none is named.
pub fn first_node(shared: &Shared) -> Option<String> {
    let status = shared.status.borrow();
    status.get("nodes")?.get(0)?.get("name")?.as_str().map(str::to_owned)
}

/// The length of a bucket, ns: at most `points` buckets cover the range, none is shorter than `least`.
pub fn step(from: i64, to: i64, points: i64, least: i64) -> i64 {
    let fits = |step: i64| {
        let buckets = (i128::from(to) - 1).div_euclid(step.into()) - i128::from(from).div_euclid(step.into()) + 1;
        buckets <= i128::from(points)
    };
    let steps = STEPS.iter().map(|s| s * SECOND).filter(|s| *s >= least);
    if let Some(step) = steps.clone().find(|s| fits(*s)) {
        return step;
    }
    let last = STEPS[STEPS.len() - 1] * SECOND;
    let longer = (1..=i64::MAX / last).map(|n| n * last).find(|s| fits(*s));
    longer.unwrap_or(i64::MAX / last * last)
}

fn answer(r: &mut Reader, q: &Question) -> Result<Value, ApiError> {
    let name = SERIES[q.series].name;
    let whole = r.range(q.interval)?.unwrap_or((0, 0));
    // Nothing lies outside of the range of the store, whatever is asked for.
    let from = q.from.unwrap_or(whole.0).clamp(whole.0.saturating_sub(SECOND), whole.1.saturating_add(SECOND));
    let to = q.to.unwrap_or(i64::MAX).clamp(from, whole.1.saturating_add(SECOND));
    let least = if SERIES[q.series].cadence == Cadence::Event { SECOND } else { q.interval };
    let step = step(from, to.max(from + 1), q.points, least);
    let start = Timestamp::from_nanos(from).floor(step).nanos();
    let mut times: Vec<i64> = Vec::new();
    while times.len() < q.points as usize && (times.len() as i64).saturating_mul(step).saturating_add(start) < to {
        times.push(start + times.len() as i64 * step);
    }
    let spans = r.spans(name)?;
    let mut lines = Vec::new();
    let mut kinds = Vec::new();
    for (c, agg) in &q.columns {
        let (source, template) = choose(q, c, *agg, (from, to), step, &spans)?;
        let asked = Asked {
            source: &source,
            column: c.name,
            how: how(q.series, c),
            agg: *agg,
            tags: &q.tags,
            by: &q.by,
            conditions: &q.conditions,
            range: (source.bucket.map_or(from, |b| Timestamp::from_nanos(from).floor(b).nanos()), to),
            step,
            interval: source.bucket.unwrap_or(q.interval),
            begin: oldest(&spans).unwrap_or(i64::MIN),
        };
        let (rows, _) = r.run(&statement(&asked, template), VALUES as u64)?;
        let mut found: BTreeMap<Vec<String>, Vec<Value>> = BTreeMap::new();
        for row in &rows.rows {
            let [bucket, tags @ .., value] = row.as_slice() else { continue };
            let tags = tags.iter().map(|t| t.as_str().unwrap_or_default().to_owned()).collect();
            let place = bucket.as_i64().map(|b| b.saturating_sub(start) / step).and_then(|i| usize::try_from(i).ok());
            let values = found.entry(tags).or_insert_with(|| vec![Value::Null; times.len()]);
            if let Some(slot) = place.and_then(|i| values.get_mut(i)) {
                *slot = value.clone();
            }
        }
        if q.by.is_empty() {
            found.entry(Vec::new()).or_insert_with(|| vec![Value::Null; times.len()]);
        }
        kinds.push(kind_word(c.kind));
        for (tags, values) in found {
            let tags: Map<String, Value> = q.by.iter().zip(tags).map(|(k, v)| ((*k).to_owned(), v.into())).collect();
            lines.push(json!({"tags": tags, "column": c.name, "agg": agg.name(), "kind": kind_word(c.kind),
                "unit": c.unit, "source": source.table, "values": values}));
        }
        if lines.len().saturating_mul(times.len()) > VALUES {
            return Err(ApiError::bad("too many values; ask for fewer columns, points or tags"));
        }
    }
    let micros: Vec<i64> = times.iter().map(|t| t.div_euclid(1000)).collect();
    Ok(json!({"name": name, "from": from.div_euclid(1000), "to": to.div_euclid(1000), "step": step / 1000,
        "time": micros, "lines": lines}))
}

/// The rows that serve a column.
fn choose(
    q: &Question,
    c: &Column,
    agg: Agg,
    (from, to): (i64, i64),
    step: i64,
    spans: &[Option<i64>; 3],
) -> Result<(Source, Template), ApiError> {
    let how = how(q.series, c);
    let name = SERIES[q.series].name;
    let points = Source { table: name.to_owned(), bucket: None };
    let of_rolled = of_rollups(q.series, c, how, agg).filter(|_| !q.needs_points);
    let first = spans.iter().flatten().min().copied().unwrap_or(i64::MAX).max(from);
    if let Some(template) = of_rolled {
        for (i, (suffix, length)) in BUCKETS.iter().enumerate().rev() {
            let asks = to.saturating_sub(first) > if i == 0 { POINTS_UP_TO } else { MINUTES_UP_TO };
            // What the finer rows no longer hold.
            let gone = spans[i].is_none_or(|finer| finer > first.saturating_add(*length));
            if step >= *length && (asks || gone) && spans[i + 1].is_some() {
                return Ok((Source { table: format!("{name}_{suffix}"), bucket: Some(*length) }, template));
            }
        }
    }
    let template = of_points(q.series, c, how, agg);
    let template =
        template.ok_or_else(|| ApiError::not_found(format!("the column `{}` has no {}", c.name, agg.name())))?;
    Ok((points, template))
}

/// One row a bucket, one column a line.
fn as_csv(answer: &Value) -> Response {
    let items = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let lines = items(&answer["lines"]);
    let mut columns = vec!["time".to_owned()];
    for l in &lines {
        let tags = l["tags"].as_object().cloned().unwrap_or_default();
        let tags: Vec<String> = tags.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
        let name = l["column"].as_str().unwrap_or_default();
        columns.push(if tags.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", tags.join(" ")) });
    }
    let rows: Vec<Vec<Value>> = (items(&answer["time"]).into_iter().enumerate())
        .map(|(i, time)| {
            let values = lines.iter().map(|l| l["values"].get(i).cloned().unwrap_or_default());
            std::iter::once(time).chain(values).collect()
        })
        .collect();
    Reply::csv(&columns, &rows)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
