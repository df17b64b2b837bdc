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

/// The first look waits for the next tick of the capture, at most so long, ms.
const FIRST: u64 = 1500;

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

/// The newest tables. Those of before somebody looked are old: who is among the first to look waits for new ones.
pub async fn tables(shared: &Shared) -> Arc<Tables> {
    let since = shared.look();
    let mut tables = shared.tables.subscribe();
    if !shared.is_finished() {
        // When nothing is captured, the old ones are as good as new.
        let patience = Duration::from_millis((since + FIRST).saturating_sub(shared.age()));
        let _ = tokio::time::timeout(patience, tables.wait_for(|t| t.made >= since)).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::rollup::Retention;
    use crate::web::access::Access;
    use crate::web::config::{Config, Mode};

    fn shared() -> Arc<Shared> {
        Shared::new(Config {
            mode: Mode::Live,
            speed: None,
            store: None,
            retention: Retention::default(),
            sensor: "test".to_owned(),
            interval: 1,
            max_connections: 1,
            access: Access::new(([127, 0, 0, 1], 0).into(), None, None, &[]).unwrap(),
        })
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_is_among_the_first_to_look_gets_new_tables() {
        let shared = shared();
        let looks: Vec<_> = (0..3)
            .map(|_| {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { tables(&shared).await.left_out })
            })
            .collect();
        // Each of them waits by now.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        shared.tables.send_replace(Arc::new(Tables { made: shared.age(), left_out: 7, ..Tables::default() }));
        for look in looks {
            assert_eq!(look.await.unwrap(), 7);
        }
        // These are not old now: nobody waits.
        assert_eq!(tables(&shared).await.left_out, 7);
    }
}
