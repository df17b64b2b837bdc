//! One direction without a conversation around it: wrap, long streams, far segments, holes.

use super::*;
use std::net::{IpAddr, Ipv4Addr};

/// Bytes as told, gaps as runs of `_` (short ones).
#[derive(Default)]
struct Told {
    text: String,
    bytes: u64,
    gaps: Vec<Gap>,
    count: bool,
}

impl Output for Told {
    fn data(&mut self, chunk: Chunk<'_>) -> Action {
        self.bytes += chunk.bytes.len() as u64;
        self.text.push_str(&String::from_utf8_lossy(chunk.bytes));
        if self.count { Action::Count } else { Action::Deliver }
    }

    fn gap(&mut self, gap: Gap) -> Action {
        if gap.len < 100 {
            self.text.extend((0..gap.len).map(|_| '_'));
        }
        self.gaps.push(gap);
        if self.count { Action::Count } else { Action::Deliver }
    }
}

struct Bench {
    half: Half,
    told: Told,
    tally: Tally<Anomaly>,
    limits: Limits,
    now: i64,
}

const ISN: u32 = u32::MAX - 2;

impl Bench {
    fn new() -> Self {
        let mut half = Half::default();
        half.begin(SeqNum(ISN).plus(1));
        Self { half, told: Told::default(), tally: Tally::default(), limits: Limits::default(), now: 0 }
    }

    fn send(&mut self, offset: u64, payload: &[u8], len: u32, flags: u8) {
        let flags = Flags(Flags::ACK | flags);
        let s = Segment { flags, payload_len: len, payload, ..blank(offset) };
        self.half.segment(&s, Timestamp::from_nanos(self.now), &self.limits, &mut self.tally, &mut self.told);
        self.check();
    }

    fn data(&mut self, offset: u64, text: &str) {
        self.send(offset, text.as_bytes(), text.len() as u32, 0);
    }

    fn ack(&mut self, offset: u64) {
        self.half.acknowledged(SeqNum(ISN).plus(1).plus(offset as u32), &mut self.tally);
        self.check();
    }

    fn check(&mut self) {
        self.half.check_hole(Timestamp::from_nanos(self.now), &self.limits, &mut self.told);
    }
}

#[test]
fn r36_stream_beyond_4_gib() {
    let mut b = Bench::new();
    // The capture kept nothing of these: each is 1 MiB on the wire, 5 GiB in all.
    for k in 0..5120_u64 {
        b.send(k << 20, &[], 1 << 20, 0);
        b.ack((k + 1) << 20);
    }
    let end = 5 << 30;
    assert_eq!((b.half.next, b.half.stats.payload_bytes, b.half.stats.gap_bytes), (end, end, end));
    b.data(end + 3, "def");
    b.data(end, "abc");
    assert_eq!(b.told.text, "abcdef");
    assert_eq!(b.half.next, end + 6);
    assert_eq!(b.tally.nonzero().collect::<Vec<_>>(), [(Anomaly::OutOfOrder, 1)]);
}

#[test]
fn r36_wrap_inside_a_segment_and_inside_a_hole() {
    let mut b = Bench::new();
    b.data(4, "ef"); // sequence numbers 2 and 3
    b.data(0, "ab"); // 2³²−2 and 2³²−1
    b.data(1, "bcd"); // 2³²−1 to 1
    assert_eq!(b.told.text, "abcdef");
}

#[test]
fn r37_the_limit_of_far() {
    for (offset, far) in [(FAR as u64, false), (FAR as u64 + 1, true)] {
        let mut b = Bench::new();
        b.data(offset, "x");
        assert_eq!(b.tally.get(Anomaly::OutsideWindow), u64::from(far));
        assert_eq!(b.half.has_hole(), !far);
    }
}

#[test]
fn r37_a_reordered_far_segment_is_no_evidence() {
    let mut b = Bench::new();
    let far = 1 << 30;
    b.data(0, "abc");
    for offset in [far + 200, far + 100, far] {
        b.data(offset, "x");
    }
    assert_eq!(b.tally.get(Anomaly::OutsideWindow), 3);
    b.data(far + 50, "y");
    b.data(far + 60, "z");
    // far, far + 50, far + 60 follow one another.
    assert_eq!(b.told.gaps.len(), 1);
    assert_eq!((b.told.gaps[0].len, b.told.gaps[0].cause), (far + 60 - 3, GapCause::Resync));
    assert_eq!(b.told.text, "abcz");
}

