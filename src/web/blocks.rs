//! `/api/v1/blocks`: the newest blocks from the snapshot, older ones from the store.

use super::answer::{ApiError, Reply};
use super::db::Whose;
use super::endpoints;
use super::params::Params;
use super::peers::{node, tables};
use super::rows::api_name;
use super::shared::Shared;
use super::sql::{quote, text};
use super::watcher::hash;
use crate::series::{SERIES, Type, id};
use crate::time::Timestamp;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// Blocks of an answer at most.
pub const MOST: i64 = 1000;
/// Blocks without `limit`.
const USUAL: i64 = 100;

/// Blocks of one microsecond that may stand behind the last one of an answer; a frame may complete many small ones.
const TIES: usize = 256;

/// Columns of the CSV.
const COLUMNS: [&str; 22] = [
    "hash",
    "height",
    "time",
    "node",
    "size",
    "weight",
    "num_tx",
    "total_tx_fees",
    "first_announcer",
    "via",
    "missing_tx",
    "missing_bytes",
    "process_time",
    "relay_time",
    "announce_to_data",
    "status",
    "is_orphan",
    "reject_code",
    "reject_reason",
    "transport",
    "compact_size",
    "confidence",
];

fn time(block: &Value) -> Option<i64> {
    block.get("time").and_then(Value::as_i64)
}

/// Where an answer of `limit` blocks ends: not between two of one time, since the next page begins before that.
fn cut(blocks: &[Value], limit: usize) -> Option<usize> {
    let last = time(blocks.get(limit.checked_sub(1)?)?);
    blocks.iter().position(|b| time(b) < last)
}

/// `GET /api/v1/blocks`
pub async fn list(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::BLOCKS, query.as_deref())?;
    let node = node(&shared, params.text("node"))?;
    let limit = params.number("limit").unwrap_or(USUAL) as usize;
    let before = params.number("before").unwrap_or(i64::MAX);
    let tables = tables(&shared).await;
    let newest = tables.blocks.iter().filter(|b| node.as_deref().is_none_or(|n| n == b.node) && b.time < before);
    let mut blocks: Vec<Value> = newest.map(|b| Value::Object(b.object.clone())).collect();
    if cut(&blocks, limit).is_none() && shared.config.store.is_some() {
        // What an earlier run of the sensor has seen, and what the snapshot no longer holds. A replay writes the
        // end of a block later than it shows it.
        let known: HashSet<String> = blocks.iter().filter_map(|b| b.get("hash")?.as_str().map(str::to_owned)).collect();
        let mut condition = node.as_deref().map_or("1".to_owned(), |n| format!("node = {}", text(n)));
        if before < i64::MAX {
            let _ = write!(condition, " AND time < {}", before.saturating_mul(1000));
        }
        let older = stored(&shared, condition, limit + TIES).await?;
        let unknown = |b: &Value| b.get("hash").and_then(Value::as_str).is_none_or(|h| !known.contains(h));
        blocks.extend(older.into_iter().filter(unknown));
        blocks.sort_by_key(|b| std::cmp::Reverse(time(b)));
    }
    let end = cut(&blocks, limit).unwrap_or(blocks.len());
    blocks.truncate(end);
    Ok(if params.csv() { Reply::csv_of_objects(&blocks, &COLUMNS) } else { Reply::json(&json!({"blocks": blocks})) })
}

/// Blocks of the store, newest first.
async fn stored(shared: &Shared, condition: String, limit: usize) -> Result<Vec<Value>, ApiError> {
    let columns = SERIES[id::PROCESSED_BLOCKS].columns;
    let names: Vec<String> = columns.iter().map(|c| quote(c.name)).collect();
    let sql =
        format!("SELECT time, node, {} FROM processed_blocks WHERE {condition} ORDER BY time DESC", names.join(", "));
    let (rows, _) = shared.db.read(Whose::Own, Timestamp::default(), move |r| r.run(&sql, limit as u64)).await?;
    let object = |row: Vec<Value>| {
        let mut o = Map::new();
        let mut cells = row.into_iter();
        let time = cells.next().and_then(|t| t.as_i64()).unwrap_or_default();
        o.insert("time".to_owned(), time.div_euclid(1000).into());
        o.insert("node".to_owned(), cells.next().unwrap_or_default());
        for (c, v) in columns.iter().zip(cells) {
            let v = match (c.kind_of_value, v.as_i64()) {
                (Type::Boolean, Some(n)) => (n != 0).into(),
                _ => v,
            };
            o.insert(api_name(c.name).to_owned(), v);
        }
        Value::Object(o)
    };
    Ok(rows.rows.into_iter().map(object).collect())
}

/// `GET /api/v1/blocks/{hash}`
pub async fn one(
    State(shared): State<Arc<Shared>>,
    Path(asked): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::BLOCK, query.as_deref())?;
    let gone = || ApiError::not_found(format!("no block {asked}; the hash has 64 hexadecimal digits"));
    let wanted = hash(&asked).ok_or_else(gone)?;
    let node = node(&shared, params.text("node"))?;
    let of_node = |name: &str| params.text("node").is_none() || node.as_deref() == Some(name);
    let tables = tables(&shared).await;
    let row = tables.blocks.iter().find(|b| b.hash == wanted && of_node(&b.node));
    let mut object = if let Some(b) = row {
        b.object.clone()
    } else {
        let condition = format!("sha = {}", text(&wanted.to_string()));
        let found = stored(&shared, condition, 64).await?;
        let mut found = found.into_iter().filter(|b| b.get("node").and_then(Value::as_str).is_none_or(of_node));
        match found.next() {
            Some(Value::Object(o)) => o,
            _ => return Err(gone()),
        }
    };
    let (timeline, left_out) = tables.ways.get(&wanted).map(|w| w.json()).unwrap_or_default();
    object.insert("timeline".to_owned(), timeline.into());
    object.insert("timeline_left_out".to_owned(), left_out.into());
    Ok(Reply::json(&Value::Object(object)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_does_not_end_between_blocks_of_one_time() {
        let blocks: Vec<Value> = [9, 8, 8, 8, 7].iter().map(|t| json!({ "time": t })).collect();
        let ends: Vec<Option<usize>> = (1..=6).map(|limit| cut(&blocks, limit)).collect();
        assert_eq!(ends, [Some(1), Some(4), Some(4), Some(4), None, None]);
    }
}
