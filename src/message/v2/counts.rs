//! What was counted in recordings whose truth is known: the learnt table, as text and in memory.
//!
//! The table is `table.txt`; `benches/v2` makes it. Lines:
//! - `next WRITER GAP OWED PREVIOUS KIND COUNT`: how often a message followed another of the same side,
//! - `react WRITER GAP OWED PEER KIND COUNT`: how often it followed a message of the other side,
//! - `size KIND BIN COUNT`: how often it had a size (entries of lists, bytes of the others) in a bin of
//!   [`size::bin`],
//! - `fit WRITER FIT COUNT`: how often a `getdata` asked for as many transactions as were announced.

use super::kind::{KINDS, Kind};
use super::size::{self, BINS};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whose habits a side has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Writer {
    /// Not known: the habits of all.
    #[default]
    Any,
    /// Bitcoin Core and what is made of it: it sends `wtxidrelay`, or a `version` as long as its own, which is too short for btcd.
    Core,
    /// btcd: its handshake has no `wtxidrelay`.
    Btcd,
}

/// Number of writers.
pub const WRITERS: usize = 3;

impl Writer {
    /// All, by number.
    pub const ALL: [Self; WRITERS] = [Self::Any, Self::Core, Self::Btcd];

    /// Name in the table and in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Core => "core",
            Self::Btcd => "btcd",
        }
    }
}

/// What a side owes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // named like the answers
pub enum Owe {
    #[default]
    Nothing,
    Pong,
    Tx,
    /// One block, perhaps as a compact one.
    Block,
    /// Several, which only a node that lags asks for.
    Blocks,
    Headers,
    BlockTxn,
    /// Requests may have been lost or sent before the capture began.
    Unsure,
}

/// Number of [`Owe`].
pub const OWES: usize = 8;

impl Owe {
    /// All, by number.
    pub const ALL: [Self; OWES] =
        [Self::Nothing, Self::Pong, Self::Tx, Self::Block, Self::Blocks, Self::Headers, Self::BlockTxn, Self::Unsure];

    /// Name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Pong => "pong",
            Self::Tx => "tx",
            Self::Block => "block",
            Self::Blocks => "blocks",
            Self::Headers => "headers",
            Self::BlockTxn => "blocktxn",
            Self::Unsure => "unsure",
        }
    }
}

/// Classes of the time since a message before: below 2 ms, 50 ms, 1 s, and longer.
pub const GAPS: usize = 4;

/// How the number of a `getdata` fits what was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fit {
    /// As many as an `inv` of a moment ago announced.
    Exact,
    /// No more than those of a moment ago.
    Within,
    /// No more than are announced and not asked for yet, by whatever `inv`.
    Stale,
    /// More.
    Beyond,
}

/// Number of [`Fit`].
pub const FITS: usize = 4;

impl Fit {
    /// All, by number.
    pub const ALL: [Self; FITS] = [Self::Exact, Self::Within, Self::Stale, Self::Beyond];

    /// Name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Within => "within",
            Self::Stale => "stale",
            Self::Beyond => "beyond",
        }
    }
}

/// In what situation a side sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Context {
    /// Whose habits it has.
    pub writer: Writer,
    /// Class of the time since its message before.
    pub gap: u8,
    /// What it owes first.
    pub owes: Owe,
    /// Its message before.
    pub previous: Kind,
    /// Class of the time since the other side's last message, less what the way takes.
    pub peer_gap: u8,
    /// That message.
    pub peer: Kind,
}

/// Writer, class of time, what is owed, message before: its own or the other side's.
pub type Place = (Writer, u8, Owe, Kind);
/// How often which message came where.
pub type Habits = BTreeMap<(Place, Kind), u32>;

/// Counts by situation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages by what the same side did before.
    pub next: Habits,
    /// Messages by what the other side did before.
    pub react: Habits,
    /// Sizes by kind and bin.
    pub sizes: BTreeMap<(Kind, usize), u32>,
    /// `getdata` by how they fit.
    pub fits: [[u32; FITS]; WRITERS],
}

impl Counts {
    /// Counts a message.
    pub fn add(&mut self, context: Context, kind: Kind, size: u32, fit: Option<Fit>) {
        let Context { writer, gap, owes, previous, peer_gap, peer } = context;
        *self.next.entry(((writer, gap, owes, previous), kind)).or_default() += 1;
        *self.react.entry(((writer, peer_gap, owes, peer), kind)).or_default() += 1;
        *self.sizes.entry((kind, size::bin(size))).or_default() += 1;
        if let Some(fit) = fit {
            self.fits[writer as usize][fit as usize] += 1;
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (k, n) in &other.next {
            *self.next.entry(*k).or_default() += n;
        }
        for (k, n) in &other.react {
            *self.react.entry(*k).or_default() += n;
        }
        for (k, n) in &other.sizes {
            *self.sizes.entry(*k).or_default() += n;
        }
        for (a, b) in self.fits.iter_mut().flatten().zip(other.fits.iter().flatten()) {
            *a += b;
        }
    }

    /// The table as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (((writer, gap, owes, previous), kind), n) in &self.next {
            let words = [writer.name(), owes.name(), previous.name(), kind.name()];
            let _ = writeln!(text, "next {} {gap} {} {} {} {n}", words[0], words[1], words[2], words[3]);
        }
        for (((writer, gap, owes, peer), kind), n) in &self.react {
            let words = [writer.name(), owes.name(), peer.name(), kind.name()];
            let _ = writeln!(text, "react {} {gap} {} {} {} {n}", words[0], words[1], words[2], words[3]);
        }
        for ((kind, bin), n) in &self.sizes {
            let _ = writeln!(text, "size {} {bin} {n}", kind.name());
        }
        for (writer, fits) in Writer::ALL.iter().zip(self.fits) {
            for (fit, n) in Fit::ALL.iter().zip(fits) {
                let _ = writeln!(text, "fit {} {} {n}", writer.name(), fit.name());
            }
        }
        text
    }

    /// Reads the text of a table; the error names the first line that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for line in text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            all.line(line).ok_or_else(|| format!("no line of the table: {line}"))?;
        }
        Ok(all)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let (n, words) = words.split_last()?;
        let n: u32 = n.parse().ok()?;
        match words {
            [table @ ("next" | "react"), writer, gap, owes, before, kind] => {
                let writer = Writer::ALL.into_iter().find(|w| w.name() == *writer)?;
                let place = (writer, class(gap)?, owed(owes)?, Kind::by_name(before)?);
                let table = if *table == "next" { &mut self.next } else { &mut self.react };
                table.insert((place, Kind::by_name(kind)?), n);
            }
            ["size", kind, bin] => {
                let bin: usize = bin.parse().ok().filter(|b| *b < BINS)?;
                self.sizes.insert((Kind::by_name(kind)?, bin), n);
            }
            ["fit", writer, fit] => {
                let writer = Writer::ALL.into_iter().find(|w| w.name() == *writer)?;
                self.fits[writer as usize][Fit::ALL.into_iter().find(|f| f.name() == *fit)? as usize] = n;
            }
            _ => return None,
        }
        Some(())
    }
}

fn class(gap: &str) -> Option<u8> {
    gap.parse().ok().filter(|g| usize::from(*g) < GAPS)
}

fn owed(name: &str) -> Option<Owe> {
    Owe::ALL.into_iter().find(|o| o.name() == name)
}

const _: () = assert!(KINDS < 32);
