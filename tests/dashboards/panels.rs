//! The panels: those of the original's dashboard, and what it did not have.

use super::model::{Dashboard, Panel, Row};

const WHERE: Panel = Panel { title: "", help: "", unit: "short", width: 12, bars: false, influx: &[], prometheus: &[] };

/// A query of InfluxQL over the time shown: `q!("max", "best_height", "blocks", "$__interval")`.
macro_rules! q {
    ($f:literal, $column:literal, $series:literal, $each:literal) => {
        q!($f, $column, $series, $each, "")
    };
    ($f:literal, $column:literal, $series:literal, $each:literal, $and:literal) => {
        concat!("SELECT ", $f, "(\"", $column, "\") FROM \"", $series, "\" WHERE $timeFilter AND \"node\" =~ /^$node$/",
            $and, " GROUP BY time(", $each, ") fill(none)")
    };
}

/// A rate of a cumulative column.
macro_rules! rate {
    ($column:literal, $series:literal, $and:literal) => {
        concat!("SELECT non_negative_derivative(max(\"", $column, "\"), 1s) FROM \"", $series,
            "\" WHERE $timeFilter AND \"node\" =~ /^($node|)$/", $and, " GROUP BY time($__interval), \"node\" fill(none)")
    };
}

/// What Prometheus has recorded for each node, of the nodes shown: over an hour, as all that is recorded with `increase_1h`.
macro_rules! hour {
    ($record:expr) => {
        concat!("sum(btcdmon:", $record, ":increase_1h{node=~\"$node\"})")
    };
    ($record:literal by $label:literal) => {
        concat!("sum by (", $label, ") (btcdmon:", $record, ":increase_1h{node=~\"$node\"})")
    };
}

/// The mean of a histogram of Prometheus over an hour, of all the nodes shown together.
macro_rules! mean {
    ($histogram:literal) => {
        concat!(hour!(concat!($histogram, "_sum")), " / ", hour!(concat!($histogram, "_count")))
    };
}

/// The median of a histogram of Prometheus over an hour; of several nodes the highest.
macro_rules! median {
    ($histogram:literal) => {
        concat!("max(btcdmon:", $histogram, ":p50_1h{node=~\"$node\"})")
    };
}

/// Messages per minute, a column a command: those that the web page tells apart (`src/web/ui/src/pages/panels.ts`).
macro_rules! messages {
    ($series:literal, $transport:literal) => {
        messages!($series, $transport: "inv", "tx", "getdata", "headers", "block", "cmpctblock", "blocktxn", "getblocktxn", "addr", "addrv2", "ping",
            "pong", "version", "verack", "getaddr", "getheaders", "getblocks", "mempool", "feefilter", "sendcmpct", "notfound", "merkleblock",
            "filterload", "reject", "unknown")
    };
    ($series:literal, $transport:literal: $first:literal $(, $command:literal)*) => {
        &[("$col", concat!("SELECT sum(\"", $first, "\") AS \"", $first, "\"", $(", sum(\"", $command, "\") AS \"", $command, "\"",)*
            " FROM \"", $series, "\" WHERE $timeFilter AND \"node\" =~ /^$node$/ AND \"transport\" = '", $transport, "' GROUP BY time(1m) fill(none)"))]
    };
}

/// Figures that InfluxDB has computed ahead (`rollups.rs`), those of several nodes put together: `ahead!("sum", "fees", "block_fees_1h", "1h")`.
macro_rules! ahead {
    ($f:literal, $field:expr, $rollup:literal, $each:literal) => {
        ahead!($f, $field, $rollup, $each, "", "")
    };
    ($f:literal, $field:expr, $rollup:literal, $each:literal, $and:literal, $by:literal) => {
        concat!("SELECT ", $f, "(\"", $field, "\") FROM \"rollups\".\"", $rollup, "\" WHERE $timeFilter AND \"node\" =~ /^$node$/",
            $and, " GROUP BY time(", $each, ")", $by, " fill(none)")
    };
}

macro_rules! percentile {
    ($p:literal) => {
        (concat!($p, " %"), ahead!("max", concat!("p", $p), "tx_size_percentiles_1h", "1h"))
    };
}

