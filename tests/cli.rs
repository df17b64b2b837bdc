//! The command line end to end: exit statuses, what goes where, pipes, growing files, interrupts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a program that should have done something, a slow machine included.
const PATIENCE: Duration = Duration::from_secs(20);

fn btcdmon(args: &[&str]) -> Command {
    let mut c = Command::new(cargo_bin("btcdmon"));
    c.args(args).env_remove("BTCDMON_NODE").env_remove("BTCDMON_SENSOR").stdin(Stdio::null());
    c
}

fn capture(name: &str) -> String {
    format!("{}/captures/{name}/capture.pcap.zst", env!("CARGO_MANIFEST_DIR"))
}

/// The recording as a plain file.
fn plain(name: &str) -> Vec<u8> {
    zstd::decode_all(File::open(capture(name)).unwrap()).unwrap()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn err(o: &Output) -> String {
    String::from_utf8(o.stderr.clone()).unwrap()
}

fn out(o: &Output) -> String {
    String::from_utf8(o.stdout.clone()).unwrap()
}

/// Runs it and demands the exit status.
fn run(args: &[&str], status: i32) -> Output {
    let o = btcdmon(args).output().unwrap();
    assert_eq!(o.status.code(), Some(status), "{args:?}\n{}\n{}", out(&o), err(&o));
    o
}

/// Demands status 1, nothing on standard output, and one line on standard error that holds all of `parts`.
fn fails(args: &[&str], parts: &[&str]) {
    let o = run(args, 1);
    assert!(out(&o).is_empty(), "{args:?}: {}", out(&o));
    let e = err(&o);
    assert_eq!(e.lines().count(), 1, "{args:?}: {e}");
    assert!(e.starts_with("btcdmon: "), "{args:?}: {e}");
    assert!(parts.iter().all(|p| e.contains(p)), "{args:?}: {e}");
}

#[test]
fn a_whole_capture_succeeds_and_says_nothing_on_standard_error() {
    let o = run(&["replay", &capture("btcd-v1")], 0);
    assert!(err(&o).is_empty(), "{}", err(&o));
    let text = out(&o);
    assert!(text.contains("10.88.0.2:18444 (regtest)") && text.contains("2,420 frames"), "{text}");
    assert!(!text.contains('\x1b'), "no colours into a pipe");
}

#[test]
fn json_is_json() {
    let o = run(&["replay", "--json", &capture("btcd-ipv6")], 0);
    let v: Value = serde_json::from_slice(&o.stdout).unwrap();
    assert_eq!(v["nodes"][0]["node"], "[fd88::2]:18444");
    assert_eq!(v["nodes"][0]["bandwidth"]["bytes_recv"], 111_157);
    assert_eq!(v["nodes"][0]["bandwidth"]["bytes_sent"], 111_731);
    assert_eq!((&v["damage"], &v["interrupted"]), (&Value::Array(vec![]), &Value::Bool(false)));
    // One JSON object a message.
    let o = run(&["messages", &capture("btcd-v1")], 0);
    let lines: Vec<Value> = out(&o).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 697);
    assert!(lines.iter().all(|m| m["network"] == "regtest" && m["stream_offset"].is_u64() && m["time"].is_i64()));
    assert_eq!(lines.iter().filter(|m| m["checksum_valid"] == false).count(), 1);
    // And what the program says of its series.
    let o = run(&["series", "--json"], 0);
    assert!(serde_json::from_slice::<Value>(&o.stdout).unwrap().is_array());
}

