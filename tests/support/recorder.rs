//! A handler that writes down what it is told, and prints it as lines that people can read.

use super::frame::Ends;
use btcdmon::flow::handler::RoleEvidence;
use btcdmon::flow::{
    Action, At, Chunk, CloseReason, Conversation, DirectionStats, Gap, GapCause, PacketIndex, Side, StreamHandler,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Who sent something: `a` is the end that a script marks `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum From {
    A,
    B,
}

impl From {
    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As scripts have it.
    pub fn arrow(self) -> char {
        match self {
            Self::A => '>',
            Self::B => '<',
        }
    }
}

/// What a handler was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Open(From, RoleEvidence),
    Established(From, RoleEvidence),
    Data {
        from: From,
        offset: u64,
        bytes: Vec<u8>,
        age: i64,
        starts: bool,
        pushed: bool,
    },
    Gap {
        from: From,
        offset: u64,
        len: u64,
        known: bool,
        cause: GapCause,
    },
    HalfClosed(From),
    /// With the roles, when they have changed since the last event that told them.
    Closed(CloseReason, Option<(From, RoleEvidence)>),
    Revived,
}

/// An event, where in the script it happened, and of which conversation: its number and its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub step: usize,
    pub number: u16,
    pub id: PacketIndex,
    pub event: Event,
}

/// The handler.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Set by the runner before each call.
    pub step: usize,
    /// Port of the `a` of conversation 1.
    pub first_port: u16,
    /// Directions whose handler wants to count only.
    pub count: Vec<(u16, From)>,
    pub events: Vec<Recorded>,
    /// The last figures told of each conversation, of `a` and of `b`.
    pub stats: BTreeMap<(u16, u64), [DirectionStats; 2]>,
    pub faults: Vec<String>,
}

/// State of one conversation: enough to check the contract of the calls.
#[derive(Debug)]
pub struct Told {
    roles: (From, RoleEvidence),
    established: bool,
    closed: bool,
    half_closed: [bool; 2],
    next: [u64; 2],
}

fn from(conversation: &Conversation, side: Side) -> From {
    if Ends::is_a(conversation.endpoints[side as usize]) { From::A } else { From::B }
}

impl Recorder {
    fn number(&self, conversation: &Conversation) -> u16 {
        let a = conversation.endpoints.iter().find(|e| Ends::is_a(**e)).expect("one end is a");
        a.port() - self.first_port + 1
    }

    fn record(&mut self, conversation: &Conversation, event: Event) {
        let number = self.number(conversation);
        self.events.push(Recorded { step: self.step, number, id: conversation.id, event });
    }

    fn check(&mut self, right: bool, what: &str) {
        if !right {
            self.faults.push(format!("step {}: {what}", self.step));
        }
    }

    /// Checks that chunks and gaps tile the stream, in order (I1), and that nothing follows the end (I4).
    fn advance(&mut self, stream: &mut Told, side: Side, offset: u64, len: u64) {
        let next = &mut stream.next[side as usize];
        let expected = *next;
        *next = offset + len;
        self.check(offset == expected, &format!("I1: offset {offset} follows {expected}"));
        self.check(!stream.closed, "I4: bytes after the end");
        self.check(!stream.half_closed[side as usize], "bytes after the half-close");
    }

    fn action(&self, conversation: &Conversation, from: From) -> Action {
        if self.count.contains(&(self.number(conversation), from)) { Action::Count } else { Action::Deliver }
    }
}

impl StreamHandler for Recorder {
    type Stream = Told;

    fn open(&mut self, _: At, c: &Conversation) -> Told {
        let roles = (from(c, c.initiator), c.evidence);
        self.record(c, Event::Open(roles.0, roles.1));
        Told { roles, established: false, closed: false, half_closed: [false; 2], next: [0; 2] }
    }

    fn established(&mut self, _: At, c: &Conversation, told: &mut Told) {
        self.check(!told.established && !told.closed, "established once, before the end");
        told.established = true;
        told.roles = (from(c, c.initiator), c.evidence);
        self.record(c, Event::Established(told.roles.0, told.roles.1));
    }

    fn data(&mut self, at: At, c: &Conversation, told: &mut Told, side: Side, chunk: Chunk<'_>) -> Action {
        self.check(!chunk.bytes.is_empty(), "a chunk without bytes");
        self.advance(told, side, chunk.offset, chunk.bytes.len() as u64);
        let from = from(c, side);
        let event = Event::Data {
            from,
            offset: chunk.offset,
            bytes: chunk.bytes.to_vec(),
            age: at.time.since(chunk.time),
            starts: chunk.starts_segment,
            pushed: chunk.pushed,
        };
        self.record(c, event);
        self.action(c, from)
    }

    fn gap(&mut self, _: At, c: &Conversation, told: &mut Told, side: Side, gap: Gap) -> Action {
        self.check(gap.known == (gap.len > 0), "a gap of no bytes");
        self.advance(told, side, gap.offset, gap.len);
        let from = from(c, side);
        let Gap { offset, len, known, cause } = gap;
        self.record(c, Event::Gap { from, offset, len, known, cause });
        self.action(c, from)
    }

    fn half_closed(&mut self, _: At, c: &Conversation, told: &mut Told, side: Side) {
        let right = told.established && !told.closed && !told.half_closed[side as usize];
        self.check(right, "half-closed once, between established and the end");
        told.half_closed[side as usize] = true;
        self.record(c, Event::HalfClosed(from(c, side)));
    }

    fn closed(&mut self, _: At, c: &Conversation, told: &mut Told, reason: CloseReason) {
        self.check(!told.closed, "I4: closed twice");
        told.closed = true;
        let roles = (from(c, c.initiator), c.evidence);
        self.record(c, Event::Closed(reason, (roles != told.roles).then_some(roles)));
    }

    fn revived(&mut self, _: At, c: &Conversation, told: &mut Told) {
        self.check(told.closed, "revived after the end");
        told.closed = false;
        self.record(c, Event::Revived);
    }

    fn progress(&mut self, _: At, c: &Conversation, _: &mut Told, stats: &[DirectionStats; 2]) {
        let a = usize::from(from(c, Side::Low) == From::B);
        self.stats.insert((self.number(c), c.id.0), [stats[a], stats[1 - a]]);
    }
}

/// The bytes that `#length` stands for: each depends on its offset, so that a byte out of place shows.
pub fn pattern(offset: u64) -> u8 {
    b'a' + ((offset + offset / 26 + offset / 677) % 26) as u8
}

/// Lengths from which on payloads are printed as `#length` or `x*length`.
const LONG: usize = 16;

fn payload(offset: u64, bytes: &[u8]) -> String {
    if bytes.len() >= LONG {
        if bytes.iter().zip(offset..).all(|(&b, o)| b == pattern(o)) {
            return format!("#{}", bytes.len());
        }
        if bytes.iter().all(|b| b == &bytes[0]) {
            return format!("{}*{}", bytes[0] as char, bytes.len());
        }
    }
    format!("{:?}", String::from_utf8_lossy(bytes))
}

fn evidence(e: RoleEvidence) -> &'static str {
    match e {
        RoleEvidence::FirstPacket => "first packet",
        RoleEvidence::Port => "port",
        RoleEvidence::SynAck => "syn-ack",
        RoleEvidence::Syn => "syn",
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Open(who, why) => format!("open {} by {}", who.arrow(), evidence(*why)),
        Event::Established(who, why) => format!("established {} by {}", who.arrow(), evidence(*why)),
        Event::Data { from, offset, bytes, age, starts, pushed } => {
            let mut s = format!("{} {offset}+{}", from.arrow(), payload(*offset, bytes));
            if !starts {
                s.push_str(" continued");
            }
            if *pushed {
                s.push_str(" psh");
            }
            if *age != 0 {
                let _ = write!(s, " held {}us", age / 1000);
            }
            s
        }
        Event::Gap { from, offset, len, known: true, cause } => format!("{} {offset}+gap*{len} {cause}", from.arrow()),
        Event::Gap { from, offset, cause, .. } => format!("{} {offset}+gap*? {cause}", from.arrow()),
        Event::HalfClosed(from) => format!("{} half-closed", from.arrow()),
        Event::Closed(reason, None) => format!("closed {reason}"),
        Event::Closed(reason, Some((who, why))) => format!("closed {reason}, {} by {}", who.arrow(), evidence(*why)),
        Event::Revived => "revived".to_owned(),
    }
}

