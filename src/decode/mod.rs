//! From the bytes of one frame to one TCP segment.
//!
//! ```text
//! link ─▶ vlan ─▶ ip ─▶ extension ─▶ tcp ─▶ Segment
//!   ▲       │      ▲ │       │
//!   │       ▼      │ │       └─▶ fragment ─▶ (the whole datagram starts over at extension)
//!   └── tunnel ◀───┼─┘
//!          └───────┘
//! ```
//!
//! Contract of [`Decoder::decode`]: any byte string gives exactly one outcome,
//! a [`Segment`] or one [`SkipReason`], and each call counts it once. It never
//! panics, it ends after a number of steps bounded by named limits, and its
//! memory is bounded by [`FragmentLimits`]. A frame without fragments allocates
//! nothing. Everything else that is worth knowing is counted as a [`Note`].
//!
//! A new link type is an arm in `link`, a new tunnel one in `tunnel` or `vlan`,
//! and a variant of [`testkit::Wrap`], which puts it under the common tests.

#![allow(clippy::inline_always, reason = "the straight way must not go through memory; see `Decoder::decode`")]
#![allow(clippy::doc_markdown, reason = "PPPoE, MACsec, TSval are names of the field, and help texts are for people")]

pub mod checksum;
mod extension;
mod fragment;
mod ip;
mod link;
pub mod segment;
pub mod seq;
mod skip;
mod tcp;
#[doc(hidden)]
pub mod testkit;
mod tunnel;
mod view;
mod vlan;

pub use fragment::FragmentLimits;
pub use segment::{Flags, Segment};
pub use seq::SeqNum;
pub use skip::{Note, SkipReason};

use crate::capture::Frame;
use crate::health::Tally;
use crate::time::Timestamp;
use fragment::Reassembler;
use ip::{Packet, Stop, protocol};
use link::ether_type;
use view::{Layer, View};

/// Encapsulations around one TCP segment: VLAN tags, label stacks, PPPoE and MACsec headers, tunnels.
/// Two tags, a mirror's tunnel, two tags and an overlay inside it make six; a frame with more is skipped.
pub const MAX_ENCAPSULATIONS: u8 = 8;

/// Datagrams reassembled for one frame, one inside the other: an overlay in a mirror's tunnel. More is too deep.
const MAX_REASSEMBLIES: usize = 2;

/// Decodes frames and counts what becomes of each.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Reassembler,
    /// Where datagrams are put together, one buffer a level of nesting.
    datagrams: [Vec<u8>; MAX_REASSEMBLIES],
    used: u64,
    skipped: Tally<SkipReason>,
    notes: Tally<Note>,
}

impl Decoder {
    /// A decoder that keeps incomplete datagrams within `limits`.
    pub fn new(limits: FragmentLimits) -> Self {
        Self { fragments: Reassembler::new(limits), ..Self::default() }
    }

    /// The TCP segment in a frame, or the one reason why the frame was not used.
    ///
    /// The payload lies in the frame, or, for a reassembled datagram, in the decoder.
    // Ethernet, IP and TCP with at most one tag between, which is nearly every frame, go straight: one branch
    // for each IP version, so that the parts of the packet stay in registers. The compiler joins the branches of
    // a shared way in memory, and that costs several times the decoding.
    #[inline(never)]
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Segment<'a>, SkipReason> {
        let missing = (frame.wire_len as usize).saturating_sub(frame.data.len());
        let view = View { data: frame.data, missing };
        if frame.link != link::ETHERNET {
            return self.around(link::start(frame.link, view), frame.time, MAX_ENCAPSULATIONS);
        }
        let (mut kind, mut view) = match link::ethernet(view) {
            Ok(next) => next,
            Err(reason) => return self.skip(reason),
        };
        let mut budget = MAX_ENCAPSULATIONS;
        if kind == ether_type::VLAN
            && let (Some(inner), Some(rest)) = (view.be16(2), view.skip(4))
        {
            // The same as `vlan::peel`, as one tag is what most mirror ports add.
            self.notes.count(Note::Vlan);
            (kind, view, budget) = (inner, rest, budget - 1);
        }
        if kind == ether_type::IPV4 {
            let packet = ip::v4(view, &mut self.notes);
            return self.straight(packet, frame.time, budget);
        }
        if kind == ether_type::IPV6 {
            let packet = ip::v6(view, &mut self.notes);
            return self.straight(packet, frame.time, budget);
        }
        self.around(Ok((Layer::EtherType(kind), view)), frame.time, budget)
    }

    /// The end of the straight way.
    #[inline(always)]
    fn straight<'a>(
        &'a mut self,
        packet: Result<Packet<'a>, SkipReason>,
        now: Timestamp,
        budget: u8,
    ) -> Result<Segment<'a>, SkipReason> {
        match packet {
            Ok(packet) if packet.is_plain_tcp() => match tcp::segment(&packet, &mut self.notes) {
                Ok(segment) => {
                    self.used += 1;
                    Ok(segment)
                }
                Err(reason) => self.skip(reason),
            },
            Ok(packet) => self.go_on(packet, now, budget),
            Err(reason) => self.skip(reason),
        }
    }

    /// The way through other links, tags and labels.
    #[inline(never)]
    fn around<'a>(
        &'a mut self,
        start: Result<(Layer, View<'a>), SkipReason>,
        now: Timestamp,
        mut budget: u8,
    ) -> Result<Segment<'a>, SkipReason> {
        let packet = start.and_then(|(layer, view)| network(layer, view, &mut budget, &mut self.notes));
        match packet {
            Ok(packet) => self.go_on(packet, now, budget),
            Err(reason) => self.skip(reason),
        }
    }

    fn skip<'a>(&mut self, reason: SkipReason) -> Result<Segment<'a>, SkipReason> {
        self.skipped.count(reason);
        Err(reason)
    }

    /// The way through tunnels, extension headers and fragments.
    #[inline(never)]
    fn go_on<'a>(&'a mut self, packet: Packet<'a>, now: Timestamp, mut budget: u8) -> Result<Segment<'a>, SkipReason> {
        let result = match transport(packet, &mut budget, &mut self.notes) {
            Ok(segment) => Ok(segment),
            Err(Stop::Skip(reason)) => Err(reason),
            Err(Stop::Fragment(fragment)) => {
                let (reassembler, buffers) = (&mut self.fragments, &mut self.datagrams);
                defragment(&fragment, now, reassembler, buffers, &mut budget, &mut self.notes)
            }
        };
        match result {
            Ok(_) => self.used += 1,
            Err(reason) => self.skipped.count(reason),
        }
        result
    }

    /// Drops the incomplete datagrams whose age limit is over at `now` (capture time).
    /// Every fragment does it too; this is for the ticks, when none comes.
    pub fn expire(&mut self, now: Timestamp) {
        self.fragments.expire(now, &mut self.notes);
    }

    /// Frames that gave a segment.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Frames that gave none, by reason.
    pub fn skipped(&self) -> &Tally<SkipReason> {
        &self.skipped
    }

    /// What else was seen on the way.
    pub fn notes(&self) -> &Tally<Note> {
        &self.notes
    }

    /// Incomplete datagrams held now, and the bytes they count for.
    pub fn fragments_held(&self) -> (usize, usize) {
        self.fragments.held()
    }
}

