//! Random conversations, mutated: what must hold whatever happens to the packets (invariants I1 to I9, I11).
//!
//! The recorder itself checks at each call that chunks and gaps tile the stream (I1) and that nothing follows the
//! end (I4); the runner checks the caps after each segment and that nothing is held after the end (I3).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop at the first surprise

mod support;

use btcdmon::flow::{CloseReason, Config};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;
use support::ISNS;
use support::conversation::{Dialogue, Mutation, Random};
use support::frame::{Ends, Frame};
use support::recorder::{Event, From, Recorded, Recorder};
use support::run::{Runner, START, Variant};

const PORTS: [u16; 2] = [50_000, 8333];
const SECOND: i64 = 1_000_000_000;

/// `n` cases; `SOAK=20` makes it 20 times as many.
fn cases(n: u32) -> Cases {
    let n = n * std::env::var("SOAK").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    Cases { cases: n, failure_persistence: None, ..Cases::default() }
}

fn config() -> Config {
    Config { service_ports: vec![8333].into(), ..Config::default() }
}

/// Feeds `frames` with a tick at each full second, as the capture stage does.
fn run(frames: &[(i64, Frame)], config: Config, variant: Variant) -> Recorder {
    let mut runner = Runner::new(config, PORTS, variant);
    let mut next_tick = SECOND;
    for (k, (time, frame)) in frames.iter().enumerate() {
        while *time >= next_tick {
            runner.now = variant.start + next_tick;
            runner.tick();
            next_tick += SECOND;
        }
        runner.partition.handler.step = k;
        runner.now = variant.start + time;
        runner.feed(frame);
    }
    let (recorder, _) = runner.finish();
    assert_eq!(recorder.faults, Vec::<String>::new());
    recorder
}

fn play(dialogue: &Dialogue, variant: Variant) -> Recorder {
    let ends = Ends::new(PORTS, 1, variant.mirrored);
    let frames: Vec<_> = dialogue.captured().iter().map(|i| (i.time, i.frame(ends, variant.isn))).collect();
    run(&frames, config(), variant)
}

const PLAIN: Variant = Variant { isn: [1000, 5000], start: START, mirrored: false };

/// Both streams as told, the bytes of gaps as `None`.
fn streams(recorder: &Recorder) -> [Vec<Option<u8>>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for r in &recorder.events {
        match &r.event {
            Event::Data { from, bytes, .. } => streams[*from as usize].extend(bytes.iter().map(|&b| Some(b))),
            Event::Gap { from, len, .. } => streams[*from as usize].extend((0..*len).map(|_| None)),
            _ => {}
        }
    }
    streams
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (2_u8..4).prop_map(Mutation::Split),
        Just(Mutation::Dup),
        Just(Mutation::DupAltered),
        Just(Mutation::ShiftOverlap),
        Just(Mutation::Shuffle),
        Just(Mutation::Drop),
        Just(Mutation::SwapAckData),
        Just(Mutation::ChaffOldTs),
        Just(Mutation::ChaffBadSeq),
        Just(Mutation::ChaffSyn),
        Just(Mutation::ChaffRst),
    ]
}

fn lengths() -> impl Strategy<Value = [usize; 2]> {
    let length = || prop_oneof![4 => 0_usize..200, 4 => 0_usize..8_000, 1 => 20_000_usize..100_000];
    [length(), length()]
}

/// A conversation with each mutation at most once, in an order that lets all of them act.
fn mutated(lengths: [usize; 2], seed: u64, mutations: &[Mutation]) -> Dialogue {
    let mut random = Random(seed);
    let mut dialogue = Dialogue::new(lengths, &mut random);
    let mut done = Vec::new();
    for &m in mutations {
        if !done.iter().any(|d| std::mem::discriminant(d) == std::mem::discriminant(&m)) {
            dialogue.mutate(m, &mut random);
            done.push(m);
        }
    }
    dialogue
}

