//! Alerts without Prometheus: the rules of `deploy/prometheus/alerts.yml` on the sensor's own figures.
//!
//! The conditions are those of that file by name, evaluated once an interval on the same figures that `/metrics`
//! shows ([`rules`], [`history`]); tests hold the two lists to the same names, waits, severities and words, and to firing
//! at the same minutes on the inputs of `alerts_test.yml`. What fires, and what is resolved, is posted in the format of
//! Alertmanager's webhook (version 4), which Slack bridges, `PagerDuty` and the like understand.
//!
//! Not quite the same: where a counter is younger than the window of its rule, Prometheus guesses what came before, and
//! here it is nothing; the edge of a window is a whole minute; a plain number has no exponent.
//!
//! That the sensor itself is down somebody else has to notice: signs of life go to an address of their own, for a
//! service that cries when they stop.

pub mod history;
pub mod rules;
mod template;

use self::history::History;
use self::rules::RULES;
use self::template::expand;
use super::config::Context;
use super::contract::{Notices, Sink, SinkError, Status, fits};
use super::prometheus::page::Page;
use crate::series::delivery::Loss;
use crate::series::{Point, id};
use crate::time::{SECOND, Timestamp};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Messages that wait to be posted at most; then they are dropped, and told.
const WAITING: usize = 64;
/// How often a message is tried.
const TRIES: u32 = 5;
/// First pause between two tries; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What waits at the end is posted within this time: of a live capture, which has to stop, and of a replay.
const FAREWELL: Duration = Duration::from_secs(5);
const LONG_FAREWELL: Duration = Duration::from_mins(1);
/// Between two signs of life, ns of capture time.
const BEAT: i64 = 60 * SECOND;

/// The URL makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{option} {url}: {why}\nhint: for example {option} http://127.0.0.1:9000/hook")]
pub struct AlertError {
    /// The option.
    pub option: &'static str,
    /// As it was given.
    pub url: String,
    /// Why not.
    pub why: String,
}

/// Whether anybody listens at `url`; nothing is posted.
///
/// # Errors
/// Why not.
pub fn probe(url: &str) -> Result<(), String> {
    let parsed = address("--alert-webhook", url).map_err(|e| e.to_string().replace('\n', "; "))?;
    let places = parsed.socket_addrs(|| None).map_err(|e| e.to_string())?;
    let mut why = "it has no address".to_owned();
    for place in places {
        match TcpStream::connect_timeout(&place, ANSWER) {
            Ok(_) => return Ok(()),
            Err(e) => why = format!("{place}: {e}"),
        }
    }
    Err(why)
}

/// A rule that holds for a node.
#[derive(Clone, Copy, Debug)]
struct Active {
    since: Timestamp,
    /// Since when it is told.
    fired: Option<Timestamp>,
    /// The last one: what is resolved has none any more.
    value: f64,
}

/// The sink.
pub struct Alerts {
    page: Page,
    history: History,
    nodes: BTreeSet<String>,
    /// By rule and node.
    active: BTreeMap<(usize, String), Active>,
    now: Timestamp,
    messages: mpsc::Sender<String>,
    /// Signs of life, of a live capture; and when the last one was.
    beats: Option<mpsc::Sender<String>>,
    beaten: Timestamp,
    /// Dropped at the end: what waits then is posted soon, or not at all.
    stays: oneshot::Sender<()>,
    poster: JoinHandle<()>,
    context: Context,
    url: String,
    status: Status,
}

