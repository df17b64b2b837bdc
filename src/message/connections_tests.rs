//! R62, R63, R64 on the handler of the flow stage: what it makes of two streams.

use super::*;
use crate::flow::PacketIndex;
use crate::message::framer::tests::{filler, header, message};
use crate::message::header::HEADER;
use crate::message::transport::Transport::{NotBitcoin, Unknown, V1, V2};
use crate::message::v2::Estimate;
use crate::message::v2::kind::Kind;
use crate::time::SECOND;
use proptest::prelude::*;

const CUSTOM: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// One connection and what was said of it.
struct Lab {
    handler: Connections,
    c: Conversation,
    s: Connection,
    at: At,
    next: [u64; 2],
    counting: [bool; 2],
    events: Vec<Event>,
}

/// From the initiator, from the responder.
const OUT: Side = Side::Low;
const BACK: Side = Side::High;

impl Lab {
    fn new(evidence: RoleEvidence, port: u16, more: &[[u8; 4]]) -> Self {
        let mut handler = Connections::new(Magics::new(more), [8333, 18_444].into(), true);
        let c = Conversation {
            id: PacketIndex(7),
            endpoints: [([10, 0, 0, 1], 50_000).into(), ([10, 0, 0, 2], port).into()],
            initiator: OUT,
            evidence,
            started: Timestamp::default(),
        };
        let s = handler.open(At::default(), &c);
        Self { handler, c, s, at: At::default(), next: [0; 2], counting: [false; 2], events: Vec::new() }
    }

    fn opened(port: u16) -> Self {
        let mut lab = Self::new(RoleEvidence::Syn, port, &[]);
        lab.handler.established(lab.at, &lab.c, &mut lab.s);
        lab
    }

    fn joined(port: u16) -> Self {
        let mut lab = Self::new(RoleEvidence::Port, port, &[]);
        lab.handler.established(lab.at, &lab.c, &mut lab.s);
        lab
    }

    fn step(&mut self) {
        self.at = At { index: PacketIndex(self.at.index.0 + 1), time: self.at.time.plus(1000) };
    }

    fn chunk(&mut self, side: Side, bytes: &[u8], starts_segment: bool, pushed: bool) {
        self.step();
        let i = side as usize;
        if self.counting[i] {
            let (offset, len) = (self.next[i], bytes.len() as u64);
            let span = Span { offset, len, time: self.at.time, starts_segment, pushed };
            self.handler.measured(self.at, &self.c, &mut self.s, side, span);
        } else {
            let chunk = Chunk { offset: self.next[i], bytes, time: self.at.time, starts_segment, pushed };
            let action = self.handler.data(self.at, &self.c, &mut self.s, side, chunk);
            self.counting[i] = action != Action::Deliver;
        }
        self.next[i] += bytes.len() as u64;
        self.handler.take_events(&mut self.events);
    }

    /// A write of its own.
    fn write(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.chunk(side, bytes, true, true);
        self
    }

    fn gap(&mut self, side: Side, len: u64) -> &mut Self {
        self.step();
        let gap = Gap { offset: self.next[side as usize], len, known: true, cause: GapCause::Acked };
        self.handler.gap(self.at, &self.c, &mut self.s, side, gap);
        self.handler.missing(&gap);
        self.next[side as usize] += len;
        self.handler.take_events(&mut self.events);
        self
    }

    fn close(&mut self) -> &mut Self {
        self.step();
        self.handler.closed(self.at, &self.c, &mut self.s, CloseReason::Fin);
        self.handler.take_events(&mut self.events);
        self
    }

    fn transports(&self) -> Vec<Transport> {
        self.events.iter().filter_map(|e| if let What::Transport(t) = &e.what { Some(*t) } else { None }).collect()
    }

    fn messages(&self) -> Vec<&Message> {
        self.events.iter().filter_map(|e| if let What::Message(m) = &e.what { Some(m) } else { None }).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.messages().iter().map(|m| m.unknown_name.as_deref().unwrap_or(m.command.name())).collect()
    }

    fn trouble(&self, trouble: Trouble) -> u64 {
        self.handler.troubles().get(trouble)
    }
}

fn mainnet() -> Transport {
    V1(Network::Mainnet)
}

