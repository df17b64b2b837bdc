//! The rules, word for word those of `alerts.yml`; their conditions by name, on a short history of the figures.

use super::history::{History, MINUTE};

/// A rule.
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
    /// What it says; the module `template` fills it in.
    pub summary: &'static str,
    /// What to do.
    pub runbook: &'static str,
    /// The value that makes it hold, if it does.
    pub holds: fn(&History, &str) -> Option<f64>,
}

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
        |h, n| over(h.now() - h.last(n, "tip")?, 3600.0),
        "{{ $labels.node }} has followed no block for {{ $value | humanizeDuration }}",
        "One hour without a block happens about once in 400 blocks. Compare with another node; if that has blocks, look at peers, disk and debug.log of this one.",
    ),
    rule(
        "BitcoinBehindPeers",
        "critical",
        10,
        |h, n| over(h.last(n, "peer_height")? - h.last(n, "height")?, 2.0),
        "{{ $labels.node }} is {{ $value }} blocks behind its peers' start heights",
        "The median of the newest peers is ahead: the node is still syncing, stuck, or eclipsed. Ask it for getblockchaininfo and getpeerinfo.",
    ),
    rule(
        "BitcoinInboundDrop",
        "warning",
        10,
        |h, n| {
            let (now, mean) = (h.last(n, "inbound")?, h.mean(n, "inbound", 360)?);
            (now < 0.5 * mean && mean > 8.0).then_some(now)
        },
        "{{ $labels.node }} has lost half of its inbound peers ({{ $value }} left)",
        "Was the node restarted, or its address or port forwarding changed? Look for refused connections in the firewall.",
    ),
    rule(
        "BitcoinNoOutbound",
        "critical",
        5,
        |h, n| h.last(n, "outbound").filter(|v| *v == 0.0),
        "{{ $labels.node }} has no outbound peer",
        "Without outbound peers a node depends on whoever connects to it. Check its way to the internet, DNS seeds and -connect options.",
    ),
    rule(
        "BitcoinPeerGroup",
        "warning",
        30,
        |h, n| {
            let (group, inbound) = (h.last(n, "group")?, h.last(n, "inbound")?);
            if inbound > 16.0 { over(group / inbound, 0.25) } else { None }
        },
        "{{ $value | humanizePercentage }} of the inbound connections of {{ $labels.node }} come from one network group",
        "A group is an IPv4 /16 or an IPv6 /32: somebody may be after the node's slots. Look who it is (`btcdmon messages -c version` on a capture), ban the range with setban.",
    ),
    rule(
        "BitcoinConnectionFlood",
        "warning",
        5,
        |h, n| over(h.rate(n, "seen"), 5.0),
        "{{ $labels.node }} gets {{ $value | humanize }} new connections a second",
        "Look at the sources in the peers dashboard; rate-limit SYNs to the port in the firewall, ban a group with setban.",
    ),
    of_sensor(rule(
        "BitcoinSynFlood",
        "warning",
        2,
        |h, n| over(h.last(n, "conversations")? - h.least(n, "conversations", 60)?, 2000.0),
        "{{ $labels.sensor }} knows {{ $value }} TCP conversations more than at the least of the last hour",
        "Handshakes that are not completed are forgotten after a minute: so many mean over 30 SYNs a second. Turn on SYN cookies, rate-limit SYNs to the port in the firewall.",
    )),
    rule(
        "BitcoinPingFlood",
        "warning",
        5,
        |h, n| over(h.rate(n, "ping"), 20.0),
        "{{ $labels.node }} gets {{ $value | humanize }} pings a second",
        "A peer pings every two minutes. `btcdmon messages -c ping` on a capture shows who sends more; disconnect it.",
    ),
    rule(
        "BitcoinAddrFlood",
        "warning",
        5,
        |h, n| over(h.rate(n, "addr") + h.rate(n, "addrv2"), 10.0),
        "{{ $labels.node }} gets {{ $value | humanize }} addr messages a second",
        "Nodes limit what they take of them (0.1 addresses a second and peer). `btcdmon messages -c addr,addrv2` shows who sends them.",
    ),
    rule(
        "BitcoinCompactBlocksFail",
        "warning",
        0,
        |h, n| over(h.increase(n, "fallback", 180), 2.99),
        "{{ $labels.node }} could not rebuild {{ $value | humanize }} compact blocks in 3 hours",
        "Its mempool differs from that of miners and peers: look at -maxmempool, at its minimum fee and at how long it has been up.",
    ),
    rule(
        "BitcoinSlowBlocks",
        "warning",
        0,
        |h, n| over(h.median_of_processed(n, 180)?, 5.0),
        "{{ $labels.node }} takes {{ $value | humanizeDuration }} from a block's data to its announcement",
        "An upper bound of validation: look at disk latency, -dbcache and what else runs on the machine.",
    ),
    rule(
        "BitcoinSlowAnswers",
        "warning",
        5,
        |h, n| over(h.mean(n, "answer", 10)?, 2.0),
        "{{ $labels.node }} takes up to {{ $value | humanizeDuration }} to answer a ping",
        "A node answers between two other messages: it is busy validating, out of memory or waits for its disk; or its uplink is full. Look at load, swap and -maxuploadtarget.",
    ),
    rule(
        "BitcoinMempoolFeeJump",
        "info",
        10,
        |h, n| over(h.last(n, "min_fee")?, 5.0 * h.least(n, "min_fee", 360)?),
        "{{ $labels.node }} asks for {{ $value }} sat/kvB, over 5 times its lowest of 6 hours",
        "The mempool is full: transactions below that rate are not relayed. Nothing is wrong with the node; fees are high or -maxmempool is small.",
    ),
    of_sensor(rule(
        "SensorCaptureLoss",
        "warning",
        5,
        |h, n| {
            let frames = h.rate(n, "frames");
            if frames > 0.0 { over((h.rate(n, "kernel") + h.rate(n, "interface")) / frames, 0.001) } else { None }
        },
        "The sensor {{ $labels.sensor }} loses {{ $value | humanizePercentage }} of the frames",
        "Every figure misses what is lost. Give the capture a larger buffer and a narrower filter, or more workers.",
    )),
    rule(
        "SensorThinFigures",
        "info",
        60,
        |h, n| {
            let (v1, v2) = (h.last(n, "v1").unwrap_or(0.0), h.last(n, "v2").unwrap_or(0.0));
            if v1 + v2 > 0.0 { over(v2 / (v1 + v2), 0.8) } else { None }
        },
        "{{ $value | humanizePercentage }} of the connections of {{ $labels.node }} are encrypted",
        "Series made of messages show the rest only. -v2transport=0 on a node that is watched for research makes all of them readable.",
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
        "Points of the sensor {{ $labels.sensor }} wait or are lost on their way to a sink",
        "Is InfluxDB up and its disk free? The sensor's log names the sink and the cause; what waits in the spool is sent when it is well.",
    )),
];
