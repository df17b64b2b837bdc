//! The message stage: any bytes in any cut, with gaps.

use super::Input;
use crate::flow::handler::RoleEvidence;
use crate::flow::{
    Action, At, Chunk, CloseReason, Conversation, DirectionStats, Gap, GapCause, PacketIndex, Side, StreamHandler as _,
};
use crate::health::Tally;
use crate::message::command::{COMMANDS, Command};
use crate::message::connections::Connections;
use crate::message::event::What;
use crate::message::framer::{Framer, MessageSink, Place, RawMessage};
use crate::message::gather::{GATHER_CAP, GatherPool};
use crate::message::hash::sha256d;
use crate::message::network::Network;
use crate::message::transport::Magics;
use crate::message::trouble::Trouble;
use crate::time::Timestamp;

/// Offset, command, length, missing bytes when truncated, valid checksum.
type Seen = (u64, [u8; 12], u32, Option<u32>, bool);

/// What a framer gave.
#[derive(Default)]
struct Framed {
    messages: Vec<Seen>,
    /// Offset after the newest message.
    end: u64,
    bytes: u64,
    troubles: Tally<Trouble>,
}

impl MessageSink for Framed {
    fn message(&mut self, _: At, m: RawMessage<'_>) {
        assert!(m.offset >= self.end, "messages that overlap or are out of order");
        assert!(m.truncated || m.payload.len() == m.header.length as usize);
        assert!(m.missing <= m.header.length && (m.missing == 0 || m.truncated));
        let size = m.header.bytes() as u64 + u64::from(m.header.length);
        // What a gap of unknown length swallowed has no offsets.
        self.end = m.offset + size - u64::from(m.missing);
        self.bytes += size - u64::from(m.missing);
        let truncated = m.truncated.then_some(m.missing);
        self.messages.push((m.offset, m.header.command, m.header.length, truncated, m.checksum_valid));
    }

    fn trouble(&mut self, trouble: Trouble, n: u64) {
        self.troubles.add(trouble, n);
    }
}

/// What happens to a direction: bytes, or a gap.
enum Event {
    Bytes(Vec<u8>),
    Gap(u64, bool),
}

/// A stream as events, from: bytes (an opcode below 160, two bytes of length, the bytes), a sound message (below
/// 224: command and payload), gaps.
fn stream(input: &mut Input<'_>) -> Vec<Event> {
    let magic = Network::Mainnet.magic();
    let mut events = Vec::new();
    while !input.is_empty() {
        match input.u8() {
            0..160 => {
                let n = usize::from(input.u16() & 0x0fff);
                events.push(Event::Bytes(input.take(n).to_vec()));
            }
            op @ 160..224 => {
                let mut bytes = magic.to_vec();
                let name = COMMANDS[usize::from(op) % COMMANDS.len()].name;
                bytes.extend(name.as_bytes());
                bytes.resize(16, 0);
                let n = input.u8();
                let payload = input.take(n.into());
                let claim = if op & 1 == 0 { payload.len() as u32 } else { u32::from(input.u16()) << (op & 6) };
                bytes.extend(claim.to_le_bytes());
                bytes.extend(&sha256d(payload).0[..4]);
                bytes.extend(payload);
                events.push(Event::Bytes(bytes));
            }
            255 => events.push(Event::Gap(0, false)),
            _ => events.push(Event::Gap(u64::from(input.u16()) + 1, true)),
        }
    }
    events
}

/// Frames events, cut where `cut` says; returns what came out and how many bytes went in.
fn run_framer(mut framer: Framer, events: &[Event], cut: impl Fn(usize) -> usize) -> (Framed, u64) {
    let magics = Magics::new(&[]);
    let (mut pool, mut out) = (GatherPool::new(GATHER_CAP), Framed::default());
    let (mut offset, mut delivered, mut index) = (0, 0, 0);
    for event in events {
        match event {
            Event::Bytes(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    index += 1;
                    let at = At { index: PacketIndex(index), time: Timestamp::from_nanos(index as i64) };
                    let (piece, behind) = rest.split_at(cut(index as usize).clamp(1, rest.len()));
                    framer.data(piece, Place { offset, at, time: at.time }, magics.all(), &mut pool, &mut out);
                    offset += piece.len() as u64;
                    delivered += piece.len() as u64;
                    rest = behind;
                }
            }
            Event::Gap(len, known) => {
                let gap = Gap { offset, len: *len, known: *known, cause: GapCause::Acked };
                framer.gap(At::default(), &gap, &mut pool, &mut out);
                offset += len;
            }
        }
        assert!(pool.allocated() <= GATHER_CAP, "gathered beyond the cap");
    }
    framer.finish(At::default(), &mut pool, &mut out);
    assert_eq!(pool.allocated(), 0, "a buffer was left behind");
    (out, delivered)
}

