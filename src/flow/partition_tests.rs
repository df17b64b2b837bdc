//! The table's lists and the partition's accounting, from the inside.

use super::super::anomaly::CloseReason;
use super::super::handler::{Action, Chunk, Conversation, DirectionStats, Gap};
use super::super::key::KeyHasher;
use super::*;
use crate::decode::seq::SeqNum;
use crate::time::{SECOND, Timestamp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Remembers which conversations were opened and how they ended.
#[derive(Default)]
struct Log {
    open: Vec<u64>,
    closed: Vec<(u64, CloseReason)>,
    progress: Vec<(u64, [DirectionStats; 2])>,
}

impl StreamHandler for Log {
    type Stream = ();

    fn open(&mut self, _: At, c: &Conversation) {
        self.open.push(c.id.0);
    }
    fn established(&mut self, _: At, _: &Conversation, (): &mut ()) {}
    fn data(&mut self, _: At, _: &Conversation, (): &mut (), _: Side, _: Chunk<'_>) -> Action {
        Action::Deliver
    }
    fn gap(&mut self, _: At, _: &Conversation, (): &mut (), _: Side, _: Gap) -> Action {
        Action::Deliver
    }
    fn half_closed(&mut self, _: At, _: &Conversation, (): &mut (), _: Side) {}
    fn closed(&mut self, _: At, c: &Conversation, (): &mut (), reason: CloseReason) {
        self.closed.push((c.id.0, reason));
    }
    fn revived(&mut self, _: At, _: &Conversation, (): &mut ()) {}
    fn progress(&mut self, _: At, c: &Conversation, (): &mut (), stats: &[DirectionStats; 2]) {
        self.progress.push((c.id.0, *stats));
    }
}

struct Bench {
    partition: Partition<Log>,
    hasher: KeyHasher,
    index: u64,
    now: i64,
}

fn segment(port: u16, flags: u8, seq: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        src_ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        dst_ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        src_port: port,
        dst_port: 8333,
        seq: SeqNum(seq),
        ack: SeqNum(0),
        flags: Flags(flags),
        window: 100,
        window_scale: None,
        tsval: None,
        checksum: 0,
        ip_id: 0,
        ip_len: 40 + payload.len() as u32,
        payload_len: payload.len() as u32,
        payload,
        checksummed: &[],
    }
}

impl Bench {
    fn new(conversations: usize) -> Self {
        let mut config = Config { service_ports: vec![8333].into(), ..Config::default() };
        config.limits.conversations = conversations;
        let partition = Partition::new(Log::default(), config);
        Self { partition, hasher: KeyHasher::fixed(), index: 0, now: 1_000 * SECOND }
    }

    fn at(&self) -> At {
        At { index: PacketIndex(self.index), time: Timestamp::from_nanos(self.now) }
    }

    fn feed(&mut self, s: &Segment<'_>) {
        self.index += 1;
        let (key, side) = FlowKey::of(s);
        self.partition.segment(self.at(), self.hasher.hash(&key), &key, side, s);
        self.check();
    }

    fn tick(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
        let at = self.at();
        self.partition.tick(at);
        self.check();
    }

    /// What is accounted for is what is held, and every conversation stands in the list of its state.
    fn check(&self) {
        let p = &self.partition;
        let held: usize = p.table.ids().filter_map(|id| p.table.get(id)).map(held_bytes).sum();
        assert_eq!(p.held_bytes(), held);
        assert!(p.conversations() <= p.config.limits.conversations);
        assert_eq!(p.table.ids().count(), p.table.len());
    }
}

const DATA: u8 = Flags::ACK;

#[test]
fn r21_oldest_of_each_list() {
    let mut b = Bench::new(100);
    for port in 1..=3 {
        b.feed(&segment(port, Flags::SYN, 0, b""));
        b.feed(&segment(port + 10, DATA, 0, b"x"));
        b.now += SECOND;
    }
    let oldest = |b: &Bench, list| {
        let t = &b.partition.table;
        t.oldest(list).and_then(|(id, _)| t.get(id)).map(|f| f.conversation.endpoints[0].port())
    };
    assert_eq!((oldest(&b, List::Embryonic), oldest(&b, List::Open)), (Some(1), Some(11)));
    b.feed(&segment(11, DATA, 1, b"y"));
    assert_eq!(oldest(&b, List::Open), Some(12));
    b.feed(&segment(1, DATA, 1, b"z")); // 1 is open now
    assert_eq!((oldest(&b, List::Embryonic), oldest(&b, List::Open)), (Some(2), Some(12)));
    b.feed(&segment(12, Flags::RST, 1, b""));
    assert_eq!((oldest(&b, List::Closed), oldest(&b, List::Open)), (Some(12), Some(13)));
    assert_eq!(oldest(&b, List::Closing), None);
    b.feed(&segment(13, DATA | Flags::FIN, 1, b""));
    assert_eq!((oldest(&b, List::Closing), oldest(&b, List::Open)), (Some(13), Some(11)));
}

