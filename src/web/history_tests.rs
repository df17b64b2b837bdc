use super::super::db::Reader;
use super::super::sql::{Agg, Asked, statement};
use super::*;
use crate::series::{Point, Value as Figure, id};
use crate::sink::Store;
use std::path::Path;
use std::sync::Arc;

const START: i64 = 1_795_392_000 * SECOND;
const EVERY: i64 = 10 * SECOND;
/// Ten hours.
const POINTS: i64 = 3600;

/// Numbers that grow, with an absent one now and then; tags empty but the first, which has two values.
fn point(series: usize, n: i64, line: &str) -> Point {
    let mut first = true;
    let values = SERIES[series].columns.iter().map(|c| match c.kind_of_value {
        _ if c.tag => Figure::Text(if std::mem::take(&mut first) { line.into() } else { "".into() }),
        Type::Integer => Figure::Integer(n * 17 + n % 5),
        Type::Float => Figure::Float(n as f64 / 3.0),
        Type::Boolean => Figure::Boolean(n % 3 == 0),
        Type::Text => Figure::Absent,
    });
    Point { series, time: Timestamp::from_nanos(START + n * EVERY), node: "node".into(), values: values.collect() }
}

fn store(path: &Path) {
    let mut store = Store::open(path, "sensor", SERIES).unwrap();
    for n in 1..=POINTS {
        let lines = ["a", "b"].map(|line| point(id::VISIBILITY, n, line));
        let others = [id::BANDWIDTH, id::MSG_RECV, id::MEMPOOL, id::TX, id::SENSOR].map(|s| point(s, n, "v1"));
        store.write(&lines).and_then(|()| store.write(&others)).and_then(|()| store.commit()).unwrap();
    }
    store.close().unwrap();
}

fn values(r: &mut Reader, asked: &Asked<'_>, template: Template) -> Vec<(i64, String, f64)> {
    let (rows, _) = r.run(&statement(asked, template), 10_000).unwrap();
    let row = |r: &Vec<Value>| (r[0].as_i64().unwrap(), r[1].to_string(), r[2].as_f64().unwrap_or(f64::MIN));
    let mut all: Vec<_> = rows.rows.iter().map(row).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

#[test]
fn rollups_tell_what_points_tell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    store(&path);
    let mut reader = Reader::open(&path, Timestamp::default(), Arc::default()).unwrap();
    let aggs = [Agg::Sum, Agg::Mean, Agg::Level, Agg::Max, Agg::Min, Agg::Count, Agg::Rate];
    let mut compared = 0;
    for series in [id::BANDWIDTH, id::VISIBILITY, id::MSG_RECV, id::MEMPOOL, id::TX] {
        let s = &SERIES[series];
        let tags: Vec<&str> = s.columns.iter().filter(|c| c.tag).map(|c| c.name).collect();
        for c in s.columns {
            for agg in aggs {
                let how = how(series, c);
                let shapes = (of_points(series, c, how, agg), of_rollups(series, c, how, agg));
                let (Some(points), Some(rolled)) = shapes else { continue };
                let source = |table: String, bucket| Source { table, bucket };
                let raw = source(s.name.to_owned(), None);
                let asked = Asked {
                    source: &raw,
                    column: c.name,
                    how,
                    agg,
                    tags: &tags,
                    by: if tags.is_empty() { &["sensor"] } else { &tags[..1] },
                    conditions: " AND node = 'node'",
                    // Whole hours, without the first, which begins one point late.
                    range: (START + 3600 * SECOND, START + 9 * 3600 * SECOND),
                    step: 3600 * SECOND,
                    interval: EVERY,
                    begin: START,
                };
                let expected = values(&mut reader, &asked, points);
                assert_eq!(expected.len(), if series == id::VISIBILITY { 16 } else { 8 }, "{}.{}", s.name, c.name);
                for (suffix, length) in BUCKETS {
                    let table = source(format!("{}_{suffix}", s.name), Some(length));
                    let rolled_up = Asked { source: &table, interval: length, ..asked.clone() };
                    let found = values(&mut reader, &rolled_up, rolled.clone());
                    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
                    let same = found.len() == expected.len()
                        && found.iter().zip(&expected).all(|(f, e)| (f.0, &f.1) == (e.0, &e.1) && near(f.2, e.2));
                    assert!(same, "{} {}.{}\n{expected:?}\n{found:?}", agg.name(), table.table, c.name);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn a_counter_that_fell_began_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut store = Store::open(&path, "sensor", SERIES).unwrap();
    for (n, value) in [(1, 100), (2, 300), (3, 50), (4, 60)] {
        let mut p = point(id::BANDWIDTH, n, "");
        p.values[0] = Figure::Integer(value);
        store.write(&[p]).and_then(|()| store.commit()).unwrap();
    }
    store.close().unwrap();
    let source = Source { table: "bandwidth".to_owned(), bucket: None };
    let asked = Asked {
        source: &source,
        column: "bytes_recv",
        how: crate::sink::prometheus::catalogue::How::Cumulative,
        agg: Agg::Rate,
        tags: &[],
        by: &["sensor"],
        conditions: "",
        range: (START, START + 100 * SECOND),
        step: EVERY,
        interval: EVERY,
        begin: START + EVERY,
    };
    let rates = |asked: &Asked<'_>| {
        let mut reader = Reader::open(&path, Timestamp::default(), Arc::default()).unwrap();
        let all = values(&mut reader, asked, Template::Rate("\"bytes_recv\"".to_owned()));
        all.into_iter().map(|v| v.2).collect::<Vec<_>>()
    };
    assert_eq!(rates(&asked), [10.0, 20.0, 5.0, 1.0]);
    // Where older rows were deleted nothing is known of the first; a range that begins later knows the row before it.
    assert_eq!(rates(&Asked { begin: START - 3600 * SECOND, ..asked.clone() }), [20.0, 5.0, 1.0]);
    assert_eq!(rates(&Asked { range: (START + 2 * EVERY, START + 100 * SECOND), ..asked }), [20.0, 5.0, 1.0]);
}

#[test]
fn buckets() {
    let hour = 3600 * SECOND;
    assert_eq!(step(START, START + hour, 600, EVERY), EVERY);
    assert_eq!(step(START, START + 6 * hour, 600, EVERY), 60 * SECOND);
    assert_eq!(step(START, START + SECOND, 1, SECOND), SECOND);
    for (from, to) in [(i64::MIN, i64::MAX), (0, i64::MAX), (-5, 5), (START, START + 1)] {
        for points in [1, 2, 600] {
            let s = i128::from(step(from, to, points, SECOND));
            let n = (i128::from(to) - 1).div_euclid(s) - i128::from(from).div_euclid(s) + 1;
            assert!(
                n <= i128::from(points) || s == i128::from(i64::MAX / (30 * 86_400 * SECOND) * (30 * 86_400 * SECOND))
            );
        }
    }
}

#[test]
fn names_of_aggregates() {
    for name in ["sum", "mean", "max", "min", "last", "count", "rate", "p1", "p50", "p99"] {
        assert_eq!(Agg::of_name(name).map(Agg::name).as_deref(), Some(name));
    }
    for bad in ["", "auto", "p", "p0", "p100", "p-1", "median"] {
        assert_eq!(Agg::of_name(bad), None, "{bad}");
    }
}
