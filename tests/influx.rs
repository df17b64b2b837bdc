//! A real InfluxDB 1.x (Debian's): what a replay stores there is what the embedded store holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "influx/equal.rs"]
mod equal;
#[path = "influx/fake.rs"]
mod fake;
#[path = "influx/server.rs"]
mod server;
#[path = "influx/server2.rs"]
mod server2;

use assert_cmd::cargo::cargo_bin;
use btcdmon::app::outlets::Outlets;
use btcdmon::series::{Point, SERIES, Value, id};
use btcdmon::sink::SinkConfig;
use btcdmon::sink::contract::Notices;
use btcdmon::sink::query::{Limits, query};
use btcdmon::sink::queue::Policy;
use btcdmon::sink::rows::JsonRows;
use btcdmon::time::Timestamp;
use server::Influxd;
use server2::{Influxd2, ORG, TOKEN};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Memory is measured while no other test takes any.
static ALONE: RwLock<()> = RwLock::new(());

/// Longest wait for what should happen, a slow machine included.
const PATIENCE: Duration = Duration::from_secs(20);

fn btcdmon(args: &[&str]) -> Command {
    let mut c = Command::new(cargo_bin("btcdmon"));
    c.args(args).env_remove("BTCDMON_NODE").stdin(Stdio::null());
    c
}

fn capture(name: &str) -> String {
    format!("{}/captures/{name}/capture.pcap.zst", env!("CARGO_MANIFEST_DIR"))
}

const BUNDLED: [&str; 4] = ["btcd-v1", "btcd-v2", "btcd-ipv6", "btcd-v2-messages"];

/// Recordings of another program's node, below the folder that `BTCDMON_SHARED` names.
const SHARED: [&str; 2] = ["core31-v1", "core31-mixed"];

/// Columns without a value in the bundled recordings, and why; all others are compared with one.
const WITHOUT: &[(&str, &[&str], &str)] = &[
    (
        "processed_blocks",
        &["relay_time", "missing_tx", "missing_bytes", "compact_size"],
        "btcd nodes speak no compact blocks; those of SHARED do",
    ),
    ("mempool", &["min_fee_rate"], "btcd nodes send no feefilter; those of SHARED do"),
    ("tx_fees", &["min_fee", "fee_ratio"], "btcd nodes send no feefilter; those of SHARED do"),
    ("processed_blocks", &["reject_code", "reject_reason"], "no recorded node was sent a bad block"),
    ("tx", &["non_standard_reason"], "no recorded transaction is non-standard"),
    ("tx_inputs", &["non_standard_reason"], "no recorded transaction is non-standard"),
    (
        "sensor",
        &[
            "sink_backlog",
            "sink_spool_bytes",
            "sink_lost_queue_full",
            "sink_lost_rolled_back",
            "sink_lost_malformed",
            "sink_lost_refused",
            "sink_lost_empty",
            "sink_lost_spool_full",
        ],
        "figures of sinks are absent in replays; tests/e2e/sinks.py compares them in a live run",
    ),
];

