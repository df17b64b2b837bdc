//! The rules here and those of Prometheus on the same inputs, `alerts_test.yml`: each fires, for whom, with which words,
//! and is silent again, at the same minutes.

use super::*;
use crate::series::{SERIES, Type, Value as V};
use crate::sink::prometheus::catalogue::{EVENTS, EventMetric, How, PEER_HEIGHT, What, column_metric, factor, how};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::Arc;

const TESTS: &str = include_str!("../../../deploy/prometheus/alerts_test.yml");
const RULES_OF_PROMETHEUS: &str = include_str!("../../../deploy/prometheus/alerts.yml");
const RECORDING: &str = include_str!("../../../deploy/prometheus/recording.yml");

/// Rules that only a server can evaluate, and why.
const OF_A_SERVER: &[(&str, &str)] = &[("SensorDown", "a sensor that is down posts nothing: its signs of life stop")];

/// Metric, labels, a value a minute.
struct Input {
    metric: String,
    labels: Vec<(String, String)>,
    values: Vec<f64>,
}

/// One test of the file.
struct Case {
    name: String,
    /// As the file has them.
    inputs_text: String,
    inputs: Vec<Input>,
    /// The rule that is counted, when, and how many of it fire.
    demands: Vec<(String, usize, usize)>,
}

/// `1x3`: 1 1 1 1; `0+2x3`: 0 2 4 6.
fn expanded(values: &str) -> Vec<f64> {
    let number = |t: &str| t.parse::<f64>().unwrap_or_else(|_| panic!("{t} in {values}"));
    let of = |word: &str| {
        let (from, times) = word.split_once('x').unwrap_or((word, "0"));
        let (from, step) = from.split_once('+').unwrap_or((from, "0"));
        let (from, step, times) = (number(from), number(step), times.parse::<i32>().unwrap());
        (0..=times).map(|i| from + step * f64::from(i)).collect::<Vec<_>>()
    };
    values.split(' ').flat_map(of).collect()
}

fn minutes(length: &str) -> usize {
    match length.split_at(length.len() - 1) {
        (n, "m") => n.parse().unwrap(),
        (n, "h") => n.parse::<usize>().unwrap() * 60,
        _ => panic!("{length}"),
    }
}

/// The lines of the file that are of the form of ours: what is not understood is a fault.
fn cases() -> Vec<Case> {
    let case = |text: &str| {
        let (inputs_text, demands) = text.split_once("    promql_expr_test:\n").unwrap();
        let (name, inputs_text) = inputs_text.split_once("\n    input_series:\n").unwrap();
        let after =
            |line: &str, key: &str| line.trim().strip_prefix(key).unwrap_or_else(|| panic!("{line}")).to_owned();
        let inputs = inputs_text.lines().collect::<Vec<_>>();
        let inputs = inputs.chunks(2).map(|pair| {
            let (series, values) = (after(pair[0], "- series: '"), after(pair[1], "values: '"));
            let (metric, labels) = series.trim_end_matches("}'").split_once('{').unwrap();
            let label =
                |l: &str| l.split_once('=').map(|(k, v)| (k.to_owned(), v.trim_matches('"').to_owned())).unwrap();
            let labels = labels.split(',').map(label).collect();
            Input { metric: metric.to_owned(), labels, values: expanded(values.trim_end_matches('\'')) }
        });
        let mut found = Vec::new();
        let lines: Vec<&str> = demands.lines().collect();
        for triple in lines.chunks(3).filter(|t| t[0].contains("count(ALERTS")) {
            let rule = triple[0].split('"').nth(1).unwrap().to_owned();
            let said = after(triple[2], "exp_samples: [").trim_end_matches(']').to_owned();
            let count = said.rsplit("value: ").next().unwrap().trim_end_matches(" }").parse().unwrap_or(0);
            assert_eq!(said.is_empty(), count == 0, "{said}");
            found.push((rule, minutes(&after(triple[1], "eval_time: ")), count));
        }
        Case { name: name.to_owned(), inputs_text: inputs_text.to_owned(), inputs: inputs.collect(), demands: found }
    };
    let all = TESTS.split("  - interval: 1m\n    name: ").skip(1).map(case);
    // Those of recording rules demand no alert.
    let ours = |c: &Case| c.demands.iter().all(|(rule, ..)| OF_A_SERVER.iter().all(|(name, _)| rule != name));
    all.filter(|c| !c.demands.is_empty() && ours(c)).collect()
}

