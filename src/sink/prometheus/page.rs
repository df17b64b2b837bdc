//! The figures behind `/metrics`, and the page itself.
//!
//! Prometheus' text format 0.0.4, or OpenMetrics 1.0 or Protocol Buffers when the scraper asks for them. Labels are
//! bounded: beyond `SETS` sets of them of one node a metric counts under `other`.

use super::catalogue::{EVENTS, EventMetric, How, IDLE_ENDED, PEER_HEIGHT, What, column_metric, factor, how, names};
use super::native::Native;
use super::protobuf::{LabelPair, MetricFamily, encode, label};
use crate::series::{Point, SERIES, Value, id};
use crate::sink::escape::escape;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

/// Sets of labels of one metric at most, of each node; there are some 200 of direction and message type.
const SETS: usize = 300;
/// … of all nodes.
const ALL_SETS: usize = 64 * SETS;
/// Events remembered, so that one that is written again is counted once.
const REMEMBERED: usize = 4096;
/// Start heights that the median is of.
const HEIGHTS: usize = 31;
/// The metric that says which program it is.
const BUILD: &str = "btcdmon_build_info";
const BUILD_HELP: &str = "The version of the sensor";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One sample.
#[derive(Clone, Debug)]
enum Sample {
    Number(f64),
    Histogram { bounds: &'static [f64], counts: Vec<u64>, sum: f64, native: Native },
}

/// Labels with their values, in order.
type Labels = Vec<(&'static str, String)>;

/// All figures.
#[derive(Debug, Default)]
pub struct Page {
    sensor: String,
    samples: BTreeMap<String, BTreeMap<Labels, Sample>>,
    seen: VecDeque<(usize, i64, String)>,
    seen_set: BTreeSet<(usize, i64, String)>,
    heights: BTreeMap<Arc<str>, VecDeque<i64>>,
    intervals: u64,
}

impl Page {
    /// Nothing yet.
    pub fn new(sensor: &str) -> Self {
        Self { sensor: escape(sensor).into_owned(), ..Self::default() }
    }

    /// Whether an interval has ended.
    pub fn is_ready(&self) -> bool {
        self.intervals > 0
    }

    /// An interval has ended.
    pub fn interval(&mut self) {
        self.intervals += 1;
    }

    /// So many clients of the page were idle for too long.
    pub fn idle_ended(&mut self, clients: u64) {
        self.number(IDLE_ENDED.0.to_owned(), Labels::new(), |_| clients as f64);
    }

    /// Takes a point that fits its series.
    pub fn point(&mut self, p: &Point) {
        let series = &SERIES[p.series];
        let mut tags: Labels = vec![("node", escape(&p.node).into_owned())];
        let interval_tags = series.columns.iter().zip(&p.values).filter(|(c, _)| c.tag && !is_agent(c.name));
        tags.extend(interval_tags.filter_map(|(c, v)| word(v).map(|w| (c.name, w))));
        for (c, v) in series.columns.iter().zip(&p.values).filter(|(c, _)| !c.tag) {
            let how = how(p.series, c);
            let Some(n) = number(v).filter(|_| how != How::Event).map(|n| n * factor(c)) else { continue };
            let mut labels = tags.clone();
            if how == How::Command {
                if n == 0.0 {
                    continue;
                }
                let sent = matches!(p.series, id::MSG_SENT | id::MSG_SENT_BYTES);
                labels.push(("direction", if sent { "sent" } else { "recv" }.to_owned()));
                labels.push(("command", c.name.to_owned()));
            } else if !is_interval(p) {
                // A gauge that an event brings has no labels of the event.
                labels.truncate(1);
            }
            let name = column_metric(series, c, how);
            self.number(name, labels, |old| if matches!(how, How::Sum | How::Command) { old + n } else { n });
        }
        for (i, e) in EVENTS.iter().enumerate().filter(|(_, e)| e.series == p.series) {
            self.event(i, e, p);
        }
        if p.series == id::PEERS {
            self.height(p);
        }
    }

    fn event(&mut self, index: usize, e: &EventMetric, p: &Point) {
        let series = &SERIES[e.series];
        let value = |name: &str| series.columns.iter().position(|c| c.name == name).and_then(|i| p.values.get(i));
        if value(e.needs).is_none_or(|v| *v == Value::Absent) {
            return;
        }
        // What is estimated is never added to what was read.
        if value("transport").is_some_and(|t| word(t).is_some_and(|t| t != e.transport)) {
            return;
        }
        let mut labels: Labels = vec![("node", escape(&p.node).into_owned())];
        for name in e.labels {
            let text = value(name).and_then(word).unwrap_or_default();
            labels.push((name, if is_agent(name) { agent(&text) } else { text }));
        }
        if !self.is_new(index, p, &labels) {
            return;
        }
        let column = |name| value(name).and_then(number).unwrap_or(0.0);
        match e.what {
            What::Count => self.number(e.name.to_owned(), labels, |n| n + 1.0),
            What::Sum(name) => self.number(e.name.to_owned(), labels, |n| n + column(name)),
            What::LastTime => self.number(e.name.to_owned(), labels, |_| p.time.nanos() as f64 / 1e9),
            What::Histogram(name, factor, bounds) => {
                let x = column(name) * factor;
                let counts = vec![0; bounds.len() + 1];
                let new = || Sample::Histogram { bounds, counts, sum: 0.0, native: Native::default() };
                if let Sample::Histogram { counts, sum, native, .. } = self.slot(e.name.to_owned(), labels, new) {
                    let at = bounds.iter().position(|b| x <= *b).unwrap_or(bounds.len());
                    counts[at] += 1;
                    *sum += x;
                    native.add(x);
                }
            }
        }
    }

    /// Blocks are written again when more becomes known of them.
    fn is_new(&mut self, index: usize, p: &Point, labels: &Labels) -> bool {
        if p.series != id::PROCESSED_BLOCKS {
            return true;
        }
        let key = (index, p.time.nanos(), format!("{labels:?}"));
        if !self.seen_set.insert(key.clone()) {
            return false;
        }
        self.seen.push_back(key);
        if self.seen.len() > REMEMBERED
            && let Some(old) = self.seen.pop_front()
        {
            self.seen_set.remove(&old);
        }
        true
    }

    fn height(&mut self, p: &Point) {
        let at = SERIES[id::PEERS].columns.iter().position(|c| c.name == "start_height");
        let Some(Value::Integer(h)) = at.and_then(|i| p.values.get(i)) else { return };
        let heights = self.heights.entry(Arc::clone(&p.node)).or_default();
        heights.push_back(*h);
        if heights.len() > HEIGHTS {
            heights.pop_front();
        }
        let mut sorted: Vec<i64> = heights.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2] as f64;
        self.number(PEER_HEIGHT.0.to_owned(), vec![("node", escape(&p.node).into_owned())], |_| median);
    }

    fn number(&mut self, name: String, labels: Labels, f: impl FnOnce(f64) -> f64) {
        if let Sample::Number(n) = self.slot(name, labels, || Sample::Number(0.0)) {
            *n = f(*n);
        }
    }

    fn slot(&mut self, name: String, mut labels: Labels, new: impl FnOnce() -> Sample) -> &mut Sample {
        let sets = self.samples.entry(name).or_default();
        if sets.len() >= SETS && !sets.contains_key(&labels) {
            // The node is the first label.
            let of_node = sets.keys().filter(|set| set.first() == labels.first()).count();
            let is_full = sets.len() >= ALL_SETS;
            if of_node >= SETS || is_full {
                labels.iter_mut().skip(usize::from(!is_full)).for_each(|(_, v)| "other".clone_into(v));
            }
        }
        sets.entry(labels).or_insert_with(new)
    }

    /// The sets of a metric that have all of `labels`.
    fn having(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        let has = |set: &Labels| labels.iter().all(|(k, v)| set.iter().any(|(a, b)| a == k && b == v));
        self.samples.get(name).into_iter().flatten().filter(move |(set, _)| has(set)).map(|(_, sample)| sample)
    }

    /// A sample's value, for tests and alerts; of a histogram the number of values.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let numbers = self.having(name, labels).map(|s| match s {
            Sample::Number(n) => *n,
            Sample::Histogram { counts, .. } => counts.iter().sum::<u64>() as f64,
        });
        numbers.reduce(|a, b| a + b)
    }

    /// The buckets of a histogram: upper bound and the number of values up to it; the last bound is infinite.
    pub fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let mut all: Vec<(f64, f64)> = Vec::new();
        for s in self.having(name, labels) {
            let Sample::Histogram { bounds, counts, .. } = s else { continue };
            if all.is_empty() {
                all = bounds.iter().chain([&f64::INFINITY]).map(|b| (*b, 0.0)).collect();
            }
            let mut up_to = 0;
            for ((_, n), count) in all.iter_mut().zip(counts) {
                up_to += count;
                *n += up_to as f64;
            }
        }
        all
    }

    /// The page.
    pub fn render(&self, open_metrics: bool) -> String {
        let mut out = String::with_capacity(64 * 1024);
        for (name, kind, help) in names() {
            let Some(sets) = self.samples.get(&name) else { continue };
            // In OpenMetrics `_total` belongs to the sample, not to the family.
            let family = if open_metrics { name.strip_suffix("_total").unwrap_or(&name) } else { &name };
            let help = help.replace('\\', "\\\\").replace('"', if open_metrics { "\\\"" } else { "\"" });
            let _ = writeln!(out, "# HELP {family} {help}\n# TYPE {family} {kind}");
            for (labels, sample) in sets {
                self.sample(&mut out, &name, labels, sample);
            }
        }
        let _ = writeln!(
            out,
            "# HELP {BUILD} {BUILD_HELP}\n# TYPE {BUILD} gauge\n{BUILD}{{sensor=\"{}\",version=\"{VERSION}\"}} 1",
            quoted(&self.sensor),
        );
        if open_metrics {
            out.push_str("# EOF\n");
        }
        out
    }

    /// The page as Protocol Buffers, with native histograms.
    pub fn render_protobuf(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for (name, kind, help) in names() {
            let Some(sets) = self.samples.get(&name) else { continue };
            let mut family = MetricFamily::new(&name, kind, &help);
            for (labels, sample) in sets {
                let labels = self.pairs(labels.iter().map(|(k, v)| (*k, v.as_str())));
                match sample {
                    Sample::Number(n) => family.number(labels, *n),
                    Sample::Histogram { bounds, counts, sum, native } => {
                        family.histogram(labels, bounds, counts, *sum, native);
                    }
                }
            }
            all.push(family);
        }
        let mut build = MetricFamily::new(BUILD, "gauge", BUILD_HELP);
        build.number(self.pairs([("version", VERSION)].into_iter()), 1.0);
        all.push(build);
        encode(&all)
    }

    fn pairs<'a>(&'a self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<LabelPair> {
        let all = [("sensor", self.sensor.as_str())].into_iter().chain(labels);
        all.filter(|(_, v)| !v.is_empty()).map(|(k, v)| label(k, v)).collect()
    }

    fn sample(&self, out: &mut String, name: &str, labels: &Labels, sample: &Sample) {
        let mut set = format!("sensor=\"{}\"", quoted(&self.sensor));
        for (k, v) in labels.iter().filter(|(_, v)| !v.is_empty()) {
            let _ = write!(set, ",{k}=\"{}\"", quoted(v));
        }
        match sample {
            Sample::Number(n) => {
                let _ = writeln!(out, "{name}{{{set}}} {n}");
            }
            Sample::Histogram { bounds, counts, sum, .. } => {
                let mut total = 0;
                for (i, n) in counts.iter().enumerate() {
                    total += n;
                    let bound = bounds.get(i).map_or_else(|| "+Inf".to_owned(), |b| format!("{b:?}"));
                    let _ = writeln!(out, "{name}_bucket{{{set},le=\"{bound}\"}} {total}");
                }
                let _ = writeln!(out, "{name}_sum{{{set}}} {sum}\n{name}_count{{{set}}} {total}");
            }
        }
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn is_agent(column: &str) -> bool {
    column == "user_agent"
}

/// Points of intervals have their own tags; those of events have `direction`, `script_type` and so on.
fn is_interval(p: &Point) -> bool {
    !matches!(p.series, id::PEERS | id::BLOCKS | id::MEMPOOL)
}

/// Name and major version of the first program in a user agent (BIP 14): `/Satoshi:27.1.0/` is `Satoshi:27`.
fn agent(text: &str) -> String {
    let first = text.trim_start_matches('/').split('/').next().unwrap_or_default();
    let (name, version) = first.split_once(':').unwrap_or((first, ""));
    let major: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let major = major.split('.').next().unwrap_or_default();
    let name: String = name.chars().take(40).collect();
    if major.is_empty() { name } else { format!("{name}:{major}") }
}

fn number(v: &Value) -> Option<f64> {
    match v {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(x) if x.is_finite() => Some(*x),
        Value::Boolean(b) => Some(f64::from(u8::from(*b))),
        _ => None,
    }
}

fn word(v: &Value) -> Option<String> {
    match v {
        Value::Text(t) if !t.is_empty() => Some(escape(t).into_owned()),
        Value::Boolean(b) => Some(b.to_string()),
        Value::Integer(n) => Some(n.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
