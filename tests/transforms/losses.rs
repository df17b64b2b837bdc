//! Frames and bytes taken away: what is left must be exactly what the oracle says.

use super::corpus::oracle::{Fate, Key, Message, Oracle, Piece};
use super::corpus::run::{Run, Seen, run_with, settings};
use super::corpus::{Capture, Packet, Random, captures};
use btcdmon::flow::Checksums;
use std::collections::{BTreeMap, BTreeSet};

/// A recording and its streams.
struct Case {
    capture: &'static Capture,
    oracle: Oracle,
}

fn cases() -> Vec<Case> {
    captures().iter().map(|capture| Case { capture, oracle: Oracle::new(&capture.packets) }).collect()
}

/// Sums over a run.
#[derive(Debug, Default)]
struct Account {
    whole: u64,
    truncated: u64,
    swallowed: u64,
    at_the_end: u64,
    /// Bytes of readable streams that are missing before a byte that is there.
    surely_missing: u64,
    /// Bytes of all streams that are missing.
    missing: u64,
}

impl Case {
    /// The stream of a message, by the frame that opened its connection. `kept` are the indices of the frames left.
    fn stream(&self, seen: &Seen, kept: &[usize]) -> Key {
        let (a, b, n) = self.oracle.of_frame[kept[seen.connection as usize - 1]].expect("a TCP frame opened it");
        let from_peer = if a == seen.peer { (a, b, n) } else { (b, a, n) };
        if seen.recv { from_peer } else { (from_peer.1, from_peer.0, n) }
    }

    /// Runs what is left of the recording: frames for which `left` gives the bytes that were captured.
    fn check(&self, what: &str, left: impl Fn(usize) -> Option<usize>) -> (Account, Run) {
        let what = format!("{}, {what}", self.capture.name);
        let all = &self.capture.packets;
        let kept: Vec<usize> = (0..all.len()).filter(|&i| left(i).is_some()).collect();
        let cut = |&i: &usize| {
            let p = &all[i];
            Packet { data: p.data[..p.data.len().min(left(i).unwrap())].to_vec(), ..p.clone() }
        };
        let packets: Vec<Packet> = kept.iter().map(cut).collect();
        let run = run_with(&packets, &settings(Some(self.capture.node), Checksums::Auto));
        let mut found: BTreeMap<Key, Vec<&Seen>> = BTreeMap::new();
        for m in &run.messages {
            found.entry(self.stream(m, &kept)).or_default().push(m);
        }
        let mut account = Account::default();
        for (key, stream) in &self.oracle.streams {
            let payload = |p: &Piece| left(p.frame).and_then(|n| n.checked_sub(p.headers)).map(|n| n as u64);
            let whole_frame = |i: usize| left(i).is_some_and(|n| n >= all[i].data.len());
            let base = stream.base(whole_frame, |p| payload(p).is_some());
            let reverse = self.oracle.streams.get(&(key.1, key.0, key.2));
            let joined =
                ![Some(stream), reverse].into_iter().flatten().flat_map(|s| &s.openings).any(|&i| whole_frame(i));
            let mut present = stream.present(payload);
            // Bytes before the first one seen of a connection that was joined in the middle are not placed.
            present[..base as usize].fill(false);
            let fates = stream.fates(&present, joined);
            if present[base as usize..].iter().all(|&b| b) {
                // Nothing is missing behind the beginning: a suffix, from the first message that begins there.
                let whole = |(m, f): (&Message, &Fate)| m.offset >= base && m.checksum_valid && *f != Fate::Whole;
                assert!(!stream.messages.iter().zip(&fates).any(whole), "{what}: the oracle contradicts itself");
            }
            let absent = |bytes: &[bool]| bytes.iter().filter(|b| !**b).count() as u64;
            account.missing += absent(&present[base as usize..]);
            let last = present.iter().rposition(|&b| b).unwrap_or(base as usize);
            if fates.iter().any(|f| matches!(f, Fate::Whole)) {
                account.surely_missing += absent(&present[base as usize..last]);
            }
            let seen = found.remove(key).unwrap_or_default();
            compare(&format!("{what}, {key:?}"), base, &stream.messages, &fates, &seen, &mut account);
        }
        assert!(found.is_empty(), "{what}: messages of {:?}", found.keys());
        assert_eq!(
            run.trouble("truncated_message"),
            run.messages.iter().filter(|m| m.content.truncated).count() as u64
        );
        let gaps: u64 = run.report.capture.gap_bytes.values().sum();
        // A FIN takes a sequence number: when it is lost behind other bytes, only the sender knows that it is no byte.
        let fins = (self.oracle.streams.values()).flat_map(|s| &s.fins).filter(|&&i| left(i).is_none()).count() as u64;
        let plausible = account.surely_missing..=account.missing + fins;
        assert!(plausible.contains(&gaps), "{what}: {gaps} bytes in gaps, {fins} FINs lost, {account:?}");
        (account, run)
    }
}