macro_rules! quantile {
    ($p:literal) => {
        (concat!($p, " %"), concat!("max(btcdmon:transaction_size_bytes:p", $p, "_1h{node=~\"$node\"})"))
    };
}

const BLOCKCHAIN: &[Panel] = &[
    Panel { title: "Main chain height", help: "Height of the tip that the node follows (inferred).", unit: "none", width: 8,
        influx: &[("height", q!("last", "best_height", "blocks", "$__interval"))],
        prometheus: &[("{{node}}", "btcdmon_blocks_best_height{node=~\"$node\"}")], ..WHERE },
    Panel { title: "Fees and blocks per hour", help: "Fees of the blocks that came to the node: exact, from their coinbase.", unit: "sat", width: 8, bars: true,
        influx: &[("fees", ahead!("sum", "fees", "block_fees_1h", "1h")), ("mean a block", ahead!("mean", "mean", "block_fees_1h", "1h")), ("blocks", ahead!("sum", "blocks", "block_fees_1h", "1h")), ("deviation", ahead!("max", "deviation", "block_fees_1h", "1h"))],
        prometheus: &[("fees", hour!("block_fees_satoshis_sum")), ("mean a block", mean!("block_fees_satoshis")), ("blocks", hour!("tip_changes"))] },
    Panel { title: "Block size and transactions", help: "Of accepted blocks; size is absent when a compact block could not be rebuilt.", unit: "short", width: 8,
        influx: &[("bytes", q!("mean", "size", "processed_blocks", "$__interval", " AND \"status\" = 'accepted'")), ("transactions", q!("mean", "num_tx", "processed_blocks", "$__interval", " AND \"status\" = 'accepted'"))],
        prometheus: &[("bytes", mean!("block_size_bytes")), ("transactions", mean!("block_transactions"))], ..WHERE },
];

const MEMPOOL: &[Panel] = &[
    Panel { title: "Mempool", help: "The shadow mempool (inferred); coverage says how much of it was known before blocks.", unit: "short",
        influx: &[("transactions", q!("mean", "num_tx", "mempool", "$__interval")), ("bytes", q!("mean", "size", "mempool", "$__interval")), ("orphans", q!("mean", "num_orphans", "mempool", "$__interval")), ("coverage", q!("last", "coverage", "mempool", "$__interval"))],
        prometheus: &[("transactions", "sum(btcdmon_mempool_num_tx{node=~\"$node\"})"), ("bytes", "sum(btcdmon_mempool_size_bytes{node=~\"$node\"})"), ("orphans", "sum(btcdmon_mempool_num_orphans{node=~\"$node\"})"), ("coverage", "avg(btcdmon_mempool_coverage{node=~\"$node\"})")], ..WHERE },
    Panel { title: "Smart transaction relay (skipped invs)", help: "Announcements that the node did not have to make, beside the inv messages it sent.", unit: "short",
        influx: &[("skipped", ahead!("sum", "inv_known", "msg_sent_1h", "1h")), ("inv sent", ahead!("sum", "inv", "msg_sent_1h", "1h"))],
        prometheus: &[("skipped", hour!("inv_known")), ("inv sent", hour!("inv_sent"))], ..WHERE },
];

const BANDWIDTH: &[Panel] = &[
    Panel { title: "Bytes received", help: "Unique TCP payload of the node's Bitcoin connections, any transport.", unit: "Bps",
        influx: &[("received", rate!("bytes_recv", "bandwidth", ""))],
        prometheus: &[("{{node}}", "rate(btcdmon_bandwidth_bytes_recv_total{node=~\"$node\"}[$__rate_interval])")], ..WHERE },
    Panel { title: "Bytes sent", help: "Unique TCP payload of the node's Bitcoin connections, any transport.", unit: "Bps",
        influx: &[("sent", rate!("bytes_sent", "bandwidth", ""))],
        prometheus: &[("{{node}}", "rate(btcdmon_bandwidth_bytes_sent_total{node=~\"$node\"}[$__rate_interval])")], ..WHERE },
];