/// What makes the page show an input: its values as the points of a sensor.
struct Feed<'a> {
    input: &'a Input,
    sent: u64,
}

impl Feed<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.input.labels.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// A point with these columns; labels are its tags.
    fn point(&self, series: usize, time: Timestamp, set: &[(&str, f64)]) -> Point {
        let value = |c: &crate::series::Column| match set.iter().find(|(name, _)| *name == c.name) {
            Some((_, n)) if c.kind_of_value == Type::Integer => V::Integer(n.round() as i64),
            Some((_, n)) if c.kind_of_value == Type::Float => V::Float(*n),
            Some(_) => V::Text("x".into()),
            None => self.label(c.name).map_or(V::Absent, |v| V::Text(v.into())),
        };
        let values = SERIES[series].columns.iter().map(value).collect();
        Point { series, time, node: Arc::from(self.label("node").unwrap_or_default()), values }
    }

    /// The points of this minute, if the metric is one of a column.
    fn of_column(&self, minute: usize, time: Timestamp) -> Option<Vec<Point>> {
        let (now, before) = (self.input.values[minute], minute.checked_sub(1).map_or(0.0, |m| self.input.values[m]));
        for (i, s) in SERIES.iter().enumerate() {
            for c in s.columns.iter().filter(|c| !c.tag && column_metric(s, c, how(i, c)) == self.input.metric) {
                let kind = how(i, c);
                let direction = if s.name.starts_with("msg_sent") { "sent" } else { "recv" };
                let ours = self.label("command") == Some(c.name) && self.label("direction") == Some(direction);
                let value = match kind {
                    How::Command if !ours => continue,
                    How::Event => continue,
                    How::Sum | How::Command => now - before,
                    How::Cumulative | How::Gauge => now,
                };
                return Some(vec![self.point(i, time, &[(c.name, value / factor(c))])]);
            }
        }
        None
    }

    /// A point of an event; each has its own time, by which the page knows it.
    fn event(&mut self, e: &EventMetric, time: Timestamp, set: &[(&str, f64)]) -> Point {
        self.sent += 1;
        let time = Timestamp::from_nanos(time.nanos() + self.sent as i64);
        self.point(e.series, time, &[set, &[(e.needs, 1.0)]].concat())
    }
}

/// The points by which the page shows what the inputs say of this minute.
fn points(feeds: &mut [Feed], minute: usize) -> Vec<Point> {
    let time = Timestamp::from_nanos(minute as i64 * 60 * SECOND);
    let values = SERIES[id::SENSOR].columns.iter().map(|_| V::Absent).collect();
    let mut all = vec![Point { series: id::SENSOR, time, node: "".into(), values }];
    // Of a histogram the buckets are read in order: what is up to a bound and not up to the one before.
    let mut below: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for feed in feeds {
        let (now, before) = (feed.input.values[minute], minute.checked_sub(1).map_or(0.0, |m| feed.input.values[m]));
        let name = feed.input.metric.clone();
        if let Some(points) = feed.of_column(minute, time) {
            all.extend(points);
        } else if name == PEER_HEIGHT.0 {
            // More than the median is of.
            all.extend((0..40).map(|_| feed.point(id::PEERS, time, &[("start_height", now)])));
        } else if let Some(bucket) = name.strip_suffix("_bucket") {
            let e = EVENTS.iter().find(|e| e.name == bucket).unwrap_or_else(|| panic!("there is no {name}"));
            let What::Histogram(column, factor, _) = e.what else { panic!("{name} has no buckets") };
            let le: f64 = feed.label("le").unwrap().parse().unwrap();
            let (bound, less) = below.insert(bucket.to_owned(), (le, now - before)).unwrap_or_default();
            assert!(le > bound, "{name}: buckets in order");
            let x = if le.is_finite() { le } else { bound * 10.0 };
            for _ in 0..(now - before - less) as u64 {
                all.push(feed.event(e, time, &[(column, x / factor)]));
            }
        } else {
            let e = EVENTS.iter().find(|e| e.name == name).unwrap_or_else(|| panic!("there is no {name}"));
            match e.what {
                What::Count => (0..(now - before) as u64).for_each(|_| all.push(feed.event(e, time, &[]))),
                What::LastTime if minute == 0 || now > before => {
                    all.push(feed.point(e.series, Timestamp::from_nanos(now as i64 * SECOND), &[(e.needs, 1.0)]));
                }
                What::LastTime => {}
                _ => panic!("{name} is no count"),
            }
        }
    }
    all
}

