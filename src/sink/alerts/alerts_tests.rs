use super::*;
use crate::series::{SERIES, Value as V};
use crate::sink::contract::Notices;
use crate::sink::fake::Fake;
use crate::time::SECOND;

fn point(series: usize, seconds: i64, set: &[(&str, V)]) -> Point {
    let columns = SERIES[series].columns;
    let value = |name: &str| set.iter().find(|(n, _)| *n == name).map_or(V::Absent, |(_, v)| v.clone());
    let node = if series == id::SENSOR { "" } else { "n" };
    let values = columns.iter().map(|c| value(c.name)).collect();
    Point { series, time: Timestamp::from_nanos(seconds * SECOND), node: node.into(), values }
}

fn context(live: bool) -> Context {
    Context { sensor: "s".into(), series: SERIES, notices: Notices::default(), live }
}

/// Runs minutes of a node and gives what was posted: status and name.
fn posted(minutes: i64, mut points: impl FnMut(i64) -> Vec<Point>) -> Vec<(String, String)> {
    let server = Fake::willing();
    let mut sink = Box::new(Alerts::open(&format!("{}/hook", server.url), None, &context(true)).unwrap());
    for minute in 0..minutes {
        let mut all = points(minute);
        if !all.iter().any(|p| p.series == id::SENSOR) {
            all.push(point(id::SENSOR, minute * 60, &[("frames", V::Integer(minute * 1000))]));
        }
        sink.write(&all).unwrap();
        sink.commit().unwrap();
    }
    sink.close().unwrap();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let of = |r: &crate::sink::fake::Request| {
        let v: Value = serde_json::from_str(&r.body).unwrap();
        assert_eq!((&v["version"], &v["alerts"][0]["status"]), (&json!("4"), &v["status"]));
        assert!(!text(&v["alerts"][0]["annotations"]["runbook"]).is_empty() && v["commonLabels"]["sensor"] == "s");
        (text(&v["status"]), text(&v["alerts"][0]["labels"]["alertname"]))
    };
    server.requests().iter().filter(|r| r.path == "/hook").map(of).collect()
}

