//! Runs a script over one partition.

use super::frame::{Ends, Frame};
use super::recorder::{From, Recorder, pattern};
use super::script::{Packet, Payload, Step};
use btcdmon::decode::segment::Flags;
use btcdmon::flow::key::KeyHasher;
use btcdmon::flow::{Anomaly, At, Config, FlowKey, PacketIndex, Partition};
use btcdmon::health::Tally;
use btcdmon::time::Timestamp;
use std::collections::HashMap;

/// What varies without changing the result (I5, I8, I9).
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Initial sequence numbers of both ends.
    pub isn: [u32; 2],
    /// Capture time of the first step, nanoseconds.
    pub start: i64,
    /// Which end has the lower address.
    pub mirrored: bool,
}

/// Default capture time of the first step.
pub const START: i64 = 1_700_000_000_000_000_000;

/// Numbers of one conversation.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    isn: [u32; 2],
    acked: [i64; 2],
    sent: [i64; 2],
}

/// A partition with a clock and a frame counter.
pub struct Runner {
    pub partition: Partition<Recorder>,
    hasher: KeyHasher,
    variant: Variant,
    ports: [u16; 2],
    pub now: i64,
    index: u64,
    ip_id: u16,
    conversations: HashMap<u16, Numbers>,
    last: Option<Frame>,
    held_cap: usize,
}

impl Runner {
    /// A runner for conversations from `ports[0]` on to `ports[1]`.
    pub fn new(config: Config, ports: [u16; 2], variant: Variant) -> Self {
        let recorder = Recorder { first_port: ports[0], ..Recorder::default() };
        let held_cap = config.limits.partition_held_bytes;
        Self {
            partition: Partition::new(recorder, config),
            hasher: KeyHasher::fixed(),
            variant,
            ports,
            now: variant.start,
            index: 0,
            ip_id: 0,
            conversations: HashMap::new(),
            last: None,
            held_cap,
        }
    }

    fn at(&self) -> At {
        At { index: PacketIndex(self.index), time: Timestamp::from_nanos(self.now) }
    }

    /// Hands `frame` to the partition at the present time.
    pub fn feed(&mut self, frame: &Frame) {
        self.index += 1;
        let segment = frame.segment();
        let (key, side) = FlowKey::of(&segment);
        let hash = self.hasher.hash(&key);
        self.partition.segment(self.at(), hash, &key, side, &segment);
        assert!(self.partition.held_bytes() <= self.held_cap, "I3: the cap holds after every segment");
    }

    /// One tick.
    pub fn tick(&mut self) {
        let at = self.at();
        self.partition.tick(at);
    }

    /// Ends the capture; nothing may be held back after it (I3).
    pub fn finish(mut self) -> (Recorder, Tally<Anomaly>) {
        let at = self.at();
        self.partition.finish(at);
        assert_eq!(self.partition.held_bytes(), 0, "I3: nothing is held back after the end");
        assert_eq!(self.partition.conversations(), 0);
        let tally = self.partition.anomalies().clone();
        (self.partition.handler, tally)
    }

    /// Runs `steps`, ends the capture, and returns what was told and counted, as lines.
    pub fn run(mut self, steps: &[Step]) -> Vec<String> {
        for (n, step) in steps.iter().enumerate() {
            self.partition.handler.step = n + 1;
            match step {
                Step::Wait(ns) => self.now += ns,
                Step::Tick => self.tick(),
                Step::Count(number, from) => self.partition.handler.count.push((*number, *from)),
                Step::Dup => {
                    let frame = self.last.clone().expect("a frame before dup");
                    self.feed(&frame);
                }
                Step::Packet(number, from, packet) => self.packet(*number, *from, packet),
            }
        }
        self.partition.handler.step = steps.len() + 1;
        let (recorder, tally) = self.finish();
        assert_eq!(recorder.faults, Vec::<String>::new());
        let mut lines = recorder.lines();
        lines.extend(tally.nonzero().map(|(anomaly, n)| format!("count: {anomaly} {n}")));
        lines
    }

    fn packet(&mut self, number: u16, from: From, p: &Packet) {
        for k in 0..p.times {
            let frame = self.frame(number, from, p, k);
            self.feed(&frame);
            self.last = Some(frame);
        }
    }

    /// The `k`-th segment of `p`.
    fn frame(&mut self, number: u16, from: From, p: &Packet, k: u64) -> Frame {
        let ends = Ends::new(self.ports, number, self.variant.mirrored);
        let isn = self.variant.isn;
        let c = self.conversations.entry(number).or_insert(Numbers { isn, acked: [0; 2], sent: [0; 2] });
        let (me, other) = (from as usize, from.other() as usize);
        if p.move_isn != 0 && k == 0 {
            c.isn[me] = c.isn[me].wrapping_add(p.move_isn);
            c.sent[me] = 0;
            c.acked = [0; 2];
        }
        let (src, dst) = if from == From::A { (ends.a, ends.b) } else { (ends.b, ends.a) };
        let mut f = Frame::new(src, dst);
        let syn = p.flags & Flags::SYN != 0;
        let len = match &p.payload {
            Payload::None => 0,
            Payload::Text(t) => t.len() as u64,
            Payload::Pattern(n) => *n as u64,
        };
        let offset = p.seq.unwrap_or(if syn { 0 } else { c.sent[me] }) + (k * p.stride.unwrap_or(len)) as i64;
        f.payload = match &p.payload {
            Payload::None => Vec::new(),
            Payload::Text(t) => t.clone(),
            Payload::Pattern(_) => (offset as u64..offset as u64 + len).map(pattern).collect(),
        };
        c.sent[me] = c.sent[me].max(offset + len as i64);
        let first = c.isn[me].wrapping_add(1);
        f.seq = first.wrapping_add(offset as u32).wrapping_sub(u32::from(syn));
        f.flags = p.flags;
        if p.flags & (Flags::SYN | Flags::RST) == 0 {
            f.flags |= Flags::ACK;
        }
        if p.no_ack {
            f.flags &= !Flags::ACK;
        }
        if f.flags & Flags::ACK != 0 {
            let acked = p.ack.unwrap_or(c.acked[me]);
            c.acked[me] = acked;
            f.ack = c.isn[other].wrapping_add(1).wrapping_add(acked as u32);
        }
        f.window = p.window.unwrap_or(0xffff);
        f.window_scale = p.window_scale;
        f.tsval = p.tsval;
        self.ip_id = self.ip_id.wrapping_add(1);
        f.ip_id = p.ip_id.unwrap_or(self.ip_id);
        f.captured = p.snap.unwrap_or(usize::MAX);
        f.seal(p.bad)
    }
}
