//! The answers of all workers to one epoch, in the order of the capture.

use super::batch::{EventBatch, MarkKind, Passed, Run};
use crate::message::event::Event;
use crate::node::View;
use crate::series::sensor::Counters;
use crate::time::Timestamp;

/// What the node stage is given.
pub enum Merged<'a> {
    /// Events that come next, though others may come between them: what they need may be fetched side by side.
    Ahead(&'a [Event]),
    /// An event. Its memory is the worker's: it stays in the answer, and goes back with it.
    Event(&'a mut Event),
    /// One second of capture time has passed, all of whose events were given.
    Tick(Timestamp, Box<Counters>),
    /// The capture ends, all of whose events were given.
    End(Timestamp, Box<Counters>),
}

/// Hands the contents of `answers`, one of each worker, to `each` by position in the epoch, then partition.
pub fn merge(answers: &mut [EventBatch], mut each: impl FnMut(Merged<'_>)) {
    let (mut events, mut runs, mut passed) = (Vec::new(), Vec::new(), Vec::new());
    for a in answers {
        events.push(a.events.iter_mut());
        runs.push(a.runs.iter().copied().peekable());
        passed.push(a.passed.drain(..).peekable());
    }
    let mut shown = vec![0; events.len()];
    loop {
        let key = |r: &Run| (r.seq, r.partition);
        let next = runs.iter_mut().enumerate().filter_map(|(k, r)| r.peek().map(|r| (key(r), k))).min();
        let mark = passed.first_mut().and_then(|p| p.peek()).map(|p| p.mark.seq);
        match (next, mark) {
            // The events of a tick come before it: it is over when they are.
            (Some(((seq, _), k)), mark) if mark.is_none_or(|m| seq <= m) => {
                let run = runs[k].next();
                let n = run.map_or(0, |r| r.events as usize);
                for _ in 0..n {
                    if shown[k] == 0 {
                        let next = events[k].as_slice();
                        shown[k] = next.len().min(View::AHEAD);
                        each(Merged::Ahead(&next[..shown[k]]));
                    }
                    shown[k] = shown[k].saturating_sub(1);
                    if let Some(e) = events[k].next() {
                        each(Merged::Event(e));
                    }
                }
            }
            (_, Some(_)) => each(joined(passed.iter_mut().filter_map(Iterator::next))),
            (_, None) => return,
        }
    }
}

/// A mark that every worker has passed, with what all of them have counted.
fn joined<'a>(passed: impl Iterator<Item = Passed>) -> Merged<'a> {
    let mut all = Box::<Counters>::default();
    let (mut time, mut kind) = (Timestamp::default(), MarkKind::Tick);
    let mut streams = crate::series::sensor::StreamCounters::default();
    for p in passed {
        if let Some(counters) = p.mark.counters {
            all = counters;
        }
        (time, kind) = (p.mark.at.time, p.mark.kind);
        streams.merge(&p.counters);
    }
    all.streams = streams;
    if kind == MarkKind::End { Merged::End(time, all) } else { Merged::Tick(time, all) }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Run;
    use super::*;
    use crate::flow::{At, PacketIndex};
    use crate::message::event::What;

    #[test]
    fn what_is_shown_ahead_comes_next_of_its_worker() {
        let mut next = 0;
        let mut answers = [EventBatch::default(), EventBatch::default()];
        // Runs of 1 to 29 events, by turns of two workers.
        for seq in 0..29_u32 {
            let k = (seq % 2) as usize;
            for _ in 0..=seq {
                next += 1;
                answers[k].events.push(Event {
                    at: At::default(),
                    connection: PacketIndex(next * 2 + u64::from(seq % 2)),
                    what: What::Revived,
                });
            }
            answers[k].runs.push(Run { seq, partition: k as u8, events: seq + 1 });
        }
        let (mut shown, mut given): ([Vec<PacketIndex>; 2], _) = (Default::default(), Vec::new());
        merge(&mut answers, |merged| match merged {
            Merged::Ahead(events) => {
                assert!((1..=View::AHEAD).contains(&events.len()));
                let k = (events[0].connection.0 % 2) as usize;
                assert!(shown[k].is_empty(), "all that was shown before has come");
                shown[k] = events.iter().rev().map(|e| e.connection).collect();
            }
            Merged::Event(e) => {
                assert_eq!(shown[(e.connection.0 % 2) as usize].pop(), Some(e.connection));
                given.push(e.connection.0 / 2);
            }
            _ => panic!("there was no mark"),
        });
        assert!(given.iter().copied().eq(1..=next));
        assert!(shown.iter().all(Vec::is_empty));
    }
}
