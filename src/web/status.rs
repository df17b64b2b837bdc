//! `/api/v1/status`: the newest snapshot at a glance, and what the sensor itself saw, skipped and lost.

use super::answer::{ApiError, Reply};
use super::config::Mode;
use super::endpoints;
use super::params::Params;
use super::rows::micros;
use super::shared::Shared;
use super::watcher::Capture;
use crate::health::{Tally, Vocabulary};
use crate::node::chain::Chain;
use crate::node::totals::Node;
use crate::node::{NodeStatus, View};
use crate::series::visibility::Share;
use crate::time::{SECOND, Timestamp};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Ticks that a speed is the mean of.
const SPAN: usize = 5;

/// Figures of a node at the last ticks: messages, bytes to it, bytes from it.
#[derive(Debug, Default)]
pub struct Rates {
    ticks: VecDeque<(Timestamp, [u64; 3])>,
}

impl Rates {
    /// Another tick is about to be noted.
    pub fn tick(&mut self) {
        while self.ticks.len() > SPAN {
            self.ticks.pop_front();
        }
    }

    /// Notes the figures at a tick.
    pub fn note(&mut self, time: Timestamp, n: &Node) {
        let estimated = n.estimates_in_all();
        self.ticks.push_back((time, [n.messages_in_all() + estimated, n.recv.wire_bytes, n.sent.wire_bytes]));
    }

    /// Per second.
    fn speeds(&self) -> [Option<f64>; 3] {
        let Some(((from, before), (to, now))) = self.ticks.front().zip(self.ticks.back()) else { return [None; 3] };
        let seconds = to.since(*from) as f64 / SECOND as f64;
        let speed = |i: usize| (seconds > 0.0).then(|| now[i].saturating_sub(before[i]) as f64 / seconds);
        [speed(0), speed(1), speed(2)]
    }
}

/// What the watcher adds to what the node stage knows.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Speeds by node.
    pub rates: HashMap<String, Rates>,
    /// When the tip of a node became that.
    pub tips: HashMap<Arc<str>, Timestamp>,
    /// Connections followed, and messages of those beyond the cap.
    pub followed: (u64, u64),
}

fn counts<V: Vocabulary>(tally: &Tally<V>) -> Value {
    Value::Object(tally.nonzero().map(|(v, n)| (v.name().to_owned(), n.into())).collect())
}

/// The object.
pub fn status(shared: &Shared, time: Timestamp, view: &View, capture: Capture, pulse: &Pulse) -> Value {
    let (followed, unfollowed) = pulse.followed;
    let c = view.counters();
    let given = view.status(time);
    let mut nodes = Vec::new();
    let mut shares = [Share::default(); 4];
    for ((place, node), s) in view.nodes().zip(&given.nodes) {
        for (sum, share) in shares.iter_mut().zip(&node.shares) {
            sum.connections += share.connections;
            sum.bytes_recv += share.bytes_recv;
            sum.bytes_sent += share.bytes_sent;
            sum.explained_recv += share.explained_recv;
            sum.explained_sent += share.explained_sent;
        }
        let speeds = pulse.rates.get(node.name.as_ref()).map(Rates::speeds).unwrap_or_default();
        nodes.push(node_object(view, place, node, s, speeds, pulse));
    }
    let share = |s: &Share| json!({"connections": s.connections, "bytes": s.bytes_recv + s.bytes_sent});
    let explained = shares[1].explained_recv + shares[1].explained_sent;
    let config = &shared.config;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "sensor": config.sensor,
        "mode": if config.mode == Mode::Live { "live" } else { "replay" },
        "speed": config.speed,
        "finished": shared.is_finished(),
        "time": micros(time),
        "since": c.first.map(micros),
        "nodes": nodes,
        "sensor_figures": {
            "frames": capture.frames.unwrap_or(c.frames),
            "dropped_by_kernel": capture.dropped.unwrap_or(c.kernel_drops + c.interface_drops),
            "frames_used": c.used,
            "frames_skipped": counts(&c.skipped),
            "decode_notes": counts(&c.notes),
            "tcp_anomalies": counts(&c.streams.anomalies),
            "gaps": counts(&c.streams.gaps),
            "gap_bytes": counts(&c.streams.gap_bytes),
            "message_troubles": counts(&c.streams.troubles),
            "evictions": counts(view.troubles()),
            "points_lost": capture.points_lost,
            "connections": c.streams.conversations,
            "connections_followed": followed,
            "messages_unfollowed": unfollowed,
            "web_connections_ended": shared.idle_ended.load(Ordering::Relaxed),
            "limits": {
                "connections": config.max_connections,
                "connections_followed": super::follow::MAX_FOLLOWED,
                "peers_listed": super::watcher::MAX_PEERS,
                "event_streams": super::shared::MAX_STREAMS,
            },
        },
        "visibility": {
            "v1": share(&shares[0]),
            "v2": share(&shares[1]),
            "undecided": share(&shares[2]),
            "other": share(&shares[3]),
            "v2_explained_bytes": (shares[1].connections > 0 || explained > 0).then_some(explained),
        },
    })
}