#[test]
fn chosen_commands_only() {
    let o = run(&["messages", &capture("btcd-v1"), "-c", "ping,pong"], 0);
    let commands: Vec<String> = out(&o)
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["command"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(commands.iter().filter(|c| *c == "ping").count(), 9);
    assert_eq!(commands.iter().filter(|c| *c == "pong").count(), 8);
    assert_eq!(commands.len(), 17);
    let o = run(&["messages", &capture("btcd-v1"), "-c", "pingg"], 0);
    assert!(out(&o).is_empty() && err(&o).contains("pingg"), "{}", err(&o));
    let o = run(&["messages", &capture("btcd-v1"), "--format", "text", "-c", "version"], 0);
    assert_eq!(out(&o).lines().count(), 13, "a head and 12 versions");
}

#[test]
fn damage_is_told_with_its_offset_and_what_was_read_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let whole = plain("btcd-v1");
    // Within the data of a record.
    let cut = put(folder.path(), "cut.pcap", &whole[..whole.len() / 2]);
    let o = run(&["replay", "--json", &cut], 1);
    let v: Value = serde_json::from_slice(&o.stdout).unwrap();
    let frames = v["capture"]["frames"].as_u64().unwrap();
    assert!((1000..2420).contains(&frames), "{frames}");
    let e = err(&o);
    assert_eq!(e.lines().count(), 1, "{e}");
    // The record that is cut begins behind the frames that were read: 24 bytes of file header, 16 before each frame.
    let bytes = v["capture"]["frame_bytes"].as_u64().unwrap();
    assert!(e.contains(&format!("cut.pcap: byte {}: cut off", 24 + frames * 16 + bytes)), "{e}");
    assert_eq!(v["damage"].as_array().unwrap().len(), 1);

    // A record that claims gigabytes.
    let mut wild = whole.clone();
    wild[24 + 8..24 + 12].fill(0xff);
    let wild = put(folder.path(), "wild.pcap", &wild);
    let o = run(&["messages", &wild], 1);
    assert!(
        out(&o).is_empty() && err(&o).lines().count() == 1 && err(&o).contains("wild.pcap: byte 32: "),
        "{}",
        err(&o)
    );

    // A decompressor that stops: the offset is that of the uncompressed stream, and says so.
    let zst = fs::read(capture("btcd-v1")).unwrap();
    let torn = put(folder.path(), "torn.zst", &zst[..zst.len() / 2]);
    let o = run(&["messages", &torn], 1);
    assert!(!o.stdout.is_empty() && err(&o).contains("uncompressed stream (zstd)"), "{}", err(&o));

    // One damaged file among others spoils only itself.
    let good = put(folder.path(), "good.pcap", &plain("btcd-ipv6"));
    let o = run(&["replay", "--json", &good, &cut], 1);
    let v: Value = serde_json::from_slice(&o.stdout).unwrap();
    assert_eq!(v["capture"]["frames"].as_u64(), Some(frames + 762));
}

#[test]
fn files_that_are_no_captures() {
    let folder = tempfile::tempdir().unwrap();
    let text = put(folder.path(), "notes.txt", b"no capture at all\n");
    let empty = put(folder.path(), "empty.pcap", b"");
    for command in ["replay", "messages"] {
        fails(&[command, "/nonexistent/a.pcap"], &["/nonexistent/a.pcap", "No such file"]);
        fails(&[command, &text], &["notes.txt", "text starting `no capture a`", "pcapng"]);
        fails(&[command, &empty], &["empty.pcap", "is empty"]);
        fails(&[command, folder.path().to_str().unwrap()], &["holds no capture", "2 other files"]);
    }
    let png = put(folder.path(), "a\nb.png", b"\x89PNG\r\n\x1a\nxxxxxxxxxxxx");
    fails(&["replay", &png], &["a\\nb.png"]);
}

#[test]
fn a_folder_is_read_as_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(&["messages", &capture("btcd-v1")], 0).stdout;
    // Cut between two records.
    let bytes = plain("btcd-v1");
    let mut at = 24;
    for _ in 0..1000 {
        at += 16 + u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    fs::create_dir(folder.path().join("deeper")).unwrap();
    put(folder.path(), "z.pcap", &bytes[..at]);
    put(folder.path(), "deeper/a.pcap", &[&bytes[..24], &bytes[at..]].concat());
    put(folder.path(), "README", b"not a capture");
    let o = run(&["messages", folder.path().to_str().unwrap()], 0);
    assert_eq!(o.stdout, whole);
    assert!(err(&o).contains("1 file"), "{}", err(&o));
}