fn told(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_rule_waits_fires_once_and_is_resolved() {
    let peers = |minute, outbound| {
        vec![point(id::PEERS, minute * 60, &[("outbound", V::Integer(outbound)), ("inbound", V::Integer(1))])]
    };
    let seen = posted(30, |m| peers(m, i64::from(!(10..20).contains(&m))));
    assert_eq!(seen, told(&[("firing", "BitcoinNoOutbound"), ("resolved", "BitcoinNoOutbound")]));
    assert_eq!(posted(30, |m| peers(m, i64::from(!(10..13).contains(&m)))), [], "three minutes are too short");
}

#[test]
fn no_block_and_none_at_all() {
    let tip = |m: i64| if m == 0 { vec![point(id::BLOCKS, 0, &[("best_height", V::Integer(1))])] } else { Vec::new() };
    assert_eq!(posted(61, tip), []);
    assert_eq!(posted(63, tip), told(&[("firing", "BitcoinNoBlock")]));
}

#[test]
fn floods_and_losses() {
    let pings = |per_minute: i64| {
        move |m: i64| {
            vec![point(id::MSG_RECV, m * 60, &[("transport", V::Text("v1".into())), ("ping", V::Integer(per_minute))])]
        }
    };
    assert_eq!(posted(15, pings(60)), []);
    assert_eq!(posted(15, pings(3000)), told(&[("firing", "BitcoinPingFlood")]));
    let lost = |drops: i64| {
        move |m: i64| {
            vec![point(
                id::SENSOR,
                m * 60,
                &[
                    ("frames", V::Integer(m * 6000)),
                    ("kernel_drops", V::Integer(m * drops)),
                    ("interface_drops", V::Integer(0)),
                ],
            )]
        }
    };
    assert_eq!(posted(15, lost(1)), []);
    assert_eq!(posted(15, lost(60)), told(&[("firing", "SensorCaptureLoss")]));
}

#[test]
fn one_group_among_many_peers() {
    let peers = |group: i64, inbound: i64| {
        let set = [("largest_group", V::Integer(group)), ("inbound", V::Integer(inbound)), ("outbound", V::Integer(8))];
        posted(40, |m| vec![point(id::PEERS, m * 60, &set)])
    };
    assert_eq!(peers(30, 100), told(&[("firing", "BitcoinPeerGroup")]));
    assert_eq!(peers(20, 100), []);
    assert_eq!(peers(8, 8), [], "few peers are of few groups");
}

#[test]
fn answers_to_pings() {
    let answers = |slow: fn(i64) -> bool| {
        posted(40, |m| {
            let time = if slow(m) { 5_000_000 } else { 100_000 };
            let tags = [("transport", V::Text("v1".into())), ("direction", V::Text("recv".into()))];
            let set: Vec<_> = tags.into_iter().chain([("rtt_max", V::Integer(time))]).collect();
            vec![point(id::PING, m * 60, &set)]
        })
    };
    assert_eq!(answers(|m| m > 10), told(&[("firing", "BitcoinSlowAnswers")]));
    assert_eq!(answers(|m| m == 10), []);
}

#[test]
fn slow_blocks_by_their_median() {
    let blocks = |slow_every: i64| {
        posted(100, |m| {
            let time = if m % slow_every == 0 { 9_000_000 } else { 100_000 };
            let sha = format!("{m:064x}");
            let set = [("sha", V::Text(sha.as_str().into())), ("process_time", V::Integer(time))];
            vec![point(id::PROCESSED_BLOCKS, m * 60, &set)]
        })
    };
    assert_eq!(blocks(1), told(&[("firing", "BitcoinSlowBlocks")]));
    assert_eq!(blocks(3), []);
}

#[test]
fn handshakes_that_never_end_and_points_that_are_lost() {
    let sensor = |set: fn(i64) -> Vec<(&'static str, V)>| posted(40, |m| vec![point(id::SENSOR, m * 60, &set(m))]);
    let known = sensor(|m| vec![("connections", V::Integer(if m > 20 { 6000 } else { 100 }))]);
    assert_eq!(known, told(&[("firing", "BitcoinSynFlood")]));
    assert_eq!(sensor(|m| vec![("connections", V::Integer(5000 + m))]), []);
    let lost = sensor(|m| vec![("sink_lost_refused", V::Integer((m - 30).clamp(0, 100) * 7))]);
    assert_eq!(lost, told(&[("firing", "SensorSinkBacklog")]));
    assert_eq!(sensor(|_| vec![("sink_lost_refused", V::Integer(7))]), [], "an old loss");
    assert_eq!(sensor(|m| vec![("sink_lost_empty", V::Integer(m))]), [], "nothing to lose");
}

/// Once a minute, in a live capture, at the address that was given for it.
#[test]
fn signs_of_life() {
    for live in [true, false] {
        let server = Fake::willing();
        let (hook, beat) = (format!("{}/hook", server.url), format!("{}/beat", server.url));
        let mut sink = Box::new(Alerts::open(&hook, Some(&beat), &context(live)).unwrap());
        for seconds in (0..150).step_by(10) {
            sink.write(&[point(id::SENSOR, 1_700_000_000 + seconds, &[("frames", V::Integer(1))])]).unwrap();
            sink.commit().unwrap();
            // As in a live capture the poster has time between two intervals.
            let beats = || server.requests().iter().filter(|r| r.path == "/beat").count() as i64;
            for _ in 0..500 {
                if !live || beats() > seconds / 60 {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        sink.close().unwrap();
        let requests = server.requests();
        assert_eq!(requests.len(), if live { 3 } else { 0 }, "{requests:?}");
        for r in requests {
            let v: Value = serde_json::from_str(&r.body).unwrap();
            assert_eq!((&v["alerts"][0]["labels"]["alertname"], &v["version"]), (&json!("Watchdog"), &json!("4")));
        }
    }
}

/// The clock is ahead by a day for three minutes, and set back.
#[test]
fn a_clock_that_was_ahead_stops_no_rule_and_no_sign_of_life() {
    let server = Fake::willing();
    let (hook, beat) = (format!("{}/hook", server.url), format!("{}/beat", server.url));
    let mut sink = Box::new(Alerts::open(&hook, Some(&beat), &context(true)).unwrap());
    let count = |path: &str| server.requests().iter().filter(|r| r.path == path).count();
    for minute in 0..30 {
        let seconds = 1_700_000_000 + minute * 60 + if (5..8).contains(&minute) { 86_400 } else { 0 };
        let set = [("outbound", V::Integer(i64::from(!(6..20).contains(&minute)))), ("inbound", V::Integer(1))];
        let frames = point(id::SENSOR, seconds, &[("frames", V::Integer(minute * 1000))]);
        sink.write(&[point(id::PEERS, seconds, &set), frames]).unwrap();
        sink.commit().unwrap();
        let due = minute as usize + 1;
        for _ in 0..500 {
            if count("/beat") >= due {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(count("/beat"), due, "minute {minute}");
    }
    sink.close().unwrap();
    let requests = server.requests();
    let told: Vec<Value> =
        requests.iter().filter(|r| r.path == "/hook").map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    let [firing, resolved] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&firing["status"], &resolved["status"]), (&json!("firing"), &json!("resolved")));
    let alert = &resolved["alerts"][0];
    assert!(alert["startsAt"].as_str() < alert["endsAt"].as_str(), "{alert}");
}

#[test]
fn a_wrong_url_is_told() {
    let error = Alerts::open("ftp://h", None, &context(true)).err().unwrap().to_string();
    assert!(error.contains("--alert-webhook ftp://h") && error.contains("hint: "), "{error}");
    let error = Alerts::open("http://h", Some("h"), &context(true)).err().unwrap().to_string();
    assert!(error.contains("--alert-heartbeat h") && error.contains("hint: "), "{error}");
}

#[test]
fn a_receiver_that_hangs_does_not_hold_up_the_end() {
    // It takes the connection, and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (notices, said) = Notices::collected();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let context = Context { notices, ..context(true) };
    let mut sink = Box::new(Alerts::open(&url, None, &context).unwrap());
    for minute in 0..15 {
        let set = [("outbound", V::Integer(0)), ("inbound", V::Integer(1))];
        let frames = point(id::SENSOR, minute * 60, &[("frames", V::Integer(minute))]);
        sink.write(&[point(id::PEERS, minute * 60, &set), frames]).unwrap();
        sink.commit().unwrap();
    }
    sink.close().unwrap();
    // Not that its tries are over, which take a minute.
    let said = said.lock().unwrap();
    assert!(said.len() == 1 && said[0].contains("the last messages were not posted"), "{said:?}");
}
