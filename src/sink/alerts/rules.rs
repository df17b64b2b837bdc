//! The rules by name, on a short history of the figures of `/metrics`.

use crate::sink::prometheus::page::Page;
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Minute of history that is kept, and how far back it goes.
const STEP: i64 = 60 * SECOND;
const STEPS: usize = 361;

/// A figure that rules look at: short name, metric, labels.
type Figure = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// All of them.
const FIGURES: &[Figure] = &[
    ("tip", "btcdmon_tip_change_timestamp_seconds", &[]),
    ("height", "btcdmon_blocks_best_height", &[]),
    ("peer_height", "btcdmon_peers_start_height", &[]),
    ("inbound", "btcdmon_peers_inbound", &[]),
    ("outbound", "btcdmon_peers_outbound", &[]),
    ("group", "btcdmon_peers_largest_group", &[]),
    ("seen", "btcdmon_visibility_connections_seen_total", &[]),
    ("ping", "btcdmon_messages_total", &[("direction", "recv"), ("command", "ping")]),
    ("addr", "btcdmon_messages_total", &[("direction", "recv"), ("command", "addr")]),
    ("addrv2", "btcdmon_messages_total", &[("direction", "recv"), ("command", "addrv2")]),
    ("fallback", "btcdmon_blocks_processed_total", &[("via", "block fallback")]),
    ("answer", "btcdmon_ping_rtt_max_seconds", &[("transport", "v1"), ("direction", "recv")]),
    ("processed", "btcdmon_block_process_seconds", &[]),
    ("processed_5s", "btcdmon_block_process_seconds", &[("le", "5")]),
    ("min_fee", "btcdmon_mempool_min_fee_rate_satoshis_per_kvbyte", &[]),
    ("v1", "btcdmon_visibility_connections", &[("transport", "v1")]),
    ("v2", "btcdmon_visibility_connections", &[("transport", "v2")]),
    ("frames", "btcdmon_sensor_frames_total", &[]),
    ("conversations", "btcdmon_sensor_connections", &[]),
    ("kernel", "btcdmon_sensor_kernel_drops_total", &[]),
    ("interface", "btcdmon_sensor_interface_drops_total", &[]),
    ("backlog", "btcdmon_sensor_sink_backlog", &[]),
    ("spool", "btcdmon_sensor_sink_spool_bytes", &[]),
    ("lost_queue_full", "btcdmon_sensor_sink_lost_queue_full_total", &[]),
    ("lost_rolled_back", "btcdmon_sensor_sink_lost_rolled_back_total", &[]),
    ("lost_malformed", "btcdmon_sensor_sink_lost_malformed_total", &[]),
    ("lost_refused", "btcdmon_sensor_sink_lost_refused_total", &[]),
    ("lost_spool_full", "btcdmon_sensor_sink_lost_spool_full_total", &[]),
];

/// The newest figures, and one of each minute before.
#[derive(Debug, Default)]
pub struct History {
    now: Timestamp,
    /// By node (none: the sensor) and figure: time and value, one a minute, the newest last.
    past: BTreeMap<(String, &'static str), VecDeque<(i64, f64)>>,
}

impl History {
    /// An interval has ended at `now`.
    pub fn interval<'a>(&mut self, page: &Page, nodes: impl Iterator<Item = &'a str>, now: Timestamp) {
        self.now = now;
        for node in nodes.chain([""]) {
            for (short, metric, labels) in FIGURES {
                let sensor = metric.starts_with("btcdmon_sensor_");
                if sensor != node.is_empty() {
                    continue;
                }
                let of_node = [("node", node)];
                let labels: Vec<_> = labels.iter().copied().chain(of_node).filter(|l| !l.1.is_empty()).collect();
                let Some(value) = page.get(metric, &labels) else { continue };
                let past = self.past.entry((node.to_owned(), short)).or_default();
                // Within a minute the newest value stands.
                let minute = now.floor(STEP);
                if past.back().is_some_and(|(t, _)| Timestamp::from_nanos(*t).floor(STEP) == minute) {
                    past.pop_back();
                }
                past.push_back((now.nanos(), value));
                if past.len() > STEPS {
                    past.pop_front();
                }
            }
        }
    }