#[test]
fn r37_resync_gives_up_what_was_held() {
    let mut b = Bench::new();
    b.data(2, "cd");
    for k in 0..3 {
        b.data((1 << 30) + k, "z");
    }
    let gaps: Vec<_> = b.told.gaps.iter().map(|g| (g.offset, g.len, g.known)).collect();
    assert_eq!(gaps, [(0, 2, true), (4, (1 << 30) + 2 - 4, true)]);
    assert_eq!(b.told.text, "__cdz");
}

#[test]
fn r37_resync_backwards_keeps_offsets_growing() {
    let mut b = Bench::new();
    b.send(0, &[], 1 << 24, 0);
    b.send(1 << 24, &[], 1 << 24, 0);
    for k in 0..4 {
        b.data(k, "z");
    }
    let last = *b.told.gaps.last().unwrap();
    assert_eq!((last.offset, last.len, last.known), (1 << 25, 0, false));
    // The third far one was taken, and the fourth follows it.
    assert_eq!((b.half.next, b.told.text.as_str()), ((1 << 25) + 2, "zz"));
}

#[test]
fn r41_r18_acknowledged_fin_then_fin_ends_the_hole() {
    let mut b = Bench::new();
    b.data(0, "abc");
    b.ack(4);
    assert!(!b.half.has_hole(), "the one number may be that of a FIN");
    b.send(3, &[], 0, Flags::FIN);
    assert!(b.half.finished && !b.half.has_hole());
    b.now = 300_000_000;
    b.check(); // once an endless loop
    assert_eq!(b.told.gaps, []);
}

#[test]
fn r40_the_acknowledged_number_of_a_fin_becomes_a_hole_when_data_follows() {
    let mut b = Bench::new();
    b.data(0, "abc");
    b.ack(4);
    b.now = 1_000_000_000;
    b.data(4, "efg");
    assert_eq!(b.told.text, "abc", "the hole has its grace from when it is one");
    b.now = 1_250_000_000;
    b.check();
    assert_eq!(b.told.text, "abc_efg");
}

#[test]
fn r40_the_limits_of_the_grace() {
    let mut b = Bench::new();
    b.data(3, "def");
    b.ack(3);
    b.now = b.limits.ack_grace - 1;
    b.check();
    assert_eq!(b.told.text, "");
    b.now += 1;
    b.check();
    assert_eq!(b.told.text, "___def");
}

#[test]
fn r42_caps_hold_after_every_segment() {
    let mut b = Bench::new();
    (b.limits.held_bytes, b.limits.held_segments) = (1000, 5);
    for k in 0..200_u64 {
        b.send(3 + 7 * ((k * 37) % 150), b"abcd", 4, 0);
        assert!(b.half.ooo.allocated() <= 1000 && b.half.ooo.segments() <= 5);
    }
    assert!(b.told.gaps.iter().all(|g| g.cause == GapCause::BufferCap));
}

#[test]
fn r49_counting_starts_in_the_middle_of_a_drain() {
    let mut b = Bench::new();
    b.data(2, "cd");
    b.data(4, "ef");
    b.told.count = true;
    b.data(0, "ab");
    assert_eq!((b.told.text.as_str(), b.half.next, b.half.stats.payload_bytes), ("ab", 6, 6));
    b.data(9, "jk");
    b.data(7, "h");
    b.data(8, "ijk");
    assert_eq!(b.half.ooo.segments(), 1);
    assert_eq!(b.half.ooo.allocated(), super::super::limits::SEGMENT_OVERHEAD);
    b.data(6, "g");
    assert_eq!((b.half.next, b.half.stats.retransmitted_bytes), (11, 2));
    assert_eq!(b.told.text, "ab");
}

#[test]
fn r38_the_newest_timestamp_never_goes_back() {
    let b = &mut Bench::new();
    b.half.tsval = Some(100);
    for (tsval, taken) in [(99, true), (98, false), (100, true), (101, true), (99, false)] {
        let before = b.half.next;
        let s = Segment { tsval: Some(tsval), ..blank(b.half.next) };
        b.half.segment(&s, Timestamp::from_nanos(0), &b.limits, &mut b.tally, &mut b.told);
        assert_eq!(b.half.next > before, taken, "timestamp {tsval}");
    }
}

fn blank(offset: u64) -> Segment<'static> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Segment {
        src_ip: ip,
        dst_ip: ip,
        src_port: 1,
        dst_port: 2,
        seq: SeqNum(ISN).plus(1).plus(offset as u32),
        ack: SeqNum(0),
        flags: Flags(Flags::ACK),
        window: 0,
        window_scale: None,
        tsval: None,
        checksum: 0,
        ip_id: 0,
        ip_len: 41,
        payload_len: 1,
        payload: b"t",
        checksummed: &[],
    }
}