proptest! {
    #![proptest_config(cases(1500))]

    /// I2, I6, I7, I11: whatever happens within the grace, both streams come out whole and the conversation ends.
    #[test]
    fn nothing_is_lost_within_the_grace(
        lengths in lengths(),
        seed in any::<u64>(),
        mutations in prop::collection::vec(mutation(), 0..7),
    ) {
        let dialogue = mutated(lengths, seed, &mutations);
        let recorder = play(&dialogue, PLAIN);
        let told = streams(&recorder);
        for (k, stream) in dialogue.streams.iter().enumerate() {
            let expected: Vec<_> = stream.iter().map(|&b| Some(b)).collect();
            prop_assert!(told[k] == expected, "side {k}: {} of {} bytes", told[k].len(), expected.len());
        }
        let closed = |r: &&Recorded| matches!(r.event, Event::Closed(..));
        let ends: Vec<_> = recorder.events.iter().filter(closed).collect();
        prop_assert_eq!(ends.len(), 1);
        prop_assert_eq!(&ends[0].event, &Event::Closed(CloseReason::Fin, None));
    }

    /// R40: what the capture lost and the receiver acknowledged is a gap, all of it and nothing else.
    #[test]
    fn what_the_capture_lost_is_a_gap(
        lengths in lengths(),
        seed in any::<u64>(),
        mutations in prop::collection::vec(mutation(), 0..5),
    ) {
        // A gap by acknowledgment makes any timestamp acceptable again (R38): no chaff with old ones here.
        let mut all: Vec<_> = mutations.into_iter().filter(|&m| m != Mutation::ChaffOldTs).collect();
        all.push(Mutation::DropAcked);
        // Nor copies that may come after the gap was given up: of what is lost then, the model knows nothing.
        let late = [Mutation::DupAltered, Mutation::Dup, Mutation::ShiftOverlap];
        all.retain(|m| !late.contains(m));
        let dialogue = mutated(lengths, seed, &all);
        let told = streams(&play(&dialogue, PLAIN));
        let missing = dialogue.missing();
        for (k, stream) in dialogue.streams.iter().enumerate() {
            let expected: Vec<_> = stream.iter().zip(&missing[k]).map(|(&b, &gone)| (!gone).then_some(b)).collect();
            prop_assert!(told[k] == expected, "side {k}: {} of {} bytes", told[k].len(), expected.len());
        }
    }

    /// I5, I8, I9: sequence numbers, times and the order of the addresses change nothing.
    #[test]
    fn numbers_times_and_addresses_change_nothing(
        lengths in [0_usize..3_000, 0_usize..3_000],
        seed in any::<u64>(),
        mutations in prop::collection::vec(prop_oneof![9 => mutation(), 1 => Just(Mutation::DropAcked)], 0..7),
        isn in (prop_oneof![prop::sample::select(ISNS.to_vec()), any::<u32>()], any::<u32>()),
        shift in 0_i64..1_000_000_000_000_000,
        mirrored in any::<bool>(),
    ) {
        let dialogue = mutated(lengths, seed, &mutations);
        let one = play(&dialogue, PLAIN);
        let other = play(&dialogue, Variant { isn: [isn.0, isn.1], start: START - shift, mirrored });
        prop_assert_eq!(one.lines(), other.lines());
    }
}

/// One segment of a soup: anything at all, near the start of a stream.
fn ingredient() -> impl Strategy<Value = (bool, u16, u8, i64, usize, i64, Option<u32>, i64, bool)> {
    let offset = prop_oneof![
        8 => -3_i64..60,
        1 => prop::sample::select(vec![1 << 25, -(1 << 25), (1 << 25) + 10, (1 << 25) + 20, i64::from(i32::MAX)]),
    ];
    let flags = prop_oneof![
        8 => Just(0x10_u8), 2 => Just(0x02), 2 => Just(0x12), 2 => Just(0x11), 1 => Just(0x04), 1 => any::<u8>(),
    ];
    let wait = prop_oneof![
        6 => 0_i64..30_000_000,
        2 => 0_i64..2 * SECOND,
        1 => prop::sample::select(vec![61 * SECOND, 1801 * SECOND, -SECOND, -3600 * SECOND]),
    ];
    (
        any::<bool>(),
        1_u16..4,
        flags,
        offset,
        0_usize..20,
        -3_i64..70,
        prop::option::of(95_u32..105),
        wait,
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(cases(8000))]

    /// I1, I3, I4 for any segments at all, under small caps; I5 and I9 hold for them too.
    #[test]
    fn any_soup_keeps_the_contract(
        soup in prop::collection::vec(ingredient(), 1..80),
        isn in [any::<u32>(), any::<u32>()],
        count in prop::option::of(1_u16..4),
        caps in (200_usize..2_000, 1_usize..8, 400_usize..3_000, 1_usize..4),
    ) {
        let run = |variant: Variant| {
            let mut config = config();
            let l = &mut config.limits;
            (l.held_bytes, l.held_segments, l.partition_held_bytes, l.conversations) = caps;
            let mut runner = Runner::new(config, PORTS, variant);
            for (k, &(a, number, flags, offset, len, ack, tsval, wait, tick)) in soup.iter().enumerate() {
                let ends = Ends::new(PORTS, number, variant.mirrored);
                let (me, other) = if a { (0, 1) } else { (1, 0) };
                let (src, dst) = if a { (ends.a, ends.b) } else { (ends.b, ends.a) };
                let mut f = Frame::new(src, dst);
                let first = |k: usize| variant.isn[k].wrapping_add(1);
                f.seq = first(me).wrapping_add(offset as u32);
                f.ack = first(other).wrapping_add(ack as u32);
                (f.flags, f.tsval, f.ip_id) = (flags, tsval, k as u16 / 2);
                f.payload = (0..len).map(|i| (k + i) as u8).collect();
                f.captured = if k % 7 == 0 { len / 2 } else { len };
                runner.partition.handler.step = k;
                if Some(number) == count && k > 20 && runner.partition.handler.count.is_empty() {
                    runner.partition.handler.count.push((number, From::A));
                }
                runner.feed(&f);
                prop_assert!(runner.partition.conversations() <= caps.3);
                runner.now += wait;
                if tick {
                    runner.tick();
                }
            }
            let (recorder, tally) = runner.finish();
            prop_assert_eq!(&recorder.faults, &Vec::<String>::new());
            let mut lines = recorder.lines();
            lines.push(format!("{tally:?}"));
            Ok(lines)
        };
        let one = run(PLAIN)?;
        let other = run(Variant { isn, start: START + 7, mirrored: true })?;
        prop_assert_eq!(one, other);
    }
}
