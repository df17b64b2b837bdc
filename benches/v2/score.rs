//! How well a model reads recordings, also with their segments cut and lost.

use super::recording::{Recording, Seen, Stream};
use btcdmon::flow::{At, Gap, GapCause, Side, Span};
use btcdmon::message::v2::beam::Scratch;
use btcdmon::message::v2::model::Model;
use btcdmon::message::v2::size::FIXED;
use btcdmon::message::v2::{Decoder, Estimate};
use btcdmon::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// What is done to the segments first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    None,
    /// Cut to this size; PSH stays with the last piece, or with all.
    Recut(u64, bool),
    /// Up to so many segments that follow each other are one, as if written together; one of them at most has a length
    /// that tells nothing by itself.
    Coalesced(u32),
    /// The first half is not seen.
    Joined,
    /// One segment of so many is lost.
    Lost(u64),
}

#[derive(Default)]
pub struct Score {
    pub known: u32,
    pub found: u32,
    pub told: u32,
    pub confused: BTreeMap<(&'static str, String), u32>,
}

impl Score {
    pub fn add(&mut self, other: Self) {
        self.known += other.known;
        self.found += other.found;
        self.told += other.told;
        for (k, n) in other.confused {
            *self.confused.entry(k).or_default() += n;
        }
    }

    pub fn recall(&self) -> f64 {
        f64::from(self.found) / f64::from(self.known.max(1))
    }

