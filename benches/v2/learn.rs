//! Counts what known messages do.

use super::recording::{Known, Recording, Seen, Stream};
use btcdmon::flow::Side;
use btcdmon::message::command::Command;
use btcdmon::message::v2::counts::{Counts, Owe};
use btcdmon::message::v2::kind::Kind;
use btcdmon::message::v2::model::Model;
use btcdmon::message::v2::size;
use btcdmon::message::v2::state::{Stage, State};

/// A message in the order of the capture.
struct Said {
    side: Side,
    known: Known,
    /// In units of 100 µs.
    now: u32,
}

pub fn counts(r: &Recording) -> Counts {
    let mut counts = Counts::default();
    // Of a connection of which one side is not known nothing is learnt: its requests would have no answers.
    for s in r.streams.iter().filter(|s| s.truth.iter().all(|t| !t.is_empty())) {
        stream(s, &mut counts);
    }
    counts
}

fn stream(s: &Stream, counts: &mut Counts) {
    let said = in_order(s);
    let mut state = State::new(Some(s.conversation.initiator));
    for e in &mut state.ends {
        e.stage = Stage::Open;
    }
    let mut run = 0;
    for (i, m) in said.iter().enumerate() {
        let kind = kind(&said, i);
        let Some(kind) = kind else { continue };
        let (len, mut n) = (m.known.len, 1);
        size::candidates(len, |k, entries| n = if k == kind { entries } else { n });
        let fit = (kind == Kind::GetDataTx).then(|| state.fit(m.side, n, m.now));
        state.expire(m.now);
        let is_list = matches!(
            kind,
            Kind::Inv
                | Kind::Headers
                | Kind::GetHeaders
                | Kind::GetBlocks
                | Kind::Addr
                | Kind::NotFound
                | Kind::GetDataTx
                | Kind::GetDataBlock
        );
        let context = state.context(m.side, m.now);
        // Test networks mine empty blocks in a row, which says nothing of others: a few of each run are enough.
        let again = kind == Kind::CmpctBlock && context.previous == Kind::CmpctBlock && context.gap < 3;
        run = if again { run + 1 } else { 0 };
        if context.owes != Owe::Unsure && run < 4 {
            counts.add(context, kind, if is_list { n } else { len }, fit);
        }
        state.apply(m.side, kind, (len, n), m.now);
    }
}

/// Prints the known messages that the model finds less probable than random lengths.
pub fn doubts(model: &Model, s: &Stream) {
    println!("== {} {}", s.conversation.endpoints[0], s.conversation.endpoints[1]);
    let said = in_order(s);
    let mut state = State::new(Some(s.conversation.initiator));
    for e in &mut state.ends {
        e.stage = Stage::Open;
    }
    for (i, m) in said.iter().enumerate() {
        let Some(kind) = kind(&said, i) else { continue };
        let (len, mut n) = (m.known.len, 1);
        size::candidates(len, |k, entries| n = if k == kind { entries } else { n });
        let late = state.expire(m.now);
        let p = state.situation(model, m.side, m.now).score(kind, (len, n), model.size(kind, (len, n)));
        if p + late + size::noise(len) < 0.0 {
            let c = state.context(m.side, m.now);
            println!(
                "{:10.4} {:?} {} {len} ({n}): {p:.1}, late {late:.1}, of which {:.1} by {c:?}",
                f64::from(m.now) / 1e4,
                m.side,
                kind.name(),
                model.habits(&c).of(kind)
            );
        }
        state.apply(m.side, kind, (len, n), m.now);
    }
}

/// Both sides' messages, when their last bytes came.
fn in_order(s: &Stream) -> Vec<Said> {
    let mut said = Vec::new();
    let mut next = [0; 2];
    let Some(base) = s.seen.first().map(|x| x.0.time) else { return said };
    for (_, side, seen) in &s.seen {
        let Seen::Span(span) = seen else { continue };
        let now = (span.time.since(base).max(0) / 100_000) as u32;
        while let Some(known) = s.truth[*side as usize].get(next[*side as usize]) {
            if known.offset + u64::from(known.len) > span.offset + span.len {
                break;
            }
            next[*side as usize] += 1;
            said.push(Said { side: *side, known: *known, now });
        }
    }
    said
}

/// The kind of message `i`: a `getdata` is what the next answer says it was.
fn kind(said: &[Said], i: usize) -> Option<Kind> {
    let m = &said[i];
    if m.known.command != Command::GETDATA {
        return Kind::ALL.into_iter().find(|k| k.command() == Some(m.known.command));
    }
    let answers = said[i + 1..].iter().filter(|a| a.side != m.side).take(50);
    let blocks = answers.map(|a| a.known.command).find_map(|c| match c {
        Command::TX | Command::NOTFOUND => Some(false),
        Command::BLOCK | Command::CMPCTBLOCK => Some(true),
        _ => None,
    });
    Some(if blocks == Some(true) { Kind::GetDataBlock } else { Kind::GetDataTx })
}
