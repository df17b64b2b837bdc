use super::super::catalogue::column_help;
use super::*;
use crate::time::Timestamp;

fn point(series: usize, time: i64, set: &[(&str, Value)]) -> Point {
    let columns = SERIES[series].columns;
    assert!(set.iter().all(|(n, _)| columns.iter().any(|c| c.name == *n)), "{set:?}");
    let value = |name: &str| set.iter().find(|(n, _)| *n == name).map_or(Value::Absent, |(_, v)| v.clone());
    Point {
        series,
        time: Timestamp::from_nanos(time),
        node: "n1".into(),
        values: columns.iter().map(|c| value(c.name)).collect(),
    }
}

fn text(t: &str) -> Value {
    Value::Text(t.into())
}

#[test]
fn every_name_is_a_good_one() {
    let all = names();
    assert!(all.len() > 100);
    for (name, kind, help) in &all {
        assert!(
            name.starts_with("btcdmon_")
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{name}"
        );
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
        assert!(["(exact)", "(inferred)", "(estimated)"].iter().any(|k| help.ends_with(k)), "{name}: {help}");
        assert!(
            !name.contains("bytes_bytes") && !["_count", "_sum", "_bucket"].iter().any(|s| name.ends_with(s)),
            "{name}"
        );
    }
    for e in EVENTS {
        let columns = SERIES[e.series].columns;
        let used = match e.what {
            What::Sum(c) | What::Histogram(c, ..) => c,
            _ => e.needs,
        };
        for c in e.labels.iter().chain([&e.needs, &used]) {
            assert!(columns.iter().any(|k| k.name == *c), "{}: {}.{c}", e.name, SERIES[e.series].name);
        }
    }
}

#[test]
fn no_two_columns_share_a_metric() {
    let mut seen = BTreeSet::new();
    for (i, s) in SERIES.iter().enumerate() {
        for c in s.columns.iter().filter(|c| !c.tag) {
            let h = how(i, c);
            if !matches!(h, How::Event | How::Command) {
                assert!(seen.insert(column_metric(s, c, h)), "{}.{}: {}", s.name, c.name, column_help(s, c, h));
            }
        }
    }
}

#[test]
fn counters_sum_intervals_and_gauges_stand() {
    let mut page = Page::new("s");
    assert!(!page.is_ready());
    for t in 1..=3 {
        page.point(&point(
            id::MSG_RECV,
            t,
            &[("transport", text("v1")), ("inv", Value::Integer(5)), ("tx", Value::Integer(0))],
        ));
        page.point(&point(id::BANDWIDTH, t, &[("bytes_recv", Value::Integer(100 * t))]));
        page.point(&point(id::PEERS, t, &[("total_connected", Value::Integer(10 - t))]));
        page.interval();
    }
    assert!(page.is_ready());
    let of = |name: &str, command: &str| page.get(name, &[("command", command), ("direction", "recv")]);
    assert_eq!((of("btcdmon_messages_total", "inv"), of("btcdmon_messages_total", "tx")), (Some(15.0), None));
    assert_eq!(page.get("btcdmon_bandwidth_bytes_recv_total", &[("node", "n1")]), Some(300.0));
    assert_eq!(page.get("btcdmon_peers_total_connected", &[]), Some(7.0));
    let out = page.render(false);
    assert!(out.contains("\nbtcdmon_messages_total{sensor=\"s\",node=\"n1\",transport=\"v1\",direction=\"recv\",command=\"inv\"} 15\n"), "{out}");
    assert!(out.contains("# TYPE btcdmon_peers_total_connected gauge\n"), "{out}");
    let open = page.render(true);
    assert!(
        open.contains("# TYPE btcdmon_messages counter\nbtcdmon_messages_total{") && open.ends_with("# EOF\n"),
        "{open}"
    );
}

#[test]
fn a_block_that_is_written_again_counts_once() {
    let mut page = Page::new("s");
    let block = |more: &[(&str, Value)]| {
        let mut set = vec![
            ("sha", text("00ab")),
            ("status", text("accepted")),
            ("via", text("block")),
            ("size", Value::Integer(1_600_000)),
        ];
        set.extend_from_slice(more);
        point(id::PROCESSED_BLOCKS, 7, &set)
    };
    page.point(&block(&[]));
    page.point(&block(&[("process_time", Value::Integer(250_000))]));
    page.point(&block(&[("process_time", Value::Integer(250_000))]));
    assert_eq!(page.get("btcdmon_blocks_processed_total", &[("status", "accepted")]), Some(1.0));
    assert_eq!(page.get("btcdmon_block_size_bytes", &[]), Some(1.0));
    assert_eq!(page.get("btcdmon_block_process_seconds", &[]), Some(1.0));
    let out = page.render(false);
    assert!(out.contains("btcdmon_block_process_seconds_bucket{sensor=\"s\",node=\"n1\",le=\"0.2\"} 0\n"), "{out}");
    assert!(out.contains("btcdmon_block_process_seconds_bucket{sensor=\"s\",node=\"n1\",le=\"0.3\"} 1\n"), "{out}");
    assert!(out.contains("btcdmon_block_process_seconds_sum{sensor=\"s\",node=\"n1\"} 0.25\n"), "{out}");
}

#[test]
fn peers_cannot_make_labels_without_end_nor_break_the_page() {
    let mut page = Page::new("s");
    for i in 0..5000 {
        let name = format!("/x\"\n\\{i}:1.2/");
        page.point(&point(
            id::PEERS,
            i,
            &[
                ("direction", text("inbound")),
                ("user_agent", text(&name)),
                ("version", Value::Integer(1)),
                ("start_height", Value::Integer(i)),
            ],
        ));
    }
    let out = page.render(false);
    let lines: Vec<&str> = out.lines().filter(|l| l.starts_with("btcdmon_peer_versions_total{")).collect();
    assert!(lines.len() <= SETS + 1, "{}", lines.len());
    assert!(lines.iter().any(|l| l.contains("user_agent=\"other\"")));
    assert_eq!(page.get("btcdmon_peer_versions_total", &[]), Some(5000.0));
    assert_eq!(page.get(PEER_HEIGHT.0, &[]), Some(4984.0), "the median of the newest 31");
}

#[test]
fn labels_of_one_node_take_no_room_from_the_others() {
    let mut page = Page::new("s");
    let agents = SETS / 2;
    for i in 0..20 * agents {
        let mut p = point(
            id::PEERS,
            i as i64,
            &[
                ("direction", text("inbound")),
                ("user_agent", text(&format!("/agent{}:1.2/", i % agents))),
                ("version", Value::Integer(1)),
            ],
        );
        p.node = format!("n{}", i / agents).into();
        page.point(&p);
    }
    let last = page.get("btcdmon_peer_versions_total", &[("node", "n19"), ("user_agent", "agent7:1")]);
    assert_eq!(last, Some(1.0));
    assert_eq!(page.get("btcdmon_peer_versions_total", &[("user_agent", "other")]), None);
}

#[test]
fn agents_by_name_and_major_version() {
    for (given, shown) in [
        ("/Satoshi:27.1.0/", "Satoshi:27"),
        ("/btcwire:0.5.0/btcd:0.26.0/", "btcwire:0"),
        ("/bitcoin-seeder:0.01/", "bitcoin-seeder:0"),
        ("", ""),
        ("no slashes", "no slashes"),
    ] {
        assert_eq!(agent(given), shown);
    }
}