    pub fn precision(&self) -> f64 {
        f64::from(self.found) / f64::from(self.told.max(1))
    }
}

pub fn recording(model: &Model, r: &Recording, change: Change) -> Score {
    let mut all = Score::default();
    for s in &r.streams {
        all.add(stream(model, s, change));
    }
    all
}

/// What the decoder tells of `stream`.
pub fn estimates(model: &Model, caller: Option<Side>, seen: &[(At, Side, Seen)]) -> Vec<Estimate> {
    let mut told = Vec::new();
    let mut decoder = Decoder::new(caller);
    let mut scratch = Scratch::default();
    let mut tick: Option<Timestamp> = None;
    for (at, side, seen) in seen {
        let mut next = *tick.get_or_insert(at.time);
        let mut idle = 0;
        while next.plus(SECOND) <= at.time {
            next = next.plus(SECOND);
            idle += 1;
            if idle < 20 {
                decoder.tick(model, &mut scratch, next);
                told.append(&mut scratch.told);
            }
        }
        tick = Some(next);
        match seen {
            Seen::Span(span) => decoder.span(model, &mut scratch, (*side, span, at.index)),
            Seen::Gap(gap) => decoder.gap(model, &mut scratch, (*side, gap, at.time, at.index)),
        };
        told.append(&mut scratch.told);
    }
    decoder.finish(model, &mut scratch);
    told.append(&mut scratch.told);
    told
}

fn stream(model: &Model, s: &Stream, change: Change) -> Score {
    let (seen, starts) = changed(s, change);
    let told = estimates(model, (change != Change::Joined).then_some(s.conversation.initiator), &seen);
    let of_known = |e: &&Estimate| !s.truth[e.side as usize].is_empty();
    let mut score = Score { told: told.iter().filter(of_known).count() as u32, ..Score::default() };
    let places: HashMap<(Side, u64), &Estimate> = told.iter().map(|e| ((e.side, e.offset), e)).collect();
    for side in Side::BOTH {
        for known in &s.truth[side as usize] {
            let Some(offset) = known.offset.checked_sub(starts[side as usize]) else { continue };
            score.known += 1;
            let found = places.get(&(side, offset));
            let right = found.is_some_and(|e| e.kind.command() == Some(known.command) && e.len == known.len);
            score.found += u32::from(right);
            if !right {
                let as_what = found.map_or("nothing".to_owned(), |e| {
                    let same = if e.len == known.len { "" } else { " of other length" };
                    format!("{}{same}", e.kind.name())
                });
                if std::env::var_os("VERBOSE").is_some() {
                    println!(
                        "{} {side:?} {offset} {} {}: {as_what}",
                        s.conversation.endpoints[0],
                        known.command.name(),
                        known.len
                    );
                }
                *score.confused.entry((known.command.name(), as_what)).or_default() += 1;
            }
        }
    }
    score
}

type Segments = Vec<(At, Side, Seen)>;

fn changed(s: &Stream, change: Change) -> (Segments, [u64; 2]) {
    let mut starts = [0; 2];
    let seen = match change {
        Change::None => s.seen.clone(),
        Change::Recut(mss, all) => s.seen.iter().flat_map(|x| recut(x, mss, all)).collect(),
        Change::Coalesced(most) => coalesced(&s.seen, most),
        Change::Joined => {
            let late = &s.seen[s.seen.len() / 2..];
            for side in Side::BOTH {
                let first = late.iter().find(|x| x.1 == side).map(|x| match x.2 {
                    Seen::Span(p) => p.offset,
                    Seen::Gap(g) => g.offset,
                });
                starts[side as usize] = first.unwrap_or(u64::MAX);
            }
            let moved = |(at, side, seen): &(At, Side, Seen)| {
                let seen = match *seen {
                    Seen::Span(p) => Seen::Span(Span { offset: p.offset - starts[*side as usize], ..p }),
                    Seen::Gap(g) => Seen::Gap(Gap { offset: g.offset - starts[*side as usize], ..g }),
                };
                (*at, *side, seen)
            };
            late.iter().map(moved).collect()
        }
        Change::Lost(one_of) => {
            let mut x = 88_172_645_463_325_252_u64;
            let mut lose = || {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x.is_multiple_of(one_of)
            };
            let lost = |(at, side, seen): &(At, Side, Seen)| match *seen {
                Seen::Span(p) if lose() => {
                    let gap = Gap { offset: p.offset, len: p.len, known: true, cause: GapCause::Acked };
                    (*at, *side, Seen::Gap(gap))
                }
                seen => (*at, *side, seen),
            };
            s.seen.iter().map(lost).collect()
        }
    };
    (seen, starts)
}

/// Longest segment that is made of several.
const COALESCED: u64 = 1448;
/// Segments are written together that were sent within this time, ns.
const TOGETHER: i64 = SECOND / 100;

/// Puts up to `most` segments into one ([`Change::Coalesced`]).
fn coalesced(seen: &Segments, most: u32) -> Segments {
    let is_fixed = |len| FIXED.iter().any(|(fixed, ..)| u64::from(*fixed) == len);
    let mut all = Segments::new();
    let (mut count, mut fixed) = (1, false);
    for (at, side, seen) in seen {
        count += 1;
        let is_one = matches!(seen, Seen::Span(span) if is_fixed(span.len));
        if let (Some((last_at, last_side, Seen::Span(last))), Seen::Span(span)) = (all.last_mut(), seen)
            && last_side == side
            && count <= most
            && (fixed || is_one)
            && last.len + span.len <= COALESCED
            && span.time.since(last.time) <= TOGETHER
        {
            *last_at = *at;
            *last =
                Span { offset: last.offset, len: last.len + span.len, starts_segment: last.starts_segment, ..*span };
            fixed &= is_one;
            continue;
        }
        (count, fixed) = (1, is_one);
        all.push((*at, *side, *seen));
    }
    all
}

fn recut((at, side, seen): &(At, Side, Seen), mss: u64, all: bool) -> Segments {
    let Seen::Span(span) = *seen else { return vec![(*at, *side, *seen)] };
    let pieces = span.len.div_ceil(mss);
    (0..pieces)
        .map(|i| {
            let last = i + 1 == pieces;
            let len = if last { span.len - i * mss } else { mss };
            let pushed = span.pushed && (all || last);
            (*at, *side, Seen::Span(Span { offset: span.offset + i * mss, len, pushed, ..span }))
        })
        .collect()
}

/// Prints each known message in the order of the capture, and what was told instead of it.
pub fn show(model: &Model, s: &Stream) {
    let told = estimates(model, Some(s.conversation.initiator), &s.seen);
    let places: HashMap<(Side, u64), &Estimate> = told.iter().map(|e| ((e.side, e.offset), e)).collect();
    let mut next = [0; 2];
    println!("== {} {}", s.conversation.endpoints[0], s.conversation.endpoints[1]);
    let Some(base) = s.seen.first().map(|x| x.0.time) else { return };
    for (at, side, seen) in &s.seen {
        let Seen::Span(span) = seen else {
            println!("gap {seen:?}");
            continue;
        };
        let arrow = if *side == Side::Low { "->" } else { "        <-" };
        let time = span.time.since(base) as f64 / 1e9;
        let mut messages = String::new();
        while let Some(k) = s.truth[*side as usize].get(next[*side as usize]) {
            if k.offset + u64::from(k.len) > span.offset + span.len {
                break;
            }
            next[*side as usize] += 1;
            let found = places.get(&(*side, k.offset));
            let right = found.is_some_and(|e| e.kind.command() == Some(k.command) && e.len == k.len);
            let what = found.map_or("nothing".to_owned(), |e| format!("{} {}", e.kind.name(), e.len));
            let note = if right { String::new() } else { format!(" *** {what}") };
            messages.extend([k.command.name(), " ", &k.len.to_string(), &note, "; "]);
        }
        println!("{time:10.4} {} {arrow} {:>7}+{} {messages}", at.index.0, span.offset, span.len);
    }
}
