//! Which metric every column of every series is, and the metrics made of events.
//!
//! Names are `btcdmon_<what>_<unit>[_total]` in Prometheus' base units (bytes, seconds). A column of an interval
//! series is a counter (already cumulative, or summed here) or a gauge; event series become counts with few
//! labels, and histograms. A test demands that no column is forgotten.

use crate::series::reference::kind_word;
use crate::series::{Column, SERIES, Series, id};

/// How a column becomes a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The value is cumulative already: a counter.
    Cumulative,
    /// The value is of the interval: summed to a counter.
    Sum,
    /// A gauge.
    Gauge,
    /// Messages or bytes by command: one counter for all columns of the series, with the label `command`.
    Command,
    /// Only part of metrics made of events, or of none: identifiers, texts, flags.
    Event,
}

/// How column `c` of series number `series` is shown.
pub fn how(series: usize, c: &Column) -> How {
    match series {
        id::BANDWIDTH => How::Cumulative,
        id::SENSOR => match c.name {
            "connections" | "held_bytes" | "sink_backlog" | "sink_spool_bytes" => How::Gauge,
            _ => How::Cumulative,
        },
        id::MSG_RECV | id::MSG_SENT | id::MSG_RECV_BYTES | id::MSG_SENT_BYTES if c.unit != "announcements" => {
            How::Command
        }
        id::MSG_RECV
        | id::MSG_SENT
        | id::MSG_RECV_BYTES
        | id::MSG_SENT_BYTES
        | id::TX_FEE_COVERAGE
        | id::ANNOUNCEMENTS => How::Sum,
        id::PING => match c.name {
            "answered" => How::Sum,
            _ => How::Gauge,
        },
        id::VISIBILITY => match c.name {
            "connections" => How::Gauge,
            _ => How::Cumulative,
        },
        id::MEMPOOL => match c.name {
            "double_spend" | "replaced" | "tx_rate_limit" => How::Sum,
            "tx_id" | "prev_out" => How::Event,
            _ => How::Gauge,
        },
        id::PEERS => match c.name {
            "version" | "services" | "start_height" | "relay" | "connection" | "implementation" | "features" => {
                How::Event
            }
            _ => How::Gauge,
        },
        id::BLOCKS => How::Gauge,
        _ => How::Event,
    }
}

/// The unit as a part of a metric's name; empty for plain counts.
fn unit(c: &Column) -> &'static str {
    match c.unit {
        "bytes" => "bytes",
        "vbytes" => "vbytes",
        "sat" => "satoshis",
        "sat/kvB" => "satoshis_per_kvbyte",
        "WU" => "weight_units",
        "s" | "us" => "seconds",
        _ => "",
    }
}

/// What a value is multiplied by to have the unit of its metric.
pub fn factor(c: &Column) -> f64 {
    if c.unit == "us" { US } else { 1.0 }
}

/// Name of the metric of a column.
pub fn column_metric(series: &Series, c: &Column, how: How) -> String {
    if how == How::Command {
        let bytes = series.name.ends_with("_bytes");
        return if bytes { "btcdmon_message_bytes_total" } else { "btcdmon_messages_total" }.to_owned();
    }
    let mut name = format!("btcdmon_{}_{}", series.name, c.name);
    let unit = unit(c);
    if !unit.is_empty() && !c.name.split('_').any(|word| word == unit) {
        name.push('_');
        name.push_str(unit);
    }
    if how != How::Gauge {
        name.push_str("_total");
    }
    name
}

/// Help of the metric of a column: what it means, and how it is known.
pub fn column_help(series: &Series, c: &Column, how: How) -> String {
    if how == How::Command {
        let what = if series.name.ends_with("_bytes") { "Bytes of messages, headers included" } else { "Messages" };
        return format!(
            "{what}, by direction seen from the node, transport and command: v1 as read (exact), v2 (estimated)"
        );
    }
    format!("{} ({})", c.help.trim_end_matches('.'), kind_word(c.kind))
}

/// What a metric made of events says of each of them.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// How many there were.
    Count,
    /// The sum of a column.
    Sum(&'static str),
    /// The distribution of a column, times a factor.
    Histogram(&'static str, f64, &'static [f64]),
    /// When the last one was, seconds since 1970.
    LastTime,
}

