//! The sink against servers that misbehave.

use super::*;
use crate::series::Value;
use crate::sink::contract::Notices;
use crate::sink::fake::{Answer, Fake, Request};
use crate::sink::fixture::{LIST, output, point, text};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Said = Arc<std::sync::Mutex<Vec<String>>>;

fn listening(live: bool) -> (Context, Said) {
    let (notices, said) = Notices::collected();
    (Context { sensor: "s1".into(), series: LIST, notices, live }, said)
}

fn context(live: bool) -> Context {
    listening(live).0
}

fn config(url: &str, spool: &Path) -> Config {
    serde_json::from_value(serde_json::json!({ "url": url, "spool": spool })).unwrap()
}

fn outputs(range: std::ops::Range<i64>) -> Vec<Point> {
    range.map(|t| output(t, "a", t)).collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// A server that gives `bad` to the first `n` writes.
fn first(n: u32, bad: Answer) -> Fake {
    let calls = AtomicU32::new(0);
    Fake::start(move |_| if calls.fetch_add(1, Ordering::SeqCst) < n { bad.clone() } else { Answer::ok() })
}

/// Writes 10 000 points in ten intervals while the server is as it is, and gives the last figures and what was said.
fn deliver(server: &Fake, live: bool) -> (Status, Vec<String>) {
    let spool = tempfile::tempdir().unwrap();
    let (context, said) = listening(live);
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &context).unwrap());
    for i in 0..10 {
        sink.write(&outputs(i * 1000..i * 1000 + 1000)).unwrap();
        sink.commit().unwrap();
        sink.tick().unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    until("the server has all points", || server.keys().len() == 10_000 || !live);
    let status = sink.close().unwrap();
    let said = said.lock().unwrap().clone();
    (status, said)
}

#[test]
fn requests_are_gzipped_and_hold_an_interval() {
    let server = Fake::willing();
    let (status, notices) = deliver(&server, false);
    assert_eq!((status.delivered, status.lost.total(), status.spool_bytes), (10_000, 0, 0));
    assert_eq!((server.keys().len(), notices.len()), (10_000, 0));
    let writes: Vec<Request> = server.requests().into_iter().filter(|r| r.path.starts_with("/write")).collect();
    assert_eq!(writes.len(), 10);
    let w = &writes[0];
    assert_eq!((w.method.as_str(), w.path.as_str()), ("POST", "/write?db=btcdmon"));
    assert!(w.bytes * 4 < w.body.len(), "{} of {} bytes", w.bytes, w.body.len());
    assert_eq!(
        w.body.lines().next(),
        Some("tx_outputs,sensor=s1,node=n1,script_type=a txid=\"ab\",value=0i,ratio=0.0,is_dust=true 0")
    );
    let create = server.requests().into_iter().find(|r| r.path.starts_with("/query")).unwrap();
    assert!(create.method == "POST" && create.path.contains("CREATE+DATABASE+%22btcdmon%22"), "{create:?}");
}

#[test]
fn a_proxy_that_answers_500_costs_nothing() {
    for live in [true, false] {
        let server = first(2, Answer::status(500, "<html>oh</html>"));
        let (status, notices) = deliver(&server, live);
        assert_eq!((status.lost.total(), status.spool_bytes, server.keys().len()), (0, 0, 10_000));
        assert_eq!(status.delivered, 10_000);
        assert!(notices[0].contains("HTTP 500; points wait in "), "{notices:?}");
        assert!(notices[1].contains("takes points again"), "{notices:?}");
        assert_eq!(notices.len(), 2, "{notices:?}");
    }
}

#[test]
fn a_server_with_a_full_disk_is_waited_for() {
    let full = r#"{"error":"engine: error writing WAL entry: write /data/wal/_00001.wal: no space left on device"}"#;
    let (status, notices) = deliver(&first(1, Answer::status(500, full)), true);
    assert_eq!((status.lost.total(), status.delivered), (0, 10_000));
    assert!(notices[0].contains("no space left on device (HTTP 500)"), "{notices:?}");
}

#[test]
fn a_connection_that_is_cut_sends_again_what_may_be_there_already() {
    let server = first(1, Answer::Cut);
    let (status, _) = deliver(&server, false);
    assert_eq!((status.delivered, server.keys().len()), (10_000, 10_000));
}