/// What fires each minute, by rule and node.
fn watched(case: &Case) -> Vec<BTreeMap<String, Value>> {
    let context = Context { sensor: "s".into(), series: SERIES, notices: Notices::default(), live: false };
    let mut sink = Box::new(Alerts::open("http://127.0.0.1:9/", None, &context).unwrap());
    let mut feeds: Vec<Feed> = case.inputs.iter().map(|input| Feed { input, sent: 0 }).collect();
    let length = case.inputs.iter().map(|i| i.values.len()).min().unwrap();
    let mut firing: BTreeMap<String, Value> = BTreeMap::new();
    let mut all = Vec::new();
    for minute in 0..length {
        sink.write(&points(&mut feeds, minute)).unwrap();
        assert_eq!(sink.status().lost.total(), 0, "{}", case.name);
        for alert in sink.evaluate() {
            let key = alert["fingerprint"].as_str().unwrap().to_owned();
            let known = if alert["status"] == "firing" { firing.insert(key, alert) } else { firing.remove(&key) };
            assert!(known.is_none_or(|k| k["status"] == "firing"), "{}: told twice", case.name);
        }
        all.push(firing.clone());
    }
    sink.close().unwrap();
    all
}

#[test]
fn every_rule_fires_and_stays_silent_as_in_the_tests_for_prometheus() {
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for case in cases() {
        let seen = watched(&case);
        for (rule, minute, count) in &case.demands {
            let at = seen.get(*minute).unwrap_or_else(|| panic!("{}: no values for minute {minute}", case.name));
            let of_rule = at.values().filter(|a| a["labels"]["alertname"] == **rule).count();
            assert_eq!(of_rule, *count, "{}, minute {minute}: {at:?}", case.name);
            if *count > 0 {
                fires.insert(rule.clone())
            } else {
                silent.insert(rule.clone())
            };
        }
    }
    let names: BTreeSet<String> = RULES.iter().map(|r| r.name.to_owned()).collect();
    assert_eq!((&fires, &silent), (&names, &names));
}