/// A metric made of the events of a series.
#[derive(Clone, Copy, Debug)]
pub struct EventMetric {
    /// Place in [`SERIES`].
    pub series: usize,
    /// Its name.
    pub name: &'static str,
    /// Its help.
    pub help: &'static str,
    /// Columns that are labels, of few values each.
    pub labels: &'static [&'static str],
    /// A column that must be known, or it is no such event.
    pub needs: &'static str,
    /// What it says.
    pub what: What,
    /// Of which transport: what is estimated (`v2`) has metrics of its own. Series without such a tag do not care.
    pub transport: &'static str,
}

const SIZES: &[f64] = &[150., 200., 250., 300., 400., 500., 750., 1000., 2000., 5000., 10_000., 50_000., 100_000.];
const RATES: &[f64] = &[0.1, 0.2, 0.5, 1., 2., 3., 5., 8., 12., 20., 30., 50., 80., 120., 200., 500., 1000.];
const FEES: &[f64] = &[100., 200., 500., 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6];
const BLOCK_FEES: &[f64] = &[1e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8];
const BLOCK_SIZES: &[f64] = &[1e4, 1e5, 5e5, 1e6, 1.25e6, 1.5e6, 1.75e6, 2e6, 2.5e6, 3e6, 4e6];
const BLOCK_TXS: &[f64] = &[1., 10., 100., 500., 1000., 2000., 3000., 4000., 5000., 7000., 10_000.];
const SECONDS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1., 2., 3., 5., 10., 30., 60., 300.];
const MISSING: &[f64] = &[0., 1., 3., 10., 30., 100., 300., 1000., 3000.];

const fn event(
    series: usize,
    name: &'static str,
    needs: &'static str,
    labels: &'static [&'static str],
    what: What,
    help: &'static str,
) -> EventMetric {
    EventMetric { series, name, help, labels, needs, what, transport: "v1" }
}

/// The same of what is estimated of encrypted connections.
const fn estimated(metric: EventMetric) -> EventMetric {
    EventMetric { transport: "v2", ..metric }
}

/// Microseconds as seconds.
const US: f64 = 1e-6;