fn err(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// Replays a bundled recording into InfluxDB and into a store.
fn replay(folder: &Path, url: &str, name: &str, more: &[&str]) -> Output {
    replay_file(folder, url, Path::new(&capture(name)), more)
}

fn replay_file(folder: &Path, url: &str, capture: &Path, more: &[&str]) -> Output {
    let (store, spool) = (path(folder, "node.db"), path(folder, "spool"));
    let mut args =
        vec!["replay", "-q", "--sensor", "a sensor", "--store", &store, "--influx", url, "--influx-spool", &spool];
    args.extend_from_slice(more);
    args.push(capture.to_str().unwrap());
    btcdmon(&args).output().unwrap()
}

/// Demands status 1 and one line on standard error that holds all of `parts`.
fn fails(o: &Output, parts: &[&str]) {
    let e = err(o);
    assert_eq!((o.status.code(), e.lines().count()), (Some(1), 1), "{e}");
    assert!(parts.iter().all(|p| e.contains(p)), "{e}");
}

#[test]
fn a_replay_gives_the_points_of_the_store_and_twice_is_once() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = Influxd::start(false) else { return };
    let shared = std::env::var_os("BTCDMON_SHARED").map(PathBuf::from);
    if shared.is_none() {
        eprintln!("SKIPPED: {SHARED:?}; set BTCDMON_SHARED to the folder that holds captures/{}", SHARED[0]);
    }
    let more =
        |name: &&'static str| shared.as_ref().map(|f| (*name, f.join("captures").join(name).join("capture.pcap.zst")));
    let bundled = BUNDLED.iter().map(|name| (*name, PathBuf::from(capture(name))));
    let mut seen = BTreeSet::new();
    for (name, file) in bundled.chain(SHARED.iter().filter_map(more)) {
        let folder = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        for _ in 0..2 {
            let o = replay_file(folder.path(), &server.url(), &file, &["--influx-database", name]);
            assert!(o.status.success() && err(&o).is_empty(), "{}", err(&o));
            found.push(equal::compare(|q| server.query(name, q), &folder.path().join("node.db")));
        }
        assert_eq!(found[0], found[1], "{name}");
        assert!(found[0].points > 100, "{name}: {} points", found[0].points);
        seen.append(&mut found.remove(0).columns);
    }
    // Every series with every column, but those that are named.
    let all = SERIES.iter().flat_map(|s| s.columns.iter().map(|c| (s.name, c.name)));
    let without: BTreeSet<_> = all.filter(|column| !seen.contains(column)).collect();
    let named = WITHOUT.iter().filter(|(.., why)| shared.is_none() || !why.ends_with("those of SHARED do"));
    assert_eq!(without, named.flat_map(|(s, columns, _)| columns.iter().map(|c| (*s, *c))).collect());
    // Into a retention policy of its own.
    server.query("", "CREATE RETENTION POLICY \"week\" ON \"btcd-v1\" DURATION INF REPLICATION 1");
    let folder = tempfile::tempdir().unwrap();
    let more = ["--influx-database", "btcd-v1", "--influx-retention-policy", "week"];
    assert!(replay(folder.path(), &server.url(), "btcd-v1", &more).status.success());
    let found = server.query("btcd-v1", "SELECT count(bytes_recv) FROM \"week\".\"bandwidth\"");
    assert!(found["results"][0]["series"][0]["values"][0][1].as_i64().unwrap() > 3, "{found}");
}

/// The same into 2.x, with what its operators get wrong.
#[test]
fn organisations_buckets_and_tokens() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = Influxd2::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (name, store) = ("btcd-v1", folder.path().join("node.db"));
    let run = |token: &str, more: &[&str]| {
        let file = path(folder.path(), "token");
        fs::write(&file, format!("{token}\n")).unwrap();
        replay(folder.path(), &server.url(), name, &[&["--influx-token-file", file.as_str()], more].concat())
    };
    let right = ["--influx-org", ORG, "--influx-bucket", "btcdmon"];
    fails(&run("wrong", &right), &["refuses the token", "--influx-token-file"]);
    fails(&run(TOKEN, &["--influx-bucket", "btcdmon"]), &["orgID or org", "--influx-org"]);
    // A token that may not make the bucket: nothing is lost, the points wait until the operator makes it.
    server.bucket("other one");
    let writer = server.writer("other one");
    let o = run(&writer, &right);
    let last = err(&o).lines().last().unwrap().to_owned();
    assert!(last.contains("points wait in") && last.contains("bucket"), "{last}");
    // One that may.
    for _ in 0..2 {
        let o = run(TOKEN, &right);
        assert!(o.status.success() && err(&o).is_empty(), "{}", err(&o));
        assert!(equal::compare(|q| server.query("btcdmon", q), &store).points > 100);
    }
    // One that may write into a bucket that is there.
    let o = run(&writer, &["--influx-org", ORG, "--influx-bucket", "other one"]);
    assert!(o.status.success() && err(&o).is_empty(), "{}", err(&o));
    equal::compare(|q| server.query("other one", q), &store);
}