    fn values(&self, node: &str, figure: &'static str) -> Option<&VecDeque<(i64, f64)>> {
        self.past.get(&(node.to_owned(), figure))
    }

    fn last(&self, node: &str, figure: &'static str) -> Option<f64> {
        Some(self.values(node, figure)?.back()?.1)
    }

    fn over(&self, node: &str, figure: &'static str, minutes: i64) -> impl Iterator<Item = f64> {
        let from = self.now.nanos() - minutes * STEP;
        self.values(node, figure).into_iter().flatten().filter(move |(t, _)| *t >= from).map(|(_, v)| *v)
    }

    fn mean(&self, node: &str, figure: &'static str, minutes: i64) -> Option<f64> {
        let values: Vec<f64> = self.over(node, figure, minutes).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    fn least(&self, node: &str, figure: &'static str, minutes: i64) -> Option<f64> {
        self.over(node, figure, minutes).reduce(f64::min)
    }

    /// Increase of a counter.
    fn increase(&self, node: &str, figure: &'static str, minutes: i64) -> f64 {
        let values: Vec<f64> = self.over(node, figure, minutes).collect();
        values.windows(2).map(|w| (w[1] - w[0]).max(0.0)).sum()
    }

    /// Increase of a counter per second of the last five minutes.
    fn rate(&self, node: &str, figure: &'static str) -> f64 {
        self.increase(node, figure, 5) / 300.0
    }
}

/// A rule: as in `alerts.yml`.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: &'static str,
    /// How long it must hold before it fires, ns.
    pub wait: i64,
    /// Of the sensor, not of a node.
    pub of_sensor: bool,
    /// What it says.
    pub summary: &'static str,
    /// What to do.
    pub runbook: &'static str,
    /// The value that makes it hold, if it does.
    pub holds: fn(&History, &str) -> Option<f64>,
}

const MINUTE: i64 = STEP;

const fn rule(
    name: &'static str,
    severity: &'static str,
    minutes: i64,
    holds: fn(&History, &str) -> Option<f64>,
    summary: &'static str,
    runbook: &'static str,
) -> Rule {
    Rule { name, severity, wait: minutes * MINUTE, of_sensor: false, summary, runbook, holds }
}

const fn of_sensor(rule: Rule) -> Rule {
    Rule { of_sensor: true, ..rule }
}

fn over(value: f64, limit: f64) -> Option<f64> {
    (value > limit).then_some(value)
}

