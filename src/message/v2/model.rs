//! Log probabilities made from the learnt counts.
//!
//! Each level of detail is smoothed towards the one with less: kind, kind by
//! what is owed, by the message before too, by the time since it too, by the
//! writer too. A thousandth of every probability is spread over all kinds, so
//! that nothing is impossible.

use super::accounts::Asks;
use super::counts::{self, Context, Counts, FITS, Fit, GAPS, OWES, Owe, WRITERS, Writer};
use super::kind::{KINDS, Kind};
use super::situation::{EXPECTED, expected_sizes};
use super::size::{BINS, FIXED, bin, candidates, noise, width};
use std::sync::LazyLock;

/// Weight of the coarser level, in messages, for what the same side did before.
const NEXT: f64 = 5.0;
/// The same for what the other side did.
const REACT: f64 = 6.0;
/// The same for how a side asks for transactions, in requests.
const ASKS: f64 = 4.0;
/// Share that is spread over all kinds.
const SPREAD: f64 = 0.001;
/// Least log probability of a kind.
const LEAST: i16 = at_least(-9.0);
/// The same of an answer: it comes when something was asked.
const LEAST_ANSWER: i16 = at_least(-11.0);
/// Share of a size's probability that is spread over all sizes, evenly by their logarithm.
const BROAD: f64 = 0.25;

/// What is shorter is looked up: what it may be, and how improbable its length is.
const SHORT: u32 = 2048;

/// Log probabilities of the model are whole numbers of this unit, so that those of all kinds are one line of the cache.
const UNIT: f32 = 1.0 / 512.0;
/// Places of a row: a power of two, for instructions that take many at once.
const LANES: usize = 32;
const _: () = assert!(KINDS <= LANES, "a place for each kind");

/// A log probability in `UNIT`s, at least `p`.
pub const fn at_least(p: f32) -> i16 {
    // Towards zero: the logarithms of probabilities are below.
    (p / UNIT) as i16
}

/// The same, below `p`: what is larger than `p`, rounding aside, is larger than this.
#[inline]
pub fn below(p: f32) -> i16 {
    ((p / UNIT) as i32).saturating_sub(1).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// The same, as near as may be.
fn nearest(p: f32) -> i16 {
    (p / UNIT + 0.5_f32.copysign(p)) as i16
}

/// A whole number of [`UNIT`]s.
fn rounded(p: f64) -> f32 {
    value(nearest(p as f32))
}

/// A log probability that is in `UNIT`s.
#[inline]
pub fn value(units: i16) -> f32 {
    f32::from(units) * UNIT
}

/// A message that some bytes may be.
#[derive(Clone, Copy, Debug)]
pub struct Possible {
    /// What.
    pub kind: Kind,
    /// Its entries.
    pub entries: u32,
    /// How probable its size is ([`Model::size`]).
    pub size: f32,
}

/// A log probability of each kind, in `UNIT`s.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Logs([i16; LANES]);

impl Logs {
    /// Of what cannot be.
    pub const NEVER: i16 = i16::MIN;

    /// None can be.
    pub const NONE: Self = Self([Self::NEVER; LANES]);

    /// Of `kind`.
    #[inline]
    pub fn of(&self, kind: Kind) -> i16 {
        self.0[kind as usize]
    }

    /// The same but for `kind`.
    #[must_use]
    pub const fn and(mut self, kind: Kind, log: i16) -> Self {
        self.0[kind as usize] = log;
        self
    }

    // All places at once, here and below: a few instructions of a vector.

    /// The larger of both, by kind.
    #[must_use]
    #[inline]
    pub fn or(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k].max(other.0[k])))
    }

    /// Both together, by kind.
    #[must_use]
    #[inline]
    pub fn plus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k].saturating_add(other.0[k])))
    }

    /// The largest.
    #[inline]
    pub fn largest(&self) -> i16 {
        self.0.iter().fold(Self::NEVER, |a, b| a.max(*b))
    }

    /// How many are larger than `least`.
    #[inline]
    pub fn above(&self, least: i16) -> i16 {
        self.0.iter().map(|log| i16::from(*log > least)).sum()
    }
}

/// What some bytes may be.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// The messages.
    pub all: &'a [Possible],
    /// By kind, what its size counts for at most.
    pub most: &'a Logs,
}

/// Room for what a long write may be.
pub struct Room {
    all: Vec<Possible>,
    most: Logs,
}

impl Default for Room {
    fn default() -> Self {
        Self { all: Vec::new(), most: Logs::NONE }
    }
}