/// A replay from a pipe that sends to `url` and keeps a store, and what it says line by line.
struct Piped {
    child: Child,
    to: ChildStdin,
    said: Receiver<String>,
    recording: Vec<u8>,
}

impl Piped {
    fn start(folder: &Path, url: &str) -> Self {
        let (store, spool) = (path(folder, "node.db"), path(folder, "spool"));
        let args =
            ["replay", "-q", "--store", &store, "--influx", url, "--influx-spool", &spool, "--interval", "1s", "-"];
        let mut child = btcdmon(&args);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let to = child.stdin.take().unwrap();
        let (sender, said) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
        let recording = zstd::decode_all(File::open(capture("btcd-v1")).unwrap()).unwrap();
        Self { child, to, said, recording }
    }

    /// Sends one third of the recording.
    fn third(&mut self, n: usize) {
        let length = self.recording.len();
        self.to.write_all(&self.recording[n * length / 3..(n + 1) * length / 3]).unwrap();
    }

    /// Sends the first third, of which the server gets points.
    fn begin(&mut self, server: &Influxd) {
        self.third(0);
        let started = Instant::now();
        while server.count("btcdmon", "bandwidth", "bytes_recv") == 0 {
            assert!(started.elapsed() < PATIENCE, "nothing arrived");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends the second third, of which it gets none: `why`, and the points are in the spool.
    fn go_on_without(&mut self, folder: &Path, why: &str) {
        self.third(1);
        let said = self.said.recv_timeout(PATIENCE).expect("told that the server takes none");
        assert!(said.contains("points wait in") && said.contains(why), "{said}");
        let waiting =
            fs::read_dir(fs::read_dir(folder.join("spool")).unwrap().next().unwrap().unwrap().path()).unwrap();
        assert!(waiting.count() > 1, "a lock and bodies");
    }

    /// Sends the rest, and all arrives: what is said until then is no more than `may_say`.
    fn end(mut self, may_say: &str) {
        self.third(2);
        drop(self.to);
        loop {
            let said = self.said.recv_timeout(PATIENCE).expect("told that the server is back");
            if said.contains("takes points again") {
                break;
            }
            assert!(said.contains(may_say), "{said}");
        }
        assert!(self.child.wait().unwrap().success());
        assert!(self.said.recv_timeout(PATIENCE).is_err(), "nothing else is told");
    }
}

/// The server is killed in the middle and comes back: the spool has what came in between.
#[test]
fn a_server_that_is_killed_and_comes_back_misses_no_point() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(mut server) = Influxd::start(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut replay = Piped::start(folder.path(), &server.url());
    replay.begin(&server);
    server.kill();
    replay.go_on_without(folder.path(), "InfluxDB at ");
    server.run();
    replay.end("points wait in");
    equal::compare(|q| server.query("btcdmon", q), &folder.path().join("node.db"));
}

/// A small file system of its own, which ends with the test. Only root can mount one.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|o| o.status.success()).then_some(Self(at))
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The server's disk is full in the middle: what it answers then, of whatever status, is no verdict on the points.
#[test]
fn a_server_with_a_full_disk_misses_no_point_when_there_is_room_again() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path().join("disk"), "size=32m") else {
        return server::skip("a full disk: only root can mount a small one");
    };
    let Some(mut server) = Influxd::start_on(Some(&disk.0), false) else { return };
    let mut replay = Piped::start(folder.path(), &server.url());
    replay.begin(&server);
    disk.fill();
    replay.go_on_without(folder.path(), "no space left on device");
    disk.free();
    // InfluxDB 1.x repeats the error of its log until it is started again.
    server.kill();
    server.run();
    replay.end("points wait in");
    equal::compare(|q| server.query("btcdmon", q), &folder.path().join("node.db"));
}