fn node_object(
    view: &View,
    place: usize,
    node: &Node,
    s: &NodeStatus,
    speeds: [Option<f64>; 3],
    pulse: &Pulse,
) -> Value {
    let tip = node.ledger.chain.as_ref().and_then(Chain::tip);
    json!({
        "name": s.name.as_ref(),
        "addresses": view.addresses(place).iter().map(ToString::to_string).collect::<Vec<_>>(),
        "network": node.networks.first().map(ToString::to_string),
        "height": s.height,
        "tip_hash": tip.map(|t| t.header.hash.to_string()),
        "tip_time": pulse.tips.get(&node.name).copied().map(micros),
        "inbound": s.inbound,
        "outbound": s.outbound,
        "v1": s.v1,
        "v2": s.v2,
        "undecided": node.shares[2].connections,
        "messages_per_s": speeds[0],
        "bytes_recv_per_s": speeds[1],
        "bytes_sent_per_s": speeds[2],
        "messages": s.messages,
        "messages_estimated": node.estimates_in_all(),
        "wire_bytes_recv": s.wire_bytes_recv,
        "wire_bytes_sent": s.wire_bytes_sent,
        "mempool_tx": s.mempool_tx,
        "mempool_vsize": s.mempool_vsize,
    })
}

/// Adds the range of the store.
pub fn with_range(status: &Value, range: Option<(i64, i64)>) -> Value {
    let mut o = status.as_object().cloned().unwrap_or_else(Map::new);
    o.insert("series_from".to_owned(), range.map(|r| r.0.div_euclid(1000)).into());
    o.insert("series_to".to_owned(), range.map(|r| r.1.div_euclid(1000)).into());
    Value::Object(o)
}

/// `GET /api/v1/status`
pub async fn get(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(&endpoints::STATUS, query.as_deref())?;
    shared.look();
    let text = Arc::clone(&shared.shown.borrow());
    Ok(Reply::text_of_json(text.to_string()))
}

/// `GET /api/v1/config`
pub async fn config(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(&endpoints::CONFIG, query.as_deref())?;
    let c = &shared.config;
    let seconds = |ns: Option<i64>| ns.map(|ns| ns / SECOND);
    Ok(Reply::json(&json!({
        "sensor": c.sensor,
        "mode": if c.mode == Mode::Live { "live" } else { "replay" },
        "interval_s": c.interval / SECOND,
        "listen": c.access.listen().to_string(),
        "open": c.access.is_open(),
        "store": c.store.is_some(),
        "retention_s": {
            "points": seconds(c.retention.raw), "minutes": seconds(c.retention.minutes), "hours": seconds(c.retention.hours),
        },
        "limits": {
            "query_seconds": super::db::TIME.as_secs(), "query_rows": super::query::ROWS,
            "messages_per_s": super::subscribers::RATE, "event_streams": super::shared::MAX_STREAMS,
        },
        "page": super::assets::has_page(),
    })))
}