/// Holds the messages found of a stream against their fates.
fn compare(what: &str, base: u64, messages: &[Message], fates: &[Fate], seen: &[&Seen], account: &mut Account) {
    let mut seen = seen.iter().map(|s| &s.content).peekable();
    for (m, fate) in messages.iter().zip(fates) {
        let here = seen.next_if(|s| s.offset + base == m.offset);
        let what = format!("{what}: {m:?}, base {base}");
        if let Some(s) = here {
            assert_eq!((&s.command, s.checksum), (&m.command, Some(m.checksum)), "{what}");
            assert_eq!(u64::from(s.payload_bytes) + 24, m.end - m.offset, "{what}");
        }
        match (fate, here) {
            (Fate::Whole, Some(s)) => {
                assert!(!s.truncated && s.missing == 0, "{what}: {s:?}");
                assert_eq!(s.checksum_valid, m.checksum_valid, "{what}");
                account.whole += 1;
            }
            (Fate::Truncated(missing), Some(s)) => {
                assert!(s.truncated && !s.checksum_valid, "{what}: {s:?}");
                assert_eq!(s.missing, *missing, "{what}");
                account.truncated += 1;
            }
            (Fate::Swallowed, None) => account.swallowed += 1,
            (Fate::AtTheEnd, None) => account.at_the_end += 1,
            (Fate::AtTheEnd, Some(s)) => {
                assert!(s.truncated && !s.checksum_valid, "{what}: {s:?}");
                account.at_the_end += 1;
            }
            (fate, here) => panic!("{what}: expected {fate:?}, found {here:?}, then {:?}", seen.peek()),
        }
    }
    assert!(seen.peek().is_none(), "{what}: no such message: {:?}", seen.peek());
}

/// The sensor is started late: from the first whole message on everything is there.
#[test]
fn first_frames_cut_off() {
    for case in cases() {
        let mut firsts: BTreeSet<usize> = [1, 2, 3, 10, 50, 100, 400, 2000].into();
        let mut random = Random(5);
        firsts.extend((0..30).map(|_| random.below(case.capture.packets.len())));
        for first in firsts {
            case.check(&format!("first {first} cut off"), |i| (i >= first).then_some(usize::MAX));
        }
    }
}

/// The sensor is stopped early.
#[test]
fn last_frames_cut_off() {
    for case in cases() {
        let mut random = Random(6);
        for _ in 0..20 {
            let end = random.below(case.capture.packets.len());
            case.check(&format!("stopped at {end}"), |i| (i < end).then_some(usize::MAX));
        }
    }
}

/// Frames that the sensor never got.
#[test]
fn frames_lost_at_random() {
    let mut sum = Account::default();
    for case in cases() {
        let total: u64 = case.oracle.streams.values().map(|s| s.messages.len() as u64).sum();
        for (rate, seeds) in [(100, 20), (20, 20), (5, 5)] {
            for seed in 0..seeds {
                let mut random = Random(seed * 1000 + rate);
                let lost: BTreeSet<usize> =
                    (0..case.capture.packets.len()).filter(|_| random.one_in(rate as usize)).collect();
                let (account, run) = case
                    .check(&format!("1 in {rate} lost, seed {seed}"), |i| (!lost.contains(&i)).then_some(usize::MAX));
                let Account { whole, truncated, swallowed, at_the_end, .. } = account;
                assert_eq!(whole + truncated + swallowed + at_the_end, total);
                let valid = run.messages.iter().filter(|m| !m.content.truncated).count() as u64;
                assert_eq!(valid, whole, "what is missing is truncated, swallowed or at the end");
                assert!(
                    swallowed == 0
                        || run.trouble("lost_header") + run.trouble("resynchronised") + run.trouble("bad_magic") > 0
                );
                sum.whole += whole;
                sum.truncated += truncated;
                sum.swallowed += swallowed;
            }
        }
    }
    // The test tests something.
    assert!(sum.whole > 20_000 && sum.truncated > 500 && sum.swallowed > 500, "{sum:?}");
}

/// Frames of which only the beginning was captured.
#[test]
fn snap_lengths() {
    for case in cases() {
        for snap in [14, 40, 60, 66, 67, 70, 90, 96, 120, 200, 600, 1000, 1514] {
            let (account, run) = case.check(&format!("snap length {snap}"), |_| Some(snap));
            assert!(snap < 200 || account.whole > 20, "{}: {snap}: {account:?}", case.capture.name);
            assert!(snap > 60 || run.messages.is_empty());
        }
    }
}
