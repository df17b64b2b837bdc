//! What goes wrong beside the traffic: a fault of the program on one connection, a slow or vanished consumer, an
//! end in the middle of a batch.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod corpus;

use btcdmon::app::batch::BatchLimits;
use btcdmon::app::stage::{Consumer, Finished, Settings, Stages};
use btcdmon::app::worker::Handler;
use btcdmon::capture::{Dropped, Frame, LinkType};
use btcdmon::flow::{
    Action, At, Checksums, Chunk, CloseReason, Conversation, DirectionStats, Gap, Side, StreamHandler,
};
use btcdmon::message::connections::Connections;
use btcdmon::message::event::Event;
use btcdmon::node::{Output, SeenMessage};
use btcdmon::series::Point;
use btcdmon::series::sensor::StreamCounters;
use btcdmon::time::Timestamp;
use corpus::run::settings;
use corpus::{Capture, captures};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Messages by peer.
type Counts = BTreeMap<SocketAddr, usize>;

/// Counts messages, may be slow, may have enough of it.
#[derive(Default)]
struct Counting {
    messages: Counts,
    delay: Option<Duration>,
    enough: Option<usize>,
    taken: Arc<AtomicUsize>,
}

impl Output for Counting {
    fn message(&mut self, seen: &SeenMessage<'_>) {
        *self.messages.entry(seen.peer).or_default() += 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
    }
    fn point(&mut self, _: Point) {}
    fn interval(&mut self, _: Vec<Point>) {}
}

impl Consumer for Counting {
    fn settled(&mut self) {
        if let Some(delay) = self.delay {
            std::thread::sleep(delay);
        }
    }

    fn ended(&self) -> bool {
        self.enough.is_some_and(|n| self.taken.load(Ordering::Relaxed) >= n)
    }
}

/// Fails on data of one peer.
struct Faulty(Connections, SocketAddr);

impl StreamHandler for Faulty {
    type Stream = <Connections as StreamHandler>::Stream;

    fn open(&mut self, at: At, c: &Conversation) -> Self::Stream {
        self.0.open(at, c)
    }
    fn established(&mut self, at: At, c: &Conversation, s: &mut Self::Stream) {
        self.0.established(at, c, s);
    }
    fn data(&mut self, at: At, c: &Conversation, s: &mut Self::Stream, side: Side, chunk: Chunk<'_>) -> Action {
        assert!(!c.endpoints.contains(&self.1) || chunk.offset < 100, "a fault of the program, on purpose");
        self.0.data(at, c, s, side, chunk)
    }
    fn gap(&mut self, at: At, c: &Conversation, s: &mut Self::Stream, side: Side, gap: Gap) -> Action {
        self.0.gap(at, c, s, side, gap)
    }
    fn missing(&mut self, gap: &Gap) {
        self.0.missing(gap);
    }
    fn half_closed(&mut self, at: At, c: &Conversation, s: &mut Self::Stream, side: Side) {
        self.0.half_closed(at, c, s, side);
    }
    fn closed(&mut self, at: At, c: &Conversation, s: &mut Self::Stream, reason: CloseReason) {
        self.0.closed(at, c, s, reason);
    }
    fn revived(&mut self, at: At, c: &Conversation, s: &mut Self::Stream) {
        self.0.revived(at, c, s);
    }
    fn progress(&mut self, at: At, c: &Conversation, s: &mut Self::Stream, stats: &[DirectionStats; 2]) {
        // The figures fail as well, at a tick.
        assert!(!c.endpoints.contains(&self.1) || stats[0].packets < 5, "another fault, on purpose");
        self.0.progress(at, c, s, stats);
    }
}

impl Handler for Faulty {
    fn has_events(&self) -> bool {
        Handler::has_events(&self.0)
    }
    fn take_events(&mut self, into: &mut Vec<Event>) {
        self.0.take_events(into);
    }

    fn swap_events(&mut self, events: &mut Vec<Event>) {
        self.0.swap_events(events);
    }
    fn count_into(&self, counters: &mut StreamCounters) {
        self.0.count_into(counters);
    }
}

fn feed<H: Handler>(stages: &mut Stages<Counting, H>, capture: &Capture, upto: usize) {
    for p in &capture.packets[..upto] {
        if stages.ended() {
            break;
        }
        let time = Timestamp::from_nanos(p.time);
        let frame = Frame { time, link: LinkType(p.link), interface: 0, wire_len: p.wire_len, data: &p.data };
        stages.frame(&frame, Dropped::default());
    }
}

fn with(workers: usize, batches: BatchLimits) -> Settings {
    // With the node given, messages come out at once.
    Settings { workers, batches, ..settings(Some("10.88.0.2"), Checksums::Auto) }
}

fn whole(capture: &Capture, workers: usize) -> Finished<Counting> {
    let mut stages = Stages::new(&with(workers, BatchLimits::default()), Counting::default()).unwrap();
    feed(&mut stages, capture, capture.packets.len());
    stages.finish(Dropped::default()).unwrap()
}

