//! What can be asked: one entry an endpoint. The `OpenAPI` document and the routes are made from this list, and the
//! handlers take nothing that does not stand here.

use super::params::{Param, Takes, param};
use super::{blocks, query};

/// A part of the path.
#[derive(Clone, Copy, Debug)]
pub struct PathParam {
    /// Its name.
    pub name: &'static str,
    /// Pattern of its values (ECMA 262).
    pub pattern: &'static str,
    /// What it is.
    pub help: &'static str,
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An object of this schema.
    Object(&'static str),
    /// The same; or CSV, when `format=csv`.
    Table(&'static str),
    /// Server-sent events.
    Stream(&'static str),
}

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Path with its parts in braces.
    pub path: &'static str,
    /// Unique name.
    pub id: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Parts of the path.
    pub in_path: &'static [PathParam],
    /// Parameters.
    pub params: &'static [Param],
    /// Whether a POST does the same, with the parameters as a JSON object.
    pub post: bool,
    /// What comes back.
    pub answer: Answer,
    /// Whether it reads the store.
    pub reads_store: bool,
}

const TIME: Takes = Takes::Number(-9_000_000_000_000_000, 9_000_000_000_000_000);
const NODE: Param = param("node", Takes::Text, "Name of the watched node; the first one without it.");
const FORMAT: Param = param("format", Takes::Words(&["json", "csv"]), "JSON without it.");
const HASH: &str = "^[0-9a-fA-F]{64}$";

const fn endpoint(path: &'static str, id: &'static str, answer: Answer, summary: &'static str) -> Endpoint {
    Endpoint { path, id, summary, in_path: &[], params: &[], post: false, answer, reads_store: false }
}

/// This list.
pub const OPENAPI: Endpoint = endpoint("/api/openapi.json", "openapi", Answer::Object("Document"), "This description.");

/// The newest snapshot.
pub const STATUS: Endpoint = endpoint(
    "/api/v1/status",
    "status",
    Answer::Object("Status"),
    "The newest snapshot: nodes, the sensor's own figures, visibility.",
);

/// Snapshots as they come.
pub const EVENTS: Endpoint = endpoint(
    "/api/v1/events",
    "events",
    Answer::Stream(
        "Events `status` (as /status, once a second), `block` (as an item of /blocks, again when more becomes known of it), `end` (a replay is finished).",
    ),
    "Server-sent events: the status each second, blocks at once, the end of a replay.",
);

/// The series.
pub const SERIES_LIST: Endpoint = endpoint(
    "/api/v1/series",
    "series",
    Answer::Object("SeriesList"),
    "Every series with its columns: type, unit, kind (exact, inferred, estimated), help.",
);

/// Lines over time.
pub const SERIES_LINES: Endpoint = Endpoint {
    in_path: &[PathParam { name: "name", pattern: "^[a-z_]+$", help: "Name of the series." }],
    params: &[
        param("columns", Takes::List("^[a-z0-9_]+$"), "Columns, with commas between them; all numbers without it."),
        param("from", TIME, "From this time on, µs since 1970; from the beginning without it."),
        param("to", TIME, "Up to this time, not included, µs since 1970; to the end without it."),
        param("points", Takes::Number(1, 5000), "Buckets at most; 600 without it."),
        param("by", Takes::List("^[a-z_]+$"), "Tags that make lines of their own, also `node` and `sensor`."),
        param(
            "agg",
            Takes::Pattern("^(auto|sum|mean|max|min|last|count|rate|p[1-9][0-9]?)$"),
            "What is made of the values of a bucket. `auto`: rate of counters, mean of gauges and of events, sum of counts. `rate`: per second. `p50` and the like: percentile over points.",
        ),
        param(
            "where",
            Takes::Pattern("^[a-z0-9_]+:[^\\x00]*$"),
            "Only points where a column has a value: `column:value`.",
        ),
        NODE,
        FORMAT,
    ],
    reads_store: true,
    ..endpoint(
        "/api/v1/series/{name}",
        "series_lines",
        Answer::Table("Lines"),
        "Columns of a series over time, in aligned buckets; from roll-ups where they serve as well.",
    )
};

/// SQL.
pub const QUERY: Endpoint = Endpoint {
    params: &[
        Param {
            required: true,
            example: Some("SELECT * FROM bandwidth ORDER BY time DESC LIMIT 3"),
            ..param(
                "sql",
                Takes::Text,
                "One SELECT. `now()` is the newest time of the capture; durations are written as 1h.",
            )
        },
        param("limit", Takes::Number(1, query::ROWS), "Rows at most; 1000 without it."),
        FORMAT,
    ],
    post: true,
    reads_store: true,
    ..endpoint(
        "/api/v1/query",
        "query",
        Answer::Table("Rows"),
        "A statement on the store: read-only, 5 s at most, 10,000 rows at most.",
    )
};

/// Connections.
pub const PEERS: Endpoint = Endpoint {
    params: &[NODE, param("closed", Takes::Flag, "Also the last 1000 that ended."), FORMAT],
    ..endpoint("/api/v1/peers", "peers", Answer::Table("Peers"), "The open connections of a node.")
};

/// One connection.
pub const PEER: Endpoint = Endpoint {
    in_path: &[PathParam { name: "id", pattern: "^[0-9]{1,20}$", help: "Its `id` in /peers." }],
    params: &[NODE],
    ..endpoint("/api/v1/peers/{id}", "peer", Answer::Object("Peer"), "One connection.")
};

/// Blocks.
pub const BLOCKS: Endpoint = Endpoint {
    params: &[
        NODE,
        param(
            "limit",
            Takes::Number(1, blocks::MOST),
            "Blocks at most, and those of the same time as the last; 100 without it.",
        ),
        param("before", TIME, "Only those before this time, µs since 1970."),
        FORMAT,
    ],
    reads_store: true,
    ..endpoint("/api/v1/blocks", "blocks", Answer::Table("Blocks"), "Blocks that came to a node, newest first.")
};

/// One block.
pub const BLOCK: Endpoint = Endpoint {
    in_path: &[PathParam { name: "hash", pattern: HASH, help: "Hash in display order." }],
    params: &[NODE],
    reads_store: true,
    ..endpoint(
        "/api/v1/blocks/{hash}",
        "block",
        Answer::Object("Block"),
        "One block, with the messages about it for the last 288 blocks.",
    )
};

/// One transaction.
pub const TRANSACTION: Endpoint = Endpoint {
    in_path: &[PathParam { name: "txid", pattern: HASH, help: "Txid in display order." }],
    params: &[NODE],
    reads_store: true,
    ..endpoint(
        "/api/v1/transactions/{txid}",
        "transaction",
        Answer::Object("Transaction"),
        "One transaction of the store: its row of `tx`, its inputs, outputs and fee.",
    )
};

/// Messages.
pub const MESSAGES: Endpoint = Endpoint {
    params: &[
        param("node", Takes::Text, "Only of this node."),
        param("peer", Takes::Text, "Only of this peer: address, with its port or without."),
        param("direction", Takes::Words(&["recv", "sent"]), "Only in this direction, seen from the node."),
        param("command", Takes::List("^[!-+\\--~]+$"), "Only of these commands."),
        param("fields", Takes::Flag, "With what the message says, as `btcdmon messages` prints it."),
    ],
    ..endpoint(
        "/api/v1/messages",
        "messages",
        Answer::Stream("Events `message` (an object), `skipped` (`{\"count\": n}`: messages that were not sent)."),
        "Server-sent events: messages as they pass, 1000 a second at most.",
    )
};

/// What is safe to show of the configuration.
pub const CONFIG: Endpoint = endpoint(
    "/api/v1/config",
    "config",
    Answer::Object("Config"),
    "How the sensor is set up, as far as that is no secret.",
);

/// All of them.
pub const ENDPOINTS: &[Endpoint] = &[
    OPENAPI,
    STATUS,
    EVENTS,
    SERIES_LIST,
    SERIES_LINES,
    QUERY,
    PEERS,
    PEER,
    BLOCKS,
    BLOCK,
    TRANSACTION,
    MESSAGES,
    CONFIG,
];
