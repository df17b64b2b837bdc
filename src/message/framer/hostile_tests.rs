//! Streams made to cost time or memory, and random ones against the invariants.

use super::*;
use crate::message::resync::tests::HASHED;
use proptest::prelude::*;

/// Bytes hashed to judge candidates while `stream` is framed in pieces of `size`.
fn hashed(stream: &[u8], size: usize) -> (u64, Recorder) {
    HASHED.with(|h| h.set(0));
    let out = run(middle(), stream.chunks(size).map(Step::Data));
    (HASHED.with(std::cell::Cell::get), out)
}

/// The budget, and a few times the stream.
fn assert_linear(work: u64, bytes: usize) {
    assert!(work < 40_000_000 + 6 * bytes as u64, "{work} bytes hashed for {bytes}");
}

#[test]
fn nested_false_headers_cost_linear_work() {
    // Every 24 bytes a header that claims all the rest of 2 MB.
    let n = 2_000_000 / 24;
    let stream: Vec<u8> = (0..n).flat_map(|i| header("tx", (n - i - 1) as u32 * 24 + 30, [1; 4])).collect();
    for size in [1448, stream.len()] {
        let stream = [&stream[..], &filler(100, 1)].concat();
        let (work, out) = hashed(&stream, size);
        assert_linear(work, stream.len());
        assert_eq!(out.count(Trouble::ScannedBytes), stream.len() as u64);
    }
}

#[test]
fn true_messages_between_nested_false_headers_do_not_renew_the_budget() {
    // A false header that claims the rest, a true message, and so on: 4 MB, then 8 MB in all.
    let good = message("ping", &filler(8, 1));
    let step = 24 + good.len() + 4;
    for bytes in [1_000_000, 4_000_000, 8_000_000] {
        let n = bytes / step;
        let mut stream = Vec::new();
        for i in 0..n {
            let claim = ((n - i - 1) * step + good.len() + 4 + 30).min(4_000_000);
            stream.extend(header("block", claim as u32, [1; 4]));
            stream.extend(&good);
            stream.extend([0; 4]);
        }
        stream.extend(filler(100, 1));
        let (work, out) = hashed(&stream, 16 * 1024);
        assert_linear(work, stream.len());
        let messages: u64 = out.messages.iter().map(|m| 24 + u64::from(m.length)).sum();
        assert_eq!(messages + out.count(Trouble::ScannedBytes), stream.len() as u64);
    }
}

#[test]
fn claims_that_end_one_byte_further_each_time_cost_linear_work() {
    // 1.5 MB of false headers, each claiming up to one byte more than the one before; then a byte at a time.
    let n = 1_500_000 / 24;
    let end = n * 24;
    let mut stream: Vec<u8> = (0..n).flat_map(|i| header("tx", (end - (i + 1) * 24 + i + 1) as u32, [1; 4])).collect();
    stream.extend(filler(n + 30, 1));
    let (head, tail) = stream.split_at(end);
    HASHED.with(|h| h.set(0));
    let out = run(middle(), [Step::Data(head)].into_iter().chain(tail.chunks(1).map(Step::Data)));
    assert_linear(HASHED.with(std::cell::Cell::get), stream.len());
    assert_eq!(out.count(Trouble::ScannedBytes), stream.len() as u64);
}

#[test]
fn repeated_magic_and_headers_without_end() {
    let magics: Vec<u8> = MAGIC.iter().copied().cycle().take(4_000_000).collect();
    let (work, out) = hashed(&magics, 1448);
    assert_eq!((work, out.messages.len()), (0, 0));
    assert_eq!(out.count(Trouble::ScannedBytes), 4_000_000);
    // Empty messages with a wrong checksum, each accepted by the one that follows: one by one, whatever the chunk.
    let empty: Vec<u8> = header("verack", 0, [7; 4]).repeat(100_000);
    assert_eq!(whole(middle(), &empty).messages.len(), 100_000);
}

#[test]
fn ten_thousand_directions_with_half_a_header_cost_next_to_nothing() {
    let (mut pool, mut out) = (GatherPool::new(GATHER_CAP), Recorder::default());
    let half = &header("block", 4_000_000, [1; 4])[..12];
    for n in 0..10_000 {
        for mut framer in [start(), middle()] {
            framer.data(half, Place { offset: 0, at: at(n), time: at(n).time }, &[MAGIC], &mut pool, &mut out);
        }
    }
    assert!(pool.allocated() <= 10_000 * 24, "{}", pool.allocated());
}

#[test]
fn trickling_senders_displace_no_block() {
    let (mut pool, mut out) = (GatherPool::new(GATHER_CAP), Recorder::default());
    let claim = [header("block", 4_000_000, [1; 4]), vec![0]].concat();
    let mut tricklers: Vec<_> = (0..10_000).map(|i| if i % 2 == 0 { start() } else { middle() }).collect();
    let block = message("block", &filler(3_900_000, 1));
    let mut sender = start();
    let mut n = 0;
    let mut place = |offset: usize| {
        n += 1;
        Place { offset: offset as u64, at: at(n), time: at(n).time }
    };
    for (i, framer) in tricklers.iter_mut().enumerate() {
        framer.data(&claim, place(0), &[MAGIC], &mut pool, &mut out);
        assert!(pool.allocated() <= GATHER_CAP, "{} at {i}", pool.allocated());
    }
    for (i, piece) in block.chunks(1448).enumerate() {
        sender.data(piece, place(i * 1448), &[MAGIC], &mut pool, &mut out);
        for k in 0..4 {
            tricklers[(i * 4 + k) % 10_000].data(&[0], place(25), &[MAGIC], &mut pool, &mut out);
        }
        assert!(pool.allocated() <= GATHER_CAP);
    }
    assert_eq!(out.names(), ["block"]);
    assert!(out.messages[0].valid && pool.take_given_up() > 0);
}

