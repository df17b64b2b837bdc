//! `/api/v1/transactions/{txid}`: one transaction, from the store.

use super::answer::{ApiError, Reply};
use super::db::{Reader, Whose};
use super::endpoints;
use super::params::Params;
use super::shared::Shared;
use super::sql::{quote, text};
use super::watcher::hash;
use crate::series::{SERIES, Type, id};
use crate::time::Timestamp;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Rows of inputs or outputs at most.
const ROWS: u64 = 10_000;

/// `GET /api/v1/transactions/{txid}`
pub async fn one(
    State(shared): State<Arc<Shared>>,
    Path(asked): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::TRANSACTION, query.as_deref())?;
    let gone = || ApiError::not_found(format!("no transaction {asked} was seen, or the store has dropped it"));
    let txid = hash(&asked).ok_or_else(gone)?.to_string();
    let node = params.text("node").map(str::to_owned);
    let found = shared.db.read(Whose::Own, Timestamp::default(), move |r| find(r, &txid, node.as_deref())).await?;
    Ok(Reply::json(&found.ok_or_else(gone)?))
}

fn rows(r: &mut Reader, series: usize, condition: &str, limit: u64) -> Result<Vec<Map<String, Value>>, ApiError> {
    let s = &SERIES[series];
    let names: Vec<String> =
        ["time", "node"].iter().copied().chain(s.columns.iter().map(|c| c.name)).map(quote).collect();
    let sql = format!("SELECT {} FROM {} WHERE {condition} ORDER BY time", names.join(", "), s.name);
    let (found, _) = r.run(&sql, limit)?;
    let object = |row: Vec<Value>| {
        let mut o = Map::new();
        for (name, v) in found.columns.iter().zip(row) {
            let boolean = s.columns.iter().any(|c| c.name == name && c.kind_of_value == Type::Boolean);
            let v = match (name.as_str(), v.as_i64()) {
                (_, Some(n)) if boolean => (n != 0).into(),
                _ => v,
            };
            o.insert(name.clone(), v);
        }
        o
    };
    Ok(found.rows.into_iter().map(object).collect())
}

fn find(r: &mut Reader, txid: &str, node: Option<&str>) -> Result<Option<Value>, ApiError> {
    let of_node = node.map_or(String::new(), |n| format!(" AND node = {}", text(n)));
    let by_txid = format!("txid = {}{of_node}", text(txid));
    let Some(tx) = rows(r, id::TX, &by_txid, 1)?.into_iter().next() else { return Ok(None) };
    let number = |name: &str| tx.get(name).and_then(Value::as_i64).unwrap_or_default();
    let node = tx.get("node").and_then(Value::as_str).unwrap_or_default();
    // Its points follow each other a nanosecond apart: inputs and outputs need no search through all rows. A fee may
    // become known later.
    let time = number("time");
    let end = time.saturating_add(number("num_inputs") + number("num_outputs") + 1);
    let same = format!("txid = {} AND node = {} AND time >= {time}", text(txid), text(node));
    let near = format!("{same} AND time <= {end}");
    let inputs = rows(r, id::TX_INPUTS, &near, ROWS)?;
    let outputs = rows(r, id::TX_OUTPUTS, &near, ROWS)?;
    let fee = rows(r, id::TX_FEES, &same, 1)?;
    let objects = |rows: Vec<Map<String, Value>>| rows.into_iter().map(in_micros).collect::<Vec<_>>();
    let mut tx = tx.clone();
    tx.insert("fee".to_owned(), json!(objects(fee).first()));
    tx.insert("inputs".to_owned(), objects(inputs).into());
    tx.insert("outputs".to_owned(), objects(outputs).into());
    Ok(Some(in_micros(tx)))
}

/// The object with its time in the API's unit.
fn in_micros(mut o: Map<String, Value>) -> Value {
    if let Some(t) = o.get("time").and_then(Value::as_i64) {
        o.insert("time".to_owned(), t.div_euclid(1000).into());
    }
    Value::Object(o)
}