/// Probabilities of messages by situation, and of their sizes.
pub struct Model {
    /// `[writer][owes][gap][previous][kind]`
    next: Vec<Logs>,
    /// `[writer][owes][gap][peer][kind]`, less the logarithm of what `next` says without its detail.
    react: Vec<Logs>,
    /// Of one size in a bin.
    sizes: Vec<[f32; BINS]>,
    /// `[writer][asks][fit]`
    fits: Vec<[f32; FITS]>,
    /// By length, where its messages begin in `possible`.
    places: Vec<u32>,
    possible: Vec<Possible>,
    most: Vec<Logs>,
    /// The largest of those, and of what sizes count for that are expected.
    top: Vec<f32>,
    /// What may stand before others in one write, with its length ([`FIXED`]) and what its size counts for at most.
    fixed: Vec<(u32, Possible, i16)>,
    /// How probable sizes are at most that are expected ([`expected_sizes`]); here, since the compiler makes more of constants
    /// than is good.
    expected: Vec<Logs>,
    /// By length.
    noise: Vec<f32>,
}

static LEARNT: LazyLock<Model> =
    LazyLock::new(|| Model::new(&Counts::parse(include_str!("table.txt")).unwrap_or_default()));

/// One distribution over kinds.
type Row = [f64; KINDS];

/// Place of a row.
fn place(writer: usize, owes: usize, gap: usize, before: usize) -> usize {
    ((writer * OWES + owes) * GAPS + gap) * KINDS + before
}

/// Counts in rows by [`place`].
struct Table(Vec<Row>);

impl Table {
    /// What is counted for a writer counts for any, and in every situation for the unsure one.
    fn sum(counts: &counts::Habits) -> Self {
        let mut rows = vec![[0.0; KINDS]; WRITERS * OWES * GAPS * KINDS];
        for (((writer, gap, owes, before), kind), n) in counts {
            for w in both(*writer as usize, Writer::Any as usize) {
                for o in both(*owes as usize, Owe::Unsure as usize) {
                    rows[place(w, o, usize::from(*gap), *before as usize)][*kind as usize] += f64::from(*n);
                }
            }
        }
        Self(rows)
    }

    fn add(&self, places: impl Iterator<Item = usize>) -> Row {
        let mut row: Row = [0.0; KINDS];
        places.for_each(|p| row.iter_mut().zip(&self.0[p]).for_each(|(a, b)| *a += b));
        row
    }

    /// Whatever the time since.
    fn untimed(&self, w: usize, o: usize, before: usize) -> Row {
        self.add((0..GAPS).map(|g| place(w, o, g, before)))
    }

    /// Whatever came before, too.
    fn whole(&self, w: usize, o: usize) -> Row {
        self.add((0..GAPS).flat_map(|g| (0..KINDS).map(move |p| place(w, o, g, p))))
    }
}

/// By writer, and by how the side has asked so far; of an unknown writer as of all together.
fn fits(counts: &Counts) -> Vec<[f32; FITS]> {
    let all: [u32; FITS] = std::array::from_fn(|f| counts.fits.iter().map(|of| of[f]).sum());
    let of_writer = |w: usize| {
        let of = if w == Writer::Any as usize { all } else { counts.fits[w] };
        let seen: f64 = of.iter().map(|n| f64::from(*n)).sum();
        let learnt = of.map(|n| (f64::from(n) + 0.5) / (seen + 0.5 * FITS as f64));
        (0..=u8::MAX).map(move |place| {
            let (asked, parts) = Asks::of(place).counts();
            let [exact, within, stale, beyond] = learnt;
            let seen = (f64::from(asked.saturating_sub(parts)), f64::from(parts));
            let both = (ASKS * exact + seen.0, ASKS * within + seen.1);
            let share = (exact + within) / (both.0 + both.1);
            [both.0 * share, both.1 * share, stale, beyond].map(|p| rounded(p.ln()))
        })
    };
    (0..WRITERS).flat_map(of_writer).collect()
}

/// Logarithm of a probability, a little of which is spread over all kinds.
fn log(p: f64) -> f64 {
    ((1.0 - SPREAD) * p + SPREAD / KINDS as f64).ln()
}

/// `a` and `b`, once when they are the same.
fn both(a: usize, b: usize) -> impl Iterator<Item = usize> {
    std::iter::once(a).chain((a != b).then_some(b))
}

/// `counts` smoothed towards `coarse`.
fn smooth(counts: &Row, coarse: &Row, weight: f64) -> Row {
    let all: f64 = counts.iter().sum();
    std::array::from_fn(|k| (counts[k] + weight * coarse[k]) / (all + weight))
}