/// Bytes like those of an encrypted connection: every value, no magic.
fn opaque(n: usize) -> Vec<u8> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761).rotate_left(13) >> 5) as u8).collect()
}

fn with_magic(magic: [u8; 4], bytes: &[u8]) -> Vec<u8> {
    [&magic[..], &bytes[4..]].concat()
}

#[test]
fn r62_v1_is_told_by_its_first_bytes_in_every_cut_of_both_sides() {
    let (ping, pong) = (message("ping", &filler(8, 1)), message("pong", &filler(8, 2)));
    for cut in 1..ping.len() {
        for (first, second) in [(OUT, BACK), (BACK, OUT)] {
            let mut lab = Lab::opened(8333);
            lab.write(first, &ping[..cut]);
            lab.write(second, &pong[..cut]).write(first, &ping[cut..]).write(second, &pong[cut..]);
            assert_eq!(lab.transports(), [mainnet()]);
            let said: Vec<_> = lab.messages().iter().map(|m| (m.side, m.offset, m.command.name())).collect();
            assert_eq!(said, [(first, 0, "ping"), (second, 0, "pong")], "cut at {cut}");
            assert_eq!(lab.handler.troubles().total(), 0);
        }
    }
}

#[test]
fn r62_the_transport_and_the_connection_are_told_before_the_first_message() {
    for mut lab in [Lab::opened(8333), Lab::opened(9999), Lab::joined(8333), Lab::joined(9999)] {
        lab.write(OUT, &message("ping", &filler(8, 1)));
        let kinds: Vec<_> = (lab.events.iter())
            .map(|e| match e.what {
                What::Established(_) => 'E',
                What::Transport(_) => 'T',
                What::Message(_) => 'M',
                _ => '?',
            })
            .collect();
        assert_eq!(kinds, ['E', 'T', 'M']);
    }
    // Data before the handshake is complete.
    let mut lab = Lab::new(RoleEvidence::Syn, 8333, &[]);
    lab.write(OUT, &message("verack", &[]));
    lab.handler.established(lab.at, &lab.c, &mut lab.s);
    lab.handler.take_events(&mut lab.events);
    assert_eq!(lab.events.iter().filter(|e| matches!(e.what, What::Established(_))).count(), 1);
}

#[test]
fn r62_an_opening_is_v2_with_the_initiators_whole_key() {
    let key = opaque(80);
    for cut in [1, 15, 16, 63] {
        let mut lab = Lab::opened(8333);
        lab.write(OUT, &key[..cut]);
        assert_eq!(lab.transports(), [], "{cut} bytes are too few");
        lab.write(OUT, &key[cut..]);
        assert_eq!(lab.transports(), [V2]);
        assert!(lab.counting[0] && !lab.counting[1], "nothing more is wanted of the direction");
        lab.write(BACK, &key);
        assert!(lab.counting[1]);
    }
    // The responder's key alone proves nothing.
    let mut lab = Lab::opened(8333);
    lab.write(BACK, &key);
    assert_eq!(lab.transports(), []);
    lab.write(OUT, &key[..64]);
    assert_eq!(lab.transports(), [V2]);
    // A key whose first bytes are those of `version` but for the magic is v1 of a network of one's own.
    let mut lab = Lab::opened(8333);
    lab.write(OUT, &[&CUSTOM[..], b"version\0\0\0\0\0", &opaque(64)].concat());
    assert_eq!(lab.transports(), [V1(Network::Custom(CUSTOM))]);
}

#[test]
fn r62_other_protocols_and_other_ports_are_not_bitcoin() {
    let tls = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &opaque(60)].concat();
    let cases: [(u16, Side, &[u8]); 5] = [
        (8333, OUT, b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
        (8333, BACK, b"SSH-2.0-OpenSSH_9.6\r\n"),
        (8333, OUT, &tls),
        (9999, OUT, &opaque(80)),
        (9999, BACK, &opaque(16)),
    ];
    for (port, side, bytes) in cases {
        let mut lab = Lab::opened(port);
        lab.write(side, &bytes[..10]).write(side, &bytes[10..]);
        assert_eq!((lab.transports(), lab.messages().len()), (vec![NotBitcoin], 0), "{bytes:?}");
    }
    // On another port v1 is v1.
    let mut lab = Lab::opened(9999);
    lab.write(OUT, &message("verack", &[]));
    assert_eq!(lab.transports(), [mainnet()]);
    // Too short to tell: nothing is claimed.
    let mut lab = Lab::opened(8333);
    lab.write(OUT, b"GET /").close();
    assert_eq!((lab.transports(), lab.s.transport), (vec![], Unknown));
}