/// All metrics made of events.
pub const EVENTS: &[EventMetric] = &[
    event(
        id::BLOCKS,
        "btcdmon_tip_changes_total",
        "best_height",
        &[],
        What::Count,
        "Blocks that joined the node's chain (inferred)",
    ),
    event(
        id::BLOCKS,
        "btcdmon_tip_change_timestamp_seconds",
        "best_height",
        &[],
        What::LastTime,
        "When the node's best tip changed last, capture time (inferred)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_blocks_processed_total",
        "sha",
        &["status", "via"],
        What::Count,
        "Blocks that came to the node, by what became of them and how they came (inferred)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_fees_satoshis",
        "total_tx_fees",
        &[],
        What::Histogram("total_tx_fees", 1., BLOCK_FEES),
        "Fees of a block (exact)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_size_bytes",
        "size",
        &[],
        What::Histogram("size", 1., BLOCK_SIZES),
        "Serialized size of a block (exact)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_transactions",
        "num_tx",
        &[],
        What::Histogram("num_tx", 1., BLOCK_TXS),
        "Transactions of a block (exact)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_process_seconds",
        "process_time",
        &[],
        What::Histogram("process_time", US, SECONDS),
        "From complete data to the node's first announcement (inferred)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_relay_seconds",
        "relay_time",
        &[],
        What::Histogram("relay_time", US, SECONDS),
        "From complete data to the node's first compact block of it (inferred)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_announce_to_data_seconds",
        "announce_to_data",
        &[],
        What::Histogram("announce_to_data", US, SECONDS),
        "From a peer's first announcement to complete data (exact)",
    ),
    event(
        id::PROCESSED_BLOCKS,
        "btcdmon_block_missing_transactions",
        "missing_tx",
        &[],
        What::Histogram("missing_tx", 1., MISSING),
        "Transactions of a compact block that the node had to ask for (exact)",
    ),
    event(
        id::PEERS,
        "btcdmon_peer_versions_total",
        "version",
        &["direction", "user_agent"],
        What::Count,
        "Version messages that the node received, by direction and beginning of the user agent (exact)",
    ),
    event(
        id::TX,
        "btcdmon_transactions_total",
        "txid",
        &["transport", "is_standard"],
        What::Count,
        "Transactions, the first time each wtxid is seen (exact)",
    ),
    event(
        id::TX,
        "btcdmon_transaction_size_bytes",
        "tx_size",
        &["transport"],
        What::Histogram("tx_size", 1., SIZES),
        "Size of transactions, witnesses included (exact)",
    ),
    event(
        id::TX,
        "btcdmon_transaction_vsize_vbytes",
        "vsize",
        &["transport"],
        What::Histogram("vsize", 1., SIZES),
        "Virtual size of transactions (exact)",
    ),
    event(
        id::TX_INPUTS,
        "btcdmon_transaction_inputs_total",
        "n",
        &["transport", "is_standard"],
        What::Count,
        "Inputs of those transactions (exact)",
    ),
    event(
        id::TX_OUTPUTS,
        "btcdmon_transaction_outputs_total",
        "n",
        &["script_type", "is_dust"],
        What::Count,
        "Outputs of those transactions, by type of the script (exact)",
    ),
    event(
        id::TX_OUTPUTS,
        "btcdmon_transaction_output_value_satoshis_total",
        "value",
        &["script_type"],
        What::Sum("value"),
        "Value of those outputs (exact)",
    ),
    event(
        id::TX_FEES,
        "btcdmon_transaction_fee_satoshis",
        "tx_fee",
        &[],
        What::Histogram("tx_fee", 1., FEES),
        "Fees of those transactions whose fee is known (exact)",
    ),
    event(
        id::TX_FEES,
        "btcdmon_transaction_fee_rate_satoshis_per_vbyte",
        "fee_rate",
        &[],
        What::Histogram("fee_rate", 1., RATES),
        "Fee rates of those transactions (exact)",
    ),
    estimated(event(
        id::TX,
        "btcdmon_encrypted_transaction_size_bytes",
        "tx_size",
        &[],
        What::Histogram("tx_size", 1., SIZES),
        "Size of transactions that the node received on encrypted connections (estimated)",
    )),
    estimated(event(
        id::PROCESSED_BLOCKS,
        "btcdmon_encrypted_blocks_total",
        "via",
        &["via"],
        What::Count,
        "Blocks that came to the node on encrypted connections, by how they came (estimated)",
    )),
    estimated(event(
        id::PROCESSED_BLOCKS,
        "btcdmon_encrypted_block_relay_seconds",
        "relay_time",
        &[],
        What::Histogram("relay_time", US, SECONDS),
        "From complete data on an encrypted connection to the node's first compact block of that size (estimated)",
    )),
    event(
        id::MATCHES,
        "btcdmon_matches_total",
        "id",
        &["direction", "message"],
        What::Count,
        "Transactions and blocks seen in the clear that were recognised on encrypted connections (estimated)",
    ),
];

/// Median of the newest `start_height`s that peers told: one that lies does not move it.
pub const PEER_HEIGHT: (&str, &str) =
    ("btcdmon_peers_start_height", "Median of the start heights of the newest 31 version messages of peers (inferred)");

/// Name and help of how many clients of the page itself were idle for too long.
pub const IDLE_ENDED: (&str, &str) = (
    "btcdmon_sensor_scrape_connections_ended_total",
    "Connections to this page that were ended because nothing moved on them for two minutes (exact)",
);

/// Every name of a metric, with its type and help: what dashboards and rules may use.
pub fn names() -> Vec<(String, &'static str, String)> {
    let mut all: Vec<(String, &'static str, String)> = Vec::new();
    for (i, s) in SERIES.iter().enumerate() {
        for c in s.columns.iter().filter(|c| !c.tag) {
            let how = how(i, c);
            if how != How::Event {
                let kind = if how == How::Gauge { "gauge" } else { "counter" };
                all.push((column_metric(s, c, how), kind, column_help(s, c, how)));
            }
        }
    }
    for e in EVENTS {
        let kind = match e.what {
            What::Count | What::Sum(_) => "counter",
            What::Histogram(..) => "histogram",
            What::LastTime => "gauge",
        };
        all.push((e.name.to_owned(), kind, e.help.to_owned()));
    }
    all.push((PEER_HEIGHT.0.to_owned(), "gauge", PEER_HEIGHT.1.to_owned()));
    all.push((IDLE_ENDED.0.to_owned(), "counter", IDLE_ENDED.1.to_owned()));
    all.sort();
    all.dedup_by(|a, b| a.0 == b.0);
    all
}