impl Model {
    /// The model of the table in the program.
    pub fn learnt() -> &'static Self {
        &LEARNT
    }

    /// A model of these counts.
    pub fn new(counts: &Counts) -> Self {
        let next = Table::sum(&counts.next);
        let react = Table::sum(&counts.react);
        let flat: Row = std::array::from_fn(|k| if k < Kind::Unknown as usize { 1.0 / 26.0 } else { 0.0 });
        let any = smooth(&next.whole(Writer::Any as usize, Owe::Unsure as usize), &flat, NEXT);
        let mut model = Self {
            next: vec![Logs::NONE; next.0.len()],
            react: vec![Logs::NONE; react.0.len()],
            sizes: Kind::ALL.iter().map(|k| sizes(counts, *k)).collect(),
            fits: fits(counts),
            places: Vec::new(),
            possible: Vec::new(),
            most: Vec::new(),
            top: Vec::new(),
            fixed: Vec::new(),
            expected: expected_sizes().into(),
            noise: (0..SHORT).map(noise).collect(),
        };
        let mut possible = Vec::new();
        for len in 0..SHORT {
            model.places.push(possible.len() as u32);
            let from = possible.len();
            let most = model.list(len, &mut possible);
            let expected = model.expected((1 << EXPECTED.len()) - 1);
            let of = |p: &Possible| value(most.of(p.kind).max(expected.of(p.kind)));
            let top = possible[from..].iter().map(of).fold(f32::NEG_INFINITY, larger);
            model.top.push(top);
            model.most.push(most);
        }
        model.places.push(possible.len() as u32);
        model.possible = possible;
        for (len, entries, kinds) in FIXED {
            for kind in kinds {
                let size = model.size(*kind, (len, entries));
                let most = Self::largest(*kind, size);
                model.fixed.push((len, Possible { kind: *kind, entries, size }, most));
            }
        }
        for w in 0..WRITERS {
            let base = smooth(&next.whole(w, Owe::Unsure as usize), &any, NEXT);
            for o in 0..OWES {
                let owed = smooth(&next.whole(w, o), &base, NEXT);
                for p in 0..KINDS {
                    let bigram = smooth(&next.untimed(w, o, p), &owed, NEXT);
                    let reaction = smooth(&react.untimed(w, o, p), &owed, REACT);
                    for g in 0..GAPS {
                        let place = place(w, o, g, p);
                        let next = smooth(&next.0[place], &bigram, NEXT);
                        let react = smooth(&react.0[place], &reaction, REACT);
                        for k in 0..KINDS {
                            model.next[place].0[k] = nearest(log(next[k]) as f32);
                            model.react[place].0[k] = nearest((log(react[k]) - log(owed[k])) as f32);
                        }
                    }
                }
            }
        }
        model
    }

    /// Of each kind in the situation.
    #[inline]
    pub fn habits(&self, c: &Context) -> Habits<'_> {
        let (writer, owes) = (c.writer as usize, c.owes as usize);
        let next = place(writer, owes, usize::from(c.gap), c.previous as usize);
        let react = place(writer, owes, usize::from(c.peer_gap), c.peer as usize);
        Habits { next: &self.next[next], react: &self.react[react] }
    }

    /// Of the size of a `kind` of `len` bytes with `n` entries, when nothing more is known; 0 when it has no other.
    #[inline]
    pub fn size(&self, kind: Kind, (len, n): (u32, u32)) -> f32 {
        let size = match kind {
            Kind::Inv
            | Kind::GetDataTx
            | Kind::GetDataBlock
            | Kind::NotFound
            | Kind::Addr
            | Kind::Headers
            | Kind::GetHeaders
            | Kind::GetBlocks => n,
            Kind::Version
            | Kind::Tx
            | Kind::Block
            | Kind::CmpctBlock
            | Kind::GetBlockTxn
            | Kind::BlockTxn
            | Kind::AddrV2 => len,
            _ => return 0.0,
        };
        self.sizes[kind as usize][bin(size).min(BINS - 1)]
    }

    /// What `len` bytes may be; `room` is for long ones.
    #[inline]
    pub fn possible<'a>(&'a self, len: u32, room: &'a mut Room) -> Choice<'a> {
        let at = len as usize;
        if let (Some([from, to]), Some(most)) =
            (self.places.get(at..).and_then(<[u32]>::first_chunk), self.most.get(at))
        {
            return Choice { all: &self.possible[*from as usize..*to as usize], most };
        }
        room.all.clear();
        room.most = self.list(len, &mut room.all);
        Choice { all: &room.all, most: &room.most }
    }

    /// How probable the size of a message of `len` bytes is at most, whatever is expected (natural logarithm).
    #[inline]
    pub fn top(&self, len: u32) -> f32 {
        self.top.get(len as usize).copied().unwrap_or(0.0)
    }

    /// What `len` bytes may be; returns what their sizes count for at most.
    fn list(&self, len: u32, into: &mut Vec<Possible>) -> Logs {
        let mut most = Logs::NONE;
        candidates(len, |kind, entries| {
            let size = self.size(kind, (len, entries));
            most = most.and(kind, Self::largest(kind, size));
            into.push(Possible { kind, entries, size });
        });
        most
    }

    /// What may stand before others in one write, with its length and what its size counts for at most.
    #[inline]
    pub fn fixed(&self) -> &[(u32, Possible, i16)] {
        &self.fixed
    }

    /// What the size of a `kind` counts for at most that alone has the log probability `size`, unless the situation
    /// expects it ([`Situation::most`](super::situation::Situation::most)).
    fn largest(kind: Kind, size: f32) -> i16 {
        nearest(match kind {
            // Perhaps as many as were announced.
            Kind::GetDataTx => 0.0,
            _ => size,
        })
    }

    /// How probable sizes are at most of the kinds of which one is expected.
    #[inline]
    pub fn expected(&self, kinds: usize) -> &Logs {
        &self.expected[kinds]
    }

    /// How improbable a length is when nothing is known of it ([`size::noise`](super::size::noise)).
    #[inline]
    pub fn noise(&self, len: u32) -> f32 {
        self.noise.get(len as usize).copied().unwrap_or_else(|| noise(len))
    }

    /// Of a number asked for.
    #[inline]
    pub fn fit(&self, writer: Writer, asks: Asks, fit: Fit) -> f32 {
        self.fits[writer as usize * Asks::ALL + asks.place()][fit as usize]
    }
}

