//! How far the handshake of an encrypted connection has come, as far as its messages were inferred.

use crate::flow::Side;
use crate::message::v2::kind::{KINDS, Kind};
use crate::time::Timestamp;

/// Messages by which a side asks for or offers something, in the order of the series.
const FEATURES: [Kind; 6] =
    [Kind::SendTxRcncl, Kind::WtxidRelay, Kind::SendAddrV2, Kind::SendHeaders, Kind::SendCmpct, Kind::FeeFilter];
/// Bits of `verack` and `version`, after those of the features.
const VERACK: u8 = 1 << 6;
const VERSION: u8 = 1 << 7;

/// By kind of message: its bit; 0 for those of no handshake.
const BITS: [u8; KINDS] = {
    let mut bits = [0; KINDS];
    let mut i = 0;
    while i < FEATURES.len() {
        bits[FEATURES[i] as usize] = 1 << i;
        i += 1;
    }
    bits[Kind::Verack as usize] = VERACK;
    bits[Kind::Version as usize] = VERSION;
    bits
};

/// The bit of a message.
#[inline]
const fn bit(kind: Kind) -> u8 {
    BITS[kind as usize]
}

/// Of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake {
    /// Messages seen, by sender.
    said: [u8; 2],
    /// When the last `verack` came, once both have.
    pub complete: Option<Timestamp>,
    /// Times of its points, by place of the node among the connection's.
    pub points: [Option<Timestamp>; 2],
}

impl Handshake {
    /// Whether a message is one of a handshake.
    pub fn has(kind: Kind) -> bool {
        bit(kind) != 0
    }

    /// Takes a message; true when its point is to be written, or written again.
    pub fn note(&mut self, side: Side, kind: Kind, time: Timestamp) -> bool {
        let bit = bit(kind);
        let said = &mut self.said[side as usize];
        let news = bit & !*said != 0;
        *said |= bit;
        if self.complete.is_none() && self.said.iter().all(|s| s & VERACK != 0) {
            self.complete = Some(time);
        }
        news && self.complete.is_some()
    }

    /// What `side` asks for or offers, by the names of the messages.
    pub fn features(&self, side: Side) -> String {
        let said = self.said[side as usize];
        let names = FEATURES.iter().enumerate().filter(|(i, _)| said & 1 << i != 0).map(|(_, k)| k.name());
        names.collect::<Vec<_>>().join(",")
    }

    /// Whose habits `side` has: Bitcoin Core sends `wtxidrelay` before `verack`, btcd does not.
    pub fn implementation(&self, side: Side) -> Option<&'static str> {
        let said = self.said[side as usize];
        (said & VERSION != 0).then_some(if said & bit(Kind::WtxidRelay) != 0 { "core" } else { "btcd" })
    }
}
