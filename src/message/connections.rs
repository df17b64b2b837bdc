//! Bitcoin connections: the [`StreamHandler`] that turns streams into [`Event`]s.

mod encrypted;

use self::encrypted::span;
use super::body::{self, Body};
use super::command::{Command, field_name};
use super::contents;
use super::event::{Event, Message, What};
use super::framer::{Framer, MessageSink, Place, RawMessage};
use super::gather::{GATHER_CAP, GatherPool};
use super::network::Network;
use super::transport::{Magics, OpaqueEvidence, Opening, Prefix, Transport, V2_KEY, prefix};
use super::trouble::Trouble;
use super::v2::Decoder;
use super::v2::beam::Scratch;
use super::v2::model::Model;
use crate::flow::handler::RoleEvidence;
use crate::flow::{
    Action, At, Chunk, CloseReason, Conversation, DirectionStats, Gap, GapCause, Side, Span, StreamHandler,
};
use crate::health::Tally;
use crate::time::Timestamp;
use std::hint::black_box;
use std::sync::Arc;

/// What one partition's connections need.
pub struct Connections {
    magics: Magics,
    ports: Arc<[u16]>,
    digests: bool,
    pool: GatherPool,
    model: &'static Model,
    scratch: Scratch,
    tally: Tally<Trouble>,
    gaps: Tally<GapCause>,
    gap_bytes: Tally<GapCause>,
    events: Vec<Event>,
}

/// Events for which room is kept: one segment seldom tells more.
const EVENTS_KEPT: usize = 64;

/// How far a connection is known.
enum Phase {
    /// Opened under our eyes, too few bytes to tell.
    Opening(Box<[Opening; 2]>),
    /// Joined in the middle, no message found yet.
    Joined(Box<[OpaqueEvidence; 2]>),
    /// Known.
    Known,
}

/// One connection.
pub struct Connection {
    transport: Transport,
    phase: Phase,
    framers: Option<Box<[Framer; 2]>>,
    /// What reads it by its lengths, while it may be encrypted.
    v2: Option<Decoder>,
    announced: bool,
    /// One of its ports is a Bitcoin port: encrypted connections are looked for.
    bitcoin_port: bool,
}

impl Connections {
    /// No connection yet. `ports` are those on which v2 is looked for, sorted.
    ///
    /// With `digests` messages carry what the series are made of.
    pub fn new(magics: Magics, ports: Arc<[u16]>, digests: bool) -> Self {
        Self {
            magics,
            ports,
            digests,
            pool: GatherPool::new(GATHER_CAP),
            model: Model::learnt(),
            scratch: Scratch::default(),
            tally: Tally::default(),
            gaps: Tally::default(),
            gap_bytes: Tally::default(),
            events: Vec::new(),
        }
    }

    /// Gaps so far.
    pub fn gaps(&self) -> &Tally<GapCause> {
        &self.gaps
    }

    /// Their bytes, as far as known.
    pub fn gap_bytes(&self) -> &Tally<GapCause> {
        &self.gap_bytes
    }

    /// What was wrong so far.
    pub fn troubles(&self) -> &Tally<Trouble> {
        &self.tally
    }

    /// Whether there are events since the last call of [`Connections::take_events`].
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Moves the events since the last call to `into`, in capture order.
    #[inline]
    pub fn take_events(&mut self, into: &mut Vec<Event>) {
        into.append(&mut self.events);
        self.events.shrink_to(EVENTS_KEPT);
    }

    /// Exchanges the events since the last call of [`Connections::take_events`] with `events`. A tick or the end tells of
    /// every connection at once: all partitions use one room for that, which would be as large as the connections.
    pub fn swap_events(&mut self, events: &mut Vec<Event>) {
        std::mem::swap(&mut self.events, events);
    }

    fn push(&mut self, at: At, c: &Conversation, what: What) {
        self.events.push(Event { at, connection: c.id, what });
    }

    /// Data may come before the handshake is complete (TCP Fast Open).
    fn announce(&mut self, at: At, c: &Conversation, s: &mut Connection) {
        if !s.announced {
            s.announced = true;
            self.push(at, c, What::Established(Box::new(*c)));
        }
    }

    fn settle(&mut self, at: At, c: &Conversation, s: &mut Connection, transport: Transport) {
        let now = self.events.len();
        self.settle_before(now, at, c, s, transport);
    }

