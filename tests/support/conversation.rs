//! Random conversations and what a network, a mirror port or an attacker does to them.
//!
//! Time between segments is 10 ms; everything that moves a segment moves it by less than 100 ms, so that the
//! grace of a hole (250 ms, 64 segments) is never used up.

use super::frame::{Ends, Frame};
use super::recorder::From;
use btcdmon::decode::segment::Flags;

const MS: i64 = 1_000_000;

/// A small generator of numbers: the same seed, the same numbers (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn from(&mut self) -> From {
        if self.one_in(2) { From::A } else { From::B }
    }
}

/// What is done to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Cuts segments into up to this many.
    Split(u8),
    /// Sends segments again, some at once as equal frames, some later.
    Dup,
    /// Sends segments again with other bytes.
    DupAltered,
    /// Sends parts of the stream again with other boundaries.
    ShiftOverlap,
    /// Captures segments up to 30 ms late.
    Shuffle,
    /// Loses segments before the receiver; they come again.
    Drop,
    /// Loses segments in the capture only: the receiver acknowledges them.
    DropAcked,
    /// Captures acknowledgments up to 50 ms before the data they cover.
    SwapAckData,
    /// Inserts data with an old timestamp.
    ChaffOldTs,
    /// Inserts data far from the window.
    ChaffBadSeq,
    /// Sends SYN and SYN-ACK again.
    ChaffSyn,
    /// Inserts RSTs far from the window.
    ChaffRst,
}

/// A segment before sequence numbers are put in.
#[derive(Clone, Debug)]
pub struct Item {
    pub time: i64,
    pub from: From,
    pub flags: u8,
    pub offset: i64,
    pub payload: Vec<u8>,
    pub ack: i64,
    pub tsval: Option<u32>,
    pub ip_id: u16,
    /// An acknowledgment whose number is worked out last, and by how much it is captured early.
    early: Option<i64>,
    /// Never reached the capture.
    lost: bool,
    /// Never reached the receiver, or it does not take it.
    refused: bool,
}

/// Both streams and the segments that carry them.
#[derive(Clone, Debug)]
pub struct Dialogue {
    pub streams: [Vec<u8>; 2],
    pub items: Vec<Item>,
}

impl Dialogue {
    /// A whole conversation with streams of these lengths.
    pub fn new(lengths: [usize; 2], random: &mut Random) -> Self {
        let streams = lengths.map(|n| (0..n).map(|_| random.next() as u8).collect::<Vec<u8>>());
        let mut d = Self { streams, items: Vec::new() };
        d.push(0, From::A, Flags::SYN, -1, Vec::new());
        d.push(MS, From::B, Flags::SYN | Flags::ACK, -1, Vec::new());
        d.push(2 * MS, From::A, Flags::ACK, 0, Vec::new());
        let mut time = 10 * MS;
        let mut sent = [0; 2];
        while (0..2).any(|k| sent[k] < d.streams[k].len()) {
            let from = random.from();
            let (k, stream) = (from as usize, &d.streams[from as usize]);
            let most = if random.one_in(4) { 20 } else { 1460 };
            let n = (1 + random.below(most) as usize).min(stream.len() - sent[k]);
            time += 10 * MS;
            if n > 0 {
                let payload = stream[sent[k]..sent[k] + n].to_vec();
                d.push(time, from, Flags::ACK, sent[k] as i64, payload);
                sent[k] += n;
            }
            if random.one_in(2) {
                d.push_ack(time + 2 * MS, from.other());
            }
        }
        for (k, from) in [(0, From::A), (1, From::B)] {
            time += 100 * MS;
            d.push(time, from, Flags::ACK | Flags::FIN, lengths[k] as i64, Vec::new());
        }
        d
    }

    fn push(&mut self, time: i64, from: From, flags: u8, offset: i64, payload: Vec<u8>) {
        // One tick is 500 ms: nothing here is late by more than one.
        let tsval = Some(1_000_000 + (time / (500 * MS)) as u32);
        let ip_id = self.items.len() as u16;
        let (early, lost, refused) = (None, false, false);
        self.items.push(Item { time, from, flags, offset, payload, ack: 0, tsval, ip_id, early, lost, refused });
    }

    fn push_ack(&mut self, time: i64, from: From) {
        self.push(time, from, Flags::ACK, 0, Vec::new());
        if let Some(i) = self.items.last_mut() {
            i.early = Some(0);
        }
    }

    fn data(&self) -> Vec<usize> {
        (0..self.items.len()).filter(|&i| !self.items[i].payload.is_empty() && !self.items[i].refused).collect()
    }

    /// Adds a segment with the identification of its own.
    fn add(&mut self, mut item: Item) {
        item.ip_id = self.items.len() as u16;
        self.items.push(item);
    }

    /// Does `mutation`.
    pub fn mutate(&mut self, mutation: Mutation, random: &mut Random) {
        match mutation {
            Mutation::Split(n) => self.split(n, random),
            Mutation::ShiftOverlap => self.shift_overlap(random),
            Mutation::Shuffle => {
                for i in self.items.iter_mut().filter(|i| i.flags & Flags::SYN == 0 && i.time > 5 * MS) {
                    i.time += random.below(30) as i64 * MS;
                }
            }
            Mutation::SwapAckData => {
                for i in &mut self.items {
                    i.early = i.early.map(|_| random.below(50) as i64 * MS);
                }
            }
            Mutation::ChaffOldTs | Mutation::ChaffBadSeq | Mutation::ChaffSyn | Mutation::ChaffRst => {
                self.chaff(mutation, random);
            }
            Mutation::Dup | Mutation::DupAltered | Mutation::Drop | Mutation::DropAcked => {
                for i in self.data() {
                    if random.one_in(5) {
                        self.again(i, mutation, random);
                    }
                }
            }
        }
    }