/// All rules, in the order of `alerts.yml`.
pub const RULES: &[Rule] = &[
    rule(
        "BitcoinNoBlock",
        "warning",
        1,
        |h, n| over(h.now.nanos() as f64 / 1e9 - h.last(n, "tip")?, 3600.0),
        "No block for over an hour",
        "Compare with another node; if that has blocks, look at peers, disk and debug.log of this one.",
    ),
    rule(
        "BitcoinBehindPeers",
        "critical",
        10,
        |h, n| over(h.last(n, "peer_height")? - h.last(n, "height")?, 2.0),
        "The node is behind its peers' start heights",
        "The node is still syncing, stuck, or eclipsed. Ask it for getblockchaininfo and getpeerinfo.",
    ),
    rule(
        "BitcoinInboundDrop",
        "warning",
        10,
        |h, n| {
            let (now, mean) = (h.last(n, "inbound")?, h.mean(n, "inbound", 360)?);
            (now < 0.5 * mean && mean > 8.0).then_some(now)
        },
        "The node has lost half of its inbound peers",
        "Was the node restarted, or its address or port forwarding changed?",
    ),
    rule(
        "BitcoinNoOutbound",
        "critical",
        5,
        |h, n| h.last(n, "outbound").filter(|v| *v == 0.0),
        "The node has no outbound peer",
        "Check its way to the internet, DNS seeds and -connect options.",
    ),
    rule(
        "BitcoinPeerGroup",
        "warning",
        30,
        |h, n| {
            let (group, inbound) = (h.last(n, "group")?, h.last(n, "inbound")?);
            if inbound > 16.0 { over(group / inbound, 0.25) } else { None }
        },
        "One network group has over a quarter of the inbound connections",
        "Somebody may be after the node's slots: look who it is (btcdmon messages -c version on a capture), ban the range with setban.",
    ),
    rule(
        "BitcoinConnectionFlood",
        "warning",
        5,
        |h, n| over(h.rate(n, "seen"), 5.0),
        "Over 5 new connections a second",
        "Rate-limit SYNs to the port in the firewall, ban a group with setban.",
    ),
    of_sensor(rule(
        "BitcoinSynFlood",
        "warning",
        2,
        |h, n| over(h.last(n, "conversations")? - h.least(n, "conversations", 60)?, 2000.0),
        "Over 2000 TCP conversations more than at the least of the last hour",
        "Handshakes that are not completed are forgotten after a minute: turn on SYN cookies, rate-limit SYNs to the port.",
    )),
    rule(
        "BitcoinPingFlood",
        "warning",
        5,
        |h, n| over(h.rate(n, "ping"), 20.0),
        "Over 20 pings a second",
        "btcdmon messages -c ping on a capture shows who sends them; disconnect it.",
    ),
    rule(
        "BitcoinAddrFlood",
        "warning",
        5,
        |h, n| over(h.rate(n, "addr") + h.rate(n, "addrv2"), 10.0),
        "Over 10 addr messages a second",
        "btcdmon messages -c addr,addrv2 on a capture shows who sends them.",
    ),
    rule(
        "BitcoinCompactBlocksFail",
        "warning",
        0,
        |h, n| over(h.increase(n, "fallback", 180), 2.99),
        "Three compact blocks could not be rebuilt in 3 hours",
        "Look at -maxmempool, at the node's minimum fee and at how long it has been up.",
    ),
    rule(
        "BitcoinSlowBlocks",
        "warning",
        0,
        // The median is above 5 s when fewer than half are below it.
        |h, n| {
            let (all, quick) = (h.increase(n, "processed", 180), h.increase(n, "processed_5s", 180));
            if all > 0.0 { over(1.0 - quick / all, 0.5) } else { None }
        },
        "The node takes over 5 s from a block's data to its announcement, in half of the blocks of 3 hours",
        "An upper bound of validation: look at disk latency, -dbcache and what else runs on the machine.",
    ),
    rule(
        "BitcoinSlowAnswers",
        "warning",
        5,
        |h, n| over(h.mean(n, "answer", 10)?, 2.0),
        "The node takes over 2 s to answer a ping",
        "It is busy validating, out of memory or waits for its disk; or its uplink is full. Look at load, swap and -maxuploadtarget.",
    ),
    rule(
        "BitcoinMempoolFeeJump",
        "info",
        10,
        |h, n| over(h.last(n, "min_fee")?, 5.0 * h.least(n, "min_fee", 360)?),
        "The node's minimum fee is over 5 times its lowest of 6 hours",
        "The mempool is full: fees are high or -maxmempool is small.",
    ),
    of_sensor(rule(
        "SensorCaptureLoss",
        "warning",
        5,
        |h, n| {
            let frames = h.rate(n, "frames");
            if frames > 0.0 { over((h.rate(n, "kernel") + h.rate(n, "interface")) / frames, 0.001) } else { None }
        },
        "The sensor loses frames",
        "Give the capture a larger buffer and a narrower filter, or more workers.",
    )),
    rule(
        "SensorThinFigures",
        "info",
        60,
        |h, n| {
            let (v1, v2) = (h.last(n, "v1").unwrap_or(0.0), h.last(n, "v2").unwrap_or(0.0));
            if v1 + v2 > 0.0 { over(v2 / (v1 + v2), 0.8) } else { None }
        },
        "Most connections are encrypted: series made of messages show the rest",
        "-v2transport=0 on a node that is watched for research makes all of them readable.",
    ),
    of_sensor(rule(
        "SensorSinkBacklog",
        "warning",
        2,
        |h, n| {
            let lost = ["lost_queue_full", "lost_rolled_back", "lost_malformed", "lost_refused", "lost_spool_full"];
            over(h.last(n, "backlog").unwrap_or(0.0), 20_000.0)
                .or_else(|| over(h.last(n, "spool").unwrap_or(0.0), 500e6))
                .or_else(|| over(lost.iter().map(|f| h.increase(n, f, 10)).sum(), 0.0))
        },
        "Points wait on their way to a sink, or are lost",
        "Is InfluxDB up and its disk free? The sensor's log names the sink and the cause.",
    )),
];
