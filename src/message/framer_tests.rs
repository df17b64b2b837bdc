//! R60, R61, R63 on the framer alone; the streams are written out, the expectation is computed from them.

use super::*;
use crate::flow::{GapCause, PacketIndex};
use crate::health::Tally;
use crate::message::command::field_name;
use crate::message::gather::GATHER_CAP;

pub(in crate::message) const MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];

/// What the framer said.
#[derive(Default)]
pub(in crate::message) struct Recorder {
    pub messages: Vec<Got>,
    pub troubles: Tally<Trouble>,
}

/// A message, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::message) struct Got {
    pub offset: u64,
    pub name: String,
    pub header_bytes: usize,
    pub length: u32,
    pub payload: Vec<u8>,
    /// `None`: whole; else how many bytes are missing.
    pub truncated: Option<u32>,
    pub valid: bool,
}

impl MessageSink for Recorder {
    fn message(&mut self, _: At, m: RawMessage<'_>) {
        assert_eq!(m.hash, if m.truncated { Hash256::default() } else { sha256d(m.payload) });
        self.messages.push(Got {
            offset: m.offset,
            name: field_name(&m.header.command).unwrap().to_owned(),
            header_bytes: m.header.bytes(),
            length: m.header.length,
            payload: m.payload.to_vec(),
            truncated: m.truncated.then_some(m.missing),
            valid: m.checksum_valid,
        });
    }

    fn trouble(&mut self, trouble: Trouble, n: u64) {
        self.troubles.add(trouble, n);
    }
}

impl Recorder {
    /// The count of a trouble.
    pub fn count(&self, trouble: Trouble) -> u64 {
        self.troubles.get(trouble)
    }

    pub fn names(&self) -> Vec<&str> {
        self.messages.iter().map(|m| m.name.as_str()).collect()
    }
}

/// A header that claims `length` bytes.
pub(in crate::message) fn header(name: &str, length: u32, checksum: [u8; 4]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(name.as_bytes());
    bytes.resize(16, 0);
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum);
    bytes
}

/// A message as nodes write it.
pub(in crate::message) fn message(name: &str, payload: &[u8]) -> Vec<u8> {
    let checksum = *sha256d(payload).0.first_chunk().unwrap();
    [header(name, payload.len() as u32, checksum), payload.to_vec()].concat()
}

/// A payload of `n` bytes that differ and hold no magic.
pub(in crate::message) fn filler(n: usize, seed: u8) -> Vec<u8> {
    (0..n).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) | 1).collect()
}

/// What happens to a direction.
pub(in crate::message) enum Step<'a> {
    Data(&'a [u8]),
    Gap(u64),
    Unknown,
}

fn at(n: u64) -> At {
    At { index: PacketIndex(n), time: Timestamp::from_nanos(n as i64) }
}

/// Runs a framer over steps and ends the stream.
pub(in crate::message) fn run<'a>(mut framer: Framer, steps: impl IntoIterator<Item = Step<'a>>) -> Recorder {
    let (mut pool, mut out) = (GatherPool::new(GATHER_CAP), Recorder::default());
    let (mut offset, mut n) = (0, 0);
    for step in steps {
        n += 1;
        let gap = |len, known| Gap { offset, len, known, cause: GapCause::Acked };
        match step {
            Step::Data(bytes) => {
                let place = Place { offset, at: at(n), time: at(n).time };
                framer.data(bytes, place, &[MAGIC], &mut pool, &mut out);
                offset += bytes.len() as u64;
            }
            Step::Gap(len) => {
                framer.gap(at(n), &gap(len, true), &mut pool, &mut out);
                offset += len;
            }
            Step::Unknown => framer.gap(at(n), &gap(0, false), &mut pool, &mut out),
        }
    }
    framer.finish(at(n + 1), &mut pool, &mut out);
    assert_eq!(pool.allocated(), 0, "a buffer was left behind");
    out
}

fn whole(framer: Framer, bytes: &[u8]) -> Recorder {
    run(framer, [Step::Data(bytes)])
}

/// Every cut into three pieces, every piece size: the same messages and the same counts.
fn every_cut(new: impl Fn() -> Framer, stream: &[u8]) -> Recorder {
    let expected = whole(new(), stream);
    let same = |pieces: &[&[u8]]| {
        let got = run(new(), pieces.iter().filter(|p| !p.is_empty()).map(|p| Step::Data(p)));
        let lengths: Vec<_> = pieces.iter().map(|p| p.len()).collect();
        assert_eq!(got.messages, expected.messages, "pieces of {lengths:?}");
        assert_eq!(got.troubles, expected.troubles, "pieces of {lengths:?}");
    };
    for size in 1..=stream.len() {
        same(&stream.chunks(size).collect::<Vec<_>>());
    }
    for i in 0..stream.len() {
        for j in i..=stream.len() {
            same(&[&stream[..i], &stream[i..j], &stream[j..]]);
        }
    }
    expected
}

