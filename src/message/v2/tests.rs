//! The decoder on conversations made up from the specification, and on what is none.

use super::counts::Counts;
use super::model::{Choice, Room, at_least, value};
use super::*;
use crate::flow::GapCause;
use crate::time::SECOND;

/// Who called, and who was called.
const OUT: Side = Side::Low;
const BACK: Side = Side::High;
const MS: i64 = 1_000_000;

/// A connection, its clock, and what was told.
struct Lab {
    decoder: Decoder,
    scratch: Scratch,
    time: Timestamp,
    next: [u64; 2],
    told: Vec<Estimate>,
}

impl Lab {
    fn new(from_start: bool) -> Self {
        let decoder = Decoder::new(from_start.then_some(OUT));
        Self {
            decoder,
            scratch: Scratch::default(),
            time: Timestamp::from_nanos(SECOND),
            next: [0; 2],
            told: Vec::new(),
        }
    }

    /// Takes what was just decided.
    fn hear(&mut self) {
        self.told.append(&mut self.scratch.told);
    }

    fn segment(&mut self, side: Side, len: u64, pushed: bool) {
        let span = Span { offset: self.next[side as usize], len, time: self.time, starts_segment: true, pushed };
        self.next[side as usize] += len;
        self.decoder.span(Model::learnt(), &mut self.scratch, (side, &span, PacketIndex(1)));
        self.hear();
    }

    /// Writes of `side`, 100 µs apart.
    fn write(&mut self, side: Side, lens: &[u64]) -> &mut Self {
        for len in lens {
            self.time = self.time.plus(MS / 10);
            self.segment(side, *len, true);
        }
        self
    }

    /// The same in segments of at most `mss` bytes.
    fn write_in(&mut self, mss: u64, side: Side, lens: &[u64]) -> &mut Self {
        for len in lens {
            self.time = self.time.plus(MS / 10);
            let mut rest = *len;
            while rest > 0 {
                let part = rest.min(mss);
                rest -= part;
                self.segment(side, part, rest == 0);
            }
        }
        self
    }

    fn gap(&mut self, side: Side, len: u64) -> &mut Self {
        let gap = Gap { offset: self.next[side as usize], len, known: true, cause: GapCause::Acked };
        self.next[side as usize] += len;
        self.decoder.gap(Model::learnt(), &mut self.scratch, (side, &gap, self.time, PacketIndex(1)));
        self.hear();
        self
    }

    fn wait(&mut self, seconds: i64) -> &mut Self {
        for _ in 0..seconds {
            self.time = self.time.plus(SECOND);
            self.decoder.tick(Model::learnt(), &mut self.scratch, self.time);
            self.hear();
        }
        self
    }

    /// Two Bitcoin Core nodes shake hands.
    fn handshake(&mut self) -> &mut Self {
        self.write(OUT, &[64 + 700]);
        self.write(BACK, &[64 + 1200 + 36]);
        self.write(OUT, &[36, 140]);
        self.write(BACK, &[140, 33, 33, 33]);
        self.write(OUT, &[33, 33, 33, 33, 30, 29, 90, 29]);
        self.write(BACK, &[30, 29, 90, 29, 29, 22]);
        self.write(OUT, &[29, 22])
    }

    fn names(&self, side: Side) -> Vec<&'static str> {
        self.told.iter().filter(|e| e.side == side).map(|e| e.kind.command().unwrap().name()).collect()
    }

    /// Type, length and entries of the last `n` messages.
    fn last(&self, n: usize) -> Vec<(&'static str, u32, u32)> {
        let last = &self.told[self.told.len() - n..];
        last.iter().map(|e| (e.kind.command().unwrap().name(), e.len, e.entries)).collect()
    }
}

#[test]
fn the_table_is_whole() {
    let text = include_str!("table.txt");
    let counts = Counts::parse(text).unwrap();
    let written: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(counts.to_text().lines().collect::<Vec<_>>(), written, "it reads as it was written");
    assert!(Counts::parse("next core 9 nothing ping pong 1").is_err());
    assert!(Counts::parse("size ping").is_err());
}

