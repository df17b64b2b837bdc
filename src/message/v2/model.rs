//! Log probabilities made from the learnt counts.
//!
//! Each level of detail is smoothed towards the one with less: kind, kind by
//! what is owed, by the message before too, by the time since it too, by the
//! writer too. A thousandth of every probability is spread over all kinds, so
//! that nothing is impossible.

use super::counts::{Context, Counts, FITS, Fit, GAPS, OWES, Owe, WRITERS, Writer};
use super::kind::{KINDS, Kind};
use super::size::{BINS, bin, width};
use std::sync::LazyLock;

/// Weight of the coarser level, in messages, for what the same side did before.
const NEXT: f64 = 5.0;
/// The same for what the other side did.
const REACT: f64 = 6.0;
/// Share that is spread over all kinds.
const SPREAD: f64 = 0.001;
/// Least log probability of a kind.
const LEAST: f32 = -12.0;
/// Share of a size's probability that is spread over all sizes, evenly by their logarithm.
const BROAD: f64 = 0.25;

/// Probabilities of messages by situation, and of their sizes.
pub struct Model {
    /// `[writer][owes][gap][previous][kind]`
    next: Vec<f32>,
    /// `[owes][gap][peer][kind]`, less the logarithm of what `next` says without its detail.
    react: Vec<f32>,
    /// Of one size in a bin.
    sizes: Vec<[f32; BINS]>,
    fits: [f32; FITS],
}

static LEARNT: LazyLock<Model> =
    LazyLock::new(|| Model::new(&Counts::parse(include_str!("table.txt")).unwrap_or_default()));

/// One distribution over kinds.
type Row = [f64; KINDS];

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
        let place = |w: usize, o: usize, g: usize, p: usize| ((w * OWES + o) * GAPS + g) * KINDS + p;
        let mut raw = vec![[0.0; KINDS]; WRITERS * OWES * GAPS * KINDS];
        // What is counted for a writer counts for any, and in every situation for the unsure one.
        let unsure = Owe::Unsure as usize;
        for (((writer, gap, owes, previous), kind), n) in &counts.next {
            for w in both(*writer as usize, Writer::Any as usize) {
                for o in both(*owes as usize, unsure) {
                    raw[place(w, o, usize::from(*gap), *previous as usize)][*kind as usize] += f64::from(*n);
                }
            }
        }
        let reaction = |o: usize, g: usize, p: usize| (o * GAPS + g) * KINDS + p;
        let mut reactions = vec![[0.0; KINDS]; OWES * GAPS * KINDS];
        for (((gap, owes, peer), kind), n) in &counts.react {
            for o in both(*owes as usize, unsure) {
                reactions[reaction(o, usize::from(*gap), *peer as usize)][*kind as usize] += f64::from(*n);
            }
        }
        let sum = |places: &mut dyn Iterator<Item = usize>| {
            let mut row: Row = [0.0; KINDS];
            for p in places {
                row.iter_mut().zip(&raw[p]).for_each(|(a, b)| *a += b);
            }
            row
        };
        let flat: Row = std::array::from_fn(|k| if k < Kind::Unknown as usize { 1.0 / 26.0 } else { 0.0 });
        let any = Writer::Any as usize;
        let all_of = |o: usize| (0..GAPS).flat_map(move |g| (0..KINDS).map(move |p| place(any, o, g, p)));
        let base = smooth(&sum(&mut all_of(Owe::Unsure as usize)), &flat, NEXT);
        let mut next = vec![0.0; raw.len() * KINDS];
        let mut react = vec![0.0; reactions.len() * KINDS];
        for o in 0..OWES {
            let owed = smooth(&sum(&mut all_of(o)), &base, NEXT);
            for p in 0..KINDS {
                let mut all: Row = [0.0; KINDS];
                for g in 0..GAPS {
                    all.iter_mut().zip(&reactions[reaction(o, g, p)]).for_each(|(a, b)| *a += b);
                }
                let untimed = smooth(&all, &owed, REACT);
                for g in 0..GAPS {
                    let timed = smooth(&reactions[reaction(o, g, p)], &untimed, REACT);
                    for k in 0..KINDS {
                        let more = log(timed[k]) - log(owed[k]);
                        react[reaction(o, g, p) * KINDS + k] = more as f32;
                    }
                }
            }
            for p in 0..KINDS {
                let bigram = smooth(&sum(&mut (0..GAPS).map(|g| place(any, o, g, p))), &owed, NEXT);
                for g in 0..GAPS {
                    let timed = smooth(&raw[place(any, o, g, p)], &bigram, NEXT);
                    for w in 0..WRITERS {
                        let row = if w == any { timed } else { smooth(&raw[place(w, o, g, p)], &timed, NEXT) };
                        for (k, p_k) in row.iter().enumerate() {
                            next[place(w, o, g, p) * KINDS + k] = log(*p_k) as f32;
                        }
                    }
                }
            }
        }
        let seen: f64 = counts.fits.iter().map(|n| f64::from(*n)).sum();
        let fits = counts.fits.map(|n| ((f64::from(n) + 0.5) / (seen + 1.5)).ln() as f32);
        Self { next, react, sizes: Kind::ALL.iter().map(|k| sizes(counts, *k)).collect(), fits }
    }

    /// Of `kind` in the situation: what its own side did and what the other did are taken for independent.
    #[inline]
    pub fn next(&self, c: &Context, kind: Kind) -> f32 {
        let owes = c.owes as usize;
        let place = ((c.writer as usize * OWES + owes) * GAPS + usize::from(c.gap)) * KINDS + c.previous as usize;
        let reaction = (owes * GAPS + usize::from(c.peer_gap)) * KINDS + c.peer as usize;
        let p = self.next[place * KINDS + kind as usize] + self.react[reaction * KINDS + kind as usize];
        p.clamp(LEAST, 0.0)
    }

    /// Of a size of `kind`: entries of a list, bytes of another message.
    #[inline]
    pub fn size(&self, kind: Kind, size: u32) -> f32 {
        self.sizes[kind as usize][bin(size).min(BINS - 1)]
    }

    /// Of a number asked for.
    #[inline]
    pub fn fit(&self, fit: Fit) -> f32 {
        self.fits[fit as usize]
    }
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
            return broad.ln() as f32;
        }
        let around = 0.7 * count(b) + 0.15 * count(b.saturating_sub(1)) + 0.15 * count((b + 1).min(BINS - 1));
        let learnt = around / all / f64::from(width(b));
        ((1.0 - BROAD) * learnt + BROAD * broad).ln() as f32
    })
}
