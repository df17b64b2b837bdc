//! What the rules look at: the figures of `/metrics`, minute by minute.

use crate::sink::prometheus::page::Page;
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Minute of history that is kept, and how far back it goes.
pub const MINUTE: i64 = 60 * SECOND;
const MINUTES: usize = 361;

/// A figure that rules look at: short name, metric, labels.
type Figure = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// All of them but the histogram.
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

/// The one histogram, a figure a bucket.
const PROCESSED: (&str, &str) = ("processed", "btcdmon_block_process_seconds");

/// A figure in one minute: of several intervals in it none is lost to means and minima.
#[derive(Clone, Copy, Debug)]
struct Minute {
    /// Of the newest interval.
    time: i64,
    last: f64,
    sum: f64,
    count: f64,
    least: f64,
}

/// Node (none: the sensor), figure, bucket.
type Key = (String, &'static str, usize);

/// The newest figures, and those of each minute before.
#[derive(Debug, Default)]
pub struct History {
    now: Timestamp,
    /// The newest minute last.
    past: BTreeMap<Key, VecDeque<Minute>>,
    /// Upper bounds of the histogram's buckets; the last is infinite.
    bounds: Vec<f64>,
}

impl History {
    /// An interval has ended at `now`.
    pub fn interval<'a>(&mut self, page: &Page, nodes: impl Iterator<Item = &'a str>, now: Timestamp) {
        if now < self.now {
            self.forget_future(now);
        }
        self.now = now;
        for node in nodes.chain([""]) {
            for (short, metric, labels) in FIGURES {
                if metric.starts_with("btcdmon_sensor_") != node.is_empty() {
                    continue;
                }
                let of_node = [("node", node)];
                let labels: Vec<_> = labels.iter().copied().chain(of_node).filter(|l| !l.1.is_empty()).collect();
                if let Some(value) = page.get(metric, &labels) {
                    self.put((node.to_owned(), short, 0), value);
                }
            }
            if !node.is_empty() {
                let buckets = page.buckets(PROCESSED.1, &[("node", node)]);
                for (i, (_, up_to)) in buckets.iter().enumerate() {
                    self.put((node.to_owned(), PROCESSED.0, i), *up_to);
                }
                if !buckets.is_empty() {
                    self.bounds = buckets.into_iter().map(|(bound, _)| bound).collect();
                }
            }
        }
    }

    /// The clock was set back: minutes that have not come yet are no past.
    fn forget_future(&mut self, now: Timestamp) {
        let minute = now.floor(MINUTE);
        for past in self.past.values_mut() {
            while past.pop_back_if(|m| Timestamp::from_nanos(m.time).floor(MINUTE) > minute).is_some() {}
        }
    }

    fn put(&mut self, key: Key, value: f64) {
        let (time, minute) = (self.now.nanos(), self.now.floor(MINUTE));
        let past = self.past.entry(key).or_default();
        match past.back_mut() {
            Some(m) if Timestamp::from_nanos(m.time).floor(MINUTE) == minute => {
                (m.time, m.last, m.least) = (time, value, m.least.min(value));
                m.sum += value;
                m.count += 1.0;
            }
            _ => past.push_back(Minute { time, last: value, sum: value, count: 1.0, least: value }),
        }
        if past.len() > MINUTES {
            past.pop_front();
        }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> f64 {
        self.now.nanos() as f64 / SECOND as f64
    }

    /// The newest value.
    pub fn last(&self, node: &str, figure: &'static str) -> Option<f64> {
        Some(self.past.get(&(node.to_owned(), figure, 0))?.back()?.last)
    }

    fn over(&self, node: &str, figure: &'static str, bucket: usize, minutes: i64) -> impl Iterator<Item = &Minute> {
        let from = self.now.nanos() - minutes * MINUTE;
        self.past.get(&(node.to_owned(), figure, bucket)).into_iter().flatten().filter(move |m| m.time >= from)
    }

    /// Mean of all intervals.
    pub fn mean(&self, node: &str, figure: &'static str, minutes: i64) -> Option<f64> {
        let add = |(sum, count), m: &Minute| (sum + m.sum, count + m.count);
        let (sum, count) = self.over(node, figure, 0, minutes).fold((0.0, 0.0), add);
        (count > 0.0).then(|| sum / count)
    }

    /// The least of all intervals.
    pub fn least(&self, node: &str, figure: &'static str, minutes: i64) -> Option<f64> {
        self.over(node, figure, 0, minutes).map(|m| m.least).reduce(f64::min)
    }

    /// Increase of a counter.
    pub fn increase(&self, node: &str, figure: &'static str, minutes: i64) -> f64 {
        self.increase_of(node, figure, 0, minutes)
    }

    fn increase_of(&self, node: &str, figure: &'static str, bucket: usize, minutes: i64) -> f64 {
        let values: Vec<f64> = self.over(node, figure, bucket, minutes).map(|m| m.last).collect();
        values.windows(2).map(|w| (w[1] - w[0]).max(0.0)).sum()
    }

    /// Increase of a counter per second of the last five minutes.
    pub fn rate(&self, node: &str, figure: &'static str) -> f64 {
        self.increase(node, figure, 5) / 300.0
    }

    /// Median of the histogram, as Prometheus estimates it: within a bucket values are evenly spread.
    pub fn median_of_processed(&self, node: &str, minutes: i64) -> Option<f64> {
        let buckets = 0..self.bounds.len();
        let up_to: Vec<f64> = buckets.map(|i| self.increase_of(node, PROCESSED.0, i, minutes)).collect();
        let rank = up_to.last().filter(|n| **n > 0.0)? / 2.0;
        let at = up_to.iter().position(|n| *n >= rank)?;
        let (low, below) = if at == 0 { (0.0, 0.0) } else { (self.bounds[at - 1], up_to[at - 1]) };
        let high = self.bounds[at];
        Some(if high.is_finite() { low + (high - low) * (rank - below) / (up_to[at] - below) } else { low })
    }
}