/// How probable each kind is in one situation.
#[derive(Clone, Copy)]
pub struct Habits<'a> {
    next: &'a Logs,
    react: &'a Logs,
}

impl Habits<'_> {
    /// Of `kind`: what its own side did and what the other did are taken for independent.
    #[inline]
    pub fn of(&self, kind: Kind) -> i16 {
        habit(self.next.of(kind), self.react.of(kind), LEASTS.of(kind))
    }

    /// Of each kind.
    #[inline]
    pub fn all(&self) -> Logs {
        Logs(std::array::from_fn(|k| habit(self.next.0[k], self.react.0[k], LEASTS.0[k])))
    }

    /// Of each kind together with a size that counts for `most` at most.
    #[inline]
    pub fn with(&self, most: &Logs) -> Logs {
        self.all().plus(most)
    }
}

/// How probable a kind is by both: never less than `least`, never more than certain.
#[inline]
fn habit(next: i16, react: i16, least: i16) -> i16 {
    next.saturating_add(react).max(least).min(0)
}

/// How probable each kind is at least.
static LEASTS: Logs = least();

const fn least() -> Logs {
    let (mut logs, mut i) = (Logs([LEAST; LANES]), 0);
    while i < Kind::ALL.len() {
        let kind = Kind::ALL[i];
        logs = if kind.is_answer() { logs.and(kind, LEAST_ANSWER) } else { logs };
        i += 1;
    }
    logs
}

/// Not `f32::max`: none is ever NaN.
#[inline]
pub fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Log probability of one size in each bin: what was counted, spread a little over the neighbours, and a broad part.
fn sizes(counts: &Counts, kind: Kind) -> [f32; BINS] {
    let count = |b: usize| counts.sizes.get(&(kind, b)).map_or(0.0, |n| f64::from(*n));
    let all: f64 = (0..BINS).map(count).sum();
    let lists = [Kind::Inv, Kind::GetDataTx, Kind::GetDataBlock, Kind::NotFound, Kind::Headers, Kind::Addr];
    let is_list = lists.contains(&kind) || matches!(kind, Kind::GetHeaders | Kind::GetBlocks);
    std::array::from_fn(|b| {
        let x = f64::from(width(b)) * 4.5; // about the middle of the bin, from its width
        let octaves = if is_list { 12.0 } else { 16.0 };
        let broad = if b / 4 < 2 { 0.15 } else { 1.0 / (x * octaves * std::f64::consts::LN_2) };
        if all == 0.0 {
            return rounded(broad.ln());
        }
        let around = 0.7 * count(b) + 0.15 * count(b.saturating_sub(1)) + 0.15 * count((b + 1).min(BINS - 1));
        let learnt = around / all / f64::from(width(b));
        rounded(((1.0 - BROAD) * learnt + BROAD * broad).ln())
    })
}