impl Alerts {
    /// Posts to `url`; a live capture posts a sign of life to `heartbeat` each minute.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn open(url: &str, heartbeat: Option<&str>, context: &Context) -> Result<Self, AlertError> {
        let wrong = |why: String| AlertError { option: "--alert-webhook", url: url.to_owned(), why };
        let parsed = address("--alert-webhook", url)?;
        let life = heartbeat.filter(|_| context.live).map(|url| address("--alert-heartbeat", url)).transpose()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(ANSWER).build().map_err(|e| wrong(e.to_string()))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| wrong(e.to_string()))?;
        let (messages, received) = mpsc::channel(WAITING);
        // One that could not be posted is of no use later.
        let (beats, alive) = mpsc::channel(1);
        let beats = life.is_some().then_some(beats);
        let notices = context.notices.clone();
        let farewell = if context.live { FAREWELL } else { LONG_FAREWELL };
        let (stays, gone) = oneshot::channel::<()>();
        let all = async move {
            let beating = async {
                if let Some(url) = life {
                    post(&client, url, alive, Notices::default(), 1).await;
                }
            };
            let last = async {
                let _ = gone.await;
                tokio::time::sleep(farewell).await;
            };
            let too_late = notices.clone();
            let posting = async { tokio::join!(post(&client, parsed, received, notices, TRIES), beating) };
            tokio::select! {
                _ = posting => {}
                () = last => too_late.say("alerts: the receiver does not answer in time; the last messages were not posted".to_owned()),
            }
        };
        let poster = thread::Builder::new()
            .name("alerts".to_owned())
            .spawn(move || runtime.block_on(all))
            .map_err(|e| wrong(e.to_string()))?;
        Ok(Self {
            page: Page::new(&context.sensor),
            history: History::default(),
            nodes: BTreeSet::new(),
            active: BTreeMap::new(),
            now: Timestamp::default(),
            messages,
            beats,
            beaten: Timestamp::default(),
            stays,
            poster,
            context: context.clone(),
            url: url.to_owned(),
            status: Status::default(),
        })
    }

    /// Looks at every rule for every node: what changes.
    fn evaluate(&mut self) -> Vec<Value> {
        let now = self.now;
        self.history.interval(&self.page, self.nodes.iter().map(String::as_str), now);
        let mut changed = Vec::new();
        for (i, rule) in RULES.iter().enumerate() {
            let nodes: Vec<&str> =
                if rule.of_sensor { vec![""] } else { self.nodes.iter().map(String::as_str).collect() };
            for node in nodes {
                let value = (rule.holds)(&self.history, node);
                let key = (i, node.to_owned());
                let Some(value) = value else {
                    if let Some(Active { fired: Some(fired), value, .. }) = self.active.remove(&key) {
                        changed.push(self.alert(i, node, value, fired.min(now), Some(now)));
                    }
                    continue;
                };
                let active = self.active.entry(key).or_insert(Active { since: now, fired: None, value });
                active.value = value;
                // Nothing begins after now, though the clock was ahead then.
                (active.since, active.fired) = (active.since.min(now), active.fired.map(|t| t.min(now)));
                if active.fired.is_none() && now.since(active.since) >= rule.wait {
                    active.fired = Some(now);
                    changed.push(self.alert(i, node, value, now, None));
                }
            }
        }
        changed
    }

    fn tell(&self, changed: &[Value]) {
        for alert in changed {
            let message = message(alert, &self.url).to_string();
            if self.messages.try_send(message).is_err() {
                self.context
                    .notices
                    .say(format!("alerts: {} could not be posted: too many wait", alert["labels"]["alertname"]));
            }
        }
    }

    /// Who hears nothing for some minutes knows that the sensor, its machine or its network is down.
    fn beat(&mut self) {
        let Some(beats) = &self.beats else { return };
        if self.now.since(self.beaten).saturating_abs() < BEAT {
            return;
        }
        self.beaten = self.now;
        let alert = json!({
            "status": "firing",
            "labels": { "alertname": "Watchdog", "severity": "none", "sensor": self.context.sensor },
            "annotations": { "summary": "The sensor is alive", "runbook": "When these stop, the sensor is down." },
            "startsAt": self.now.to_string(), "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "Watchdog-",
        });
        let _ = beats.try_send(message(&alert, &self.url).to_string());
    }

    fn alert(&self, rule: usize, node: &str, value: f64, from: Timestamp, to: Option<Timestamp>) -> Value {
        let rule = &RULES[rule];
        let mut labels = json!({ "alertname": rule.name, "severity": rule.severity, "sensor": self.context.sensor });
        if !node.is_empty() {
            labels["node"] = json!(node);
        }
        let text = |template| expand(template, |name| labels[name].as_str().unwrap_or_default().to_owned(), value);
        let ends = to.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string());
        json!({
            "status": if to.is_some() { "resolved" } else { "firing" },
            "labels": labels,
            "annotations": { "summary": text(rule.summary), "runbook": text(rule.runbook) },
            "startsAt": from.to_string(), "endsAt": ends, "generatorURL": "", "fingerprint": format!("{}-{node}", rule.name),
        })
    }
}

fn address(option: &'static str, url: &str) -> Result<Url, AlertError> {
    let wrong = |why: &str| AlertError { option, url: url.to_owned(), why: why.to_owned() };
    let parsed = Url::parse(url).map_err(|e| wrong(&e.to_string()))?;
    if ["http", "https"].contains(&parsed.scheme()) { Ok(parsed) } else { Err(wrong("expected http:// or https://")) }
}

/// One alert in Alertmanager's format.
fn message(alert: &Value, receiver: &str) -> Value {
    json!({
        "version": "4", "groupKey": alert["fingerprint"], "truncatedAlerts": 0, "status": alert["status"],
        "receiver": receiver, "groupLabels": { "alertname": alert["labels"]["alertname"] },
        "commonLabels": alert["labels"], "commonAnnotations": alert["annotations"], "externalURL": "",
        "alerts": [alert],
    })
}

/// Posts what comes, in order, each message up to `tries` times.
async fn post(client: &Client, url: Url, mut messages: mpsc::Receiver<String>, notices: Notices, tries: u32) {
    while let Some(text) = messages.recv().await {
        let mut pause = PAUSE;
        for n in 1..=tries {
            let request = client.post(url.clone()).header("Content-Type", "application/json").body(text.clone());
            let why = match request.send().await {
                Ok(r) if r.status().is_success() => break,
                Ok(r) => format!("HTTP {}", r.status().as_u16()),
                Err(e) => e.without_url().to_string(),
            };
            if n == tries {
                notices.say(format!("alerts: a message could not be posted: {why}"));
            } else {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

impl Sink for Alerts {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        for p in points {
            if !fits(self.context.series, p) {
                self.status.lost.count(Loss::Malformed);
                continue;
            }
            self.status.delivered += 1;
            self.page.point(p);
            if !p.node.is_empty() && !self.nodes.contains(&*p.node) {
                self.nodes.insert(p.node.to_string());
            }
            if p.series == id::SENSOR {
                // As it is: a clock that was ahead and is set back must not stop the rules until it has caught up.
                self.now = p.time;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        let changed = self.evaluate();
        self.tell(&changed);
        self.beat();
        Ok(())
    }

    fn status(&self) -> Status {
        self.status.clone()
    }

    fn close(self: Box<Self>) -> Result<Status, SinkError> {
        let Self { messages, beats, stays, poster, status, .. } = *self;
        drop((messages, beats, stays));
        let _ = poster.join();
        Ok(status)
    }
}

#[cfg(test)]
mod promtool_tests;
#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