/// Whether `next` goes on where `last` ended, both of them bytes of the pattern and of one step.
fn continues(last: &Recorded, next: &Recorded) -> bool {
    let same = (last.step, last.number, last.id) == (next.step, next.number, next.id);
    let is_pattern = |offset: u64, bytes: &[u8]| bytes.iter().zip(offset..).all(|(&b, o)| b == pattern(o));
    match (&last.event, &next.event) {
        (
            Event::Data { from, offset, bytes, age, .. },
            Event::Data { from: from2, offset: offset2, bytes: bytes2, age: age2, starts: true, pushed: false },
        ) => {
            same && (from, age) == (from2, age2)
                && offset + bytes.len() as u64 == *offset2
                && is_pattern(*offset, bytes)
                && is_pattern(*offset2, bytes2)
        }
        _ => false,
    }
}

/// A run of chunks as one.
fn joined(run: &[Recorded]) -> Option<Event> {
    let mut whole = run.first()?.event.clone();
    let Event::Data { bytes, .. } = &mut whole else { return None };
    for r in &run[1..] {
        if let Event::Data { bytes: more, .. } = &r.event {
            bytes.extend(more);
        }
    }
    (bytes.len() >= LONG).then_some(whole)
}

impl Recorder {
    /// The events as lines: step, number of the conversation unless 1, event. Chunks of one step that make up a
    /// long run of the pattern stand in one line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for run in self.events.chunk_by(continues) {
            let number = if run[0].number == 1 { String::new() } else { format!("({}) ", run[0].number) };
            match joined(run) {
                Some(whole) if run.len() > 1 => {
                    lines.push(format!("{}: {number}{} in {} chunks", run[0].step, line(&whole), run.len()));
                }
                _ => lines.extend(run.iter().map(|r| format!("{}: {number}{}", r.step, line(&r.event)))),
            }
        }
        for (k, (&(number, _), stats)) in self.stats.iter().enumerate() {
            let number = if self.stats.len() == 1 { String::new() } else { format!("({number}) #{} ", k + 1) };
            for (from, s) in [From::A, From::B].iter().zip(stats) {
                if s != &DirectionStats::default() {
                    let mut l = format!("stats: {number}{} packets {} wire {}", from.arrow(), s.packets, s.wire_bytes);
                    for (name, n) in [
                        ("payload", s.payload_bytes),
                        ("retransmitted", s.retransmitted_bytes),
                        ("gaps", s.gaps),
                        ("gap bytes", s.gap_bytes),
                    ] {
                        if n > 0 {
                            let _ = write!(l, ", {name} {n}");
                        }
                    }
                    lines.push(l);
                }
            }
        }
        lines
    }
}
