//! What was announced lately and not asked for, how a side asks, what it wants unasked, and what is owed.

use super::counts::Owe;
use super::kind::Kind;
use super::state::Tick;

/// Numbers of the newest `inv`s that are remembered.
pub const BATCHES: usize = 4;

/// How many transactions the newest `inv`s announced, newest first, and when.
///
/// Numbers and times lie apart, for the sake of the bytes between them: a reading is copied and compared all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batches {
    /// How many, at most 65,535.
    pub counts: [u16; BATCHES],
    /// When.
    pub at: [Tick; BATCHES],
}

impl Batches {
    /// None yet.
    pub const NONE: Self = Self { counts: [0; BATCHES], at: [0; BATCHES] };

    /// `n` are announced.
    pub fn push(&mut self, n: u16, now: Tick) {
        self.counts.copy_within(..BATCHES - 1, 1);
        self.at.copy_within(..BATCHES - 1, 1);
        (self.counts[0], self.at[0]) = (n, now);
    }

    /// `n` were asked for: all of the newest `inv` with as many, or else a part of one with more.
    pub fn take(&mut self, n: u16) {
        let exact = self.counts.iter().position(|b| *b == n);
        if let Some(i) = exact.or_else(|| self.counts.iter().position(|b| *b > n)) {
            self.counts.copy_within(i + 1.., i);
            self.at.copy_within(i + 1.., i);
            (self.counts[BATCHES - 1], self.at[BATCHES - 1]) = (0, 0);
        }
    }

    /// The numbers of those that are no older than `age`.
    pub fn fresh(&self, now: Tick, age: Tick) -> impl Iterator<Item = u32> {
        let all = self.counts.iter().zip(&self.at);
        all.filter(move |(n, at)| **n > 0 && now.saturating_sub(**at) <= age).map(|(n, _)| u32::from(*n))
    }
}

/// How a side asks for what is announced, learnt from what it asked: of its last requests, how many were for a part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asks(u8);

impl Asks {
    /// Values that it has.
    pub const ALL: usize = 256;
    /// Requests counted at most; then half of them are forgotten.
    const MOST: u8 = 15;

    /// By number.
    pub const fn of(place: u8) -> Self {
        Self(place)
    }

    /// Its number.
    #[inline]
    pub const fn place(self) -> usize {
        self.0 as usize
    }

    /// Requests, and those for a part.
    pub const fn counts(self) -> (u8, u8) {
        (self.0 >> 4, self.0 & 15)
    }

    /// Asks for all of what an `inv` announced, or for a part.
    pub fn ask(&mut self, part: bool) {
        let (mut all, mut parts) = self.counts();
        if all == Self::MOST {
            (all, parts) = (all / 2, parts / 2);
        }
        *self = Self((all + 1) << 4 | (parts + u8::from(part)));
    }
}

/// What a side wants to be told of new blocks unasked, as far as it has said so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wants(u8);

impl Wants {
    /// Nothing was said yet.
    pub const NOTHING: Self = Self(0);
    /// Not known: something may have been missed.
    pub const ANY: Self = Self(Self::COMPACT | Self::HEADERS);

    /// With the second `sendcmpct` it may want compact blocks: the first one, in the handshake of Bitcoin Core, asks for none
    /// (BIP 152, high-bandwidth mode).
    const COMPACT: u8 = 2;
    /// `sendheaders` (BIP 130).
    const HEADERS: u8 = 4;

    /// Sends such a message.
    pub fn say(&mut self, kind: Kind) {
        match kind {
            Kind::SendCmpct if !self.has(Kind::CmpctBlock) => self.0 += 1,
            Kind::SendHeaders => self.0 |= Self::HEADERS,
            _ => {}
        }
    }

    /// Gets such a message unasked: then it wanted that.
    pub fn get(&mut self, kind: Kind) {
        match kind {
            Kind::CmpctBlock => self.0 = self.0 & Self::HEADERS | Self::COMPACT,
            Kind::Headers => self.0 |= Self::HEADERS,
            _ => {}
        }
    }

    /// Whether it may get such a message unasked.
    #[inline]
    pub const fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::CmpctBlock => self.0 & Self::COMPACT != 0,
            Kind::Headers => self.0 & Self::HEADERS != 0,
            _ => true,
        }
    }
}

/// Something a side owes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Debt {
    /// What; [`Owe::Nothing`] for none.
    pub what: Owe,
    /// Its lateness was counted: 1 overdue, 2 late.
    pub late: u8,
    /// How many.
    pub count: u16,
    /// Since when.
    pub since: Tick,
}