#[test]
fn a_body_that_is_too_large_goes_in_parts_and_later_ones_are_smaller() {
    let server = Fake::start(|r| if r.bytes > 6000 { Answer::status(413, "") } else { Answer::ok() });
    let spool = tempfile::tempdir().unwrap();
    let (told, said) = listening(false);
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &told).unwrap());
    sink.write(&outputs(0..20_000)).unwrap();
    let status = sink.close().unwrap();
    assert_eq!((status.delivered, status.lost.total(), server.keys().len()), (20_000, 0, 20_000));
    assert_eq!(said.lock().unwrap().len(), 1);
    assert!(said.lock().unwrap()[0].contains("too large (HTTP 413); points go in smaller ones"));
    let tooth = Fake::start(|_| Answer::status(413, ""));
    let (told, said) = listening(false);
    let mut sink = Box::new(Influx::open(&config(&tooth.url, spool.path()), &told).unwrap());
    sink.write(&outputs(0..3)).unwrap();
    let status = sink.close().unwrap();
    assert_eq!((status.delivered, status.lost.get(Loss::Refused)), (0, 3));
    let said = said.lock().unwrap().clone();
    assert!(said.len() == 2 && said[1].contains("refused for good: one point is too large"), "{said:?}");
}

/// Nobody listens at the start, and nothing is lost when somebody does later.
#[test]
fn a_live_capture_that_starts_before_its_server() {
    let spool = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for points in [100, 0] {
        let (live, said) = listening(true);
        let mut sink = Box::new(Influx::open(&config(&format!("http://{free}"), spool.path()), &live).unwrap());
        sink.write(&outputs(0..points)).unwrap();
        sink.commit().unwrap();
        let server = Fake::on(std::net::TcpListener::bind(free).unwrap(), |_| Answer::ok());
        until("it takes points", || said.lock().unwrap().last().unwrap().contains("takes points again"));
        sink.write(&outputs(points..points + 10)).unwrap();
        let status = sink.close().unwrap();
        assert_eq!((status.delivered, status.lost.total(), status.spool_bytes), (points as u64 + 10, 0, 0));
        assert_eq!(server.keys().len(), points as usize + 10);
        server.stop();
    }
}

/// No server and no spool: told once, counted, and over when either is back.
#[test]
fn a_spool_that_cannot_be_written_is_told_once_and_the_sink_recovers() {
    let spool = tempfile::tempdir().unwrap();
    let works = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&works);
    let server =
        Fake::start(move |_| if flag.load(Ordering::SeqCst) { Answer::ok() } else { Answer::status(500, "no") });
    let (live, said) = listening(true);
    let config = config(&server.url, spool.path());
    let folder = config.spool_folder(&config.url().unwrap(), &config.api().unwrap());
    let mut sink = Box::new(Influx::open(&config, &live).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let mut write = |n: i64| {
        sink.write(&outputs(n * 10..n * 10 + 10)).unwrap();
        sink.commit().unwrap();
        sink.status().lost.get(Loss::SpoolFull)
    };
    until("the first interval is lost", || write(0) > 0);
    let lost = (1..5).map(&mut write).next_back().unwrap();
    let count = |word: &str| said.lock().unwrap().iter().filter(|t| t.contains(word)).count();
    assert_eq!(count("points are lost: "), 1, "{said:?}");
    assert!(said.lock().unwrap().iter().any(|t| t.contains("write to the spool")), "{said:?}");
    works.store(true, Ordering::SeqCst);
    until("it takes points", || {
        write(6);
        !server.keys().is_empty()
    });
    assert!(count("takes points again") > 0, "{said:?}");
    let status = sink.close().unwrap();
    assert!(status.lost.total() >= lost && status.delivered > 0, "{status:?}");
}

/// A spool that cannot be read for a moment keeps what it has; it is told once.
#[test]
fn a_spool_that_cannot_be_read_now_is_read_later() {
    let spool = tempfile::tempdir().unwrap();
    let up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&up);
    let server =
        Fake::start(move |_| if flag.load(Ordering::SeqCst) { Answer::ok() } else { Answer::status(503, "no") });
    let (live, said) = listening(true);
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &live).unwrap());
    for n in 0..5 {
        sink.write(&outputs(n * 10..n * 10 + 10)).unwrap();
        sink.commit().unwrap();
        until("it waits", || std::fs::read_dir(sink.shared.folder()).unwrap().count() == n as usize + 2);
    }
    let path = sink.shared.folder().join("0000000000000000-10.lp.gz");
    let aside = spool.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    // Reading a folder fails, also for root.
    std::fs::create_dir(&path).unwrap();
    up.store(true, Ordering::SeqCst);
    let count = |word: &str| said.lock().unwrap().iter().filter(|t| t.contains(word)).count();
    until("it is told", || count("read from the spool") > 0);
    thread::sleep(Duration::from_secs(1));
    assert_eq!((sink.status().lost.total(), server.keys().len()), (0, 0));
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    until("all are there", || server.keys().len() == 50);
    assert_eq!((count("read from the spool"), count("until it can be read")), (1, 1), "{said:?}");
    let status = sink.close().unwrap();
    assert_eq!((status.delivered, status.lost.total(), status.spool_bytes), (50, 0, 0));
}

