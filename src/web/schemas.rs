//! Schemas of the answers, for the `OpenAPI` document.

use crate::series::{SERIES, Series, Type, id};
use serde_json::{Map, Value, json};

fn nullable(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

fn time(what: &str) -> Value {
    json!({"type": ["integer", "null"], "description": format!("{what}, µs since 1970")})
}

#[expect(clippy::needless_pass_by_value, reason = "reads like the schema")]
fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().map(|o| o.keys().collect()).unwrap_or_default();
    json!({"type": "object", "required": required, "properties": properties})
}

/// Counts by name.
fn counts() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "integer"}})
}

fn list(schema: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}})
}

/// A row of a series; `names` may change names.
fn row(s: &Series, name: impl Fn(&'static str) -> &'static str) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("time".to_owned(), json!({"type": "integer", "description": "µs since 1970"}));
    all.insert("node".to_owned(), json!({"type": "string"}));
    for c in s.columns {
        let kind = match c.kind_of_value {
            Type::Integer => "integer",
            Type::Float => "number",
            Type::Boolean => "boolean",
            Type::Text => "string",
        };
        let unit = if c.unit.is_empty() { String::new() } else { format!(" ({})", c.unit) };
        let schema = json!({"type": [kind, "null"], "description": format!("{}{unit}", c.help)});
        all.insert(name(c.name).to_owned(), schema);
    }
    all
}

fn status() -> Value {
    let share = object(json!({"connections": {"type": "integer"}, "bytes": {"type": "integer"}}));
    let node = object(json!({
        "name": {"type": "string"}, "addresses": {"type": "array", "items": {"type": "string"}},
        "network": nullable("string"), "height": nullable("integer"), "tip_hash": nullable("string"),
        "tip_time": time("When it became the tip"), "inbound": {"type": "integer"}, "outbound": {"type": "integer"},
        "v1": {"type": "integer"}, "v2": {"type": "integer"}, "undecided": {"type": "integer"},
        "messages_per_s": nullable("number"), "bytes_recv_per_s": nullable("number"),
        "bytes_sent_per_s": nullable("number"), "messages": {"type": "integer"},
        "messages_estimated": {"type": "integer"}, "wire_bytes_recv": {"type": "integer"},
        "wire_bytes_sent": {"type": "integer"}, "mempool_tx": {"type": "integer"}, "mempool_vsize": {"type": "integer"},
    }));
    object(json!({
        "version": {"type": "string"}, "sensor": {"type": "string"}, "mode": {"enum": ["live", "replay"]},
        "speed": nullable("number"), "finished": {"type": "boolean"}, "time": time("Newest time of the capture"),
        "since": time("First frame"), "series_from": time("Oldest row of the store"),
        "series_to": time("Newest row of the store"), "nodes": {"type": "array", "items": node},
        "sensor_figures": object(json!({
            "frames": {"type": "integer"}, "dropped_by_kernel": {"type": "integer"}, "frames_used": {"type": "integer"},
            "frames_skipped": counts(), "decode_notes": counts(), "tcp_anomalies": counts(), "gaps": counts(),
            "gap_bytes": counts(), "message_troubles": counts(), "evictions": counts(),
            "points_lost": {"type": "integer"}, "connections": {"type": "integer"},
            "connections_followed": {"type": "integer"}, "messages_unfollowed": {"type": "integer"},
            "web_connections_ended": {"type": "integer", "description": "Clients of this server on whose connection nothing moved for two minutes"},
            "limits": counts(),
        })),
        "visibility": object(json!({"v1": share, "v2": share, "undecided": share, "other": share,
            "v2_explained_bytes": nullable("integer")})),
    }))
}

fn peer() -> Value {
    object(json!({
        "id": {"type": "string"}, "node": {"type": "string"}, "address": {"type": "string"},
        "direction": {"enum": ["inbound", "outbound"]},
        "transport": {"enum": ["v1", "v2", "undecided", "not_bitcoin"]},
        "network": {"enum": ["ipv4", "ipv6", "cjdns", "local"]},
        "user_agent": {"type": ["string", "null"], "description": "Chosen by the peer: not to be trusted, control characters escaped"},
        "protocol_version": nullable("integer"),
        "services": {"type": ["array", "null"], "items": {"type": "string"}}, "start_height": nullable("integer"),
        "since": time("Established, or joined by the sensor"), "until": time("Ended"),
        "bytes_recv": {"type": "integer"}, "bytes_sent": {"type": "integer"},
        "messages_recv": {"type": "integer"}, "messages_sent": {"type": "integer"},
        "messages": object(json!({"recv": counts(), "sent": counts()})),
        "ping_us": {"type": ["integer", "null"], "description": "Last round trip from the sensor to the peer, ping to pong; estimated where the peer is encrypted"},
        "ping_min_us": nullable("integer"),
        "tcp_rtt_us": {"type": ["integer", "null"], "description": "From the first SYN to the end of the handshake"},
        "last_block": nullable("string"), "last_block_time": time("When it announced that, before all others"),
        "last_tx_time": time("Its last transaction"), "last_tx_first": time("Its last transaction that was new"),
        "first_blocks": {"type": "integer"}, "first_txs": {"type": "integer"},
        "handshake": {"type": ["boolean", "null"], "description": "Both sides' verack was seen; not known of encrypted connections"},
        "estimated": {"type": "boolean", "description": "Its messages are estimated from sizes and times"},
    }))
}

