//! Nanoseconds per segment in order through the flow stage: `cargo bench --bench reassembly`.

use btcdmon::decode::{Flags, Segment, SeqNum};
use btcdmon::flow::handler::{At, Chunk, Conversation, DirectionStats, Gap};
use btcdmon::flow::key::{FlowKey, KeyHasher, Side};
use btcdmon::flow::{Action, Checksums, CloseReason, Config, PacketIndex, Partition, StreamHandler};
use btcdmon::time::Timestamp;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

/// Segments a round: long enough that the clock does not matter.
const SEGMENTS: u32 = 1_000_000;
/// Rounds, of which the fastest counts.
const ROUNDS: u32 = 5;
/// Time between segments, ns.
const STEP: i64 = 12_000;

/// Takes streams and does nothing with them but count.
#[derive(Default)]
struct Count {
    bytes: u64,
    gaps: u64,
}

impl StreamHandler for Count {
    type Stream = ();

    fn open(&mut self, _: At, _: &Conversation) {}
    fn established(&mut self, _: At, _: &Conversation, (): &mut ()) {}
    #[inline]
    fn data(&mut self, _: At, _: &Conversation, (): &mut (), _: Side, chunk: Chunk<'_>) -> Action {
        self.bytes += black_box(chunk).bytes.len() as u64;
        Action::Deliver
    }
    fn gap(&mut self, _: At, _: &Conversation, (): &mut (), _: Side, _: Gap) -> Action {
        self.gaps += 1;
        Action::Deliver
    }
    fn half_closed(&mut self, _: At, _: &Conversation, (): &mut (), _: Side) {}
    fn closed(&mut self, _: At, _: &Conversation, (): &mut (), _: CloseReason) {}
    fn revived(&mut self, _: At, _: &Conversation, (): &mut ()) {}
    fn progress(&mut self, _: At, _: &Conversation, (): &mut (), _: &[DirectionStats; 2]) {}
}

/// One round over `flows` conversations in turn; ns per segment.
fn round(flows: u16, payload: &[u8], acked: bool) -> f64 {
    let config = Config { service_ports: [8333].into(), checksums: Checksums::Off, ..Config::default() };
    let mut partition = Partition::new(Count::default(), config);
    let hasher = KeyHasher::fixed();
    let ip = |last| IpAddr::V4(Ipv4Addr::new(198, 51, 100, last));
    let blank = Segment {
        src_ip: ip(1),
        dst_ip: ip(2),
        src_port: 8333,
        dst_port: 0,
        seq: SeqNum(1),
        ack: SeqNum(1),
        flags: Flags(Flags::ACK),
        window: 0x7fff,
        window_scale: None,
        tsval: Some(1),
        checksum: 0,
        ip_id: 0,
        ip_len: 52,
        payload_len: 0,
        payload: &[],
        checksummed: &[],
    };
    let data = Segment { payload, payload_len: payload.len() as u32, ip_len: 52 + payload.len() as u32, ..blank };
    let back = Segment { src_ip: ip(2), dst_ip: ip(1), dst_port: 8333, ..blank };
    let mut at = At { index: PacketIndex(0), time: Timestamp::from_nanos(1_700_000_000_000_000_000) };
    let start = Instant::now();
    for n in 0..SEGMENTS {
        let flow = n % u32::from(flows);
        let turn = n / u32::from(flows);
        at = At { index: PacketIndex(at.index.0 + 1), time: Timestamp::from_nanos(at.time.nanos() + STEP) };
        // Every third segment is an acknowledgment, as in a download.
        let is_ack = acked && turn % 3 == 2;
        let sent = if acked { turn / 3 * 2 + (turn % 3).min(2) } else { turn };
        let next = SeqNum(sent.wrapping_mul(payload.len() as u32).wrapping_add(1));
        let client = 30_000 + flow as u16;
        let segment = if is_ack {
            Segment { src_port: client, ack: next, ip_id: turn as u16, ..back }
        } else {
            Segment { dst_port: client, seq: next, ip_id: turn as u16, ..data }
        };
        let (key, side) = FlowKey::of(&segment);
        let hash = hasher.hash(&key);
        partition.segment(at, hash, &key, side, black_box(&segment));
        if n % 80_000 == 79_999 {
            partition.tick(at);
        }
    }
    let elapsed = start.elapsed();
    let sent = |turns: u32| if acked { turns - turns / 3 } else { turns };
    let expected: u64 = (0..u32::from(flows))
        .map(|f| u64::from(sent((SEGMENTS - f).div_ceil(u32::from(flows)))) * payload.len() as u64)
        .sum();
    assert_eq!((partition.handler.bytes, partition.handler.gaps), (expected, 0), "bytes were lost");
    elapsed.as_nanos() as f64 / f64::from(SEGMENTS)
}

fn main() {
    // `cargo test --benches` runs this program too, to see whether it builds.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    println!("ns per segment, hashing of the key included; the fastest of {ROUNDS} rounds of {SEGMENTS} segments\n");
    let payload = vec![0x55; 1448];
    for (name, flows, size, acked) in [
        ("1 conversation, 1448 bytes", 1, 1448, false),
        ("8 conversations, 1448 bytes, every third segment an ACK", 8, 1448, true),
        ("1000 conversations, 100 bytes, every third segment an ACK", 1000, 100, true),
    ] {
        let best = (0..ROUNDS).map(|_| round(flows, &payload[..size], acked)).fold(f64::INFINITY, f64::min);
        println!("{best:8.1}  {name}");
    }
}
