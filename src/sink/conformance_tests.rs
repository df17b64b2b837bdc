//! What every sink promises, held against each of them.

use super::config::{Context, SinkConfig, build};
use super::contract::{Notices, Sink};
use super::fake::Fake;
use super::fixture::{LIST, output, point, text};
use super::prometheus::Prometheus;
use super::prometheus::page::Page;
use super::recording::{Recording, Tape};
use super::store::Store;
use crate::series::delivery::Loss;
use crate::series::{Point, SERIES, Series, Value, id};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A sink of one kind, and the points of `tx_outputs` that are visible behind it.
trait Harness {
    fn open(&mut self) -> Box<dyn Sink>;

    /// Nothing where points are not to be seen.
    fn visible(&self) -> Option<usize>;

    /// Output number `n`.
    fn output(&self, n: i64, script_type: &str) -> Point {
        let mut p = output(n, script_type, n);
        p.values[1] = text(script_type);
        p
    }

    /// What is to be seen of `points` that were written `times`: a store has each once.
    fn seen(&self, points: usize, _times: usize) -> usize {
        points
    }

    /// Points that do not fit their series: too few values, a wrong type, no such series.
    fn misfits(&self) -> [Point; 3] {
        [point(0, 1, vec![text("a")]), point(1, 1, vec![Value::Float(1.5), Value::Absent]), point(77, 1, vec![])]
    }
}

fn context(series: &'static [Series]) -> Context {
    Context { sensor: "s1".into(), series, notices: Notices::default(), live: false }
}

/// An output as the real series describes it.
fn real_output(n: i64, script_type: &str) -> Point {
    let columns = SERIES[id::TX_OUTPUTS].columns;
    let value = |name| match name {
        "script_type" => text(script_type),
        "n" | "value" => Value::Integer(n),
        "is_dust" => Value::Boolean(false),
        _ => Value::Absent,
    };
    point(id::TX_OUTPUTS, n, columns.iter().map(|c| value(c.name)).collect())
}

fn real_misfits() -> [Point; 3] {
    let mut wrong = real_output(1, "a");
    wrong.values.iter_mut().for_each(|v| *v = Value::Float(0.5));
    [point(id::TX_OUTPUTS, 1, vec![text("a")]), wrong, point(77, 1, vec![])]
}

/// `/metrics` of the newest run: events are counters, which know no points.
#[derive(Default)]
struct OnPage(Option<Arc<Mutex<Page>>>);

impl Harness for OnPage {
    fn open(&mut self) -> Box<dyn Sink> {
        let sink = Prometheus::open("127.0.0.1:0".parse().unwrap(), &context(SERIES)).unwrap();
        // What an earlier run counted is Prometheus' to remember.
        let before = self.0.replace(sink.page());
        drop(before);
        Box::new(sink)
    }

    fn visible(&self) -> Option<usize> {
        let page = self.0.as_ref()?.lock().unwrap().render(false);
        let name = "btcdmon_transaction_outputs_total{";
        let counts = page.lines().filter(|l| l.starts_with(name)).map(|l| l.rsplit(' ').next().unwrap());
        Some(counts.map(|n| n.parse::<usize>().unwrap()).sum())
    }

    fn output(&self, n: i64, script_type: &str) -> Point {
        real_output(n, script_type)
    }

    fn seen(&self, _points: usize, times: usize) -> usize {
        times
    }

    fn misfits(&self) -> [Point; 3] {
        real_misfits()
    }
}

/// Alerts show no points: what they say is held against their rules elsewhere.
struct InAlerts(Fake);

impl Harness for InAlerts {
    fn open(&mut self) -> Box<dyn Sink> {
        let config = SinkConfig::AlertWebhook { url: format!("{}/hook", self.0.url), heartbeat: None };
        build(&config, &context(SERIES)).unwrap()
    }

    fn visible(&self) -> Option<usize> {
        assert!(self.0.requests().is_empty(), "nothing is wrong with outputs");
        None
    }

    fn output(&self, n: i64, script_type: &str) -> Point {
        real_output(n, script_type)
    }

    fn misfits(&self) -> [Point; 3] {
        real_misfits()
    }
}

struct InStore(tempfile::TempDir);

impl Harness for InStore {
    fn open(&mut self) -> Box<dyn Sink> {
        Box::new(Store::open(&self.0.path().join("a.db"), "s1", LIST).unwrap())
    }

    fn visible(&self) -> Option<usize> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = Connection::open_with_flags(self.0.path().join("a.db"), flags).unwrap();
        let n: i64 = conn.query_row("SELECT count(*) FROM tx_outputs", [], |r| r.get(0)).unwrap();
        Some(n as usize)
    }
}

