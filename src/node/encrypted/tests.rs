//! Blocks and transactions of encrypted connections, and what they are recognised by.

use super::matcher::Matcher;
use super::*;
use crate::series::{Point, SERIES, Value};
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// What is known of one node, and the points that came of it.
struct Lab {
    encrypted: Encrypted,
    points: Vec<Point>,
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(1_000_000 * SECOND + ms * MS + 1)
}

fn hash(n: u8) -> Hash256 {
    Hash256([n; 32])
}

impl Lab {
    fn new() -> Self {
        Self { encrypted: Encrypted { meets_clear: true, ..Encrypted::default() }, points: Vec::new() }
    }

    fn with(&mut self, f: impl FnOnce(&mut Encrypted, &mut Pen<'_>)) -> &mut Self {
        let node: Arc<str> = "n".into();
        let mut last = at(0);
        f(&mut self.encrypted, &mut Pen { node: &node, last: &mut last, points: &mut self.points, wanted: true });
        self
    }

    /// An inferred message of connection `id`.
    fn see(&mut self, ms: i64, id: u64, direction: Direction, kind: Kind, size: u32) -> &mut Self {
        let peer = format!("10.0.0.{id}:8333").parse().unwrap();
        let s = Sighting { connection: PacketIndex(id), peer, direction, kind, size, time: at(ms), confidence: 900 };
        self.with(|e, pen| e.note(s, pen))
    }

    fn recv(&mut self, ms: i64, id: u64, kind: Kind, size: u32) -> &mut Self {
        self.see(ms, id, Direction::Recv, kind, size)
    }

    fn sent(&mut self, ms: i64, id: u64, kind: Kind, size: u32) -> &mut Self {
        self.see(ms, id, Direction::Sent, kind, size)
    }

    fn clear(&mut self, ms: i64, kind: Kind, size: u32, id: u8, direction: Direction) -> &mut Self {
        self.encrypted.clear(kind, size, &hash(id), at(ms), direction);
        self
    }

    fn tick(&mut self, ms: i64) -> &mut Self {
        self.with(|e, pen| e.tick(at(ms), pen))
    }

    fn finish(&mut self) -> &mut Self {
        self.with(Encrypted::finish)
    }

    /// The columns of the points of a series, as text.
    fn rows(&self, series: usize, columns: &[&str]) -> Vec<String> {
        let place = |name: &str| SERIES[series].columns.iter().position(|c| c.name == name).unwrap();
        let text = |v: &Value| match v {
            Value::Absent => "-".to_owned(),
            Value::Integer(n) => n.to_string(),
            Value::Float(x) => format!("{x:.2}"),
            Value::Text(t) => t.to_string(),
            Value::Boolean(b) => b.to_string(),
        };
        let row = |p: &Point| columns.iter().map(|c| text(&p.values[place(c)])).collect::<Vec<_>>().join(" ");
        self.points.iter().filter(|p| p.series == series).map(row).collect()
    }

    fn blocks(&self) -> Vec<String> {
        let columns = ["via", "size", "compact_size", "missing_tx", "missing_bytes", "relay_time"];
        self.rows(id::PROCESSED_BLOCKS, &columns)
    }

    fn matches(&self) -> Vec<String> {
        self.rows(id::MATCHES, &["direction", "message", "id", "candidates", "delay"])
            .iter()
            .map(|row| row.replace(&"0".repeat(63), ""))
            .collect()
    }
}

#[test]
fn ways_of_blocks() {
    let mut lab = Lab::new();
    // From two peers, passed on to a third; told in another order than it happened.
    lab.sent(103, 3, Kind::CmpctBlock, 700).recv(104, 2, Kind::CmpctBlock, 700).recv(100, 1, Kind::CmpctBlock, 700);
    // With transactions asked for.
    lab.recv(40_000, 1, Kind::CmpctBlock, 800).sent(40_001, 1, Kind::GetBlockTxn, 36);
    lab.recv(40_005, 1, Kind::BlockTxn, 1033).sent(40_006, 2, Kind::CmpctBlock, 800);
    // The same size from the same peer is another block; what it lacks is asked for whole.
    lab.recv(80_000, 1, Kind::CmpctBlock, 800).recv(80_100, 1, Kind::CmpctBlock, 800);
    lab.sent(80_101, 1, Kind::GetDataBlock, 37).recv(80_110, 1, Kind::Block, 5000);
    lab.recv(120_000, 1, Kind::Block, 248).recv(120_500, 2, Kind::Block, 248);
    lab.finish();
    assert_eq!(
        lab.blocks(),
        [
            "cmpctblock - 700 - - 3000",
            "cmpctblock+blocktxn - 800 3 1000 1000",
            "cmpctblock - 800 - - -",
            "block fallback 5000 800 - - -",
            "block 248 - - - -"
        ]
    );
    let times: Vec<_> = lab.points.iter().map(|p| p.time.since(at(0)) / MS).collect();
    assert_eq!(times, [100, 40_005, 80_000, 80_110, 120_000]);
    assert_eq!(lab.encrypted.totals.blocks["cmpctblock"], 2);
}

#[test]
fn points_are_written_when_nothing_more_is_expected_and_no_two_at_one_time() {
    let mut lab = Lab::new();
    lab.recv(1000, 1, Kind::Tx, 300).recv(1000, 2, Kind::Tx, 301).recv(1000, 2, Kind::Block, 999);
    assert_eq!(lab.points.len(), 2, "transactions wait for nothing");
    lab.tick(7000);
    assert_eq!(lab.rows(id::TX, &["tx_size", "confidence"]), ["300 0.90", "301 0.90"]);
    assert_eq!(lab.points[1].time.since(lab.points[0].time), 1);
    assert_eq!(lab.blocks().len(), 0, "it may still be relayed");
    lab.tick(16_200);
    assert_eq!(lab.blocks().len(), 1);
    // Late ones keep their times.
    lab.recv(900, 3, Kind::Tx, 302).recv(1000, 4, Kind::Tx, 303).tick(17_000);
    let times: Vec<_> = lab.points.iter().rev().take(2).map(|p| p.time.since(at(1000))).collect();
    assert_eq!(times, [2, -100 * MS]);
    assert_eq!((lab.encrypted.totals.transactions, lab.encrypted.totals.tx_bytes), (4, 1206));
}

#[test]
fn nothing_waits_for_what_is_never_seen_in_the_clear() {
    let mut lab = Lab::new();
    lab.encrypted.meets_clear = false;
    lab.recv(1000, 1, Kind::Tx, 300).sent(1100, 2, Kind::Tx, 300).recv(1200, 1, Kind::Block, 999);
    assert_eq!(lab.rows(id::TX, &["tx_size"]), ["300"]);
    assert_eq!(lab.encrypted.waiting.len, 1, "the block, which may be relayed");
    lab.clear(1300, Kind::Tx, 300, 1, Direction::Sent).finish();
    assert_eq!((lab.blocks().len(), lab.matches().len()), (1, 0));
}

#[test]
fn what_came_in_the_clear_is_recognised_where_it_goes_encrypted() {
    let (tx, recv) = (Kind::Tx, Direction::Recv);
    let mut lab = Lab::new();
    lab.clear(1000, tx, 300, 1, recv).clear(2000, tx, 300, 2, recv).clear(3000, tx, 301, 3, recv);
    // The first is not sent before it came; both are sent to 7, each once.
    lab.sent(500, 6, tx, 300).sent(1500, 7, tx, 300).sent(2500, 7, tx, 300).sent(2600, 7, tx, 300);
    // What came in the clear does not come encrypted.
    lab.recv(3500, 7, tx, 301).sent(3100, 8, tx, 302);
    lab.finish();
    let (first, second) = (hash(1).to_string(), hash(2).to_string());
    assert_eq!(lab.matches(), [format!("sent tx {first} 1 500000"), format!("sent tx {second} 1 500000")]);
    assert_eq!(lab.encrypted.totals.matches, [2, 0]);
}

#[test]
fn what_came_encrypted_is_recognised_where_it_goes_in_the_clear() {
    let (tx, sent) = (Kind::Tx, Direction::Sent);
    let mut lab = Lab::new();
    // Two of one size come encrypted, and go to a readable peer later.
    lab.recv(1000, 7, tx, 300).recv(9000, 8, tx, 300).clear(4000, tx, 300, 1, sent).clear(9500, tx, 300, 2, sent);
    lab.tick(20_000);
    assert_eq!(lab.matches().len(), 0, "it waits for what may still be seen");
    lab.tick(60_000);
    let (first, second) = (hash(1).to_string(), hash(2).to_string());
    assert_eq!(
        lab.matches(),
        [format!("recv tx {first} 2 -3000000"), format!("recv tx {second} 1 -500000")],
        "of the second only one is left: the first was sent on before it came"
    );
    // 3 s against 8.5 s.
    assert_eq!(lab.rows(id::MATCHES, &["confidence"]), ["0.66", "0.90"]);
    // Later one goes encrypted at the same time as in the clear.
    lab.clear(62_000, tx, 300, 1, sent).clear(63_000, tx, 300, 2, sent).sent(63_001, 9, tx, 300).finish();
    assert_eq!(lab.matches()[2], format!("sent tx {second} 2 53501000"));
}

#[test]
fn of_several_the_one_is_taken_that_went_to_others_at_that_time() {
    let (tx, recv, sent) = (Kind::Tx, Direction::Recv, Direction::Sent);
    let mut lab = Lab::new();
    lab.clear(1000, tx, 300, 1, recv).clear(2000, tx, 300, 2, recv);
    lab.clear(9000, tx, 300, 1, sent).clear(3000, tx, 300, 2, sent).sent(9010, 7, tx, 300).finish();
    assert_eq!(lab.matches(), [format!("sent tx {} 2 8010000", hash(1))]);
    assert_eq!(lab.rows(id::MATCHES, &["confidence"]), ["0.90"], "20 ms against 6 s");
}

#[test]
fn blocks_are_recognised_within_seconds() {
    let mut lab = Lab::new();
    lab.clear(1000, Kind::CmpctBlock, 700, 1, Direction::Recv).clear(1001, Kind::Block, 700, 2, Direction::Sent);
    lab.recv(900, 7, Kind::CmpctBlock, 700).sent(1100, 8, Kind::CmpctBlock, 700).sent(20_000, 9, Kind::CmpctBlock, 700);
    lab.sent(1200, 8, Kind::Block, 700).finish();
    let (first, second) = (hash(1).to_string(), hash(2).to_string());
    assert_eq!(
        lab.matches(),
        [
            format!("recv cmpctblock {first} 1 -100000"),
            format!("sent cmpctblock {first} 1 100000"),
            format!("sent block {second} 1 199000")
        ]
    );
    assert_eq!(lab.encrypted.totals.matches, [0, 3]);
}

#[test]
fn a_flood_stays_within_its_caps() {
    let mut lab = Lab::new();
    let n = 70_000;
    for i in 0..n {
        let mut id = hash(0);
        id.0[..8].copy_from_slice(&i64::to_le_bytes(i));
        lab.encrypted.clear(Kind::Tx, 100 + (i % 50_000) as u32, &id, at(i / 100), Direction::Recv);
        lab.recv(i / 100, 1, if i % 3 == 0 { Kind::Tx } else { Kind::Block }, 100 + (i % 50_000) as u32);
        assert!(lab.encrypted.waiting.len <= order::WAITING);
    }
    lab.tick(10_000_000);
    assert_eq!(lab.rows(id::TX, &["tx_size"]).len() + lab.blocks().len(), n as usize, "nothing is lost");
    lab.tick(10_000_001);
    let Encrypted { waiting, matcher, .. } = &lab.encrypted;
    assert_eq!((waiting.len, matcher.len()), (0, (0, 0, 0)), "and nothing stays");
    // Of one size no more are remembered than can be told apart.
    let mut matcher = Matcher::default();
    for i in 0..100_000_u64 {
        let mut id = hash(0);
        id.0[..8].copy_from_slice(&u64::to_le_bytes(i));
        matcher.clear((Kind::Tx, 300 + (i / 90_000) as u32), &id, at(0), Direction::Recv);
    }
    let (sizes, known, order) = matcher.len();
    assert!(sizes == 2 && known <= 512 && order <= 32_768, "{sizes} {known} {order}");
}