const MESSAGES: &[Panel] = &[
    Panel { title: "Messages received per minute", help: "On readable connections; see Visibility for what share that is.", unit: "short",
        influx: messages!("msg_recv", "v1"),
        prometheus: &[("{{command}}", "sum by (command) (btcdmon:messages:rate_1m{node=~\"$node\",transport=\"v1\",direction=\"recv\"})")], ..WHERE },
    Panel { title: "Messages sent per minute", help: "On readable connections; see Visibility for what share that is.", unit: "short",
        influx: messages!("msg_sent", "v1"),
        prometheus: &[("{{command}}", "sum by (command) (btcdmon:messages:rate_1m{node=~\"$node\",transport=\"v1\",direction=\"sent\"})")], ..WHERE },
    Panel { title: "Messages received on encrypted connections per minute", help: "BIP 324: estimated from sizes, order and time; see docs/v2.md.", unit: "short",
        influx: messages!("msg_recv", "v2"),
        prometheus: &[("{{command}}", "sum by (command) (btcdmon:messages:rate_1m{node=~\"$node\",transport=\"v2\",direction=\"recv\"})")], ..WHERE },
];

const PEERS: &[Panel] = &[
    Panel { title: "Peers and addresses", help: "Open connections, any transport; addresses gossiped to the node in 24 hours (estimated).", unit: "short", width: 8,
        influx: &[("connected", q!("last", "total_connected", "peers", "$__interval")), ("inbound", q!("last", "inbound", "peers", "$__interval")), ("outbound", q!("last", "outbound", "peers", "$__interval")), ("addresses", q!("last", "num_addrs", "peers", "$__interval"))],
        prometheus: &[("connected", "sum(btcdmon_peers_total_connected{node=~\"$node\"})"), ("inbound", "sum(btcdmon_peers_inbound{node=~\"$node\"})"), ("outbound", "sum(btcdmon_peers_outbound{node=~\"$node\"})"), ("addresses", "sum(btcdmon_peers_num_addrs{node=~\"$node\"})")], ..WHERE },
    Panel { title: "Crawler visits per hour", help: "Version messages of known crawlers and seeders.", unit: "short", width: 8, bars: true,
        influx: &[("$tag_user_agent", ahead!("sum", "visits", "crawler_visits_1h", "1h", "", ", \"user_agent\""))],
        prometheus: &[("{{user_agent}}", concat!("sum by (user_agent) (btcdmon:peer_versions:increase_1h{node=~\"$node\",user_agent=~\"(?i).*(", crawlers!(), ").*\"})"))] },
    Panel { title: "User agents of inbound peers", help: "Version messages in 5 minutes; Prometheus has name and major version only.", unit: "short", width: 8, bars: true,
        influx: &[("$tag_user_agent", "SELECT count(\"version\") FROM \"peers\" WHERE $timeFilter AND \"node\" =~ /^$node$/ AND \"direction\" = 'inbound' GROUP BY time(5m), \"user_agent\" fill(none)")],
        prometheus: &[("{{user_agent}}", "sum by (user_agent) (increase(btcdmon_peer_versions_total{node=~\"$node\",direction=\"inbound\"}[5m]))")] },
];