#[derive(Default)]
struct InMemory {
    /// Points of the runs before.
    before: BTreeSet<String>,
    tape: Option<Arc<Mutex<Tape>>>,
}

impl InMemory {
    fn all(&self) -> BTreeSet<String> {
        let mut all = self.before.clone();
        if let Some(tape) = &self.tape {
            all.extend(tape.lock().unwrap().points.keys().map(|k| format!("{k:?}")));
        }
        all
    }
}

impl Harness for InMemory {
    fn open(&mut self) -> Box<dyn Sink> {
        self.before = self.all();
        let (sink, tape) = Recording::new(LIST);
        self.tape = Some(tape);
        Box::new(sink)
    }

    fn visible(&self) -> Option<usize> {
        Some(self.all().len())
    }
}

struct InInflux(Fake, tempfile::TempDir);

impl Harness for InInflux {
    fn open(&mut self) -> Box<dyn Sink> {
        let config = serde_json::json!({ "type": "influx", "url": self.0.url, "spool": self.1.path() });
        let config: SinkConfig = serde_json::from_value(config).unwrap();
        build(&config, &context(LIST)).unwrap()
    }

    fn visible(&self) -> Option<usize> {
        Some(self.0.keys().len())
    }
}

fn all() -> Vec<(&'static str, Box<dyn Harness>)> {
    let folder = || tempfile::tempdir().unwrap();
    vec![
        ("recording", Box::new(InMemory::default())),
        ("store", Box::new(InStore(folder()))),
        ("influx", Box::new(InInflux(Fake::willing(), folder()))),
        ("prometheus", Box::<OnPage>::default()),
        ("alerts", Box::new(InAlerts(Fake::willing()))),
    ]
}

/// Demands that `points` are to be seen, which were written `times` in the run.
fn check(name: &str, h: &dyn Harness, points: usize, times: usize) {
    if let Some(visible) = h.visible() {
        assert_eq!(visible, h.seen(points, times), "{name}");
    }
}

#[test]
fn what_was_committed_is_visible_and_twice_is_once() {
    for (name, mut h) in all() {
        for _ in 0..2 {
            let mut sink = h.open();
            for i in 0..4 {
                let points: Vec<Point> = (i * 100..i * 100 + 100).map(|t| h.output(t, "a")).collect();
                sink.write(&points).unwrap();
                sink.write(&points[..50]).unwrap();
                sink.commit().unwrap();
                sink.tick().unwrap();
            }
            let status = sink.close().unwrap();
            assert_eq!((status.delivered, status.lost.total()), (600, 0), "{name}");
            check(name, &*h, 400, 600);
        }
    }
}

#[test]
fn closing_commits() {
    for (name, mut h) in all() {
        let mut sink = h.open();
        sink.write(&[h.output(1, "a")]).unwrap();
        assert_eq!(sink.close().unwrap().delivered, 1, "{name}");
        check(name, &*h, 1, 1);
        h.open().close().unwrap();
        check(name, &*h, 1, 0);
    }
}

#[test]
fn a_point_that_does_not_fit_is_counted_and_keeps_none_out() {
    for (name, mut h) in all() {
        let mut sink = h.open();
        let [short, wrong, unknown] = h.misfits();
        sink.write(&[short, h.output(1, "a"), wrong, unknown, h.output(2, "a")]).unwrap();
        sink.commit().unwrap();
        assert_eq!(sink.status().lost.get(Loss::Malformed), 3, "{name}");
        let status = sink.close().unwrap();
        assert_eq!((status.delivered, status.lost.total()), (2, 3), "{name}");
        check(name, &*h, 2, 2);
    }
}

/// Texts as a hostile peer would choose them, in a tag and in a value.
#[test]
fn no_text_harms_another_point() {
    let hostile = [
        "",
        " ",
        "\\",
        "\"",
        "a b,c=d",
        "x\ny,z=1 v=1 1",
        "\r\n",
        "\0",
        "é\u{202e}₿",
        "'; DROP TABLE tx_outputs",
        "a\\",
        "\\ ",
        "=",
        ",",
        "\\n",
        "true",
        "1i",
        "\u{fffd}",
    ];
    for (name, mut h) in all() {
        let mut sink = h.open();
        for (i, t) in hostile.iter().enumerate() {
            sink.write(&[h.output(i as i64, t), h.output(1000 + i as i64, "calm")]).unwrap();
        }
        let status = sink.close().unwrap();
        assert_eq!((status.delivered, status.lost.total()), (2 * hostile.len() as u64, 0), "{name}");
        check(name, &*h, 2 * hostile.len(), 2 * hostile.len());
    }
}