#[test]
fn standard_input() {
    for bytes in [plain("btcd-ipv6"), fs::read(capture("btcd-ipv6")).unwrap()] {
        let mut child = btcdmon(&["messages", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let o = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(o.status.success());
        assert_eq!(o.stdout, run(&["messages", &capture("btcd-ipv6")], 0).stdout);
    }
    let o = btcdmon(&["replay", "-"]).output().unwrap();
    assert_eq!(o.status.code(), Some(1));
    assert!(err(&o).contains("standard input: is empty"), "{}", err(&o));
}

/// They may stand in the environment for the day InfluxDB is wanted.
#[test]
fn details_of_influxdb_in_the_environment_need_no_influxdb() {
    let capture = capture("btcd-ipv6");
    let mut c = btcdmon(&["replay", "-q", &capture]);
    c.env("BTCDMON_INFLUX_TOKEN", "t").env("BTCDMON_INFLUX_SPOOL", "/nonexistent").env("BTCDMON_INFLUX_USER", "u");
    let o = c.output().unwrap();
    assert!(o.status.success() && err(&o).is_empty(), "{}", err(&o));
}

#[test]
fn wrong_usage_is_status_2() {
    let capture = capture("btcd-ipv6");
    for (args, part) in [
        (vec![], "Usage"),
        (vec!["replay"], "FILE"),
        (vec!["fly"], "fly"),
        (vec!["replay", "--node", "home=nowhere", &capture], "nowhere"),
        (vec!["replay", "--node", "=10.0.0.1", &capture], "=10.0.0.1"),
        (vec!["replay", "--interval", "0s", &capture], "interval"),
        (vec!["replay", "--interval", "soon", &capture], "soon"),
        (vec!["replay", "--interval", "500ms", &capture], "interval"),
        (vec!["replay", "--port", "70000", &capture], "70000"),
        (vec!["replay", "--magic", "xyz", &capture], "xyz"),
        (vec!["replay", "--checksums", "maybe", &capture], "maybe"),
        (vec!["replay", "--max-connections", "0", &capture], "max-connections"),
        (vec!["replay", "--influx-token", "t", &capture], "--influx-token needs --influx"),
        (vec!["replay", "--alert-heartbeat", "http://h", &capture], "--alert-heartbeat needs --alert-webhook"),
        (vec!["query", "--store", "a.db", "--json", "--csv", "SELECT 1"], "--csv"),
        (vec!["messages", "--format", "xml", &capture], "xml"),
    ] {
        let o = run(&args, 2);
        assert!(out(&o).is_empty() && err(&o).contains(part), "{args:?}: {}", err(&o));
    }
    for args in [&["--help"][..], &["--version"], &["replay", "--help"], &["query", "-h"]] {
        assert!(!run(args, 0).stdout.is_empty());
    }
}

#[test]
fn filters() {
    let capture = capture("btcd-v1");
    let o = run(&["replay", "--json", "-f", "host 10.88.0.3", &capture], 0);
    let v: Value = serde_json::from_slice(&o.stdout).unwrap();
    assert!(v["frames_filtered"].as_u64().unwrap() > 500);
    assert_eq!(v["capture"]["frames"].as_u64().unwrap() + v["frames_filtered"].as_u64().unwrap(), 2420);
    fails(&["replay", "-f", "host host host", &capture], &["filter", "host host host"]);
}

/// `btcdmon messages … | head`: whoever reads has enough.
#[test]
fn a_closed_pipe_is_no_error() {
    for args in [vec!["messages"], vec!["messages", "--format", "text"], vec!["replay", "--json"]] {
        let file = capture("btcd-v1");
        let args: Vec<&str> = args.into_iter().chain([file.as_str()]).collect();
        let mut child = btcdmon(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut pipe = BufReader::with_capacity(64, child.stdout.take().unwrap());
        pipe.read_line(&mut line).unwrap();
        drop(pipe);
        let mut e = String::new();
        child.stderr.take().unwrap().read_to_string(&mut e).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {e}");
        assert!(e.is_empty() && !line.is_empty(), "{args:?}: {e}");
    }
    // And when nobody ever read.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let o = btcdmon(&["series"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((o.status.code(), err(&o)), (Some(0), String::new()));
}

#[test]
fn a_store_and_queries_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = path.to_str().unwrap();
    let o = run(&["replay", "--store", store, "--sensor", "test", &capture("btcd-v1")], 0);
    assert!(out(&o).contains(store));
    let sql = "SELECT sensor, node, max(bytes_sent) AS sent FROM bandwidth";
    let o = run(&["query", "--store", store, "--json", sql], 0);
    let v: Value = serde_json::from_slice(&o.stdout).unwrap();
    assert_eq!(v, serde_json::json!([{"sensor": "test", "node": "10.88.0.2:18444", "sent": 560_720}]));
    let o = run(&["query", "--store", store, "--csv", sql], 0);
    assert_eq!(out(&o).replace('\r', ""), "sensor,node,sent\ntest,10.88.0.2:18444,560720\n");
    let o = run(&["query", "--store", store, "--rows", "1", "SELECT time FROM bandwidth"], 0);
    assert!(err(&o).contains("1 rows shown"), "{}", err(&o));
    for (sql, part) in [
        ("DELETE FROM bandwidth", "refused"),
        ("SELECT * FROM bandwith", "bandwidth"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("", "no statement"),
    ] {
        let o = run(&["query", "--store", store, sql], 1);
        assert!(out(&o).is_empty() && err(&o).contains(part), "{sql}: {}", err(&o));
    }
}

#[test]
fn foreign_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("other.db");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1)")
        .unwrap();
    let before = fs::read(&foreign).unwrap();
    let text = put(folder.path(), "a.txt", b"hello");
    let foreign = foreign.to_str().unwrap();
    for file in [foreign, &text] {
        let o = run(&["query", "--store", file, "SELECT 1"], 1);
        assert!(out(&o).is_empty() && err(&o).contains("not a btcdmon store"), "{}", err(&o));
        let o = run(&["replay", "--store", file, &capture("btcd-ipv6")], 1);
        assert!(out(&o).is_empty() && err(&o).contains(file), "{}", err(&o));
    }
    assert_eq!(fs::read(foreign).unwrap(), before);
    assert_eq!(fs::read(&text).unwrap(), b"hello");
    let o = run(&["query", "--store", "/nonexistent/a.db", "SELECT 1"], 1);
    assert!(err(&o).contains("no such store"), "{}", err(&o));
    // The capture itself given as the store must survive that.
    let pcap = put(folder.path(), "a.pcap", &plain("btcd-ipv6"));
    run(&["replay", "--store", &pcap, &pcap], 1);
    assert_eq!(fs::read(&pcap).unwrap(), plain("btcd-ipv6"));
}

/// Lines of a child's standard output, as they come.
fn lines(child: &mut Child) -> std::sync::mpsc::Receiver<String> {
    let pipe = BufReader::new(child.stdout.take().unwrap());
    let (to, from) = std::sync::mpsc::channel();
    std::thread::spawn(move || pipe.lines().map_while(Result::ok).all(|l| to.send(l).is_ok()));
    from
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Waits for its end; kills it when it does not come.
fn status(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("still running");
}

/// A file that grows: messages appear while it does, an interrupt ends it in good order.
#[test]
fn following_a_growing_file() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = plain("btcd-ipv6");
    let path: PathBuf = folder.path().join("growing.pcap");
    // The first half ends in the middle of a record.
    let half = bytes.len() / 2;
    fs::write(&path, &bytes[..half]).unwrap();
    let file = path.to_str().unwrap();
    let node = "--node=fd88::2"; // else the node is looked for during the first minute
    let mut child =
        btcdmon(&["messages", "--follow", node, file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let from = lines(&mut child);
    let whole: Vec<String> = out(&run(&["messages", &capture("btcd-ipv6")], 0)).lines().map(str::to_owned).collect();
    let mut seen = Vec::new();
    seen.push(from.recv_timeout(PATIENCE).expect("messages of the first half"));
    let mut f = OpenOptions::new().append(true).open(&path).unwrap();
    f.write_all(&bytes[half..half + 1000]).unwrap();
    f.write_all(&bytes[half + 1000..]).unwrap();
    while seen.len() < whole.len() {
        seen.push(from.recv_timeout(PATIENCE).expect("messages of the second half"));
    }
    assert_eq!(child.try_wait().unwrap(), None, "it waits for more");
    interrupt(&child);
    assert_eq!(status(&mut child), Some(0));
    assert_eq!(seen, whole);
    assert!(from.recv().is_err(), "no more messages");
}

#[test]
fn an_interrupt_ends_with_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let file = put(folder.path(), "growing.pcap", &plain("btcd-ipv6"));
    let path = folder.path().join("node.db");
    let store = path.to_str().unwrap();
    let mut child =
        btcdmon(&["replay", "--follow", "--json", "--store", store, &file]).stdout(Stdio::piped()).spawn().unwrap();
    // Nothing is printed before the end: the lock beside the store shows that it has begun.
    let started = Instant::now();
    while fs::read_dir(folder.path()).unwrap().count() < 3 && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    assert_eq!(status(&mut child), Some(0));
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let v: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&v["interrupted"], &v["capture"]["frames"]), (&Value::Bool(true), &Value::from(762)));
    let o = run(&["query", "--store", store, "--csv", "SELECT max(bytes_sent) FROM bandwidth"], 0);
    assert!(out(&o).contains("111731"), "{}", out(&o));
}

