//! A live sensor that serves: behind its sandbox, beside another that has the port, and without the right to capture.

use super::client::{Sensor, btcdmon};
use serde_json::json;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Whether this process may capture; with CI it must.
fn may_capture() -> bool {
    let root = nix::unistd::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "CI runs these tests as root");
    if !root {
        eprintln!("SKIPPED: only root may capture");
    }
    root
}

#[test]
fn serves_behind_the_sandbox() {
    if !may_capture() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("live.db");
    let sensor = Sensor::start(&[
        "live",
        "-i",
        "lo",
        "--web",
        "127.0.0.1:0",
        "--store",
        store.to_str().unwrap(),
        "--user",
        "root",
        "--port",
        "1",
        "--interval",
        "1s",
        "--filter",
        "tcp port 1",
    ]);
    let until = Instant::now() + super::client::PATIENCE;
    // An idle interface has ticks, status and intervals all the same.
    loop {
        let status = sensor.json("/api/v1/status");
        if status["mode"] == json!("live") && status["time"].is_i64() && status["series_to"].is_i64() {
            break;
        }
        assert!(Instant::now() < until, "{status}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!sensor.sql("SELECT frames FROM sensor ORDER BY time DESC LIMIT 1").is_empty());
    assert!(sensor.json("/api/v1/series/sensor?columns=frames")["lines"][0]["values"].is_array());
    assert_eq!(sensor.json("/api/v1/peers"), json!({"peers": [], "left_out": 0}));
    assert_eq!(sensor.interrupt(), Some(0));
}

#[test]
fn a_port_that_is_taken_does_not_stop_the_capture() {
    if !may_capture() {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let live =
        ["live", "-i", "lo", "--no-store", "--duration", "1s", "--user", "root", "--filter", "tcp port 1", "--quiet"];
    let run = |more: &[&str]| btcdmon(&[&live[..], more].concat()).stdout(Stdio::null()).output().unwrap();
    let out = run(&["--web", &address]);
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(0), "{error}");
    assert_eq!(error.lines().filter(|l| l.contains("--web") && l.contains("cannot listen")).count(), 1, "{error}");
    let out = run(&["--no-web"]);
    assert!(out.status.code() == Some(0) && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = run(&["--no-web", "--web", &address]);
    assert_eq!(out.status.code(), Some(1));
}
