//! Every overlap of three segments on a grid of six bytes: 21 intervals, 9261 ordered triples, at each of the
//! initial sequence numbers, against a map of bytes in which the first copy to arrive stays (R32, R33, R36).
//!
//! Results for pairs of segments do not predict those for triples; hence all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop at the first surprise

mod support;

use btcdmon::decode::segment::Flags;
use btcdmon::flow::{Anomaly, Config, GapCause};
use support::ISNS;
use support::frame::{Ends, Frame};
use support::recorder::{Event, From};
use support::run::{Runner, START, Variant};

const GRID: usize = 6;

/// What must come out, worked out byte by byte.
#[derive(Default)]
struct Oracle {
    bytes: [Option<u8>; GRID],
    delivered: usize,
    retransmitted: u64,
    conflicts: u64,
}

impl Oracle {
    /// The byte at `offset` of segment `k`: no two segments have an equal byte.
    fn byte(k: usize, offset: usize) -> u8 {
        (k * GRID + offset + 1) as u8
    }

    fn insert(&mut self, k: usize, (start, end): (usize, usize)) {
        let keep_alive = end - start == 1 && end == self.delivered;
        for o in start..end {
            if self.bytes[o].is_none() {
                self.bytes[o] = Some(Self::byte(k, o));
            } else {
                self.retransmitted += u64::from(!keep_alive);
                // What was delivered is not kept for comparison.
                self.conflicts += u64::from(o >= self.delivered);
            }
        }
        while self.delivered < GRID && self.bytes[self.delivered].is_some() {
            self.delivered += 1;
        }
    }

    /// The stream up to `end`; holes are `None`.
    fn stream(&self, end: usize) -> &[Option<u8>] {
        &self.bytes[..end]
    }
}

fn intervals() -> Vec<(usize, usize)> {
    (0..GRID).flat_map(|start| (start + 1..=GRID).map(move |end| (start, end))).collect()
}

/// What the recorder was told, gaps as `None`; a gap must be one of the end.
fn told(runner: &[Event]) -> Vec<Option<u8>> {
    let mut stream = Vec::new();
    for event in runner {
        match event {
            Event::Data { bytes, .. } => stream.extend(bytes.iter().map(|&b| Some(b))),
            Event::Gap { len, cause, .. } => {
                assert_eq!(*cause, GapCause::AtClose);
                stream.extend((0..*len).map(|_| None));
            }
            _ => {}
        }
    }
    stream
}

fn check(triple: [(usize, usize); 3], isn: u32) {
    let context = || format!("{triple:?} at {isn}");
    let ends = Ends::new([50_000, 8333], 1, false);
    let variant = Variant { isn: [isn, 7], start: START, mirrored: false };
    let mut runner = Runner::new(Config::default(), [50_000, 8333], variant);
    let mut syn = Frame::new(ends.a, ends.b);
    (syn.seq, syn.flags) = (isn, Flags::SYN);
    runner.feed(&syn);
    let mut oracle = Oracle::default();
    for (k, (start, end)) in triple.into_iter().enumerate() {
        let mut f = Frame::new(ends.a, ends.b);
        f.seq = isn.wrapping_add(1 + start as u32);
        f.ip_id = k as u16;
        f.payload = (start..end).map(|o| Oracle::byte(k, o)).collect();
        runner.feed(&f);
        oracle.insert(k, (start, end));
        let events: Vec<Event> = runner.partition.handler.events.iter().map(|r| r.event.clone()).collect();
        assert_eq!(told(&events), oracle.stream(oracle.delivered), "{}", context());
    }
    let (recorder, tally) = runner.finish();
    assert!(recorder.faults.is_empty(), "{}: {:?}", context(), recorder.faults);
    let events: Vec<Event> = recorder.events.iter().map(|r| r.event.clone()).collect();
    let last = triple.iter().map(|i| i.1).max().unwrap();
    assert_eq!(told(&events), oracle.stream(last), "{}", context());
    assert_eq!(tally.get(Anomaly::OverlapConflict), oracle.conflicts, "{}", context());
    let stats = recorder.stats.values().next().unwrap()[From::A as usize];
    assert_eq!(stats.retransmitted_bytes, oracle.retransmitted, "{}", context());
    let present = oracle.bytes.iter().flatten().count() as u64;
    assert_eq!((stats.payload_bytes, stats.gap_bytes), (present, last as u64 - present), "{}", context());
}

#[test]
fn all_triples_of_intervals_give_the_first_copy_of_each_byte() {
    let intervals = intervals();
    assert_eq!(intervals.len(), 21);
    for isn in ISNS {
        for &a in &intervals {
            for &b in &intervals {
                for &c in &intervals {
                    check([a, b, c], isn);
                }
            }
        }
    }
}