fn middle() -> Framer {
    Framer::in_the_middle(None)
}

fn start() -> Framer {
    Framer::at_start(MAGIC)
}

#[test]
fn r60_in_step_in_every_cut() {
    let stream = [message("verack", &[]), message("ping", &filler(8, 3)), message("x", &[7])].concat();
    let out = every_cut(start, &stream);
    assert_eq!(out.names(), ["verack", "ping", "x"]);
    assert_eq!(out.messages.iter().map(|m| m.offset).collect::<Vec<_>>(), [0, 24, 56]);
    assert_eq!((out.messages[1].payload.clone(), out.messages[1].valid), (filler(8, 3), true));
    assert_eq!(out.troubles.total(), 0);
}

#[test]
fn r60_pickup_in_every_cut() {
    // The end of a body with a magic in it, then a message, another, and half a third.
    let body = [&filler(9, 1)[..], &MAGIC, &MAGIC[..3], &filler(20, 4)].concat();
    let stream =
        [body.clone(), message("ping", &filler(8, 3)), message("verack", &[]), header("tx", 9, [0; 4])].concat();
    let out = every_cut(middle, &stream);
    assert_eq!(out.names(), ["ping", "verack"]);
    assert_eq!(out.messages[0].offset, body.len() as u64);
    assert_eq!(out.count(Trouble::ScannedBytes), body.len() as u64);
    assert_eq!((out.count(Trouble::FalseHeader), out.count(Trouble::Resynchronised)), (1, 1));
    assert_eq!((out.count(Trouble::UnfinishedMessage), out.troubles.total()), (1, body.len() as u64 + 3));
}

#[test]
fn r60_a_bad_checksum_is_accepted_by_the_header_that_follows_in_every_cut() {
    let stream = [header("tx", 5, [1, 2, 3, 4]), filler(5, 1), message("ping", &filler(8, 3))].concat();
    let out = every_cut(middle, &stream);
    assert_eq!(out.names(), ["tx", "ping"]);
    assert_eq!([out.messages[0].valid, out.messages[1].valid], [false, true]);
    assert_eq!(out.count(Trouble::BadMessageChecksum), 1);
    // Without a header behind it, it is none.
    let out = every_cut(middle, &stream[..29 + 23]);
    assert_eq!(out.names(), [""; 0]);
}

#[test]
fn r60_messages_inside_a_false_header_are_found_in_every_cut() {
    // The false header claims up to the middle of the last message.
    let inside = [message("ping", &filler(8, 3)), message("inv", &filler(5, 9))].concat();
    let stream = [header("block", 70, [0; 4]), inside, message("pong", &filler(8, 5))].concat();
    let out = every_cut(middle, &stream);
    assert_eq!(out.names(), ["ping", "inv", "pong"]);
    assert_eq!(out.messages.iter().map(|m| m.offset).collect::<Vec<_>>(), [24, 56, 85]);
    assert_eq!(out.count(Trouble::ScannedBytes), 24);
}

#[test]
fn r60_a_false_header_of_4_mb_loses_nothing_whenever_it_ends() {
    let messages: Vec<u8> = (0..200_u8).flat_map(|n| message("inv", &filler(37, n))).collect();
    let false_header = header("block", 4_000_000, [9; 4]);
    let stream = [&filler(5, 5)[..], &false_header, &messages].concat();
    let cut = |framer, steps: Vec<Step<'_>>| run(framer, steps);
    // At the end of the stream, at a gap, at a gap of unknown size.
    for end in [Step::Gap(1), Step::Unknown] {
        let out = cut(middle(), vec![Step::Data(&stream), end]);
        assert_eq!(out.messages.len(), 200);
        assert!(out.messages.iter().all(|m| m.valid));
    }
    let out = whole(middle(), &stream);
    assert_eq!((out.messages.len(), out.messages[0].offset), (200, 29));
    // When the four million bytes are there.
    let long: Vec<u8> = stream.iter().chain(messages.iter().cycle().take(61 * 70_000)).copied().collect();
    let pieces: Vec<_> = long.chunks(1448).map(Step::Data).collect();
    assert_eq!(run(middle(), pieces).messages.len(), 200 + 70_000);
}