#[test]
fn a_second_interrupt_ends_at_once() {
    // Nobody reads what it prints: after the first interrupt it still waits for the pipe.
    let mut child = btcdmon(&["messages", "--node=10.88.0.2", &capture("btcd-v1")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None, "what was seen is still to be printed");
    interrupt(&child);
    assert_eq!(status(&mut child), Some(130));
}

#[test]
fn a_compressed_file_cannot_be_followed() {
    fails(&["messages", "--follow", &capture("btcd-ipv6")], &["cannot follow", "zstd"]);
}

#[test]
fn a_store_that_cannot_be_written_ends_the_replay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = path.to_str().unwrap();
    let whole = plain("btcd-v1");
    let mut child = btcdmon(&["replay", "--store", store, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let started = Instant::now();
    // Half of the capture is stored, then another program keeps the store for itself.
    to.write_all(&whole[..whole.len() / 2]).unwrap();
    let rows = || {
        let conn = rusqlite::Connection::open(&path).ok()?;
        conn.query_row("SELECT count(*) FROM bandwidth", [], |r| r.get::<_, i64>(0)).ok()
    };
    while rows().unwrap_or(0) == 0 {
        assert!(started.elapsed() < PATIENCE, "nothing was stored");
        std::thread::sleep(Duration::from_millis(20));
    }
    let other = rusqlite::Connection::open(&path).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = rows();
    let _ = to.write_all(&whole[whole.len() / 2..]);
    drop(to);
    let o = child.wait_with_output().unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(o.status.code(), Some(1), "{}", err(&o));
    let e = err(&o);
    assert_eq!(e.lines().count(), 1, "{e}");
    assert!(e.contains("what was stored before stays") && e.contains("another program is writing to the store"), "{e}");
    assert_eq!(rows(), before);
    drop(other);
    assert!(!folder.path().join("node.db-lock").exists());
}