fn block() -> Map<String, Value> {
    row(&SERIES[id::PROCESSED_BLOCKS], |c| if c == "sha" { "hash" } else { c })
}

fn whole_block() -> Value {
    let step = object(json!({
        "time": {"type": "integer"}, "peer": {"type": "string"}, "peer_id": {"type": "string"},
        "direction": {"enum": ["recv", "sent"]}, "what": {"type": "string"}, "bytes": {"type": "integer"},
    }));
    let mut all = block();
    all.insert("timeline".to_owned(), json!({"type": "array", "items": step}));
    all.insert("timeline_left_out".to_owned(), json!({"type": "integer"}));
    object(Value::Object(all))
}

fn transaction() -> Value {
    let part = |s: usize| object(Value::Object(row(&SERIES[s], |c| c)));
    let mut all = row(&SERIES[id::TX], |c| c);
    all.insert("inputs".to_owned(), json!({"type": "array", "items": part(id::TX_INPUTS)}));
    all.insert("outputs".to_owned(), json!({"type": "array", "items": part(id::TX_OUTPUTS)}));
    all.insert("fee".to_owned(), json!({"anyOf": [part(id::TX_FEES), {"type": "null"}]}));
    object(Value::Object(all))
}

/// All schemas by name.
pub fn schemas() -> Value {
    let column = object(json!({
        "name": {"type": "string"}, "type": {"enum": ["integer", "float", "boolean", "text"]}, "unit": {"type": "string"},
        "kind": {"enum": ["exact", "inferred", "estimated"]}, "tag": {"type": "boolean"}, "help": {"type": "string"},
    }));
    let series = object(json!({
        "name": {"type": "string"}, "help": {"type": "string"}, "point": {"enum": ["interval", "event"]},
        "cadence": {"type": "string"}, "columns": {"type": "array", "items": column},
    }));
    let line = object(json!({
        "tags": {"type": "object", "additionalProperties": {"type": "string"}}, "column": {"type": "string"},
        "agg": {"type": "string"}, "kind": {"enum": ["exact", "inferred", "estimated"]}, "unit": {"type": "string"},
        "source": {"type": "string", "description": "The table that the values were made of"},
        "values": {"type": "array", "items": {"type": ["number", "string", "null"]}},
    }));
    let cell = json!({"type": ["string", "number", "null"]});
    json!({
        "Error": object(json!({"error": object(json!({"code": {"type": "string"}, "message": {"type": "string"}}))})),
        "Document": {"type": "object"},
        "Status": status(),
        "SeriesList": object(json!({"series": {"type": "array", "items": series}})),
        "Lines": object(json!({
            "name": {"type": "string"}, "from": {"type": "integer"}, "to": {"type": "integer"},
            "step": {"type": "integer", "description": "µs"}, "time": {"type": "array", "items": {"type": "integer"}},
            "lines": {"type": "array", "items": line},
        })),
        "Rows": object(json!({
            "columns": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": {"type": "array", "items": cell}},
            "truncated": {"type": "boolean"}, "elapsed_ms": {"type": "integer"},
        })),
        "Peers": object(json!({"peers": list("Peer"),
            "left_out": {"type": "integer", "description": "Open connections beyond the cap of the table"}})),
        "Peer": peer(),
        "Blocks": object(json!({"blocks": {"type": "array", "items": object(Value::Object(block()))}})),
        "Block": whole_block(),
        "Transaction": transaction(),
        "Config": object(json!({
            "sensor": {"type": "string"}, "mode": {"enum": ["live", "replay"]}, "interval_s": {"type": "integer"},
            "listen": {"type": "string"}, "open": {"type": "boolean"}, "store": {"type": "boolean"},
            "retention_s": {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
            "limits": counts(), "page": {"type": "boolean"},
        })),
    })
}