#[test]
fn partial_writes_are_counted_and_told_once_a_kind() {
    let conflict = r#"{"error":"partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped=7"}"#;
    let server = first(4, Answer::status(400, conflict));
    let (status, notices) = deliver(&server, false);
    assert_eq!((status.delivered, status.lost.get(Loss::Refused)), (10_000 - 28, 28));
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("7 points were refused for good: partial write: field type conflict"), "{notices:?}");
}

#[test]
fn a_server_that_hangs_holds_up_nobody_in_a_live_capture() {
    let server = first(1, Answer::Hang);
    let spool = tempfile::tempdir().unwrap();
    let (context, said) = listening(true);
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &context).unwrap());
    // More than is ever in flight, at once: a sink that waited for the answer would take 10 s a body.
    let (done, finished) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        for i in 0..20 {
            sink.write(&outputs(i * 100..i * 100 + 100)).unwrap();
            sink.commit().unwrap();
        }
        done.send(()).unwrap();
        sink
    });
    finished.recv_timeout(Duration::from_secs(5)).expect("nobody waits for a server that hangs");
    until("all points are there after the time-out", || server.keys().len() == 2000);
    let status = writer.join().unwrap().close().unwrap();
    assert_eq!((status.lost.total(), status.spool_bytes), (0, 0));
    assert!(said.lock().unwrap()[0].contains("no answer within 10 s"));
}

#[test]
fn what_waits_is_sent_by_the_next_run() {
    let spool = tempfile::tempdir().unwrap();
    let bad = Fake::start(|_| Answer::status(503, "starting"));
    // A later server at the same address: the spool belongs to the URL.
    let config_of = |url: &str| config(url, spool.path());
    let (context_live, said) = listening(true);
    let mut sink = Box::new(Influx::open(&config_of(&bad.url), &context_live).unwrap());
    sink.write(&outputs(0..1000)).unwrap();
    let status = sink.close().unwrap();
    assert!(status.spool_bytes > 0 && status.lost.total() == 0);
    let said = said.lock().unwrap().clone();
    assert!(said.last().is_some_and(|t| t.contains("1000 points wait in")), "{said:?}");
    // The same folder under the name of another server.
    let good = Fake::willing();
    let name = |c: &Config| c.spool_folder(&c.url().unwrap(), &c.api().unwrap());
    std::fs::rename(name(&config_of(&bad.url)), name(&config_of(&good.url))).unwrap();
    let sink = Box::new(Influx::open(&config_of(&good.url), &context(false)).unwrap());
    let status = sink.close().unwrap();
    assert_eq!((status.delivered, status.spool_bytes, good.keys().len()), (1000, 0, 1000));
}

#[test]
fn a_replay_to_nobody_ends_at_once_and_a_live_capture_starts() {
    let spool = tempfile::tempdir().unwrap();
    // A port that nobody listens on: one that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = config(&format!("http://{free}"), spool.path());
    let error = Influx::open(&config, &context(false)).err().unwrap().to_string();
    assert!(error.contains("refused") && error.contains("hint: start the server"), "{error}");
    let (live, said) = listening(true);
    let mut sink = Box::new(Influx::open(&config, &live).unwrap());
    sink.write(&outputs(0..10)).unwrap();
    sink.commit().unwrap();
    assert!(sink.close().unwrap().spool_bytes > 0);
    assert!(said.lock().unwrap()[0].contains("refused"));
}

#[test]
fn a_small_spool_loses_the_oldest_in_a_live_capture_and_ends_a_replay() {
    let server = Fake::start(|_| Answer::status(500, ""));
    for live in [true, false] {
        let spool = tempfile::tempdir().unwrap();
        let mut config = config(&server.url, spool.path());
        config.spool_limit = 20_000;
        let mut sink = Box::new(Influx::open(&config, &context(live)).unwrap());
        let mut failed = None;
        for i in 0..400 {
            let result = sink.write(&outputs(i * 100..i * 100 + 100)).and_then(|()| sink.commit());
            failed = failed.or(result.err());
            if failed.is_some() {
                break;
            }
        }
        let status = sink.status();
        let closed = sink.close();
        if live {
            assert!(failed.is_none() && closed.is_ok());
            assert!(status.lost.get(Loss::SpoolFull) > 20_000 && status.spool_bytes <= 20_000, "{status:?}");
        } else {
            let error = failed.unwrap().to_string();
            assert!(error.contains("is full") && error.contains("hint: "), "{error}");
            assert!(closed.is_err());
        }
    }
}

#[test]
fn points_without_a_field_are_counted() {
    let server = Fake::willing();
    let spool = tempfile::tempdir().unwrap();
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &context(false)).unwrap());
    sink.write(&[point(2, 1, vec![Value::Integer(1)]), output(1, "a", 1)]).unwrap();
    let mut empty = output(1, "b", 1);
    empty.values = vec![text("b"), Value::Absent, Value::Absent, Value::Absent, Value::Absent];
    sink.write(&[empty]).unwrap();
    let status = sink.close().unwrap();
    assert_eq!((status.delivered, status.lost.get(Loss::Empty), status.lost.total()), (1, 2, 2));
}

