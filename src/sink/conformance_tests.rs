//! What every sink promises, held against each of them.

use super::config::{Context, SinkConfig, build};
use super::contract::{Notices, Sink};
use super::fake::Fake;
use super::fixture::{LIST, output, point, text};
use super::recording::{Recording, Tape};
use super::store::Store;
use crate::series::delivery::Loss;
use crate::series::{Point, Value};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A sink of one kind, and the points of `tx_outputs` that are visible behind it.
trait Harness {
    fn open(&mut self) -> Box<dyn Sink>;
    fn visible(&self) -> usize;
}

struct InStore(tempfile::TempDir);

impl Harness for InStore {
    fn open(&mut self) -> Box<dyn Sink> {
        Box::new(Store::open(&self.0.path().join("a.db"), "s1", LIST).unwrap())
    }

    fn visible(&self) -> usize {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let conn = Connection::open_with_flags(self.0.path().join("a.db"), flags).unwrap();
        let n: i64 = conn.query_row("SELECT count(*) FROM tx_outputs", [], |r| r.get(0)).unwrap();
        n as usize
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

    fn visible(&self) -> usize {
        self.all().len()
    }
}

struct InInflux(Fake, tempfile::TempDir);

impl Harness for InInflux {
    fn open(&mut self) -> Box<dyn Sink> {
        let config = serde_json::json!({ "type": "influx", "url": self.0.url, "spool": self.1.path() });
        let config: SinkConfig = serde_json::from_value(config).unwrap();
        let context = Context { sensor: "s1".into(), series: LIST, notices: Notices::default(), live: false };
        build(&config, &context).unwrap()
    }

    fn visible(&self) -> usize {
        self.0.keys().len()
    }
}

fn all() -> Vec<(&'static str, Box<dyn Harness>)> {
    let folder = || tempfile::tempdir().unwrap();
    vec![
        ("recording", Box::new(InMemory::default())),
        ("store", Box::new(InStore(folder()))),
        ("influx", Box::new(InInflux(Fake::willing(), folder()))),
    ]
}

#[test]
fn what_was_committed_is_visible_and_twice_is_once() {
    for (name, mut h) in all() {
        for _ in 0..2 {
            let mut sink = h.open();
            for i in 0..4 {
                let points: Vec<Point> = (i * 100..i * 100 + 100).map(|t| output(t, "a", t)).collect();
                sink.write(&points).unwrap();
                sink.write(&points[..50]).unwrap();
                sink.commit().unwrap();
                sink.tick().unwrap();
            }
            let status = sink.close().unwrap();
            assert_eq!((status.delivered, status.lost.total()), (600, 0), "{name}");
            assert_eq!(h.visible(), 400, "{name}");
        }
    }
}

#[test]
fn closing_commits() {
    for (name, mut h) in all() {
        let mut sink = h.open();
        sink.write(&[output(1, "a", 1)]).unwrap();
        assert_eq!(sink.close().unwrap().delivered, 1, "{name}");
        assert_eq!(h.visible(), 1, "{name}");
        h.open().close().unwrap();
        assert_eq!(h.visible(), 1, "{name}");
    }
}

#[test]
fn a_point_that_does_not_fit_is_counted_and_keeps_none_out() {
    for (name, mut h) in all() {
        let mut sink = h.open();
        let short = point(0, 1, vec![text("a")]);
        let wrong = point(1, 1, vec![Value::Float(1.5), Value::Absent]);
        let unknown = point(77, 1, vec![]);
        sink.write(&[short, output(1, "a", 1), wrong, unknown, output(2, "a", 2)]).unwrap();
        sink.commit().unwrap();
        assert_eq!(sink.status().lost.get(Loss::Malformed), 3, "{name}");
        let status = sink.close().unwrap();
        assert_eq!((status.delivered, status.lost.total()), (2, 3), "{name}");
        assert_eq!(h.visible(), 2, "{name}");
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
            let mut p = output(i as i64, t, 1);
            p.values[1] = text(t);
            sink.write(&[p, output(1000 + i as i64, "calm", 1)]).unwrap();
        }
        let status = sink.close().unwrap();
        assert_eq!((status.delivered, status.lost.total()), (2 * hostile.len() as u64, 0), "{name}");
        assert_eq!(h.visible(), 2 * hostile.len(), "{name}");
    }
}