#[test]
fn a_handshake_of_two_core_nodes() {
    let mut lab = Lab::new(true);
    lab.handshake().wait(5);
    let out = "version wtxidrelay sendaddrv2 verack getaddr sendcmpct ping getheaders feefilter pong headers";
    let back = "version wtxidrelay sendaddrv2 verack sendcmpct ping getheaders feefilter pong headers";
    assert_eq!(lab.names(OUT).join(" "), out);
    assert_eq!(lab.names(BACK).join(" "), back);
    assert_eq!(lab.decoder.writer(OUT), Writer::Core);
    let version = lab.told.iter().find(|e| e.side == BACK).unwrap();
    assert_eq!((version.offset, version.len), (1300, 140));
    assert!(lab.told.iter().all(|e| e.confidence > 900), "{:?}", lab.told);
}

/// A side that asks for parts of what is announced is understood when it does so again, before the answer has come.
#[test]
fn how_a_side_asks_is_learnt() {
    let mut lab = Lab::new(true);
    lab.handshake().wait(6);
    let part = |state: &State| {
        let mut state = *state;
        state.apply(OUT, Kind::Inv, (22 + 9 * 36, 9), 200_000);
        let at = state.situation(Model::learnt(), BACK, 200_005);
        let size = |kind| Model::learnt().size(kind, (22 + 4 * 36, 4));
        [Kind::GetDataTx, Kind::Inv].map(|kind| at.score(kind, (22 + 4 * 36, 4), size(kind)))
    };
    let [ask, offer] = part(lab.decoder.state().unwrap());
    assert!(ask < offer, "both offer, more probably: {ask} {offer}");
    for _ in 0..4 {
        lab.write(OUT, &[22 + 9 * 36]).write(BACK, &[22 + 4 * 36]).write(OUT, &[243, 387, 300, 290]).wait(6);
        assert_eq!(lab.last(6)[1], ("getdata", 166, 4));
    }
    let [ask, offer] = part(lab.decoder.state().unwrap());
    assert!(ask > offer + 2.0, "{ask} {offer}");
}

#[test]
fn requests_and_answers() {
    let mut lab = Lab::new(true);
    lab.handshake().wait(6);
    // Three transactions are announced, asked for and sent.
    lab.write(OUT, &[22 + 3 * 36]).write(BACK, &[22 + 3 * 36]).write(OUT, &[243, 1066, 21 + 400]).wait(6);
    assert_eq!(
        lab.last(5),
        [("inv", 130, 3), ("getdata", 130, 3), ("tx", 243, 1), ("tx", 1066, 1), ("tx", 421, 1)],
        "1066 bytes are an inv of 29, too"
    );
    assert_eq!(lab.told.last().unwrap().payload_bytes(), 400);
    // The same length, announced by both and asked for by none.
    lab.write(OUT, &[58]).wait(1).write(BACK, &[58]).wait(8);
    assert_eq!(lab.last(2), [("inv", 58, 1), ("inv", 58, 1)]);
    // A block in compact form of which transactions are missing.
    lab.write(OUT, &[700]).write(BACK, &[57]).write(OUT, &[5000]).wait(6);
    assert_eq!(lab.last(3), [("cmpctblock", 700, 1), ("getblocktxn", 57, 1), ("blocktxn", 5000, 1)]);
    // A ping after two minutes.
    lab.wait(110).write(OUT, &[29]).write(BACK, &[29]).wait(6);
    assert_eq!(lab.last(2), [("ping", 29, 1), ("pong", 29, 1)]);
}