#[test]
fn r62_an_opaque_answer_to_a_v1_opening_is_scanned_and_counted() {
    let mut lab = Lab::opened(8333);
    lab.write(BACK, &opaque(100)).write(OUT, &message("verack", &[])).write(BACK, &message("ping", &filler(8, 1)));
    assert_eq!(lab.names(), ["verack", "ping"]);
    assert_eq!((lab.messages()[1].offset, lab.trouble(Trouble::BadMagic)), (100, 1));
    assert_eq!(lab.trouble(Trouble::ScannedBytes), 100);
}

#[test]
fn r62_joined_in_the_middle_small_opaque_writes_are_v2() {
    for (port, expected) in [(8333, V2), (9999, NotBitcoin)] {
        let mut lab = Lab::joined(port);
        for n in 0..3 {
            lab.write(OUT, &opaque(100 + n));
        }
        assert_eq!(lab.transports(), [], "three writes are too few");
        lab.write(OUT, &opaque(90));
        assert_eq!(lab.transports(), [expected]);
        // Taken back when a message is found after all, on either side.
        lab.write(OUT, &opaque(50)).write(BACK, &opaque(300)).write(BACK, &message("ping", &filler(8, 1)));
        lab.write(OUT, &message("pong", &filler(8, 1)));
        assert_eq!(lab.transports(), [expected, mainnet()]);
        assert_eq!(lab.names(), ["ping", "pong"]);
        assert_eq!((lab.messages()[0].offset, lab.messages()[1].offset), (300, 303 + 90 + 50));
    }
}

#[test]
fn r62_a_v1_block_in_transit_ends_as_v1() {
    // Five tails of writes in the middle of a block look like small writes.
    let mut lab = Lab::joined(8333);
    let block = opaque(3_000_000);
    for (i, piece) in block.chunks(1448).enumerate() {
        lab.chunk(OUT, piece, true, false);
        if i % 300 == 299 {
            lab.write(OUT, &opaque(200));
        }
    }
    assert!(matches!(lab.transports()[..], [] | [V2]));
    let next = [message("inv", &filler(37, 1)), message("ping", &filler(8, 2))].concat();
    lab.write(OUT, &next);
    assert_eq!(lab.transports().last(), Some(&mainnet()));
    assert_eq!(lab.names(), ["inv", "ping"]);
    // Without small writes nothing is guessed before the longest block is past.
    let mut lab = Lab::joined(8333);
    for piece in opaque(4_000_048).chunks(1448) {
        lab.chunk(OUT, piece, true, false);
    }
    assert_eq!(lab.transports(), []);
    lab.chunk(OUT, &opaque(1), true, false);
    assert_eq!(lab.transports(), [V2]);
}

#[test]
fn r62_custom_magic_is_found_by_itself_and_when_told() {
    let version = with_magic(CUSTOM, &message("version", &filler(86, 1)));
    let inv = with_magic(CUSTOM, &message("inv", &filler(37, 1)));
    let custom = V1(Network::Custom(CUSTOM));
    for mut lab in [Lab::opened(9999), Lab::joined(9999)] {
        lab.write(OUT, &version).write(OUT, &inv).write(BACK, &version);
        assert_eq!((lab.transports(), lab.names()), (vec![custom], vec!["version", "inv", "version"]));
    }
    // In the middle only by `--magic`.
    let mut lab = Lab::joined(9999);
    lab.write(OUT, &inv);
    assert_eq!(lab.transports(), []);
    let mut lab = Lab::new(RoleEvidence::Port, 9999, &[CUSTOM]);
    lab.write(OUT, &inv);
    assert_eq!((lab.transports(), lab.names()), (vec![custom], vec!["inv"]));
}

