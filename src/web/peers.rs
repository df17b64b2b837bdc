//! `/api/v1/peers`: the table of connections, open ones and those that ended lately.

use super::answer::{ApiError, Reply};
use super::endpoints;
use super::params::Params;
use super::rows::PeerRow;
use super::shared::{Shared, Tables};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The first look waits for the next tick of the capture, at most so long.
const FIRST: Duration = Duration::from_millis(1500);

/// Columns of the CSV.
const COLUMNS: [&str; 27] = [
    "id",
    "node",
    "address",
    "direction",
    "transport",
    "network",
    "user_agent",
    "protocol_version",
    "services",
    "start_height",
    "since",
    "until",
    "bytes_recv",
    "bytes_sent",
    "messages_recv",
    "messages_sent",
    "ping_us",
    "ping_min_us",
    "tcp_rtt_us",
    "last_block",
    "last_block_time",
    "last_tx_time",
    "last_tx_first",
    "first_blocks",
    "first_txs",
    "handshake",
    "estimated",
];

/// The newest tables. Whoever is the first to look for a while waits for new ones.
pub async fn tables(shared: &Shared) -> Arc<Tables> {
    let looked_at = shared.is_looked_at();
    let mut tables = shared.tables.subscribe();
    shared.look();
    if !looked_at && !shared.is_finished() {
        // When nothing is captured, the old ones are as good as new.
        let _ = tokio::time::timeout(FIRST, tables.changed()).await;
    }
    Arc::clone(&tables.borrow_and_update())
}

fn objects<'a>(rows: impl Iterator<Item = &'a PeerRow>) -> Vec<Value> {
    rows.filter_map(|r| serde_json::to_value(r).ok()).collect()
}

/// The name of a node that was asked for, or of the first one.
///
/// # Errors
/// There is no such node.
pub fn node(shared: &Shared, asked: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(asked) = asked else { return Ok(super::history::first_node(shared)) };
    let status = Arc::clone(&shared.status.borrow());
    let nodes = status.get("nodes").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names = nodes.iter().filter_map(|n| n.get("name")?.as_str());
    match names.find(|n| *n == asked) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(ApiError::not_found(format!("no node `{asked}` is watched; /api/v1/status lists them"))),
    }
}

/// `GET /api/v1/peers`
pub async fn list(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::PEERS, query.as_deref())?;
    let node = node(&shared, params.text("node"))?;
    let tables = tables(&shared).await;
    let of_node = |p: &&PeerRow| node.as_deref().is_none_or(|n| n == p.node);
    let closed = tables.closed.iter().filter(|_| params.flag("closed"));
    let peers = objects(tables.peers.iter().chain(closed).filter(of_node));
    Ok(if params.csv() {
        Reply::csv_of_objects(&peers, &COLUMNS)
    } else {
        Reply::json(&json!({"peers": peers, "left_out": tables.left_out}))
    })
}

/// `GET /api/v1/peers/{id}`
pub async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::PEER, query.as_deref())?;
    let node = params.text("node");
    let tables = tables(&shared).await;
    let mut all = tables.peers.iter().chain(&tables.closed);
    let found = all.find(|p| p.id == id && node.is_none_or(|n| n == p.node));
    let found = found.and_then(|p| serde_json::to_value(p).ok());
    let gone = || ApiError::not_found(format!("no connection {id}; it may have ended long ago"));
    Ok(Reply::json(&found.ok_or_else(gone)?))
}