    /// Tells the transport before the events from `place` on, the messages by which it was found.
    fn settle_before(&mut self, place: usize, at: At, c: &Conversation, s: &mut Connection, transport: Transport) {
        if s.transport != transport {
            if !matches!(transport, Transport::Unknown | Transport::V2) {
                s.v2 = None;
            }
            self.events.insert(place, Event { at, connection: c.id, what: What::Transport(transport) });
            s.transport = transport;
        }
    }

    /// A connection joined in the middle is known when a message was found; its events begin at `place`.
    fn found(&mut self, place: usize, at: At, c: &Conversation, s: &mut Connection, side: Side) -> bool {
        let (Phase::Joined(_), Some(framers)) = (&s.phase, &mut s.framers) else { return false };
        let Some(magic) = framers[side as usize].magic() else { return false };
        framers[side.other() as usize].learn_magic(magic);
        s.phase = Phase::Known;
        self.settle_before(place, at, c, s, Transport::V1(Network::from_magic(magic)));
        true
    }

    /// Frames the bytes of `side`.
    #[inline]
    fn frame(
        &mut self,
        at: At,
        c: &Conversation,
        s: &mut Connection,
        side: Side,
        (bytes, offset, time): (&[u8], u64, Timestamp),
    ) {
        let Some(framers) = &mut s.framers else { return };
        let Self { magics, pool, tally, events, digests, .. } = self;
        let mut sink = Sink { tally, events, conversation: c, side, digests: *digests };
        framers[side as usize].data(bytes, Place { offset, at, time }, magics.all(), pool, &mut sink);
        tally.add(Trouble::GatherCap, pool.take_given_up());
    }

    /// A connection opened under our eyes: its first bytes decide.
    fn opening(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side, chunk: &Chunk<'_>) -> Action {
        let Phase::Opening(openings) = &mut s.phase else { return Action::Deliver };
        let opening = &mut openings[side as usize];
        let kept =
            if opening.total == 0 && chunk.bytes.len() >= super::header::HEADER { 0 } else { opening.push(at, chunk) };
        let head = if kept == 0 && opening.total == 0 { chunk.bytes } else { opening.bytes() };
        let judged = prefix(head, &self.magics);
        let whole = kept == 0 && opening.total == 0;
        if let Prefix::V1(magic) = judged {
            let mut earlier = **openings;
            s.phase = Phase::Known;
            s.framers = Some(Box::new([Framer::at_start(magic), Framer::at_start(magic)]));
            self.settle(at, c, s, Transport::V1(Network::from_magic(magic)));
            // What the other side said first waited for this.
            for waiting in [side.other(), side] {
                let o = &mut earlier[waiting as usize];
                if let Some((_, time)) = o.first {
                    let bytes = o.bytes().to_vec();
                    self.frame(at, c, s, waiting, (&bytes, 0, time));
                }
                let left_out = o.total - o.bytes().len() as u64;
                if let (Some(framers), true) = (&mut s.framers, left_out > 0 && waiting != side) {
                    let Self { pool, tally, events, digests, .. } = self;
                    tally.add(Trouble::ScannedBytes, left_out);
                    framers[waiting as usize]
                        .doubt(pool, &mut Sink { tally, events, conversation: c, side: waiting, digests: *digests });
                }
            }
            let rest = if whole { chunk.bytes } else { &chunk.bytes[kept..] };
            self.frame(at, c, s, side, (rest, chunk.offset + (chunk.bytes.len() - rest.len()) as u64, chunk.time));
            return Action::Deliver;
        }
        if whole {
            opening.push(at, chunk);
        }
        if judged == Prefix::Opaque && s.bitcoin_port {
            self.lengths(at, c, s, side, &span(chunk));
        }
        let Phase::Opening(openings) = &s.phase else { return Action::Deliver };
        let opening = &openings[side as usize];
        let total = opening.total;
        let initiator = side == c.initiator;
        match judged {
            Prefix::Foreign => self.opaque(at, c, s, Transport::NotBitcoin),
            Prefix::Opaque if !s.bitcoin_port => self.opaque(at, c, s, Transport::NotBitcoin),
            Prefix::Opaque if initiator && total >= V2_KEY => self.opaque(at, c, s, Transport::V2),
            _ => Action::Deliver,
        }
    }

    fn opaque(&mut self, at: At, c: &Conversation, s: &mut Connection, transport: Transport) -> Action {
        s.phase = Phase::Known;
        s.framers = None;
        self.settle(at, c, s, transport);
        if s.v2.is_some() { Action::Measure } else { Action::Count }
    }