#[test]
fn long_messages_in_segments_of_any_size() {
    for mss in [536, 1220, 1448, 16_384] {
        let mut lab = Lab::new(true);
        lab.handshake().wait(6);
        lab.write(OUT, &[22 + 4 * 36]).write(BACK, &[22 + 4 * 36]);
        lab.write_in(mss, OUT, &[30_000, 536, 1448, 61 + 21]).wait(6);
        let lens: Vec<u32> = lab.told[lab.told.len() - 4..].iter().map(|e| e.len).collect();
        assert_eq!(lens, [30_000, 536, 1448, 82], "{mss}");
        assert!(lab.told[lab.told.len() - 4..].iter().all(|e| e.kind == Kind::Tx), "{mss}");
    }
}

#[test]
fn several_messages_in_one_write() {
    let mut lab = Lab::new(true);
    lab.write(OUT, &[64 + 700]).write(BACK, &[64 + 1200 + 36]);
    lab.write(OUT, &[36 + 140]); // the version with what ends the handshake of the transport
    lab.write(BACK, &[140, 33 + 33 + 33]);
    lab.write(OUT, &[33, 33 + 33, 33, 30 + 29, 90, 29]);
    lab.write(BACK, &[30, 29, 90, 29, 29, 22]).write(OUT, &[29, 22]).wait(6);
    let out = "version wtxidrelay sendaddrv2 verack getaddr sendcmpct ping getheaders feefilter pong headers";
    assert_eq!(lab.names(OUT).join(" "), out);
    assert_eq!(lab.names(BACK)[..4].join(" "), "version wtxidrelay sendaddrv2 verack");
    let lens: u64 = lab.told.iter().filter(|e| e.side == OUT).map(|e| u64::from(e.len)).sum();
    assert_eq!(lens, lab.next[0] - 764 - 36, "they tile the stream");
}

#[test]
fn joined_in_the_middle() {
    let mut lab = Lab::new(false);
    for _ in 0..6 {
        lab.write(OUT, &[22 + 2 * 36]).write(BACK, &[22 + 2 * 36]).write(OUT, &[243, 387]).wait(6);
    }
    assert_eq!(lab.told.len(), 24, "what came before it was believed is told, too");
    assert_eq!(lab.last(4), [("inv", 94, 2), ("getdata", 94, 2), ("tx", 243, 1), ("tx", 387, 1)]);
}

#[test]
fn after_a_loss_it_goes_on() {
    let mut lab = Lab::new(true);
    lab.handshake().wait(6);
    let before = lab.told.len();
    // The request is lost; what it asked for is told all the same, and nothing of the gap.
    lab.write(OUT, &[22 + 3 * 36]).gap(BACK, 22 + 3 * 36).write(OUT, &[243, 1066, 421]).wait(6);
    assert_eq!(lab.told.len(), before + 4);
    assert_eq!(lab.last(3), [("tx", 243, 1), ("tx", 1066, 1), ("tx", 421, 1)]);
    // A place that is not known any more.
    let gap = Gap { offset: lab.next[0], len: 0, known: false, cause: GapCause::Resync };
    lab.decoder.gap(Model::learnt(), &mut lab.scratch, (OUT, &gap, lab.time, PacketIndex(1)));
    lab.wait(4).write(OUT, &[29]).write(BACK, &[29]).wait(6);
    assert_eq!(lab.last(2), [("ping", 29, 1), ("pong", 29, 1)]);
}

#[test]
fn what_is_not_bitcoin_is_nothing() {
    let mut x = 1_u64;
    let mut random = move |n: u64| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) % n
    };
    for round in 0..60 {
        for from_start in [true, false] {
            let mut lab = Lab::new(from_start);
            for i in 0..600 {
                let side = if random(2) == 0 { OUT } else { BACK };
                let len = match round % 4 {
                    0 => 1 + random(1448),                                    // any length
                    1 => 29 + [0, 24, 31, 82, 517, 1300][random(6) as usize], // TLS records of a chat
                    2 => 36 + 8 * random(40),                                 // SSH packets
                    // Even over the logarithm.
                    _ => {
                        let octave = 1 << random(11);
                        octave + random(octave)
                    }
                };
                lab.write(side, &[len]);
                if i % 7 == 0 {
                    lab.wait(1);
                }
            }
            lab.decoder.finish(Model::learnt(), &mut lab.scratch);
            lab.hear();
            assert_eq!(lab.told.len(), 0, "round {round}, from the start: {from_start}");
        }
    }
}