const TRANSACTIONS: &[Panel] = &[
    Panel { title: "Outputs that are not P2PKH, by the hour", help: "Outputs of new transactions by type of the script.", unit: "short", bars: true,
        influx: &[("$tag_script_type", ahead!("sum", "outputs", "tx_outputs_1h", "1h", " AND \"script_type\" != 'pubkeyhash'", ", \"script_type\""))],
        prometheus: &[("{{script_type}}", "sum by (script_type) (btcdmon:transaction_outputs:increase_1h{node=~\"$node\",script_type!=\"pubkeyhash\"})")], ..WHERE },
    Panel { title: "Transaction fees by the hour", help: "Of transactions whose fee is known; tx_fee_coverage says how many those are.", unit: "sat",
        influx: &[("mode", ahead!("max", "mode", "tx_fees_1h", "1h")), ("mean", ahead!("mean", "mean", "tx_fees_1h", "1h")), ("max", ahead!("max", "max", "tx_fees_1h", "1h"))],
        prometheus: &[("median", median!("transaction_fee_satoshis")), ("mean", mean!("transaction_fee_satoshis"))], ..WHERE },
    Panel { title: "Fee rates", help: "sat/vB of transactions whose fee is known.", unit: "short",
        influx: &[("10 %", ahead!("max", "p10", "tx_fee_rates_10m", "10m")), ("median", ahead!("max", "p50", "tx_fee_rates_10m", "10m")), ("90 %", ahead!("max", "p90", "tx_fee_rates_10m", "10m"))],
        prometheus: &[("10 %", "max(btcdmon:transaction_fee_rate:p10_10m{node=~\"$node\"})"), ("median", "max(btcdmon:transaction_fee_rate:p50_10m{node=~\"$node\"})"), ("90 %", "max(btcdmon:transaction_fee_rate:p90_10m{node=~\"$node\"})")], ..WHERE },
    Panel { title: "Dust watch", help: "Outputs under the dust limit of current nodes.", unit: "short", bars: true,
        influx: &[("dust", q!("count", "value", "tx_outputs", "$__interval", " AND \"is_dust\" = true"))],
        prometheus: &[("dust", "sum(increase(btcdmon_transaction_outputs_total{node=~\"$node\",is_dust=\"true\"}[$__rate_interval]))")], ..WHERE },
    Panel { title: "Transaction outputs", help: "Their number, and their mean value.", unit: "short",
        influx: &[("outputs", q!("count", "value", "tx_outputs", "$__interval")), ("mean value", q!("mean", "value", "tx_outputs", "$__interval")), ("mode of value", q!("mode", "value", "tx_outputs", "$__interval"))],
        prometheus: &[("outputs", "sum(increase(btcdmon_transaction_outputs_total{node=~\"$node\"}[$__rate_interval]))"), ("mean value", concat!(hour!("transaction_output_value_satoshis"), " / ", hour!("transaction_outputs")))], ..WHERE },
    Panel { title: "Transaction size percentiles", help: "Size with witnesses, of new transactions.", unit: "bytes",
        influx: &[percentile!("5"), percentile!("10"), percentile!("20"), percentile!("30"), percentile!("40"), percentile!("50"), percentile!("60"), percentile!("70"), percentile!("80"), percentile!("90"), percentile!("95")],
        prometheus: &[quantile!("5"), quantile!("10"), quantile!("20"), quantile!("30"), quantile!("40"), quantile!("50"), quantile!("60"), quantile!("70"), quantile!("80"), quantile!("90"), quantile!("95")], ..WHERE },
];

const VISIBILITY: &[Panel] = &[
    Panel { title: "Connections by transport", help: "What share the series made of messages can see: v1.", unit: "short",
        influx: &[("$tag_transport", "SELECT last(\"connections\") FROM \"visibility\" WHERE $timeFilter AND \"node\" =~ /^$node$/ GROUP BY time($__interval), \"transport\" fill(none)")],
        prometheus: &[("{{transport}}", "sum by (transport) (btcdmon_visibility_connections{node=~\"$node\"})")], ..WHERE },
    Panel { title: "Bytes by transport", help: "Received; what share the series made of messages can see: v1.", unit: "Bps",
        influx: &[("$tag_transport", "SELECT non_negative_derivative(max(\"bytes_recv\"), 1s) FROM \"visibility\" WHERE $timeFilter AND \"node\" =~ /^$node$/ GROUP BY time($__interval), \"transport\" fill(none)")],
        prometheus: &[("{{transport}}", "sum by (transport) (rate(btcdmon_visibility_bytes_recv_total{node=~\"$node\"}[$__rate_interval]))")], ..WHERE },
];