/// The same case for promtool: at the minutes where something changes here, and at the one before, Prometheus has to
/// have the same alerts with the same labels, and where one begins the same words.
fn for_promtool(case: &Case, seen: &[BTreeMap<String, Value>]) -> String {
    let names = |minute: usize| seen[minute].keys().collect::<Vec<_>>();
    let changes = (1..seen.len()).filter(|m| names(*m) != names(m - 1));
    let mut times: BTreeSet<usize> = changes.flat_map(|m| [m - 1, m]).collect();
    times.extend([0, seen.len() - 1]);
    times.extend(case.demands.iter().map(|d| d.1));
    let (mut words, mut counts) = (String::new(), String::new());
    for minute in times {
        let begin = Timestamp::from_nanos(minute as i64 * 60 * SECOND).to_string();
        for rule in RULES {
            let firing: Vec<&Value> = seen[minute].values().filter(|a| a["labels"]["alertname"] == rule.name).collect();
            let samples = firing.iter().map(|a| {
                let mut labels = a["labels"].clone();
                labels["alertstate"] = json!("firing");
                let label = |(k, v): (&String, &Value)| format!("{k}={v}");
                let labels: Vec<String> = labels.as_object().unwrap().iter().map(label).collect();
                json!({ "labels": format!("ALERTS{{{}}}", labels.join(",")), "value": 1 })
            });
            let (samples, name) = (json!(samples.collect::<Vec<_>>()), rule.name);
            let expr = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
            let _ = writeln!(counts, "      - {{ expr: '{expr}', eval_time: {minute}m, exp_samples: {samples} }}");
            // Later the words of Prometheus follow the value, those that were posted do not.
            if !firing.is_empty() && firing.iter().all(|a| a["startsAt"] == begin) {
                let alerts = firing.iter().map(|a| {
                    let mut labels = a["labels"].clone();
                    labels.as_object_mut().unwrap().remove("alertname");
                    json!({ "exp_labels": labels, "exp_annotations": a["annotations"] })
                });
                let alerts = json!(alerts.collect::<Vec<_>>());
                let _ = writeln!(words, "      - {{ eval_time: {minute}m, alertname: {name}, exp_alerts: {alerts} }}");
            }
        }
    }
    let words = if words.is_empty() { words } else { format!("    alert_rule_test:\n{words}") };
    let Case { name, inputs_text, .. } = case;
    format!(
        "  - interval: 1m\n    name: {name}\n    input_series:\n{inputs_text}{words}    promql_expr_test:\n{counts}"
    )
}

#[test]
fn prometheus_says_the_same_at_the_same_minutes() {
    if !Command::new("promtool").arg("--version").output().is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "SKIPPED IN CI: there is no promtool");
        eprintln!("SKIPPED: there is no promtool here (Debian: apt-get install prometheus)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = |cases: &str| {
        let text = format!("rule_files: [recording.yml, alerts.yml]\nevaluation_interval: 1m\ntests:\n{cases}");
        for (name, text) in [("recording.yml", RECORDING), ("alerts.yml", RULES_OF_PROMETHEUS), ("tests.yml", &text)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let o =
            Command::new("promtool").args(["test", "rules", "tests.yml"]).current_dir(folder.path()).output().unwrap();
        (o.status.success(), String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned())
    };
    let all: Vec<String> = cases().iter().map(|c| for_promtool(c, &watched(c))).collect();
    let (well, said) = told(&all.concat());
    assert!(well, "{said}");
    // One word or one minute is enough.
    let first = all[0].as_str();
    for (old, new) in [("eval_time: 62m", "eval_time: 61m"), ("has followed", "has seen")] {
        assert!(first.contains(old), "{first}");
        assert!(!told(&first.replace(old, new)).0, "{new}");
    }
}

/// No second list: names, waits, severities and words are those of the file for Prometheus.
#[test]
fn the_rules_are_those_for_prometheus() {
    let mut found = Vec::new();
    for block in RULES_OF_PROMETHEUS.split("- alert: ").skip(1) {
        let name = block.lines().next().unwrap();
        let after = |key: &str| block.lines().find_map(|l| l.trim().strip_prefix(key)).map(str::to_owned);
        let wait = after("for: ").map_or(0, |t| minutes(&t) as i64);
        let severity = after("labels: { severity: ").unwrap().trim_end_matches(" }").to_owned();
        let words = ["summary: ", "runbook: "].map(|key| after(key).unwrap().trim_matches('"').to_owned());
        found.push((name.to_owned(), wait, severity, words));
    }
    for (name, why) in OF_A_SERVER {
        assert!(found.iter().any(|f| f.0 == *name) && why.len() > 10, "{name}");
    }
    found.retain(|f| OF_A_SERVER.iter().all(|(name, _)| *name != f.0));
    let words = |r: &rules::Rule| [r.summary.to_owned(), r.runbook.to_owned()];
    let ours: Vec<_> =
        RULES.iter().map(|r| (r.name.to_owned(), r.wait / 60 / SECOND, r.severity.to_owned(), words(r))).collect();
    assert_eq!(ours, found);
}
