//! `/api/v1/query`: a statement of whoever asks, on the store.

use super::answer::{ApiError, JSON, Reply};
use super::db::Whose;
use super::endpoints;
use super::params::Params;
use super::shared::Shared;
use crate::time::Timestamp;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Rows of an answer at most.
pub const ROWS: i64 = 10_000;
/// Rows of an answer without `limit`.
const USUAL: i64 = 1000;
/// Longest statement, bytes.
const STATEMENT: usize = 32 << 10;

/// `GET` and `POST /api/v1/query`; a POST has the parameters as a JSON object.
pub async fn run(
    State(shared): State<Arc<Shared>>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, ApiError> {
    let query = if method == Method::POST { Some(of_body(&headers, &body)?) } else { query };
    let params = Params::read(&endpoints::QUERY, query.as_deref())?;
    let sql = params.text("sql").unwrap_or_default().to_owned();
    if sql.len() > STATEMENT {
        return Err(ApiError {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "too_large",
            message: format!("the statement has more than {STATEMENT} bytes"),
        });
    }
    let limit = params.number("limit").unwrap_or(USUAL) as u64;
    // What a replay shows is as old as its capture.
    let now = shared.status.borrow().get("time").and_then(Value::as_i64).unwrap_or_default();
    let now = Timestamp::from_nanos(now.saturating_mul(1000));
    let started = Instant::now();
    let (answer, summary) = shared.db.read(Whose::Foreign, now, move |r| r.run(&sql, limit)).await?;
    if params.csv() {
        return Ok(Reply::csv(&answer.columns, &answer.rows));
    }
    Ok(Reply::json(&json!({"columns": answer.columns, "rows": answer.rows, "truncated": !summary.complete,
        "elapsed_ms": started.elapsed().as_millis() as u64})))
}

fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<String, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // A page of another site cannot send this type without asking first.
    if !kind.starts_with(JSON) {
        return Err(ApiError::bad("a POST has the parameters as a JSON object: Content-Type: application/json"));
    }
    let object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|e| ApiError::bad(format!("the body is no JSON object: {e}")))?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &object {
        match value {
            Value::String(s) => query.append_pair(name, s),
            Value::Number(n) if name != "sql" => query.append_pair(name, &n.to_string()),
            _ => return Err(ApiError::bad(format!("`{name}` in the body has the wrong type"))),
        };
    }
    Ok(query.finish())
}