#[test]
fn every_named_network_is_told_by_its_magic_on_any_port() {
    for network in Network::NAMED {
        for mut lab in [Lab::opened(9999), Lab::joined(9999)] {
            lab.write(OUT, &with_magic(network.magic(), &message("ping", &filler(8, 1))));
            assert_eq!(lab.transports(), [V1(network)]);
        }
    }
}

#[test]
fn a_gap_in_the_opening_makes_it_a_connection_joined_in_the_middle() {
    let mut lab = Lab::opened(8333);
    lab.write(OUT, &[0xf9, 0xbe, 0xb4]).gap(OUT, 100).write(OUT, &message("ping", &filler(8, 1)));
    assert_eq!((lab.transports(), lab.names()), (vec![mainnet()], vec!["ping"]));
    assert_eq!((lab.messages()[0].offset, lab.trouble(Trouble::ScannedBytes)), (103, 3));
    assert_eq!(lab.handler.gaps().get(GapCause::Acked), 1);
    assert_eq!(lab.handler.gap_bytes().get(GapCause::Acked), 100);
}

#[test]
fn r63_undecodable_and_trailing_payloads_are_counted_and_the_stream_goes_on() {
    let mut lab = Lab::opened(8333);
    // An inv of 3 entries that has none; a ping with bytes behind its nonce; a verack that says something.
    let stream = [
        message("inv", &[3]),
        message("ping", &filler(11, 1)),
        message("verack", &[1]),
        message("pong", &filler(8, 1)),
    ];
    lab.write(OUT, &stream.concat());
    assert_eq!(lab.names(), ["inv", "ping", "verack", "pong"]);
    assert!(lab.messages()[0].body.is_err() && lab.messages()[0].checksum_valid);
    assert_eq!((lab.messages()[1].trailing, lab.messages()[2].trailing, lab.messages()[3].trailing), (3, 1, 0));
    assert_eq!((lab.trouble(Trouble::Undecodable), lab.trouble(Trouble::TrailingBytes)), (1, 2));
    assert_eq!(lab.handler.troubles().total(), 3);
}

#[test]
fn r64_unknown_commands_keep_their_name_and_are_no_error() {
    let mut lab = Lab::opened(8333);
    lab.write(OUT, &[message("frobnicate", &filler(9, 1)), message("verack", &[])].concat());
    assert_eq!(lab.names(), ["frobnicate", "verack"]);
    let m = lab.messages()[0];
    assert_eq!((m.command, &m.body, m.payload_bytes), (Command::UNKNOWN, &Ok(Body::Unknown), 9));
    assert_eq!((lab.trouble(Trouble::UnknownCommand), lab.handler.troubles().total()), (1, 1));
}

#[test]
fn what_was_waited_for_is_told_at_the_end_with_its_transport_before_it() {
    // A false header that claims 4 MB, and a true message behind it; then the connection closes.
    let mut lab = Lab::joined(8333);
    lab.write(OUT, &[header("block", 4_000_000, [1; 4]), message("ping", &filler(8, 1))].concat());
    assert_eq!(lab.names(), [""; 0]);
    lab.close();
    assert_eq!((lab.transports(), lab.names()), (vec![mainnet()], vec!["ping"]));
    assert!(matches!(lab.events.last().map(|e| &e.what), Some(What::Closed(CloseReason::Fin))));
    assert_eq!((lab.messages()[0].offset, lab.trouble(Trouble::FalseHeader)), (HEADER as u64, 1));
}

#[test]
fn what_was_inferred_is_told_before_a_connection_shows_to_be_plain() {
    let mut lab = Lab::joined(8333);
    let relay = |lab: &mut Lab| {
        let list = opaque(22 + 3 * 36);
        lab.write(OUT, &list).write(BACK, &list);
        for n in [243, 321, 421] {
            lab.write(OUT, &opaque(n));
        }
    };
    for _ in 0..9 {
        relay(&mut lab);
        lab.at.time = lab.at.time.plus(SECOND);
        lab.handler.progress(lab.at, &lab.c, &mut lab.s, &Default::default());
    }
    lab.handler.take_events(&mut lab.events);
    assert_eq!(lab.transports(), [V2]);
    lab.events.clear();
    // The next ones are told as soon as they are decided; what was not read by then is of no encrypted connection.
    for _ in 0..5 {
        relay(&mut lab);
    }
    lab.write(OUT, &message("ping", &filler(8, 1)));
    let told: Vec<_> = (lab.events.iter())
        .map(|e| match e.what {
            What::Estimates(_) => 'I',
            What::Transport(V1(_)) => 'T',
            What::Message(_) => 'M',
            _ => '?',
        })
        .collect();
    assert_eq!(told, ['I', 'T', 'M']);
    lab.close();
    assert!(lab.events.iter().skip(3).all(|e| e.what.estimates().is_empty()));
}