#[test]
fn a_fault_on_one_connection_takes_no_other_along() {
    let capture = &captures()[0];
    let sound = whole(capture, 0).out.messages;
    let (&victim, _) = sound.iter().max_by_key(|(_, n)| **n).unwrap();
    let mut results = Vec::new();
    for workers in [0, 1, 3] {
        let settings = with(workers, BatchLimits::default());
        let mut stages =
            Stages::with_handlers(&settings, Counting::default(), || Faulty(settings.handler(), victim)).unwrap();
        feed(&mut stages, capture, capture.packets.len());
        let Finished { report, out } = stages.finish(Dropped::default()).unwrap();
        let tcp = &report.capture.tcp_anomalies;
        assert_eq!(tcp.get("contained_panic"), Some(&1), "{workers} workers");
        assert!(tcp["quarantined_segment"] > 10, "{workers} workers: {tcp:?}");
        for (peer, n) in &sound {
            let found = out.messages.get(peer).copied().unwrap_or(0);
            assert!(if *peer == victim { found < *n } else { found == *n }, "{peer}: {found} of {n} messages");
        }
        results.push((out.messages, serde_json::to_string(&report).unwrap()));
    }
    assert!(results.windows(2).all(|w| w[0] == w[1]), "any number of workers contains it the same way");
}

#[test]
fn a_slow_consumer_loses_nothing() {
    let capture = &captures()[0];
    let sound = whole(capture, 0);
    for workers in [1, 3] {
        let batches = BatchLimits { items: 20, ..BatchLimits::default() };
        let out = Counting { delay: Some(Duration::from_millis(2)), ..Counting::default() };
        let mut stages = Stages::new(&with(workers, batches), out).unwrap();
        feed(&mut stages, capture, capture.packets.len());
        let slow = stages.finish(Dropped::default()).unwrap();
        assert_eq!(slow.out.messages, sound.out.messages, "{workers} workers");
    }
}

#[test]
fn an_end_in_the_middle_of_a_batch_brings_everything_to_its_end() {
    let capture = &captures()[0];
    for upto in [0, 1, 7, 100, 777, capture.packets.len() - 1] {
        let mut results = Vec::new();
        for workers in [0, 1, 2, 8] {
            let mut stages = Stages::new(&with(workers, BatchLimits::default()), Counting::default()).unwrap();
            feed(&mut stages, capture, upto);
            let Finished { report, out } = stages.finish(Dropped::default()).unwrap();
            assert_eq!(report.capture.frames, upto as u64);
            results.push((out.messages, serde_json::to_string(&report).unwrap()));
        }
        assert!(results.windows(2).all(|w| w[0] == w[1]), "{upto} frames");
    }
}

#[test]
fn stages_that_were_given_no_frame_end() {
    for workers in [0, 1, 8] {
        let stages = Stages::new(&with(workers, BatchLimits::default()), Counting::default()).unwrap();
        drop(stages);
        let stages = Stages::new(&with(workers, BatchLimits::default()), Counting::default()).unwrap();
        assert_eq!(stages.finish(Dropped::default()).unwrap().report.capture.frames, 0);
    }
}

#[test]
fn a_consumer_that_has_enough_ends_the_run() {
    let capture = &captures()[0];
    for workers in [0, 2] {
        let out = Counting { enough: Some(10), ..Counting::default() };
        let mut stages = Stages::new(&with(workers, BatchLimits { items: 5, ..BatchLimits::default() }), out).unwrap();
        feed(&mut stages, capture, capture.packets.len());
        assert!(stages.ended(), "{workers} workers");
        let all = whole(capture, 0).out.messages.values().sum::<usize>();
        let taken: usize = stages.finish(Dropped::default()).unwrap().out.messages.values().sum();
        assert!((10..all).contains(&taken), "{workers} workers took {taken} of {all} messages");
    }
}

/// Fails after a while, in the node stage.
struct Exploding(usize);

impl Output for Exploding {
    fn message(&mut self, _: &SeenMessage<'_>) {
        self.0 -= 1;
        assert!(self.0 > 0, "a fault of the program, on purpose");
    }
    fn point(&mut self, _: Point) {}
    fn interval(&mut self, _: Vec<Point>) {}
}

impl Consumer for Exploding {}

#[test]
fn a_node_stage_that_fails_ends_the_run_with_an_error() {
    let capture = &captures()[0];
    for workers in [1, 3] {
        let batches = BatchLimits { items: 10, ..BatchLimits::default() };
        let mut stages = Stages::new(&with(workers, batches), Exploding(20)).unwrap();
        let mut fed = 0;
        for p in &capture.packets {
            if stages.ended() {
                break;
            }
            fed += 1;
            let time = Timestamp::from_nanos(p.time);
            let frame = Frame { time, link: LinkType(p.link), interface: 0, wire_len: p.wire_len, data: &p.data };
            stages.frame(&frame, Dropped::default());
        }
        assert!(fed < capture.packets.len(), "the capture was told");
        assert!(stages.finish(Dropped::default()).is_err());
    }
}
