//! Reassembly of IP fragments (RFC 791 section 3.2, RFC 8200 section 4.5) under fixed limits.
//!
//! Contract: [`Reassembler::insert`] takes one fragment and either keeps its
//! bytes, drops it for one reason, or writes the whole datagram to the caller's
//! buffer. IPv4 fragments may overlap: the byte that came first wins. An IPv6
//! datagram with overlapping fragments is dropped with all its later fragments
//! (RFC 5722); exact repeats are harmless in both.
//!
//! Bitcoin nodes set Don't Fragment, so this path is cold: what counts here is
//! that nobody can make it grow.

use super::ip::{Fragment, Packet};
use super::skip::Note;
use super::skip::SkipReason::{
    self, FragmentDropped, FragmentDuplicate, FragmentMalformed, FragmentOverlap, FragmentPending, FragmentTruncated,
};
use super::view::View;
use crate::health::Tally;
use crate::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Limits of the fragment reassembler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Incomplete datagrams; beyond it the oldest one is dropped.
    pub datagrams: usize,
    /// Bytes of all incomplete datagrams with their bookkeeping; beyond it the oldest ones are dropped.
    pub bytes: usize,
    /// Pieces of one datagram; a fragment beyond it is dropped.
    pub pieces: usize,
    /// Nanoseconds of capture time from the first fragment of a datagram until it is dropped.
    pub age: i64,
}

impl Default for FragmentLimits {
    /// 1024 datagrams, 4 MiB, 256 pieces (64 KiB come in 120 pieces at the IPv4 minimum of 576 bytes),
    /// 30 s (Linux' own `ipfrag_time`: a receiver has given up by then too).
    fn default() -> Self {
        Self { datagrams: 1024, bytes: 4 << 20, pieces: 256, age: 30 * SECOND }
    }
}

/// Bytes that count for a datagram beside its payload: key, map entries, vectors.
const DATAGRAM_COST: usize = 256;
/// Bytes that count for a piece beside its payload.
const PIECE_COST: usize = 16;
/// Largest payload of a datagram, in bytes (both IP versions have 16-bit lengths here).
const MAX_DATAGRAM: u32 = 65_535;

/// What makes fragments parts of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    /// Part of the key in IPv4 only; always 0 for IPv6.
    protocol: u8,
}

/// Bytes `offset..offset+len` of the datagram, kept at `at` of its store.
#[derive(Clone, Copy, Debug)]
struct Piece {
    offset: u32,
    len: u32,
    at: u32,
}

impl Piece {
    fn end(&self) -> u32 {
        self.offset + self.len
    }
}

#[derive(Debug)]
struct Datagram {
    /// Number in the order of arrival.
    serial: u64,
    since: Timestamp,
    /// Disjoint, in order of their offset.
    pieces: Vec<Piece>,
    /// The bytes of the pieces in order of arrival.
    store: Vec<u8>,
    /// Payload length, once the last fragment has come.
    end: Option<u32>,
    /// Next header of the fragment at offset 0 (RFC 8200 section 4.5).
    protocol: u8,
    /// IP bytes of the fragments that were kept: what the datagram cost on the wire.
    wire: u32,
    /// Dropped because of an overlap, kept to drop the fragments that are still to come.
    poisoned: bool,
    /// What it counts towards [`FragmentLimits::bytes`].
    cost: usize,
}

/// Incomplete datagrams.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    limits: FragmentLimits,
    datagrams: HashMap<Key, Datagram>,
    /// Oldest first.
    order: BTreeMap<u64, Key>,
    serial: u64,
    bytes: usize,
}

impl Reassembler {
    pub fn new(limits: FragmentLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Incomplete datagrams and the bytes that they count for.
    pub fn held(&self) -> (usize, usize) {
        (self.datagrams.len(), self.bytes)
    }

    /// Takes a fragment captured at `now`; `Ok` when it completes its datagram, whose payload is then in `out`.
    pub fn insert<'o>(
        &mut self,
        fragment: &Fragment<'o>,
        now: Timestamp,
        out: &'o mut Vec<u8>,
        notes: &mut Tally<Note>,
    ) -> Result<Packet<'o>, SkipReason> {
        self.expire(now, notes);
        let packet = &fragment.packet;
        let data = packet.payload.data;
        let len = packet.payload.len() as u64;
        let end = u64::from(fragment.offset) + len;
        if len == 0 || end > u64::from(MAX_DATAGRAM) || (fragment.more && !len.is_multiple_of(8)) {
            return Err(FragmentMalformed);
        }
        if packet.payload.missing > 0 {
            return Err(FragmentTruncated);
        }
        let (src, dst) = packet.addresses.pair();
        let v6 = src.is_ipv6();
        let key = Key { src, dst, id: fragment.id, protocol: if v6 { 0 } else { packet.protocol } };
        self.make_room(&key, data.len(), notes)?;
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            self.serial += 1;
            self.order.insert(self.serial, key);
            self.bytes += DATAGRAM_COST;
            Datagram::new(self.serial, now)
        });
        let before = datagram.cost;
        let added = datagram.add(fragment, end as u32, v6, self.limits.pieces, notes);
        self.bytes = self.bytes + datagram.cost - before;
        added?;
        if datagram.end.is_none_or(|end| datagram.store.len() != end as usize) {
            return Err(FragmentPending);
        }
        out.clear();
        for piece in &datagram.pieces {
            out.extend_from_slice(&datagram.store[piece.at as usize..][..piece.len as usize]);
        }
        let (protocol, wire) = (datagram.protocol, datagram.wire);
        self.remove(&key);
        notes.count(Note::DatagramReassembled);
        let payload = View { data: out, missing: 0 };
        Ok(Packet { addresses: packet.addresses, id: packet.id, len: wire, protocol, part: 0, payload })
    }

    /// Drops the datagrams that are older than the limit at `now`.
    pub fn expire(&mut self, now: Timestamp, notes: &mut Tally<Note>) {
        while let Some(key) = self.oldest() {
            if self.datagrams.get(&key).is_some_and(|d| now.since(d.since) <= self.limits.age) {
                return;
            }
            self.drop_incomplete(&key, Note::DatagramExpired, notes);
        }
    }

    fn oldest(&self) -> Option<Key> {
        self.order.first_key_value().map(|(_, &key)| key)
    }

    /// Evicts from the oldest on, until `len` more bytes of the datagram `key` fit the limits.
    fn make_room(&mut self, key: &Key, len: usize, notes: &mut Tally<Note>) -> Result<(), SkipReason> {
        // An IPv4 fragment may be cut into pieces by what is already there, but into no more than the limit.
        let cost = DATAGRAM_COST + len + self.limits.pieces * PIECE_COST;
        if cost > self.limits.bytes || self.limits.datagrams == 0 {
            return Err(FragmentDropped);
        }
        while self.bytes + cost > self.limits.bytes
            || (self.datagrams.len() >= self.limits.datagrams && !self.datagrams.contains_key(key))
        {
            let Some(oldest) = self.oldest() else { break };
            self.drop_incomplete(&oldest, Note::DatagramEvicted, notes);
        }
        Ok(())
    }

    /// A poisoned datagram was counted when it was dropped.
    fn drop_incomplete(&mut self, key: &Key, note: Note, notes: &mut Tally<Note>) {
        if self.remove(key).is_some_and(|d| !d.poisoned) {
            notes.count(note);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.order.remove(&datagram.serial);
        self.bytes -= datagram.cost;
        Some(datagram)
    }
}