/// Takes one encapsulation from the budget of a frame.
#[inline]
fn spend(budget: &mut u8) -> Result<(), SkipReason> {
    *budget = budget.checked_sub(1).ok_or(SkipReason::NestingTooDeep)?;
    Ok(())
}

/// Goes up from a layer at or below IP to the IP packet in it.
#[inline(always)]
fn network<'a>(
    mut layer: Layer,
    mut view: View<'a>,
    budget: &mut u8,
    notes: &mut Tally<Note>,
) -> Result<Packet<'a>, SkipReason> {
    loop {
        (layer, view) = match layer {
            Layer::Ethernet => link::ethernet(view).map(|(kind, view)| (Layer::EtherType(kind), view))?,
            Layer::EtherType(ether_type::IPV4) => return ip::v4(view, notes),
            Layer::EtherType(ether_type::IPV6) => return ip::v6(view, notes),
            Layer::Ip => match view.byte(0).ok_or(SkipReason::TruncatedIp)? >> 4 {
                4 => return ip::v4(view, notes),
                6 => return ip::v6(view, notes),
                _ => return Err(SkipReason::MalformedIp),
            },
            Layer::Llc => link::llc(view)?,
            Layer::Ppp => vlan::ppp(view)?,
            // Every circle of layers goes through here, so the budget bounds the loop.
            Layer::EtherType(kind) => {
                spend(budget)?;
                vlan::peel(kind, view, notes)?
            }
        };
    }
}

/// Goes up from an IP packet to the TCP segment in it, through tunnels.
#[inline(always)]
fn transport<'a>(mut packet: Packet<'a>, budget: &mut u8, notes: &mut Tally<Note>) -> Result<Segment<'a>, Stop<'a>> {
    loop {
        if !packet.is_plain_tcp() {
            extension::pass(&mut packet, notes)?;
        }
        if packet.protocol == protocol::TCP {
            return tcp::segment(&packet, notes).map_err(Stop::Skip);
        }
        let (layer, view) = tunnel::open(&packet, notes)?;
        spend(budget)?;
        packet = network(layer, view, budget, notes)?;
    }
}

/// Keeps a fragment, and goes on with the datagram that it completes.
#[cold]
fn defragment<'a>(
    fragment: &ip::Fragment<'a>,
    now: Timestamp,
    reassembler: &mut Reassembler,
    buffers: &'a mut [Vec<u8>],
    budget: &mut u8,
    notes: &mut Tally<Note>,
) -> Result<Segment<'a>, SkipReason> {
    if let Some(reason) = tunnel::refuse(fragment.packet.protocol) {
        return Err(reason);
    }
    let (out, deeper) = buffers.split_first_mut().ok_or(SkipReason::NestingTooDeep)?;
    let packet = reassembler.insert(fragment, now, out, notes)?;
    match transport(packet, budget, notes) {
        Ok(segment) => Ok(segment),
        Err(Stop::Skip(reason)) => Err(reason),
        Err(Stop::Fragment(inner)) => defragment(&inner, now, reassembler, deeper, budget, notes),
    }
}

#[cfg(test)]
mod tests;