    fn again(&mut self, i: usize, mutation: Mutation, random: &mut Random) {
        let mut item = self.items[i].clone();
        match mutation {
            Mutation::Dup if random.one_in(2) => {
                item.time += random.below(5) as i64 * MS;
                self.items.push(item); // the same frame, mirrored twice
            }
            Mutation::Dup => {
                item.time += 50 * MS + random.below(2000) as i64 * MS;
                self.add(item);
            }
            Mutation::DupAltered => {
                // Later than the original by more than anything moves a segment.
                item.time += 120 * MS;
                for b in &mut item.payload {
                    *b ^= 0x5a;
                }
                self.add(item);
            }
            Mutation::Drop => {
                self.items[i].time += 60 * MS;
                self.items[i].ip_id ^= 0x8000;
            }
            _ => self.items[i].lost = true,
        }
    }

    fn split(&mut self, n: u8, random: &mut Random) {
        for i in self.data() {
            for _ in 1..n {
                let len = self.items[i].payload.len();
                if len < 2 {
                    break;
                }
                let at = 1 + random.below(len as u64 - 1) as usize;
                let mut tail = self.items[i].clone();
                tail.payload = self.items[i].payload.split_off(at);
                tail.offset += at as i64;
                self.add(tail);
            }
        }
    }

    fn shift_overlap(&mut self, random: &mut Random) {
        for i in self.data() {
            let item = &self.items[i];
            let stream = &self.streams[item.from as usize];
            if random.one_in(4) && !item.lost {
                let start = (item.offset as u64).saturating_sub(random.below(300)) as usize;
                let end = (start + 1 + random.below(600) as usize).min(stream.len());
                if start < end {
                    let mut again = item.clone();
                    again.time += random.below(40) as i64 * MS;
                    again.offset = start as i64;
                    again.payload = stream[start..end].to_vec();
                    self.add(again);
                }
            }
        }
    }

    fn chaff(&mut self, mutation: Mutation, random: &mut Random) {
        let data = self.data();
        for (k, &i) in data.iter().enumerate() {
            if !random.one_in(8) {
                continue;
            }
            let mut item = self.items[i].clone();
            item.refused = true;
            item.time += MS;
            match mutation {
                Mutation::ChaffOldTs => {
                    let first = data.iter().map(|&i| &self.items[i]).filter(|o| o.from == item.from && o.offset == 0);
                    let known = first.map(|o| o.time).min().unwrap_or(i64::MAX / 2);
                    if item.time < known + 200 * MS {
                        continue;
                    }
                    item.tsval = Some(999_000);
                    item.payload = vec![b'!'; 700];
                }
                Mutation::ChaffBadSeq => {
                    // Each 5 MiB before the last: no three agree.
                    item.offset += (900 - 5 * (k as i64 % 170)) << 20;
                }
                Mutation::ChaffSyn => {
                    item.flags = if item.from == From::A { Flags::SYN } else { Flags::SYN | Flags::ACK };
                    item.offset = -1;
                    item.payload.clear();
                }
                _ => {
                    item.flags = Flags::RST;
                    item.offset += 100 << 20;
                }
            }
            self.add(item);
        }
    }

    /// The bytes of each side that never reach the capture.
    pub fn missing(&self) -> [Vec<bool>; 2] {
        let mut missing = [vec![true; self.streams[0].len()], vec![true; self.streams[1].len()]];
        for i in self.items.iter().filter(|i| !i.lost && !i.refused) {
            let start = i.offset.max(0) as usize;
            missing[i.from as usize][start..start + i.payload.len()].fill(false);
        }
        missing
    }

    /// Puts the acknowledgments in, then everything in the order of capture, without what the capture lost.
    pub fn captured(&self) -> Vec<Item> {
        let mut items = self.items.clone();
        items.sort_by_key(|i| i.time);
        let mut received = [vec![false; self.streams[0].len()], vec![false; self.streams[1].len()]];
        let mut prefix = [0_usize; 2];
        for item in &mut items {
            let (me, other) = (item.from as usize, item.from.other() as usize);
            if !item.refused && item.offset >= 0 {
                let start = item.offset as usize;
                received[me][start..start + item.payload.len()].fill(true);
                while prefix[me] < received[me].len() && received[me][prefix[me]] {
                    prefix[me] += 1;
                }
            }
            item.ack = prefix[other] as i64;
            if let Some(early) = item.early {
                item.time = (item.time - early).max(5 * MS);
            }
            // A bare acknowledgment has the number of what its sender sends next.
            if item.payload.is_empty() && item.flags == Flags::ACK {
                item.offset = prefix[me] as i64;
            }
        }
        items.retain(|i| !i.lost);
        items.sort_by_key(|i| i.time);
        items
    }
}

impl Item {
    /// The segment with sequence numbers.
    pub fn frame(&self, ends: Ends, isn: [u32; 2]) -> Frame {
        let (src, dst) = if self.from == From::A { (ends.a, ends.b) } else { (ends.b, ends.a) };
        let mut f = Frame::new(src, dst);
        f.seq = isn[self.from as usize].wrapping_add(1).wrapping_add(self.offset as u32);
        f.flags = self.flags;
        if self.flags & Flags::ACK != 0 {
            f.ack = isn[self.from.other() as usize].wrapping_add(1).wrapping_add(self.ack as u32);
        }
        f.tsval = self.tsval;
        f.ip_id = self.ip_id;
        f.payload.clone_from(&self.payload);
        f
    }
}