/// A piece of a random stream.
#[derive(Clone, Debug)]
enum Piece {
    Message(u8, Vec<u8>),
    Garbage(Vec<u8>),
    /// A sound header that claims this much.
    Claim(u32),
}

fn piece(claims: bool) -> impl Strategy<Value = Piece> {
    let payload = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        1 => prop::collection::vec(any::<u8>(), 0..3000),
        1 => Just([&MAGIC[..], b"tx\0\0\0\0", &MAGIC].concat()),
    ];
    let garbage = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        (1_usize..16).prop_map(|n| header("tx", 0, [0; 4])[..n].to_vec()),
        Just(header("block", 4_000_001, [0; 4])),
    ];
    let claim = u32::from(claims);
    prop_oneof![
        6 => (any::<u8>(), payload).prop_map(|(n, p)| Piece::Message(n, p)),
        1 => garbage.prop_map(Piece::Garbage),
        claim => prop_oneof![0_u32..500, 3_000_000_u32..4_000_000].prop_map(Piece::Claim),
    ]
}

/// The stream, and its messages with their offsets.
fn build(pieces: &[Piece]) -> (Vec<u8>, Vec<(u64, Vec<u8>)>) {
    let (mut stream, mut messages) = (Vec::new(), Vec::new());
    for p in pieces {
        match p {
            Piece::Message(n, payload) => {
                messages.push((stream.len() as u64, payload.clone()));
                stream.extend(message(["inv", "tx", "verack", "strange"][usize::from(n % 4)], payload));
            }
            Piece::Garbage(bytes) => stream.extend(bytes),
            Piece::Claim(n) => stream.extend(header("block", *n, [3; 4])),
        }
    }
    (stream, messages)
}

/// The steps for `stream` cut at `cuts`, without the bytes of `gaps`.
fn steps<'a>(stream: &'a [u8], cuts: &[prop::sample::Index], gaps: &[(usize, usize)]) -> Vec<Step<'a>> {
    let mut places: Vec<usize> = cuts.iter().map(|c| c.index(stream.len() + 1)).collect();
    places.extend(gaps.iter().flat_map(|g| [g.0, g.1]));
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.dedup();
    let missing = |w: &[usize]| gaps.iter().any(|g| g.0 <= w[0] && w[1] <= g.1);
    places
        .windows(2)
        .map(|w| if missing(w) { Step::Gap((w[1] - w[0]) as u64) } else { Step::Data(&stream[w[0]..w[1]]) })
        .collect()
}

fn gaps(stream: &[u8], at: &[(prop::sample::Index, usize)]) -> Vec<(usize, usize)> {
    at.iter().map(|(i, n)| (i.index(stream.len() + 1), *n)).map(|(i, n)| (i, (i + n).min(stream.len()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Every valid message is an original at its place, in order, once; every byte is accounted for; without
    /// false claims, what lies outside gaps is all there.
    #[test]
    fn messages_are_originals_in_order_and_none_outside_gaps_is_lost(
        claims: bool,
        pieces in prop::collection::vec(piece(true), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        holes in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..200), 0..4),
        joined: bool,
    ) {
        let pieces: Vec<_> = pieces.into_iter().filter(|p| claims || !matches!(p, Piece::Claim(_))).collect();
        let (stream, originals) = build(&pieces);
        let gaps = gaps(&stream, &holes);
        let steps = steps(&stream, &cuts, &gaps);
        let delivered: u64 = steps.iter().map(|s| if let Step::Data(d) = s { d.len() as u64 } else { 0 }).sum();
        let out = run(if joined { middle() } else { start() }, steps);
        for w in out.messages.windows(2) {
            prop_assert!(w[0].offset + 24 + u64::from(w[0].length) <= w[1].offset);
        }
        for m in out.messages.iter().filter(|m| m.valid) {
            prop_assert!(originals.iter().any(|(o, p)| *o == m.offset && *p == m.payload), "{m:?}");
        }
        let framed: u64 = out.messages.iter().map(|m| 24 + u64::from(m.length - m.truncated.unwrap_or(0))).sum();
        let counted = framed + out.count(Trouble::ScannedBytes);
        if out.count(Trouble::UnfinishedMessage) == 0 {
            prop_assert_eq!(counted, delivered);
        } else {
            prop_assert!(counted < delivered);
        }
        if !claims {
            for (offset, payload) in &originals {
                let (begin, end) = (*offset as usize, *offset as usize + 24 + payload.len());
                let outside = gaps.iter().all(|g| g.1 <= begin || end <= g.0 || g.0 == g.1);
                let found = out.messages.iter().any(|m| m.offset == *offset && m.valid);
                prop_assert!(found == outside || !outside, "lost the message at {}", offset);
            }
        }
    }

    /// R60: any chunking gives the same messages and the same counts, whatever the bytes.
    #[test]
    fn r60_any_chunking_gives_the_same(
        pieces in prop::collection::vec(piece(true), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        holes in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..200), 0..3),
        joined: bool,
        cut_off in 0_usize..60,
    ) {
        let (stream, _) = build(&pieces);
        let stream = &stream[cut_off.min(stream.len())..];
        let gaps = gaps(stream, &holes);
        let new = || if joined { middle() } else { start() };
        let expected = run(new(), steps(stream, &[], &gaps));
        let got = run(new(), steps(stream, &cuts, &gaps));
        prop_assert_eq!(got.messages, expected.messages);
        prop_assert_eq!(got.troubles, expected.troubles);
    }
}