/// Times and values of the outputs in a request, as they stand there.
fn values(request: &Request) -> Vec<(i64, i64)> {
    let number = |t: &str| t.parse().unwrap();
    let read = |l: &str| {
        let value = l.split_once("value=").unwrap().1.split_once('i').unwrap().0;
        (number(l.rsplit_once(' ').unwrap().1), number(value))
    };
    request.body.lines().map(read).collect()
}

type Taken = Arc<std::sync::Mutex<Vec<(i64, i64)>>>;

/// A server that answers each write, numbered from 0, by `script`; and what it took, in that order.
fn ordered(mut script: impl FnMut(usize, &Request) -> Answer + Send + 'static) -> (Fake, Taken) {
    let taken = Taken::default();
    let (into, mut calls) = (Arc::clone(&taken), 0);
    let server = Fake::start(move |r| {
        calls += 1;
        let answer = script(calls - 1, r);
        if matches!(answer, Answer::Say(204, ..)) {
            into.lock().unwrap().extend(values(r));
        }
        answer
    });
    (server, taken)
}

/// A point that is written again while an older one of the same key waits: the newer one is what stays.
#[test]
fn after_an_outage_what_is_new_waits_for_what_is_old() {
    for live in [true, false] {
        let spool = tempfile::tempdir().unwrap();
        let up = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (flag, mut takes) = (Arc::clone(&up), 0);
        let (second, came) = std::sync::mpsc::channel();
        let (go, told) = std::sync::mpsc::channel::<()>();
        let (server, taken) = ordered(move |_, _| {
            if !flag.load(Ordering::SeqCst) {
                return Answer::status(503, "starting");
            }
            takes += 1;
            if takes == 2 {
                second.send(()).unwrap();
                told.recv().unwrap();
            }
            Answer::ok()
        });
        let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &context(live)).unwrap());
        let write = |sink: &mut Influx, time, value| {
            sink.write(&[output(time, "a", value)]).unwrap();
            sink.commit().unwrap();
        };
        write(&mut sink, 100, 0);
        until("the first one waits", || sink.status().spool_bytes > 0);
        (101..120).for_each(|time| write(&mut sink, time, 0));
        write(&mut sink, 1, 1);
        let files = || std::fs::read_dir(sink.shared.folder()).unwrap().count();
        until("all wait, beside the lock", || files() == 21 + 1);
        up.store(true, Ordering::SeqCst);
        came.recv_timeout(Duration::from_mins(1)).unwrap();
        // The server has taken one, and twenty are still in the spool.
        write(&mut sink, 1, 2);
        go.send(()).unwrap();
        let status = sink.close().unwrap();
        assert_eq!((status.lost.total(), status.spool_bytes), (0, 0));
        let taken = taken.lock().unwrap().clone();
        let expected: Vec<_> = (100..120).map(|time| (time, 0)).chain([(1, 1), (1, 2)]).collect();
        assert_eq!(taken, expected, "live: {live}");
    }
}

/// More than is ever in flight comes while the server thinks, and then it refuses what it has thought about.
#[test]
fn what_the_channel_has_no_room_for_waits_for_what_is_in_it() {
    let spool = tempfile::tempdir().unwrap();
    let (go, told) = std::sync::mpsc::channel::<()>();
    let (server, taken) = ordered(move |n, _| {
        if n > 0 {
            return Answer::ok();
        }
        told.recv().unwrap();
        Answer::status(503, "busy")
    });
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &context(true)).unwrap());
    for value in 0..10 {
        sink.write(&[output(1, "a", value)]).unwrap();
        sink.commit().unwrap();
    }
    assert!(sink.shared.holds_some(), "the channel was full");
    go.send(()).unwrap();
    until("all are there", || taken.lock().unwrap().len() == 10);
    let status = sink.close().unwrap();
    assert_eq!((status.lost.total(), status.spool_bytes), (0, 0));
    assert_eq!(*taken.lock().unwrap(), (0..10).map(|value| (1, value)).collect::<Vec<_>>());
}

#[test]
fn a_body_in_parts_stays_in_order() {
    let spool = tempfile::tempdir().unwrap();
    let (server, taken) = ordered(|_, r| if r.bytes > 6000 { Answer::status(413, "") } else { Answer::ok() });
    let mut sink = Box::new(Influx::open(&config(&server.url, spool.path()), &context(false)).unwrap());
    sink.write(&outputs(0..5000)).unwrap();
    assert_eq!(sink.close().unwrap().delivered, 5000);
    assert_eq!(*taken.lock().unwrap(), (0..5000).map(|n| (n, n)).collect::<Vec<_>>());
}