#[test]
fn r61_gap_at_every_place_of_every_length() {
    let parts = [
        message("ping", &filler(8, 1)),
        message("tx", &filler(30, 2)),
        message("verack", &[]),
        message("inv", &filler(9, 3)),
        message("pong", &filler(8, 4)),
    ];
    let stream = parts.concat();
    let mut ends = vec![0];
    for p in &parts {
        ends.push(ends[ends.len() - 1] + p.len());
    }
    for from in 0..stream.len() {
        for to in from + 1..=stream.len() {
            let steps = [Step::Data(&stream[..from]), Step::Gap((to - from) as u64), Step::Data(&stream[to..])];
            let out = run(start(), steps);
            // The oracle: whole messages outside the gap, and the one whose body it begins in.
            let mut expected = Vec::new();
            for span in ends.windows(2) {
                let (begin, body, end) = (span[0], span[0] + 24, span[1]);
                if end <= from || begin >= to {
                    expected.push((begin as u64, None));
                } else if body <= from {
                    expected.push((begin as u64, Some((to.min(end) - from) as u32)));
                }
            }
            let got: Vec<_> = out.messages.iter().map(|m| (m.offset, m.truncated)).collect();
            assert_eq!(got, expected, "gap {from}..{to}");
            let in_body = ends.windows(2).any(|s| s[0] + 24 <= from && to <= s[1] && from < s[1]);
            let lost = u64::from(!in_body);
            assert_eq!(out.count(Trouble::LostHeader), lost, "gap {from}..{to}");
            assert_eq!(out.count(Trouble::Truncated), expected.iter().filter(|e| e.1.is_some()).count() as u64);
        }
    }
}

#[test]
fn r61_several_gaps_in_one_body_and_one_over_several_messages() {
    let stream = [
        message("tx", &filler(100, 1)),
        message("ping", &filler(8, 2)),
        message("pong", &filler(8, 3)),
        message("verack", &[]),
    ]
    .concat();
    let steps = [
        Step::Data(&stream[..30]),
        Step::Gap(10),
        Step::Data(&stream[40..50]),
        Step::Gap(20),
        Step::Data(&stream[70..90]),
        Step::Gap(110),
        Step::Data(&stream[200..]),
    ];
    let out = run(start(), steps);
    assert_eq!(out.names(), ["tx"]);
    assert_eq!(out.messages[0].truncated, Some(10 + 20 + 34));
    let steps = [Step::Data(&stream[..30]), Step::Unknown, Step::Data(&stream[150..])];
    let out = run(start(), steps);
    // How many bytes are missing of the body is not known: all that is outstanding.
    assert_eq!(out.names(), ["tx", "pong", "verack"]);
    assert_eq!((out.messages[0].truncated, out.messages[1].offset), (Some(94), 30 + 6));
}

#[test]
fn r63_each_fault_has_its_name_and_the_stream_goes_on() {
    let good = message("ping", &filler(8, 1));
    let mut bad_sum = good.clone();
    bad_sum[20] ^= 1;
    let mut bad_name = good.clone();
    bad_name[5] = 7;
    let cases = [
        (filler(40, 1), Trouble::BadMagic, 0, 40),
        (bad_sum, Trouble::BadMessageChecksum, 1, 0),
        (bad_name, Trouble::BadCommand, 0, 32),
        (header("block", 4_000_001, [0; 4]), Trouble::Oversize, 0, 24),
    ];
    for (bytes, trouble, more, scanned) in cases {
        let stream = [good.clone(), bytes, good.clone()].concat();
        let out = every_cut(start, &stream);
        assert_eq!(out.messages.len(), 2 + more, "{trouble}");
        assert_eq!(out.count(trouble), 1, "{trouble}");
        assert_eq!(out.count(Trouble::ScannedBytes), scanned, "{trouble}");
        assert!(out.messages.last().unwrap().valid && out.messages[0].valid);
    }
    // The longest payload there is.
    let long = message("block", &filler(4_000_000, 1));
    let out = run(start(), long.chunks(65_000).map(Step::Data));
    assert_eq!((out.names(), out.troubles.total()), (vec!["block"], 0));
}

#[test]
fn doubt_forgets_what_was_begun_and_frees_it() {
    let (mut pool, mut out) = (GatherPool::new(GATHER_CAP), Recorder::default());
    let mut framer = start();
    let stream = message("tx", &filler(100, 1));
    let place = Place { offset: 0, at: at(1), time: at(1).time };
    framer.data(&stream[..90], place, &[MAGIC], &mut pool, &mut out);
    assert!(pool.allocated() > 0);
    framer.doubt(&mut pool, &mut out);
    assert_eq!((pool.allocated(), out.count(Trouble::UnfinishedMessage)), (0, 1));
    framer.data(&message("ping", &[1; 8]), Place { offset: 500, ..place }, &[MAGIC], &mut pool, &mut out);
    assert_eq!((out.names(), out.messages[0].offset), (vec!["ping"], 500));
}

#[path = "framer/hostile_tests.rs"]
mod hostile;
#[path = "framer/legacy_tests.rs"]
mod legacy;