const PEER_KINDS: &[Panel] = &[
    Panel { title: "Kinds of peers", help: "Peers that serve blocks, light clients, those that can be read.", unit: "short",
        influx: &[("full nodes", q!("last", "fullnode", "peers", "$__interval")), ("light clients", q!("last", "spv", "peers", "$__interval")), ("readable", q!("last", "readable", "peers", "$__interval")), ("banned", q!("last", "num_banned", "peers", "$__interval"))],
        prometheus: &[("full nodes", "sum(btcdmon_peers_fullnode{node=~\"$node\"})"), ("light clients", "sum(btcdmon_peers_spv{node=~\"$node\"})"), ("readable", "sum(btcdmon_peers_readable{node=~\"$node\"})"), ("banned", "sum(btcdmon_peers_num_banned{node=~\"$node\"})")], ..WHERE },
    Panel { title: "Time to answer a ping", help: "Longest in the interval, from a peer's ping to the node's pong.", unit: "s",
        influx: &[("longest", "SELECT max(\"rtt_max\") / 1000000 FROM \"ping\" WHERE $timeFilter AND \"transport\" = 'v1' AND \"direction\" = 'recv' AND \"node\" =~ /^$node$/ GROUP BY time($__interval) fill(none)")],
        prometheus: &[("{{node}}", "btcdmon_ping_rtt_max_seconds{node=~\"$node\",transport=\"v1\",direction=\"recv\"}")], ..WHERE },
    Panel { title: "Largest network group of inbound peers", help: "Inbound peers from the IPv4 /16 or IPv6 /32 that most come from.", unit: "short",
        influx: &[("largest", q!("max", "largest_group", "peers", "$__interval")), ("inbound", q!("max", "inbound", "peers", "$__interval"))],
        prometheus: &[("largest", "max(btcdmon_peers_largest_group{node=~\"$node\"})"), ("inbound", "max(btcdmon_peers_inbound{node=~\"$node\"})")], ..WHERE },
    Panel { title: "New connections", help: "Connections per second, any transport.", unit: "cps",
        influx: &[("new", rate!("connections_seen", "visibility", ""))],
        prometheus: &[("{{transport}}", "sum by (transport) (rate(btcdmon_visibility_connections_seen_total{node=~\"$node\"}[$__rate_interval]))")], ..WHERE },
    Panel { title: "Start heights of peers", help: "What peers say in their version messages.", unit: "none",
        influx: &[("median", ahead!("max", "median", "peer_heights_10m", "10m")), ("max", ahead!("max", "max", "peer_heights_10m", "10m"))],
        prometheus: &[("median", "max(btcdmon_peers_start_height{node=~\"$node\"})")], ..WHERE },
];

const RELAY: &[Panel] = &[
    Panel { title: "Blocks by how they came", help: "block, cmpctblock, cmpctblock+blocktxn, or a fallback to the whole block.", unit: "short", bars: true,
        influx: &[("blocks", ahead!("sum", "blocks", "block_relay_1h", "1h")), ("compact", ahead!("sum", "blocks", "blocks_compact_1h", "1h")), ("fallback", ahead!("sum", "blocks", "blocks_fallback_1h", "1h"))],
        prometheus: &[("{{via}}", hour!("blocks_processed" by "via"))], ..WHERE },
    Panel { title: "Time to process and to relay a block", help: "From complete data to the node's announcement: an upper bound of validation (inferred).", unit: "s",
        influx: &[("process", "SELECT mean(\"process_time\") / 1000000 FROM \"rollups\".\"block_relay_1h\" WHERE $timeFilter AND \"node\" =~ /^$node$/ GROUP BY time(1h) fill(none)"), ("relay", "SELECT mean(\"relay_time\") / 1000000 FROM \"rollups\".\"block_relay_1h\" WHERE $timeFilter AND \"node\" =~ /^$node$/ GROUP BY time(1h) fill(none)"), ("announcement to data", "SELECT mean(\"announce_to_data\") / 1000000 FROM \"rollups\".\"block_relay_1h\" WHERE $timeFilter AND \"node\" =~ /^$node$/ GROUP BY time(1h) fill(none)")],
        prometheus: &[("process", median!("block_process_seconds")), ("relay", median!("block_relay_seconds")), ("announcement to data", median!("block_announce_to_data_seconds"))], ..WHERE },
    Panel { title: "Transactions missing from compact blocks", help: "What the node had to ask for by getblocktxn.", unit: "short", bars: true,
        influx: &[("missing", ahead!("mean", "missing_tx", "block_relay_1h", "1h"))],
        prometheus: &[("missing", mean!("block_missing_transactions"))], ..WHERE },
    Panel { title: "Fees that are known", help: "Share of new transactions whose fee the sensor knows.", unit: "percentunit",
        influx: &[("known", "SELECT sum(\"known\") / (sum(\"known\") + sum(\"unknown\")) FROM \"tx_fee_coverage\" WHERE $timeFilter AND \"node\" =~ /^$node$/ GROUP BY time(10m) fill(none)")],
        prometheus: &[("known", "sum(increase(btcdmon_tx_fee_coverage_known_total{node=~\"$node\"}[10m])) / (sum(increase(btcdmon_tx_fee_coverage_known_total{node=~\"$node\"}[10m])) + sum(increase(btcdmon_tx_fee_coverage_unknown_total{node=~\"$node\"}[10m])))")], ..WHERE },
];