#[test]
fn r20_r21_random_life_keeps_the_lists_whole() {
    let mut b = Bench::new(16);
    let mut state = 7_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for _ in 0..20_000 {
        let port = 1 + below(40) as u16;
        let flags = [Flags::SYN, DATA, DATA, DATA | Flags::FIN, Flags::RST][below(5) as usize];
        let seq = (below(20) as u32).wrapping_sub(3);
        let mut s = segment(port, flags, seq, &b"0123456789"[..below(11) as usize]);
        s.ip_id = below(1000) as u16;
        s.ack = SeqNum(below(20) as u32);
        if below(3) == 0 {
            (s.src_ip, s.dst_ip, s.src_port, s.dst_port) = (s.dst_ip, s.src_ip, s.dst_port, s.src_port);
        }
        b.feed(&s);
        b.now += below(SECOND as u64) as i64;
        if below(10) == 0 {
            b.tick(below(40) as i64);
        }
        let t = &b.partition.table;
        let listed: usize = List::ALL.iter().map(|&l| t.walk(l).len()).sum();
        assert_eq!(listed, t.len());
        for l in List::ALL {
            let times: Vec<_> =
                t.walk(l).iter().map(|&(id, moved)| (moved, t.get(id).map(|f| List::of(f.state)))).collect();
            assert!(times.windows(2).all(|w| w[0].0 <= w[1].0), "from the longest unseen on");
            assert!(times.iter().all(|x| x.1 == Some(l)), "in the list of its state");
        }
    }
    let at = b.at();
    b.partition.finish(at);
    let log = &b.partition.handler;
    assert_eq!(log.open.len(), log.closed.len() - revivals(&log.closed), "each is closed once, or once more");
    assert_eq!(b.partition.held_bytes(), 0);
}

/// Closings of conversations that had been closed before.
fn revivals(closed: &[(u64, CloseReason)]) -> usize {
    let mut ids: Vec<_> = closed.iter().map(|c| c.0).collect();
    ids.sort_unstable();
    ids.windows(2).filter(|w| w[0] == w[1]).count()
}

#[test]
fn r47_lists_between_ticks_stay_bounded() {
    let mut b = Bench::new(8);
    // Ever new connections on one tuple, each with a hole, and never a tick.
    for k in 0..5_000_u32 {
        let isn = k.wrapping_mul(1_000_000);
        b.feed(&segment(1, Flags::SYN, isn, b""));
        b.feed(&segment(1, DATA, isn.wrapping_add(100), b"held"));
    }
    assert!(b.partition.dirty.len() <= 17 && b.partition.waiting.len() <= 17);
    // The present one is still known to both.
    let id = PacketIndex(*b.partition.handler.open.last().unwrap());
    assert!(b.partition.dirty.iter().any(|e| e.1 == id) && b.partition.waiting.iter().any(|e| e.1 == id));
}

#[test]
fn r47_reuse_frees_what_was_held() {
    let mut b = Bench::new(8);
    b.feed(&segment(1, Flags::SYN, 0, b""));
    b.feed(&segment(1, DATA, 100, b"held"));
    assert!(b.partition.held_bytes() > 4);
    b.feed(&segment(1, Flags::SYN, 77_777, b""));
    assert_eq!(b.partition.held_bytes(), 0);
}

#[test]
fn r20_a_hole_does_not_keep_a_silent_conversation() {
    let mut b = Bench::new(8);
    b.feed(&segment(1, DATA, 0, b"a"));
    b.feed(&segment(1, DATA, 5, b"z"));
    // An acknowledgment of the direction was seen: age alone gives the hole up no more.
    let mut ack = segment(1, DATA, 0, b"");
    (ack.src_ip, ack.dst_ip, ack.src_port, ack.dst_port) = (ack.dst_ip, ack.src_ip, 8333, 1);
    ack.ack = SeqNum(1);
    b.feed(&ack);
    for _ in 0..1799 {
        b.tick(1);
    }
    assert_eq!(b.partition.handler.closed, []);
    b.tick(1);
    assert_eq!(b.partition.handler.closed, [(1, CloseReason::IdleTimeout)]);
    // The figures of the last flush are told too.
    let (_, stats) = b.partition.handler.progress.last().unwrap();
    assert_eq!((stats[0].payload_bytes, stats[0].gap_bytes), (2, 4));
}

#[test]
fn r45_times_at_the_ends_of_the_range() {
    let mut b = Bench::new(8);
    for now in [i64::MIN, 5, i64::MAX, -5, i64::MIN] {
        b.now = now;
        b.feed(&segment(1, DATA, 0, b"a"));
        b.feed(&segment(1, DATA, 9, b"a"));
        let at = b.at();
        b.partition.tick(at);
    }
    assert_eq!(b.partition.conversations(), 1);
}

#[test]
fn r10_key_is_symmetric_and_tells_families_apart() {
    let s = segment(7, DATA, 0, b"");
    let mut back = s;
    (back.src_ip, back.dst_ip, back.src_port, back.dst_port) = (s.dst_ip, s.src_ip, s.dst_port, s.src_port);
    let ((key, side), (key2, side2)) = (FlowKey::of(&s), FlowKey::of(&back));
    assert_eq!((key, side), (key2, side2.other()));
    let h = KeyHasher::fixed();
    assert_eq!(h.hash(&key), KeyHasher::fixed().hash(&key2));
    let mut v6 = s;
    v6.src_ip = IpAddr::V6(Ipv6Addr::from_bits(10 << 24 | 1));
    v6.dst_ip = IpAddr::V6(Ipv6Addr::from_bits(10 << 24 | 2));
    assert_ne!(FlowKey::of(&v6).0, key);
    assert_eq!(FlowKey::of(&v6).0.endpoints()[0].ip(), v6.src_ip);
    let mut other_port = s;
    other_port.src_port = 8;
    assert_ne!(FlowKey::of(&other_port).0, key);
}