#[test]
fn a_connection_costs_little_memory() {
    let mut lab = Lab::new(true);
    lab.handshake().wait(6);
    for i in 0..3000_u64 {
        // Nothing is ever certain.
        lab.write(if i % 3 == 0 { OUT } else { BACK }, &[58, 22 + 36 * (i % 40 + 1)]);
        assert!(lab.decoder.allocated() <= 8192, "{}", lab.decoder.allocated());
        if i % 50 == 0 {
            lab.wait(1);
        }
    }
    assert!(lab.told.len() > 4000);
    lab.wait(6);
    assert!(!lab.decoder.waits());
    assert!(lab.decoder.allocated() < 3000, "idle: {}", lab.decoder.allocated());
}

#[test]
fn offsets_at_the_edge_of_numbers() {
    let mut lab = Lab::new(false);
    lab.next = [u64::MAX - 100_000, 0];
    lab.time = Timestamp::from_nanos(i64::MAX - 10);
    lab.write(OUT, &[29, 58, 1448, 90_000]).gap(OUT, 5).write(BACK, &[u64::from(u32::MAX) + 7]).wait(2);
    lab.time = Timestamp::from_nanos(i64::MIN);
    lab.write(BACK, &[58, 1]).wait(2);
}

#[test]
fn connections_that_live_for_weeks() {
    let mut lab = Lab::new(true);
    lab.handshake().wait(5);
    let relay = |lab: &mut Lab| {
        lab.write(BACK, &[58]).write(OUT, &[58]).write(BACK, &[321]).wait(5);
        assert_eq!(lab.last(3), [("inv", 58, 1), ("getdata", 58, 1), ("tx", 321, 1)]);
    };
    for _ in 0..9 {
        lab.time = lab.time.plus(2 * 86_400 * SECOND);
        relay(&mut lab);
    }
    // However long: also until just before the last time that there is.
    lab.time = Timestamp::from_nanos(i64::MAX - 60 * SECOND);
    lab.gap(BACK, 700).write(OUT, &[29]).write(BACK, &[29]).wait(5);
    relay(&mut lab);
}

/// What was decided is told, whatever the peer sends to be doubted, and however soon the connection ends.
#[test]
fn who_makes_himself_doubted_hides_nothing() {
    let relayed = || {
        let mut lab = Lab::new(true);
        lab.handshake().wait(6);
        lab.write(OUT, &[22 + 3 * 36]).write(BACK, &[22 + 3 * 36]).write(OUT, &[243, 421]);
        lab
    };
    let mut calm = relayed();
    let before = calm.told.len();
    calm.decoder.read(Model::learnt(), &mut calm.scratch);
    calm.hear();
    let decided = calm.told;
    assert!(decided.len() >= before + 2, "some are clear at once");
    for (doubtful, wait) in [(8, 0), (8, 2), (600, 0), (600, 9)] {
        let mut lab = relayed();
        // Nothing has 5 bytes. The first of them are read together with what was sent before.
        lab.write(OUT, &vec![5; doubtful]);
        lab.decoder.read(Model::learnt(), &mut lab.scratch);
        lab.hear();
        assert!(!lab.decoder.is_believed());
        lab.wait(wait);
        lab.decoder.finish(Model::learnt(), &mut lab.scratch);
        lab.hear();
        assert_eq!(lab.told.get(..decided.len()), Some(&decided[..]), "{doubtful} segments, {wait} s");
    }
}