    /// A connection joined in the middle: look for a message, and gather evidence that there is none.
    fn joined(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side, chunk: &Chunk<'_>) -> Action {
        if s.bitcoin_port {
            self.lengths(at, c, s, side, &span(chunk));
        }
        let guessed = matches!(s.transport, Transport::V2 | Transport::NotBitcoin);
        // After a guess only what begins like a message is looked at: the others would fill the pool.
        if guessed && !(chunk.starts_segment && matches!(prefix(chunk.bytes, &self.magics), Prefix::V1(_))) {
            let idle = s.framers.as_ref().is_none_or(|f| !f[side as usize].is_candidate());
            if idle {
                if let Some(framers) = &mut s.framers {
                    let Self { pool, tally, events, digests, .. } = self;
                    framers[side as usize]
                        .doubt(pool, &mut Sink { tally, events, conversation: c, side, digests: *digests });
                }
                return Action::Deliver;
            }
        }
        if let (true, Prefix::V1(magic), Some(framers)) =
            (chunk.starts_segment, prefix(chunk.bytes, &self.magics), &mut s.framers)
            && !self.magics.all().contains(&magic)
        {
            // A network that nobody told us of: its `version` tells its magic here too.
            framers[side as usize].learn_magic(magic);
        }
        let place = self.events.len();
        self.frame(at, c, s, side, (chunk.bytes, chunk.offset, chunk.time));
        if self.found(place, at, c, s, side) {
            return Action::Deliver;
        }
        let Some(framers) = &mut s.framers else { return Action::Deliver };
        let Phase::Joined(evidence) = &mut s.phase else { return Action::Deliver };
        if evidence[side as usize].add(chunk) && !guessed && !framers[side as usize].is_candidate() {
            let transport = if s.bitcoin_port { Transport::V2 } else { Transport::NotBitcoin };
            self.settle(at, c, s, transport);
        }
        Action::Deliver
    }
}

impl StreamHandler for Connections {
    type Stream = Connection;

    fn open(&mut self, _: At, c: &Conversation) -> Connection {
        let phase = match c.evidence {
            RoleEvidence::Syn | RoleEvidence::SynAck => Phase::Opening(Box::default()),
            RoleEvidence::Port | RoleEvidence::FirstPacket => Phase::Joined(Box::default()),
        };
        let framers = match phase {
            Phase::Joined(_) => Some(Box::new([Framer::in_the_middle(None), Framer::in_the_middle(None)])),
            _ => None,
        };
        let bitcoin_port = c.endpoints.iter().any(|e| self.ports.binary_search(&e.port()).is_ok());
        Connection { transport: Transport::Unknown, phase, framers, v2: None, announced: false, bitcoin_port }
    }

    fn established(&mut self, at: At, c: &Conversation, s: &mut Connection) {
        self.announce(at, c, s);
    }

    #[inline]
    fn data(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side, chunk: Chunk<'_>) -> Action {
        match s.phase {
            Phase::Known if s.framers.is_some() => {
                self.frame(at, c, s, side, (chunk.bytes, chunk.offset, chunk.time));
                Action::Deliver
            }
            Phase::Known => self.measured(at, c, s, side, span(&chunk)),
            Phase::Opening(_) => {
                self.announce(at, c, s);
                self.opening(at, c, s, side, &chunk)
            }
            Phase::Joined(_) => self.joined(at, c, s, side, &chunk),
        }
    }

    #[inline]
    fn measured(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side, span: Span) -> Action {
        if s.v2.is_none() {
            return Action::Count;
        }
        self.lengths(at, c, s, side, &span);
        Action::Measure
    }

    fn gap(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side, gap: Gap) -> Action {
        if let Some(v2) = &mut s.v2
            && v2.gap(self.model, &mut self.scratch, (side, &gap, at.time, at.index))
        {
            self.tell(at, c, s);
        }
        if let Phase::Opening(openings) = &s.phase {
            // The first bytes are lost: go on as if joined in the middle.
            self.tally.add(Trouble::ScannedBytes, openings.iter().map(|o| o.total).sum());
            s.framers = Some(Box::new([Framer::in_the_middle(None), Framer::in_the_middle(None)]));
            s.phase = Phase::Joined(Box::default());
            self.announce(at, c, s);
        }
        let Some(framers) = &mut s.framers else {
            return match s.phase {
                Phase::Known if s.v2.is_some() => Action::Measure,
                Phase::Known => Action::Count,
                _ => Action::Deliver,
            };
        };
        let Self { pool, tally, events, digests, .. } = self;
        let place = events.len();
        framers[side as usize].gap(
            at,
            &gap,
            pool,
            &mut Sink { tally, events, conversation: c, side, digests: *digests },
        );
        self.found(place, at, c, s, side);
        Action::Deliver
    }