#[test]
fn users_and_databases() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = Influxd::start(true) else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let run = |more: &[&str], password: Option<&str>| {
        let (spool, capture) = (path(folder.path(), "spool"), capture("btcd-ipv6"));
        let mut args = vec!["replay", "-q", "--influx", &url, "--influx-spool", &spool];
        args.extend_from_slice(more);
        args.push(&capture);
        let mut c = btcdmon(&args);
        if let Some(p) = password {
            let file = folder.path().join("password");
            fs::write(&file, format!("{p}\n")).unwrap();
            c.arg("--influx-password-file").arg(file);
        }
        c.output().unwrap()
    };
    fails(
        &run(&["--influx-user", "admin"], Some("wrong")),
        &["refuses the user or the password", "--influx-password-file"],
    );
    fails(&run(&[], None), &["refuses the user or the password"]);
    fails(&run(&["--influx-user", "admin", "--influx-bucket", "b"], Some("x")), &["leave out one of the two"]);
    // One that may not make databases, and there is none: nothing is lost, the points wait.
    server.query("", "CREATE USER writer WITH PASSWORD 'pw'");
    let o = run(&["--influx-user", "writer"], Some("pw"));
    let e = err(&o);
    assert_eq!(o.status.code(), Some(1), "{e}");
    let last = e.lines().last().unwrap();
    assert!(last.contains("points wait in") && last.contains("any run with the same --influx options"), "{e}");
    // The operator makes it, and the next run sends what waits.
    server.query("", "CREATE DATABASE btcdmon");
    server.query("", "GRANT WRITE ON btcdmon TO writer");
    let o = run(&["--influx-user", "writer"], Some("pw"));
    assert!(o.status.success(), "{}", err(&o));
    let count = server.count("btcdmon", "bandwidth", "bytes_recv");
    assert!(count > 1);
    // One that may: made again after somebody has dropped it.
    server.query("", "DROP DATABASE btcdmon");
    let o = run(&["--influx-user", "admin"], Some("right"));
    assert!(o.status.success() && err(&o).is_empty(), "{}", err(&o));
    assert_eq!(server.count("btcdmon", "bandwidth", "bytes_recv"), count);
}

#[test]
fn points_beyond_retention_and_type_conflicts_are_told() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = Influxd::start(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    server.query("", "CREATE DATABASE old WITH DURATION 1h");
    let o = replay(folder.path(), &server.url(), "btcd-ipv6", &["--influx-database", "old"]);
    let e = err(&o);
    assert!(o.status.success() && e.lines().count() == 1, "{e}");
    assert!(e.contains("refused for good") && e.contains("retention policy"), "{e}");
    // Types are kept by shard, that is by week: the conflict must lie near the points.
    assert!(replay(folder.path(), &server.url(), "btcd-ipv6", &["--influx-database", "first"]).status.success());
    let last = server.query("first", "SELECT last(bytes_recv) FROM bandwidth");
    let time = last["results"][0]["series"][0]["values"][0][0].as_i64().unwrap();
    server.query("", "CREATE DATABASE other");
    server.write("other", &format!("bandwidth bytes_recv=1.5 {time}"));
    let o = replay(folder.path(), &server.url(), "btcd-ipv6", &["--influx-database", "other"]);
    assert!(err(&o).contains("field type conflict") && err(&o).contains("bytes_recv"), "{}", err(&o));
    assert!(server.count("other", "sensor", "frames") > 1, "the other series are there");
}

/// A spool on a full disk: told, counted, and the replay ends.
#[test]
fn a_full_disk_under_the_spool() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path().join("small"), "size=16k") else {
        return server::skip("a full disk: only root can mount a small one");
    };
    let down = fake::Fake::start(|_| fake::Answer::status(500, ""));
    let spool_text = disk.0.to_str().unwrap();
    let args = ["replay", "-q", "--influx", &down.url, "--influx-spool", spool_text, "--interval", "1s"];
    let o = btcdmon(&args).arg(capture("btcd-v1")).output().unwrap();
    let e = err(&o);
    assert_eq!(o.status.code(), Some(1), "{e}");
    let last = e.lines().last().unwrap();
    assert!(last.contains("write to the spool") && last.contains("No space left on device"), "{e}");
}

