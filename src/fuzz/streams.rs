//! The flow stage: any sequence of segments.

use super::Input;
use crate::decode::{Flags, Segment, SeqNum};
use crate::flow::key::KeyHasher;
use crate::flow::{
    Action, At, Checksums, Chunk, CloseReason, Config, Conversation, DirectionStats, FlowKey, Gap, Limits, PacketIndex,
    Partition, Side, StreamHandler,
};
use crate::time::Timestamp;

/// A byte of a stream by its sequence number: delivered bytes tell where they belong.
fn byte_at(seq: u32) -> u8 {
    (seq as u8).wrapping_mul(STEP)
}

/// What two neighbouring bytes differ by.
const STEP: u8 = 31;

/// Checks that chunks and gaps tile the stream, and that bytes are where they belong.
#[derive(Default)]
struct Tiling;

/// One conversation of [`Tiling`].
#[derive(Default)]
struct Tiled {
    next: [u64; 2],
    /// The byte that should come next, once known.
    expected: [Option<u8>; 2],
    packets: [u64; 2],
    counting: [bool; 2],
    established: bool,
    closed: bool,
    deliveries: u64,
}

impl StreamHandler for Tiling {
    type Stream = Tiled;

    fn open(&mut self, _: At, c: &Conversation) -> Tiled {
        assert!(c.endpoints[0] <= c.endpoints[1]);
        Tiled::default()
    }

    fn established(&mut self, _: At, _: &Conversation, s: &mut Tiled) {
        assert!(!s.closed && !s.established, "established twice, or when closed");
        s.established = true;
    }

    fn data(&mut self, _: At, _: &Conversation, s: &mut Tiled, side: Side, chunk: Chunk<'_>) -> Action {
        let i = side as usize;
        assert!(!s.closed && !s.counting[i] && !chunk.bytes.is_empty(), "data that nobody waits for");
        assert_eq!(chunk.offset, s.next[i], "chunks do not tile");
        s.next[i] += chunk.bytes.len() as u64;
        for &b in chunk.bytes {
            assert!(s.expected[i].is_none_or(|e| e == b), "a byte at the wrong place");
            s.expected[i] = Some(b.wrapping_add(STEP));
        }
        s.deliveries += 1;
        // A few conversations are only counted from some point on.
        s.counting[i] = s.deliveries == 200;
        if s.counting[i] { Action::Count } else { Action::Deliver }
    }

    fn gap(&mut self, _: At, _: &Conversation, s: &mut Tiled, side: Side, gap: Gap) -> Action {
        let i = side as usize;
        assert!(!s.closed && !s.counting[i]);
        assert_eq!(gap.offset, s.next[i], "a gap that does not tile");
        assert!(gap.known == (gap.len > 0), "the length of a gap");
        s.next[i] += gap.len;
        s.expected[i] = s.expected[i].filter(|_| gap.known).map(|e| e.wrapping_add(STEP.wrapping_mul(gap.len as u8)));
        Action::Deliver
    }

    fn half_closed(&mut self, _: At, _: &Conversation, s: &mut Tiled, _: Side) {
        assert!(!s.closed);
    }

    fn closed(&mut self, _: At, _: &Conversation, s: &mut Tiled, _: CloseReason) {
        assert!(!s.closed, "closed twice");
        s.closed = true;
    }

    fn revived(&mut self, _: At, _: &Conversation, s: &mut Tiled) {
        assert!(s.closed, "revived without being closed");
        s.closed = false;
    }

    fn progress(&mut self, _: At, _: &Conversation, s: &mut Tiled, stats: &[DirectionStats; 2]) {
        for (known, now) in s.packets.iter_mut().zip(stats) {
            assert!(*known <= now.packets, "figures that shrink");
            *known = now.packets;
        }
    }
}

/// Segments of two conversations, 10 bytes each: flags, what else there is, milliseconds (signed), sequence number
/// and acknowledgment relative to the newest, payload length. The caps are small.
pub fn segments(data: &[u8]) {
    let mut input = Input(data);
    let isn = [input.u32(), input.u32()];
    let limits = Limits {
        held_bytes: 16 * 1024,
        held_segments: 16,
        partition_held_bytes: 24 * 1024,
        conversations: 2,
        ..Limits::default()
    };
    let checksums = if input.u8() & 1 == 0 { Checksums::Off } else { Checksums::Auto };
    let config = Config { limits, checksums, service_ports: [8333].into() };
    let mut partition = Partition::new(Tiling, config);
    let hasher = KeyHasher::fixed();
    let (mut index, mut time, mut newest) = (0, 0_i64, [isn; 3]);
    let mut payload = Vec::new();
    while !input.is_empty() {
        let (flags, what) = (Flags(input.u8()), input.u8());
        time += i64::from(input.u8() as i8) * if what & 64 == 0 { 1_000_000 } else { 1_000_000_000 };
        let (side, peer) = (usize::from(what & 1), usize::from(what >> 1 & 3) % 3);
        let shift = if what & 8 == 0 { 1 } else { 0x0100_0001 };
        let seq = newest[peer][side].wrapping_add(i32::from(input.u16() as i16).wrapping_mul(shift) as u32);
        let ack = newest[peer][1 - side].wrapping_add(i32::from(input.u16() as i16) as u32);
        let len = u32::from(input.u16() & 0x0fff);
        let first = if flags.has(Flags::SYN) { seq.wrapping_add(1) } else { seq };
        payload.clear();
        payload.extend((0..len).map(|i| byte_at(first.wrapping_add(i))));
        if what & 16 != 0 {
            payload.truncate(len as usize / 2);
        }
        let (ports, ips) = ([40_000 + peer as u16, 8333], [[10, 0, 0, 1], [10, 0, 0, 2]]);
        let segment = Segment {
            src_ip: ips[side].into(),
            dst_ip: ips[1 - side].into(),
            src_port: ports[side],
            dst_port: ports[1 - side],
            seq: SeqNum(seq),
            ack: SeqNum(ack),
            flags,
            window: u16::MAX,
            window_scale: flags.has(Flags::SYN).then_some(what >> 4),
            tsval: (what & 32 != 0).then_some((time / 1_000_000) as u32),
            checksum: what.into(),
            ip_id: index as u16,
            ip_len: 40 + len,
            payload_len: len,
            payload: &payload,
            checksummed: &[],
        };
        let at = At { index: PacketIndex(index), time: Timestamp::from_nanos(time) };
        let (key, side_of_key) = FlowKey::of(&segment);
        partition.segment(at, hasher.hash(&key), &key, side_of_key, &segment);
        if index % 8 == 7 {
            partition.tick(at);
        }
        assert!(partition.held_bytes() <= limits.partition_held_bytes, "held back beyond the cap");
        assert!(partition.conversations() <= limits.conversations);
        newest[peer][side] = seq.wrapping_add(len);
        index += 1;
    }
    partition.finish(At { index: PacketIndex(index), time: Timestamp::from_nanos(time) });
    assert_eq!((partition.held_bytes(), partition.conversations()), (0, 0), "something is left");
}
