use super::super::percentile::PERCENTILES;
use super::super::store::Store;
use super::*;
use crate::series::{Point, SERIES, Value, id};
use rusqlite::OpenFlags;
use std::path::Path;

fn point(series: usize, seconds: i64, set: &[(&str, Value)]) -> Point {
    let columns = SERIES[series].columns;
    let value = |c: &Column| match set.iter().find(|(n, _)| *n == c.name) {
        Some((_, v)) => v.clone(),
        None if c.tag => Value::Text("v1".into()),
        None => Value::Absent,
    };
    let time = Timestamp::from_nanos(seconds * SECOND);
    Point { series, time, node: "n".into(), values: columns.iter().map(value).collect() }
}

/// Ten intervals a minute: cumulative bytes, messages of the interval, a gauge; and a transaction a second.
fn minutes(store: &mut Store, from: i64, minutes: i64) {
    for s in from * 60..(from + minutes) * 60 {
        let n = Value::Integer(s);
        store
            .write(&[point(
                id::TX,
                s,
                &[
                    ("txid", Value::Text(s.to_string().into())),
                    ("tx_size", Value::Integer(s % 60 + 1)),
                    ("is_standard", Value::Boolean(s % 4 > 0)),
                ],
            )])
            .unwrap();
        if s % 6 == 5 {
            store
                .write(&[
                    point(id::BANDWIDTH, s, &[("bytes_recv", n.clone())]),
                    point(id::MSG_RECV, s, &[("inv", Value::Integer(2))]),
                    point(
                        id::PEERS,
                        s,
                        &[
                            ("direction", Value::Text("".into())),
                            ("user_agent", Value::Text("".into())),
                            ("inbound", Value::Integer(s % 60)),
                        ],
                    ),
                ])
                .unwrap();
            store.commit().unwrap();
        }
    }
}

fn rows(path: &Path, sql: &str) -> Vec<Vec<f64>> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut s = conn.prepare(sql).unwrap();
    let n = s.column_count();
    s.query_map([], |r| (0..n).map(|i| r.get::<_, Option<f64>>(i).map(|x| x.unwrap_or(-1.0))).collect())
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn minutes_and_hours_say_what_the_points_say() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    minutes(&mut store, 0, 62);
    // The minute at hand waits; an hour is there.
    assert_eq!(rows(&path, "SELECT count(*), max(time) FROM bandwidth_1m"), [[61.0, 60.0 * 60e9]]);
    assert_eq!(rows(&path, "SELECT count(*), max(time) FROM bandwidth_1h"), [[1.0, 0.0]]);
    store.close().unwrap();
    assert_eq!(rows(&path, "SELECT count(*) FROM bandwidth_1m"), [[62.0]]);
    assert_eq!(
        rows(&path, "SELECT time, points, bytes_recv FROM bandwidth_1h"),
        [[0.0, 600.0, 3599.0], [3600e9, 20.0, 3719.0]]
    );
    assert_eq!(rows(&path, "SELECT points, inv FROM msg_recv_1m WHERE time = 60000000000"), [[10.0, 20.0]]);
    assert_eq!(
        rows(&path, "SELECT inbound, inbound_min, inbound_max FROM peers_1m WHERE time = 0"),
        [[32.0, 5.0, 59.0]]
    );
    let tx = "SELECT points, tx_size, tx_size_sum, tx_size_min, tx_size_max, tx_size_p5, tx_size_p50, tx_size_p95, is_standard FROM tx_1m WHERE time = 0";
    assert_eq!(rows(&path, tx), [[60.0, 30.5, 1830.0, 1.0, 60.0, 3.0, 30.0, 57.0, 45.0]]);
}