/// As fast as the server takes them, with flat memory.
#[test]
fn many_points() {
    const POINTS: i64 = 400_000;
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = Influxd::start(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({ "type": "influx", "url": server.url(), "spool": folder.path() });
    let config: SinkConfig = serde_json::from_value(config).unwrap();
    let mut outlets = Outlets::open(&[config], "fast", Policy::REPLAY, &Notices::default()).unwrap();
    let node = std::sync::Arc::from("n");
    let started = Instant::now();
    let mut early = 0;
    for t in 0..POINTS {
        let mut values = vec![Value::Absent; SERIES[id::TX_FEES].columns.len()];
        for (v, c) in values.iter_mut().zip(SERIES[id::TX_FEES].columns) {
            *v = match c.kind_of_value {
                btcdmon::series::Type::Integer => Value::Integer(t),
                _ if c.tag => Value::Text("v1".into()),
                btcdmon::series::Type::Float => Value::Float(t as f64 / 7.0),
                _ => Value::Text(format!("{t:064x}").into()),
            };
        }
        let time = Timestamp::from_nanos(1_700_000_000_000_000_000 + t * 1000);
        outlets.point(Point { series: id::TX_FEES, time, node: std::sync::Arc::clone(&node), values });
        if t == POINTS / 4 {
            early = resident();
        }
    }
    let grown = resident().saturating_sub(early);
    let closed = outlets.close().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{:.0} points a second into InfluxDB, memory grew by {} MB after the first quarter",
        POINTS as f64 / seconds,
        grown >> 20
    );
    assert_eq!((closed[0].delivered, closed[0].spool_bytes), (POINTS as u64, 0));
    assert_eq!(server.count("btcdmon", "tx_fees", "tx_fee"), POINTS);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// Bytes of memory of this process.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The example queries of the original's README, word for word.
const ORIGINALS: [&str; 2] = [
    "SELECT * FROM tx_outputs WHERE time > now() - 1h and script_type <> 'pubkeyhash'",
    "SELECT HISTOGRAM(user_agent) FROM peers WHERE time > now() - 1d group by user_agent",
];

/// The statements of docs/querying.md, those of the original in today's words, on both databases.
#[test]
fn the_queries_of_the_documentation_return_rows() {
    let _together = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = Influxd::start(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    assert!(replay(folder.path(), &server.url(), "btcd-v1", &[]).status.success());
    let doc = fs::read_to_string(format!("{}/docs/querying.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let rows = doc.lines().filter(|l| l.to_lowercase().starts_with("| `select"));
    let mut seen = Vec::new();
    for row in rows {
        let statements: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let [original, influx, store] = statements[..] else { panic!("three statements: {row}") };
        // The recording is of an autumn evening, of btcd nodes, and has no dust.
        let on_recording = |q: &str| q.replace("Satoshi", "btcwire").replace("is_dust = true", "is_dust = false");
        let since = "'2026-11-22T00:00:00Z'";
        let influx = on_recording(influx).replace("now() - 1h", since).replace("now() - 1d", since);
        let answer = server.query("btcdmon", &influx);
        let groups = answer["results"][0]["series"].as_array().map_or(&[][..], Vec::as_slice);
        let values: usize = groups.iter().map(|g| g["values"].as_array().map_or(0, Vec::len)).sum();
        assert!(values > 0, "{influx}: {answer}");
        let mut out = Vec::new();
        let now = Timestamp::from_parts(1_795_381_000, 0);
        let store = on_recording(store);
        query(&folder.path().join("node.db"), &store, now, Limits::default(), &mut JsonRows::new(&mut out)).unwrap();
        let found: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert!(!found.is_empty(), "{store}");
        // Of the others one database has intervals without points that the other leaves out.
        assert!(
            found.len() == values || !ORIGINALS.contains(&original),
            "{values} of {influx}, {} of {store}",
            found.len()
        );
        seen.push(original);
    }
    assert!(seen.len() >= 10 && seen[..2] == ORIGINALS, "{seen:#?}");
}