/// One direction of a connection, twice: whole, and cut by the first bytes of the input.
pub fn framer(data: &[u8]) {
    let mut input = Input(data);
    let (start, cuts) = (input.u8(), input.take(8));
    let events = stream(&mut input);
    let new = || match start % 3 {
        0 => Framer::at_start(Network::Mainnet.magic()),
        1 => Framer::in_the_middle(None),
        _ => Framer::in_the_middle(Some(Network::Mainnet.magic())),
    };
    let (whole, delivered) = run_framer(new(), &events, |_| usize::MAX);
    let (cut, _) = run_framer(new(), &events, |i| cuts.get(i % 8).map_or(1, |c| usize::from(*c)));
    assert_eq!(whole.messages, cut.messages, "the cut decides");
    assert_eq!(whole.troubles, cut.troubles, "the cut decides");
    let counted = whole.bytes + whole.troubles.get(Trouble::ScannedBytes);
    let unfinished = whole.troubles.get(Trouble::UnfinishedMessage) > 0;
    assert!(counted == delivered || (unfinished && counted < delivered), "{counted} of {delivered} bytes counted");
}

/// Both directions of a connection, as the flow stage tells them: with the first byte the roles, then for each
/// event the side and flags, then what happens.
pub fn connections(data: &[u8]) {
    let mut input = Input(data);
    let how = input.u8();
    let evidence = [RoleEvidence::FirstPacket, RoleEvidence::Port, RoleEvidence::SynAck, RoleEvidence::Syn];
    let port = if how & 4 == 0 { 8333 } else { 9999 };
    let c = Conversation {
        id: PacketIndex(1),
        endpoints: [([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], port).into()],
        initiator: if how & 8 == 0 { Side::Low } else { Side::High },
        evidence: evidence[usize::from(how & 3)],
        started: Timestamp::default(),
    };
    let mut handler = Connections::new(Magics::new(&[]), [8333].into(), true);
    let mut at = At::default();
    let mut s = handler.open(at, &c);
    let (mut next, mut messages) = ([0_u64; 2], [0_u64; 2]);
    let (mut closed, mut counting) = (false, [false; 2]);
    while !input.is_empty() {
        let op = input.u8();
        let side = if op & 1 == 0 { Side::Low } else { Side::High };
        let i = side as usize;
        at = At { index: PacketIndex(at.index.0 + 1), time: at.time.plus(1) };
        if closed {
            handler.revived(at, &c, &mut s);
            closed = false;
        }
        let n = usize::from(input.u16() & 0x07ff);
        match op >> 3 {
            0 => handler.half_closed(at, &c, &mut s, side),
            1 => {
                handler.closed(at, &c, &mut s, CloseReason::Rst);
                closed = true;
            }
            2 => handler.progress(at, &c, &mut s, &[DirectionStats::default(); 2]),
            3 => handler.established(at, &c, &mut s),
            4 | 5 if !counting[i] => {
                let gap = Gap { offset: next[i], len: n as u64 + 1, known: op & 2 == 0, cause: GapCause::Acked };
                counting[i] = handler.gap(at, &c, &mut s, side, gap) == Action::Count;
                next[i] += n as u64 + 1;
            }
            kind => {
                let (first, second) = (kind == 6, kind == 7);
                let mut bytes = if first || second { Network::Mainnet.magic().to_vec() } else { Vec::new() };
                if second {
                    bytes.extend(b"verack\0\0\0\0\0\0\0\0\0\0\x5d\xf6\xe0\xe2");
                } else {
                    bytes.extend(input.take(n));
                }
                if !bytes.is_empty() && !counting[i] {
                    let chunk = Chunk {
                        offset: next[i],
                        bytes: &bytes,
                        time: at.time,
                        starts_segment: op & 2 == 0,
                        pushed: op & 4 == 0,
                    };
                    counting[i] = handler.data(at, &c, &mut s, side, chunk) == Action::Count;
                    next[i] += bytes.len() as u64;
                }
            }
        }
        let mut events = Vec::new();
        handler.take_events(&mut events);
        for event in events {
            assert_eq!((event.connection, event.at), (c.id, at));
            if let What::Message(m) = event.what {
                let known = &mut messages[m.side as usize];
                assert!(m.offset >= *known, "messages that overlap or are out of order");
                *known = m.offset + u64::from(m.header_bytes) + u64::from(m.payload_bytes - m.missing);
                assert_eq!(m.unknown_name.is_some(), m.command == Command::UNKNOWN);
            }
        }
    }
    if !closed {
        handler.closed(at, &c, &mut s, CloseReason::EndOfCapture);
    }
}