#[test]
fn all_percentiles_of_a_column_are_those_that_a_query_gives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    // Of so many not all are taken; and of two minutes one has no rates.
    for i in 0..300_000_i64 {
        let rate = if i < 290_000 { Value::Float((i * 7919 % 300_007) as f64 / 7.0) } else { Value::Absent };
        let set = [
            ("txid", Value::Text(i.to_string().into())),
            ("tx_fee", Value::Integer(i * 104_729 % 299_993)),
            ("fee_rate", rate),
        ];
        store.write(&[point(id::TX_FEES, if i < 290_000 { i / 5000 } else { 60 }, &set)]).unwrap();
    }
    store.close().unwrap();
    let conn = Connection::open(&path).unwrap();
    super::super::percentile::register(&conn).unwrap();
    let mut different = std::collections::BTreeSet::new();
    for p in PERCENTILES {
        for column in ["tx_fee", "fee_rate"] {
            let sql = format!(
                "SELECT m.time, m.{column}_p{p}, (SELECT percentile({column}, {p}) FROM tx_fees f WHERE f.time >= m.time AND f.time < m.time + 60000000000) FROM tx_fees_1m m ORDER BY 1"
            );
            let mut statement = conn.prepare(&sql).unwrap();
            let mut rows = statement.query([]).unwrap();
            for minute in [0, 60] {
                let row = rows.next().unwrap().unwrap();
                let (rolled, asked): (Option<f64>, Option<f64>) = (row.get(1).unwrap(), row.get(2).unwrap());
                assert_eq!(row.get::<_, i64>(0).unwrap(), minute * SECOND);
                assert_eq!(rolled, asked, "{column} {p} %");
                assert_eq!(rolled.is_some(), column == "tx_fee" || minute == 0);
                different.extend(rolled.map(|x| x as i64));
            }
        }
    }
    assert!(different.len() >= 2 * PERCENTILES.len(), "{different:?}");
}

#[test]
fn in_pieces_late_or_twice_it_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dump = |name: &str| {
        let path = dir.path().join(name);
        let columns = [
            ("tx_1m", "tx_size_sum, tx_size_p95"),
            ("tx_1h", "tx_size_p5"),
            ("bandwidth_1m", "bytes_recv"),
            ("bandwidth_1h", "bytes_recv"),
        ];
        columns.map(|(t, c)| rows(&path, &format!("SELECT time, points, {c} FROM {t}")))
    };
    let run = |name: &str, parts: &[(i64, i64)]| {
        for (from, n) in parts {
            let mut store = Store::open(&dir.path().join(name), "s", SERIES).unwrap();
            minutes(&mut store, *from, *n);
            store.close().unwrap();
        }
    };
    run("whole", &[(0, 65)]);
    run("pieces", &[(0, 30), (30, 2), (32, 33)]);
    run("late", &[(40, 25), (0, 40)]);
    run("twice", &[(0, 65), (0, 65)]);
    // Late while the hour is open, and when it is over.
    let mut store = Store::open(&dir.path().join("open"), "s", SERIES).unwrap();
    for (from, n) in [(0, 20), (21, 29), (20, 1), (50, 9), (60, 4), (59, 1), (64, 1)] {
        minutes(&mut store, from, n);
    }
    store.close().unwrap();
    for other in ["pieces", "late", "twice", "open"] {
        assert!(dump("whole") == dump(other), "{other}");
    }
    assert_eq!(dump("whole")[0].len(), 65);
}

#[test]
fn the_hour_at_hand_is_carried_along_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    minutes(&mut store, 0, 64);
    store.close().unwrap();
    let conn = Connection::open(&path).unwrap();
    let mut rollups = Rollups::open(&conn, SERIES).unwrap();
    let mut carried = |minute: i64| {
        rollups.touch(id::TX, Timestamp::from_nanos(minute * 60 * SECOND));
        rollups.roll(&conn, false).unwrap();
        let hour = rollups.tables[id::TX].hour.as_ref()?;
        assert!(hour.sums.is_some());
        Some((hour.start / (60 * SECOND), hour.until / (60 * SECOND)))
    };
    let all = [1, 2, 3, 59, 60, 61, 62, 63].map(&mut carried);
    assert_eq!(all, [None, None, Some((0, 1)), Some((0, 57)), None, None, None, Some((60, 61))]);
}

#[test]
fn nothing_is_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    Store::open(&path, "s", SERIES).unwrap().close().unwrap();
    let conn = Connection::open(&path).unwrap();
    for table in Rollups::open(&conn, SERIES).unwrap().tables {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", table.points())).unwrap();
        let steps: Vec<String> = plan.query_map([0, 1], |r| r.get("detail")).unwrap().collect::<Result<_>>().unwrap();
        let [step] = &steps[..] else { panic!("{}: {steps:?}", table.series) };
        assert!(step.contains("USING PRIMARY KEY (time>? AND time<?)"), "{}: {step}", table.series);
    }
}