#[test]
fn a_segment_of_any_length_before_the_first_message() {
    let (mut scratch, mut decoder) = (Scratch::default(), Decoder::new(Some(OUT)));
    for len in [100, u64::from(u32::MAX), u64::MAX / 2] {
        let time = Timestamp::from_nanos(SECOND);
        let span = Span { offset: 0, len, time, starts_segment: true, pushed: true };
        decoder.span(Model::learnt(), &mut scratch, (OUT, &span, PacketIndex(1)));
    }
    decoder.finish(Model::learnt(), &mut scratch);
    assert!(scratch.told.is_empty());
}

/// What is left out unseen could not have been chosen.
#[test]
fn no_message_is_more_probable_than_at_most() {
    use Kind::{Block, CmpctBlock, GetBlockTxn, GetDataBlock, GetDataTx, Headers, Inv, NotFound, Tx};
    let mut lab = Lab::new(true);
    lab.handshake().wait(5).write(BACK, &[58, 130]).write(OUT, &[58]).write(BACK, &[321]);
    lab.decoder.read(Model::learnt(), &mut lab.scratch);
    let mut shaking = State::new(Some(OUT));
    for side in Side::BOTH {
        shaking.apply(side, Kind::Version, (140, 1), 0);
    }
    let states = [*lab.decoder.state().unwrap(), shaking];
    let now = 70_000;
    let said: [&[(Side, Kind, u32, u32)]; 9] = [
        &[(BACK, Kind::Ping, 29, 1), (OUT, GetDataTx, 94, 2)],
        &[],
        &[(BACK, CmpctBlock, 600, 1), (OUT, GetBlockTxn, 60, 1)],
        &[(BACK, Block, 900, 1)],
        &[(BACK, Headers, 103, 1)],
        &[(BACK, Headers, 265, 3)],
        &[(BACK, Headers, 265, 3), (OUT, GetDataBlock, 94, 2)],
        &[(BACK, Inv, 94, 2), (OUT, GetDataTx, 94, 2), (BACK, Tx, 300, 1)],
        &[(BACK, CmpctBlock, 400, 1), (OUT, GetDataBlock, 58, 1)],
    ];
    let mut raised = std::collections::BTreeSet::new();
    let mut room = Room::default();
    let settings = said.iter().flat_map(|s| Writer::ALL.map(|w| [(s, w, 0), (s, w, 2 * now)])).flatten();
    for (mut state, (said, writer, unsure)) in settings.flat_map(|s| states.map(|state| (state, s))) {
        state.ends.iter_mut().for_each(|e| e.writer = writer);
        said.iter().for_each(|(side, kind, len, n)| state.apply(*side, *kind, (*len, *n), now));
        state.unsure = unsure;
        for (side, later) in [(OUT, 0), (OUT, 10_000), (OUT, 400_000), (BACK, 0), (BACK, 10_000), (BACK, 400_000)] {
            let at = state.situation(Model::learnt(), side, now + later);
            for len in 1..4000 {
                let Choice { all, most } = Model::learnt().possible(len, &mut room);
                let bounds = at.most_of_all(len, most);
                for p in all {
                    let (habit, size) = (at.by_habit().of(p.kind), most.of(p.kind));
                    let (score, bound) = (at.score(p.kind, (len, p.entries), p.size), bounds.of(p.kind));
                    assert!(score <= value(bound), "{:?} of {len} bytes: {score} {bound}", p.kind);
                    assert!(!at.is_plain(p.kind) || score.total_cmp(&value(bound)).is_eq(), "{:?} of {len}", p.kind);
                    assert_eq!(at.most(p.kind, habit, (len, size)), bound);
                    // What one expects is above what habit and size say.
                    if score > value(habit) + value(size) {
                        raised.insert(p.kind);
                    }
                }
                let never = Kind::ALL.into_iter().filter(|k| all.iter().all(|p| p.kind != *k));
                assert!(never.map(|k| bounds.of(k)).all(|bound| bound <= at_least(-30.0)), "{len}");
            }
        }
    }
    assert_eq!(raised.into_iter().collect::<Vec<_>>(), [GetDataBlock, NotFound, Block, CmpctBlock]);
}
