//! The clock of the machine is set back while the sensor runs: intervals go on from there, and no figure is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use btcdmon::app::batch::BatchLimits;
use btcdmon::app::stage::{Consumer, Finished, Settings, Stages};
use btcdmon::capture::{Dropped, Frame, Options, PacketSource as _, Replay};
use btcdmon::flow::key::KeyHasher;
use btcdmon::flow::{Checksums, Limits};
use btcdmon::message::transport::Magics;
use btcdmon::node::{Config, Output, SeenMessage};
use btcdmon::series::{Point, SERIES, Value, id};
use btcdmon::time::{SECOND, Timestamp};
use std::path::Path;

#[derive(Default)]
struct Points {
    all: Vec<Point>,
    messages: usize,
}

impl Consumer for Points {}

impl Output for Points {
    fn message(&mut self, _: &SeenMessage<'_>) {
        self.messages += 1;
    }

    fn point(&mut self, point: Point) {
        self.all.push(point);
    }

    fn interval(&mut self, points: Vec<Point>) {
        self.all.extend(points);
    }
}

impl Points {
    /// Times of the points of the sensor, s, and one of their columns.
    fn sensor(&self, column: &str) -> Vec<(i64, i64)> {
        let n = SERIES[id::SENSOR].columns.iter().position(|c| c.name == column).unwrap();
        let value = |p: &Point| match p.values[n] {
            Value::Integer(v) => v,
            _ => panic!("{column}"),
        };
        self.all.iter().filter(|p| p.series == id::SENSOR).map(|p| (p.time.nanos() / SECOND, value(p))).collect()
    }
}

/// A recording whose clock is set back by `step` seconds after `after` seconds, run by `workers`.
fn run(step: i64, after: i64, workers: usize) -> Finished<Points> {
    let ports: std::sync::Arc<[u16]> = [8333, 18_444].into();
    let settings = Settings {
        ports: ports.clone(),
        magics: Magics::new(&[]),
        digests: true,
        checksums: Checksums::Auto,
        limits: Limits::default(),
        node: Config { nodes: vec!["10.88.0.2".parse().unwrap()], interval: SECOND, ports, learn: SECOND },
        workers,
        batches: BatchLimits::default(),
        hasher: KeyHasher::fixed(),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/btcd-v1/capture.pcap.zst");
    let mut source = Replay::open(&[path], Options::default()).unwrap();
    let mut stages = Stages::new(&settings, Points::default()).unwrap();
    let mut first = None;
    while let Some(frame) = source.next_frame().unwrap() {
        let first: Timestamp = *first.get_or_insert(frame.time);
        let back = if frame.time.since(first) >= after * SECOND { step * SECOND } else { 0 };
        stages.frame(&Frame { time: frame.time.plus(-back), ..frame }, Dropped::default());
    }
    stages.finish(Dropped::default()).unwrap()
}

#[test]
fn set_back_by_an_hour() {
    let whole = run(0, 0, 0);
    for workers in [0, 1] {
        let back = run(3600, 20, workers);
        assert_eq!(back.out.messages, whole.out.messages);
        let bytes = |f: &Finished<Points>| serde_json::to_value(f.report.nodes[0].bandwidth).unwrap();
        assert_eq!(bytes(&back), bytes(&whole));
        let steps = back.out.sensor("clock_steps");
        assert_eq!(steps.last().unwrap().1, 1, "told, and told once");
        // A point a second before the step and again soon after it, an hour earlier.
        let jump = steps.windows(2).position(|w| w[1].0 < w[0].0).expect("the points go back too");
        let (before, after) = steps.split_at(jump + 1);
        assert!((18..=21).contains(&before.len()), "{before:?}");
        // The point that closes the capture follows within the last second.
        let (closing, running) = after.split_last().unwrap();
        assert!(running.len() >= 18 && running.windows(2).all(|w| w[1].0 > w[0].0), "{after:?}");
        assert!(closing.0 >= running[running.len() - 1].0, "{after:?}");
        assert!((3570..=3600).contains(&(before.last().unwrap().0 - after[0].0)), "{:?} {:?}", before.last(), after[0]);
        // Cumulative counters do not fall.
        let frames = back.out.sensor("frames");
        assert!(frames.windows(2).all(|w| w[1].1 >= w[0].1));
        assert_eq!(frames.last().unwrap().1, 2420);
    }
    // Less than the disorder of frames is no step.
    let little = run(2, 20, 0);
    assert_eq!((little.out.messages, little.out.sensor("clock_steps").last().unwrap().1), (whole.out.messages, 0));
}