#[test]
fn what_is_too_old_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    store.keep(Retention { raw: Some(3600 * SECOND), minutes: Some(2 * 3600 * SECOND), hours: None });
    minutes(&mut store, 0, 5 * 60 + 1);
    store.close().unwrap();
    let span = |table: &str| rows(&path, &format!("SELECT min(time) / 60e9 FROM {table}"))[0][0];
    assert!((239.0..=241.0).contains(&span("bandwidth")), "{}", span("bandwidth"));
    assert!((179.0..=181.0).contains(&span("bandwidth_1m")), "{}", span("bandwidth_1m"));
    assert_eq!(rows(&path, "SELECT count(*), min(points) FROM tx_1h"), [[6.0, 60.0]], "hours stay");
}

const YEAR: i64 = 525_600;

/// The clock is a year ahead for an interval or two and set back: roll-ups go on, nothing is lost, old rows leave.
#[test]
fn a_clock_that_was_ahead_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    let hour = Some(3600 * SECOND);
    store.keep(Retention { raw: hour, minutes: hour.map(|h| 2 * h), hours: None });
    minutes(&mut store, 0, 50);
    let points =
        |table: &str| rows(&path, &format!("SELECT count(*), min(time) / 60e9 FROM {table} WHERE time < 6e15"));
    let before = points("tx_1m");
    minutes(&mut store, YEAR, 2);
    assert_eq!((points("tx")[0][0], points("tx_1m")[0][0]), (3000.0, before[0][0] + 1.0), "nothing is deleted");
    minutes(&mut store, 50, 2);
    // Those ahead are whole at once, and the one at hand is the only one that is not made anew.
    let ahead = "SELECT time / 60e9, points FROM tx_1m WHERE time > 6e15";
    assert_eq!(rows(&path, ahead), [[YEAR as f64, 60.0], [YEAR as f64 + 1.0, 60.0]]);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("UPDATE tx_1m SET points = 77 WHERE time < 50 * 60000000000").unwrap();
    drop(conn);
    minutes(&mut store, 52, 10);
    assert_eq!(rows(&path, "SELECT count(*) FROM tx_1m WHERE points = 77"), [[50.0]]);
    assert_eq!(rows(&path, "SELECT points FROM tx_1h WHERE time = 0"), [[3600.0]]);
    minutes(&mut store, 62, 180);
    assert!((170.0..=171.0).contains(&points("tx")[0][1]), "{:?}", points("tx"));
    assert!((110.0..=111.0).contains(&points("tx_1m")[0][1]), "{:?}", points("tx_1m"));
    store.close().unwrap();
}

/// The program dies after the clock was ahead: the next run finds the minute and the hour at hand all the same.
#[test]
fn what_was_left_unfinished_is_found_before_what_is_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    minutes(&mut store, 0, 50);
    minutes(&mut store, YEAR, 2);
    minutes(&mut store, 50, 9);
    let copy = dir.path().join("b.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let mut store = Store::open(&copy, "s", SERIES).unwrap();
    minutes(&mut store, 61, 2);
    store.close().unwrap();
    assert_eq!(rows(&copy, "SELECT points FROM tx_1m WHERE time = 58 * 60000000000"), [[60.0]]);
    assert_eq!(rows(&copy, "SELECT points FROM tx_1h WHERE time = 0"), [[59.0 * 60.0]]);
}

#[test]
fn a_roll_up_of_an_older_version_gets_new_columns_and_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path, "s", SERIES).unwrap();
    minutes(&mut store, 0, 3);
    store.close().unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("ALTER TABLE tx_1h DROP COLUMN tx_size_p95; DELETE FROM tx; UPDATE tx_1h SET points = 77")
        .unwrap();
    drop(conn);
    Store::open(&path, "s", SERIES).unwrap().close().unwrap();
    assert_eq!(rows(&path, "SELECT points, tx_size_p50, tx_size_p95 FROM tx_1h"), [[77.0, 30.0, -1.0]]);
}
