//! The bytes from one header to the end of what carries it.
//!
//! A [`View`] knows two lengths: what was captured (`data`) and what was on the
//! wire (`data` and then `missing` more bytes). Each layer narrows it by its own
//! length field, so that padding goes away and a cut by the snap length stays known.

use super::skip::SkipReason;

/// What the first byte of a [`View`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// An Ethernet header without preamble.
    Ethernet,
    /// The payload of this Ethernet type, or an IEEE 802.3 length (then an LLC header follows).
    EtherType(u16),
    /// An IEEE 802.2 LLC header.
    Llc,
    /// A PPP protocol field, perhaps behind the address and control bytes.
    Ppp,
    /// An IP header; its version is in the first four bits.
    Ip,
}

/// Captured bytes of a layer and the number of bytes that the capture cut off behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub data: &'a [u8],
    pub missing: usize,
}

impl View<'_> {
    /// Bytes on the wire.
    #[inline]
    pub fn len(self) -> usize {
        self.data.len() + self.missing
    }

    /// The view behind the first `n` bytes; `None` when they were not captured.
    #[inline]
    pub fn skip(self, n: usize) -> Option<Self> {
        Some(Self { data: self.data.get(n..)?, missing: self.missing })
    }

    /// The bytes `from..to` as on the wire, whatever this view itself claims to hold.
    ///
    /// A header may claim more than its frame had: mirrors cut frames and do not say so.
    /// `None` when `from` was not captured or lies behind `to`.
    #[inline]
    pub fn window(self, from: usize, to: usize) -> Option<Self> {
        let end = to.min(self.data.len());
        Some(Self { data: self.data.get(from..end)?, missing: to - end })
    }

    /// Byte `at`.
    #[inline]
    pub fn byte(self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    /// The big-endian 16-bit number at `at`.
    #[inline]
    pub fn be16(self, at: usize) -> Option<u16> {
        let b = self.data.get(at..at + 2)?;
        Some(u16::from_be_bytes([b[0], b[1]]))
    }

    /// The reason why `need` bytes are not there: cut by the capture, or never on the wire.
    #[cold]
    pub fn short(self, need: usize, truncated: SkipReason, malformed: SkipReason) -> SkipReason {
        if self.len() < need { malformed } else { truncated }
    }
}