impl Datagram {
    fn new(serial: u64, since: Timestamp) -> Self {
        Self {
            serial,
            since,
            pieces: Vec::new(),
            store: Vec::new(),
            end: None,
            protocol: 0,
            wire: 0,
            poisoned: false,
            cost: DATAGRAM_COST,
        }
    }

    /// Adds the bytes of a fragment that ends at `end`.
    fn add(
        &mut self,
        fragment: &Fragment<'_>,
        end: u32,
        v6: bool,
        max_pieces: usize,
        notes: &mut Tally<Note>,
    ) -> Result<(), SkipReason> {
        if self.poisoned {
            return Err(FragmentOverlap);
        }
        let reach = self.pieces.last().map_or(0, Piece::end);
        let other_end = self.end.is_some_and(|known| end > known || (!fragment.more && end != known));
        if other_end || (!fragment.more && reach > end) {
            return Err(FragmentMalformed);
        }
        let data = fragment.packet.payload.data;
        let gaps = self.gaps(fragment.offset, end);
        let new: u32 = gaps.iter().map(|&(from, to)| to - from).sum();
        if new as usize != data.len() {
            if v6 && !self.repeats(fragment.offset, data) {
                notes.count(Note::OverlapV6);
                self.poison();
                return Err(FragmentOverlap);
            }
            if new == 0 {
                self.learn(fragment, end);
                return if self.end.is_some_and(|end| end as usize == self.store.len()) {
                    Ok(())
                } else {
                    Err(FragmentDuplicate)
                };
            }
            notes.count(Note::OverlapV4);
        }
        if self.pieces.len() + gaps.len() > max_pieces {
            return Err(FragmentDropped);
        }
        for (from, to) in gaps {
            let place = self.pieces.partition_point(|p| p.offset < from);
            self.pieces.insert(place, Piece { offset: from, len: to - from, at: self.store.len() as u32 });
            self.store.extend_from_slice(&data[(from - fragment.offset) as usize..(to - fragment.offset) as usize]);
            self.cost += PIECE_COST + (to - from) as usize;
        }
        self.wire = self.wire.saturating_add(fragment.packet.len);
        self.learn(fragment, end);
        Ok(())
    }

    /// What a fragment tells beside its bytes.
    fn learn(&mut self, fragment: &Fragment<'_>, end: u32) {
        if !fragment.more {
            self.end = Some(end);
        }
        if fragment.offset == 0 {
            self.protocol = fragment.packet.protocol;
        }
    }

    /// The parts of `from..to` that no piece covers.
    fn gaps(&self, from: u32, to: u32) -> Vec<(u32, u32)> {
        let mut gaps = Vec::new();
        let mut at = from;
        let first = self.pieces.partition_point(|p| p.end() <= from);
        for piece in self.pieces[first..].iter().take_while(|p| p.offset < to) {
            if at < piece.offset {
                gaps.push((at, piece.offset));
            }
            at = piece.end();
        }
        if at < to {
            gaps.push((at, to));
        }
        gaps
    }

    /// Whether these bytes are exactly one of the pieces, which RFC 8200 section 4.5 lets pass.
    fn repeats(&self, offset: u32, data: &[u8]) -> bool {
        let place = self.pieces.partition_point(|p| p.offset < offset);
        self.pieces.get(place).is_some_and(|p| {
            p.offset == offset && self.store.get(p.at as usize..p.at as usize + p.len as usize) == Some(data)
        })
    }

    fn poison(&mut self) {
        self.poisoned = true;
        self.pieces = Vec::new();
        self.store = Vec::new();
        self.cost = DATAGRAM_COST;
    }
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;