const SENSOR: &[Panel] = &[
    Panel { title: "Frames", help: "Captured, and used.", unit: "pps",
        influx: &[("captured", rate!("frames", "sensor", "")), ("used", rate!("frames_used", "sensor", ""))],
        prometheus: &[("captured", "sum(rate(btcdmon_sensor_frames_total[$__rate_interval]))"), ("used", "sum(rate(btcdmon_sensor_frames_used_total[$__rate_interval]))")], ..WHERE },
    Panel { title: "Lost frames", help: "Dropped by the interface or the kernel: the other figures miss them.", unit: "pps",
        influx: &[("kernel", rate!("kernel_drops", "sensor", "")), ("interface", rate!("interface_drops", "sensor", ""))],
        prometheus: &[("kernel", "sum(rate(btcdmon_sensor_kernel_drops_total[$__rate_interval]))"), ("interface", "sum(rate(btcdmon_sensor_interface_drops_total[$__rate_interval]))")], ..WHERE },
    Panel { title: "Held bytes and conversations", help: "Bytes that wait behind holes in streams; TCP conversations known.", unit: "short",
        influx: &[("held", "SELECT mean(\"held_bytes\") FROM \"sensor\" WHERE $timeFilter GROUP BY time($__interval) fill(none)"), ("conversations", "SELECT mean(\"connections\") FROM \"sensor\" WHERE $timeFilter GROUP BY time($__interval) fill(none)")],
        prometheus: &[("held", "sum(btcdmon_sensor_held_bytes)"), ("conversations", "sum(btcdmon_sensor_connections)")], ..WHERE },
    Panel { title: "Delivery to sinks", help: "Points that wait or are lost; absent in replays.", unit: "short",
        influx: &[("backlog", "SELECT max(\"sink_backlog\") FROM \"sensor\" WHERE $timeFilter GROUP BY time($__interval) fill(none)"), ("spool", "SELECT max(\"sink_spool_bytes\") FROM \"sensor\" WHERE $timeFilter GROUP BY time($__interval) fill(none)"), ("lost", "SELECT max(\"sink_lost_queue_full\") FROM \"sensor\" WHERE $timeFilter GROUP BY time($__interval) fill(none)")],
        prometheus: &[("backlog", "max(btcdmon_sensor_sink_backlog)"), ("spool", "max(btcdmon_sensor_sink_spool_bytes)"), ("lost", "sum(btcdmon_sensor_sink_lost_queue_full_total)")], ..WHERE },
];

pub const DASHBOARDS: &[Dashboard] = &[
    Dashboard { name: "overview", title: "btcdmon: overview", rows: &[
        Row { title: "Blockchain", panels: BLOCKCHAIN }, Row { title: "Mempool", panels: MEMPOOL },
        Row { title: "Bandwidth", panels: BANDWIDTH }, Row { title: "P2P messages", panels: MESSAGES },
        Row { title: "Peers and addresses", panels: PEERS }, Row { title: "Transactions", panels: TRANSACTIONS },
        Row { title: "Visibility", panels: VISIBILITY },
    ] },
    Dashboard { name: "peers", title: "btcdmon: peers", rows: &[Row { title: "Peers", panels: PEERS }, Row { title: "Kinds and heights", panels: PEER_KINDS }, Row { title: "Visibility", panels: VISIBILITY }] },
    Dashboard { name: "blocks", title: "btcdmon: blocks and relay", rows: &[Row { title: "Chain", panels: BLOCKCHAIN }, Row { title: "Relay", panels: RELAY }, Row { title: "Mempool", panels: MEMPOOL }] },
    Dashboard { name: "sensor", title: "btcdmon: sensor health", rows: &[Row { title: "Sensor", panels: SENSOR }, Row { title: "Visibility", panels: VISIBILITY }] },
];
