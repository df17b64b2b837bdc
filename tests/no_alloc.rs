//! The in-order path allocates nothing (R30): 10 000 segments of an open conversation, both directions, with
//! acknowledgments and timestamps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop at the first surprise

mod support;

use allocation_counter::measure;
use btcdmon::decode::segment::Flags;
use btcdmon::flow::key::{FlowKey, KeyHasher};
use btcdmon::flow::{
    Action, At, Chunk, CloseReason, Config, Conversation, DirectionStats, Gap, PacketIndex, Partition,
};
use btcdmon::flow::{Side, StreamHandler};
use btcdmon::time::Timestamp;
use support::frame::{Ends, Frame};

/// Counts bytes.
#[derive(Default)]
struct Count {
    bytes: u64,
    other: u64,
}

impl StreamHandler for Count {
    type Stream = ();

    fn open(&mut self, _: At, _: &Conversation) {}
    fn established(&mut self, _: At, _: &Conversation, (): &mut ()) {}
    fn data(&mut self, _: At, _: &Conversation, (): &mut (), _: Side, chunk: Chunk<'_>) -> Action {
        self.bytes += chunk.bytes.len() as u64;
        Action::Deliver
    }
    fn gap(&mut self, _: At, _: &Conversation, (): &mut (), _: Side, _: Gap) -> Action {
        self.other += 1;
        Action::Deliver
    }
    fn half_closed(&mut self, _: At, _: &Conversation, (): &mut (), _: Side) {
        self.other += 1;
    }
    fn closed(&mut self, _: At, _: &Conversation, (): &mut (), _: CloseReason) {
        self.other += 1;
    }
    fn revived(&mut self, _: At, _: &Conversation, (): &mut ()) {
        self.other += 1;
    }
    fn progress(&mut self, _: At, _: &Conversation, (): &mut (), _: &[DirectionStats; 2]) {}
}

struct Feeder {
    partition: Partition<Count>,
    hasher: KeyHasher,
    index: u64,
}

impl Feeder {
    fn feed(&mut self, frame: &Frame) {
        self.index += 1;
        let at = At { index: PacketIndex(self.index), time: Timestamp::from_nanos(self.index as i64 * 100_000) };
        let segment = frame.segment();
        let (key, side) = FlowKey::of(&segment);
        let hash = self.hasher.hash(&key);
        self.partition.segment(at, hash, &key, side, &segment);
        if self.index.is_multiple_of(1000) {
            self.partition.tick(at);
        }
    }
}

#[test]
fn ten_thousand_segments_in_order_allocate_nothing() {
    let config = Config { service_ports: vec![8333].into(), ..Config::default() };
    let mut feeder =
        Feeder { partition: Partition::new(Count::default(), config), hasher: KeyHasher::fixed(), index: 0 };
    let ends = Ends::new([50_000, 8333], 1, false);
    // One frame for each end, changed in place.
    let mut frames = [Frame::new(ends.a, ends.b), Frame::new(ends.b, ends.a)];
    let mut sent = [u32::MAX - 1_000_000, 77];
    for (k, flags) in [(0, Flags::SYN), (1, Flags::SYN | Flags::ACK)] {
        frames[k].flags = flags;
        frames[k].seq = sent[k];
        frames[k].ack = sent[1 - k].wrapping_add(1);
        feeder.feed(&frames[k]);
        sent[k] = sent[k].wrapping_add(1);
        frames[k].payload = vec![b'x'; 1460];
        frames[k].flags = Flags::ACK;
    }
    let mut exchange = |feeder: &mut Feeder, n: usize| {
        for i in 0..n {
            let k = i % 2;
            frames[k].seq = sent[k];
            frames[k].ack = sent[1 - k];
            frames[k].tsval = Some(feeder.index as u32);
            feeder.feed(&frames[k]);
            sent[k] = sent[k].wrapping_add(1460);
        }
    };
    exchange(&mut feeder, 10);
    let before = feeder.partition.handler.bytes;
    let used = measure(|| exchange(&mut feeder, 10_000));
    assert_eq!(feeder.partition.handler.bytes - before, 14_600_000);
    assert_eq!(feeder.partition.handler.other, 0);
    assert_eq!((used.count_total, used.bytes_total), (0, 0));
    // The counter counts: a segment beyond a hole is copied.
    frames[0].seq = sent[0].wrapping_add(5);
    let used = measure(|| feeder.feed(&frames[0]));
    assert!(used.bytes_total >= 1460);
}