#[test]
fn what_a_fault_has_left_is_told_of_no_other_connection() {
    let mut lab = Lab::opened(8333);
    lab.write(OUT, &opaque(64 + 700)).write(BACK, &opaque(64 + 1200 + 36));
    assert_eq!(lab.transports(), [V2]);
    lab.events.clear();
    let left = Estimate {
        side: OUT,
        kind: Kind::Ping,
        offset: 0,
        len: 29,
        entries: 1,
        time: Timestamp::default(),
        index: lab.at.index,
        confidence: 999,
    };
    let leave = |lab: &mut Lab| lab.handler.scratch.told.push(left);
    leave(&mut lab);
    lab.write(OUT, &opaque(140));
    leave(&mut lab);
    lab.handler.progress(lab.at, &lab.c, &mut lab.s, &Default::default());
    leave(&mut lab);
    lab.close();
    lab.handler.take_events(&mut lab.events);
    assert!(lab.events.len() >= 2 && lab.events.iter().all(|e| e.what.estimates().is_empty()));
    // Nor of one that has none.
    let mut plain = Lab::opened(8333);
    plain.write(OUT, &message("ping", &filler(8, 1)));
    leave(&mut plain);
    plain.handler.progress(plain.at, &plain.c, &mut plain.s, &Default::default());
    plain.write(OUT, &message("ping", &filler(8, 1))).close();
    plain.handler.take_events(&mut plain.events);
    assert!(plain.events.iter().all(|e| e.what.estimates().is_empty()));
    assert_eq!(plain.transports(), [mainnet()]);
}

#[test]
fn a_revived_connection_goes_on_at_the_next_message() {
    let mut lab = Lab::opened(8333);
    lab.write(OUT, &message("ping", &filler(8, 1))).close();
    lab.handler.revived(lab.at, &lab.c, &mut lab.s);
    lab.next[0] += 10; // a hole that was given up
    lab.write(OUT, &[filler(5, 1), message("pong", &filler(8, 1))].concat());
    assert_eq!(lab.names(), ["ping", "pong"]);
    assert_eq!(lab.messages()[1].offset, 32 + 10 + 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However a v1 conversation is cut and mixed, it is v1 with the same messages on each side.
    #[test]
    fn any_cut_of_both_sides_gives_the_same(
        cuts in prop::collection::vec((any::<bool>(), 1_usize..70), 1..40),
        opened: bool,
    ) {
        let sides = [
            [message("version", &filler(90, 1)), message("verack", &[]), message("inv", &filler(37, 3))].concat(),
            [message("version", &filler(90, 2)), message("verack", &[]), message("strange", &filler(3, 3))].concat(),
        ];
        let mut lab = if opened { Lab::opened(8333) } else { Lab::joined(8333) };
        let mut rest = [&sides[0][..], &sides[1][..]];
        for (high, n) in cuts.into_iter().chain([(false, 500), (true, 500)]) {
            let i = usize::from(high);
            let (piece, behind) = rest[i].split_at(n.min(rest[i].len()));
            rest[i] = behind;
            if !piece.is_empty() {
                lab.chunk(Side::BOTH[i], piece, true, false);
            }
        }
        prop_assert_eq!(lab.transports(), [mainnet()]);
        for side in Side::BOTH {
            let of: Vec<_> = lab.messages().iter().filter(|m| m.side == side).map(|m| (m.offset, m.payload_bytes)).collect();
            prop_assert_eq!(of, if side == OUT { [(0, 90), (114, 0), (138, 37)] } else { [(0, 90), (114, 0), (138, 3)] });
        }
    }
}