    fn missing(&mut self, gap: &Gap) {
        self.gaps.count(gap.cause);
        self.gap_bytes.add(gap.cause, gap.len);
    }

    fn half_closed(&mut self, at: At, c: &Conversation, s: &mut Connection, side: Side) {
        if s.announced {
            self.push(at, c, What::HalfClosed(side));
        }
    }

    fn closed(&mut self, at: At, c: &Conversation, s: &mut Connection, reason: CloseReason) {
        for side in Side::BOTH {
            let Some(framers) = &mut s.framers else { break };
            let Self { pool, tally, events, digests, .. } = self;
            let place = events.len();
            framers[side as usize].finish(
                at,
                pool,
                &mut Sink { tally, events, conversation: c, side, digests: *digests },
            );
            self.found(place, at, c, s, side);
        }
        if let Some(v2) = &mut s.v2 {
            v2.finish(self.model, &mut self.scratch);
            self.tell(at, c, s);
        }
        if s.announced {
            self.push(at, c, What::Closed(reason));
        }
    }

    fn revived(&mut self, at: At, c: &Conversation, s: &mut Connection) {
        if let Some(framers) = &mut s.framers {
            // The remaining holes were given up when the RST was believed, so the place is not known for sure.
            let Self { pool, tally, events, digests, .. } = self;
            for side in Side::BOTH {
                framers[side as usize]
                    .doubt(pool, &mut Sink { tally, events, conversation: c, side, digests: *digests });
            }
        }
        if s.announced {
            self.push(at, c, What::Revived);
        }
    }

    fn progress(&mut self, at: At, c: &Conversation, s: &mut Connection, stats: &[DirectionStats; 2]) {
        let told = match &mut s.v2 {
            Some(v2) => {
                v2.tick(self.model, &mut self.scratch, at.time);
                self.told(at, c, s)
            }
            None => Box::default(),
        };
        if s.announced {
            self.push(at, c, What::Progress(*stats, told));
        }
    }

    fn ahead<'a>(&self, streams: impl Iterator<Item = &'a Connection> + Clone) {
        let decoders = streams.filter_map(|s| s.v2.as_ref());
        black_box(decoders.clone().map(Decoder::look).fold(0, |a, b| a ^ b));
        black_box(decoders.map(Decoder::look_further).fold(0, |a, b| a ^ b));
    }

    fn tick(&mut self) {
        self.pool.rest();
    }

    fn waits(&self, s: &Connection) -> bool {
        s.v2.as_ref().is_some_and(Decoder::waits)
    }
}

/// Decodes framed messages into events.
struct Sink<'a> {
    tally: &'a mut Tally<Trouble>,
    events: &'a mut Vec<Event>,
    conversation: &'a Conversation,
    side: Side,
    digests: bool,
}

impl MessageSink for Sink<'_> {
    #[inline]
    fn message(&mut self, at: At, raw: RawMessage<'_>) {
        let command = Command::from_field(&raw.header.command);
        let (body, trailing) = if raw.truncated {
            (Ok(Body::Unknown), 0)
        } else {
            match body::decode(command, raw.payload, &raw.hash.0) {
                Ok((body, trailing)) => (Ok(body), trailing),
                Err(e) => (Err(e), 0),
            }
        };
        if body.is_err() {
            self.tally.count(Trouble::Undecodable);
        }
        if trailing > 0 {
            self.tally.count(Trouble::TrailingBytes);
        }
        let unknown_name = if command.is_known() {
            None
        } else {
            self.tally.count(Trouble::UnknownCommand);
            field_name(&raw.header.command).map(Box::from)
        };
        let digest = (body.as_ref().ok())
            .filter(|_| self.digests && raw.checksum_valid)
            .and_then(|body| contents::of(command, body, raw.payload, at.time));
        let message = Message {
            side: self.side,
            command,
            unknown_name,
            payload_bytes: raw.header.length,
            header_bytes: raw.header.bytes() as u8,
            checksum: raw.header.checksum,
            checksum_valid: raw.checksum_valid,
            truncated: raw.truncated,
            missing: raw.missing,
            first: raw.first,
            offset: raw.offset,
            digest,
            body,
            trailing,
        };
        self.events.push(Event { at, connection: self.conversation.id, what: What::Message(message) });
    }

    fn trouble(&mut self, trouble: Trouble, n: u64) {
        self.tally.add(trouble, n);
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
