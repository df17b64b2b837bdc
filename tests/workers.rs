//! I10: how the partitions are shared among workers changes no event.

#![allow(clippy::unwrap_used)] // a test that cannot read its recordings fails

use btcdmon::app::dispatch::Dispatcher;
use btcdmon::app::worker::Worker;
use btcdmon::capture::{Dropped, Options, PacketSource as _, Replay};
use btcdmon::flow::key::KeyHasher;
use btcdmon::flow::partition::PARTITIONS;
use btcdmon::flow::{Checksums, Config, Limits};
use btcdmon::message::event::Event;
use btcdmon::message::transport::Magics;
use std::path::Path;

/// Every event of a recording as text, in frame order; those of one tick by connection.
fn events(name: &str, workers: usize) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).join("capture.pcap.zst");
    let mut source = Replay::open(&[path], Options::default()).unwrap();
    let config = Config {
        limits: Limits::default(),
        checksums: Checksums::Auto,
        service_ports: [8333, 18_333, 18_444, 18_555].into(),
    };
    let magics = Magics::new(&[]);
    let mut workers: Vec<_> = (0..workers).map(|k| Worker::new(k, workers, &config, &magics, true)).collect();
    let mut dispatcher = Dispatcher::new(KeyHasher::fixed());
    let mut all = Vec::new();
    let mut batch: Vec<Event> = Vec::new();
    let mut take = |batch: &mut Vec<Event>| {
        batch.sort_by_key(|e| e.connection); // stable: the order within a connection stays
        all.extend(batch.drain(..).map(|e| format!("{e:?}")));
    };
    while let Some(frame) = source.next_frame().unwrap() {
        for time in dispatcher.ticks(frame.time) {
            let at = dispatcher.at(time);
            for w in &mut workers {
                w.tick(at, &mut batch);
            }
            take(&mut batch);
        }
        if let Some(routed) = dispatcher.dispatch(&frame) {
            let k = routed.partition % workers.len();
            workers[k].segment(&routed, &mut batch);
            take(&mut batch);
        }
    }
    let end = dispatcher.at(dispatcher.now());
    for w in &mut workers {
        w.finish(end, &mut batch);
    }
    take(&mut batch);
    let conversations: u64 = workers.iter().map(|w| w.counters().conversations).sum();
    assert_eq!(conversations, 0, "all are closed at the end");
    assert!(dispatcher.counters(Dropped::default()).used > 0);
    all
}

#[test]
fn i10_any_number_of_workers_gives_the_same_events() {
    for name in ["btcd-v1", "btcd-ipv6", "btcd-v2"] {
        let one = events(name, 1);
        assert!(one.len() > 100, "{name}: {} events", one.len());
        for workers in [2, 3, 8, PARTITIONS] {
            let several = events(name, workers);
            assert_eq!(one.len(), several.len(), "{name}, {workers} workers");
            let first = one.iter().zip(&several).find(|(a, b)| a != b);
            assert_eq!(first, None, "{name}, {workers} workers");
        }
    }
}
