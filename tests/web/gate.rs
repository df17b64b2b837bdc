//! Who may ask, for what, and how much.

use super::capture;
use super::client::{PATIENCE, Peek as _, Sensor, btcdmon, encode};
use std::time::{Duration, Instant};

const TOKEN: &str = "correct-horse-battery";

#[test]
fn by_its_own_name_only() {
    let sensor = Sensor::replay(&capture("btcd-v1"), &["--web-host", "sensor.example"]);
    let with = |header: (&str, &str), path: &str| sensor.ask("GET", path, &[header], "");
    for host in ["evil.example", "127.0.0.1.nip.io", "192.0.2.1:8399", ""] {
        for path in ["/", "/api/v1/status", "/api/openapi.json"] {
            let reply = with(("Host", host), path);
            assert_eq!((reply.status, reply.code().as_str()), (403, "wrong_host"), "{host} {path}");
        }
    }
    for host in ["localhost", "localhost:1234", "[::1]:8399", "sensor.example"] {
        assert_eq!(with(("Host", host), "/api/v1/status").status, 200, "{host}");
    }
    assert_eq!(with(("Sec-Fetch-Site", "cross-site"), "/api/v1/status").status, 403);
    assert_eq!(with(("Sec-Fetch-Site", "same-origin"), "/api/v1/status").status, 200);
    let reply = sensor.get("/");
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    assert!(reply.header("access-control-allow-origin").is_none());
}

#[test]
fn others_need_a_secret() {
    let file = capture("btcd-v1");
    let refused = |args: &[&str]| {
        let out = btcdmon(&[&["replay", "--serve", "-q", &file], args].concat()).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    let error = refused(&["--web", "0.0.0.0:0"]);
    assert!(
        error.contains("--web-token-file") && error.contains("--web-users") && error.lines().count() == 1,
        "{error}"
    );
    assert!(refused(&["--web", "0.0.0.0:0", "--web-token", "short"]).contains("openssl rand"));
    assert!(refused(&["--web-users", "/nowhere"]).contains("cannot read the file"));

    let mut sensor = Sensor::start(&["replay", "--serve", "--web", "0.0.0.0:0", "--web-token", TOKEN, "-q", &file]);
    sensor.address = ([127, 0, 0, 1], sensor.address.port()).into();
    let status = |headers: &[(&str, &str)]| sensor.ask("GET", "/api/v1/status", headers, "").status;
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("Authorization", "Bearer wrong-horse-battery")]), 401);
    assert_eq!(status(&[("Authorization", &format!("Bearer {TOKEN}"))]), 200);
    assert_eq!(status(&[("Cookie", "btcdmon=0000")]), 401);
    let page = sensor.get("/peers");
    assert!(page.status == 401 && page.body.contains("<form") && !page.body.contains(TOKEN), "{page:?}");
    assert_eq!(sensor.get("/?token=wrong-horse-battery").status, 401);
    let reply = sensor.get(&format!("//evil.example/peers?sort=since&token={TOKEN}"));
    assert_eq!((reply.status, reply.header("location")), (303, Some("/evil.example/peers?sort=since")));
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");
    assert_eq!(status(&[("Cookie", cookie.split(';').next().unwrap())]), 200);
    // An address is no token for the API: it would stand in logs.
    assert_eq!(sensor.get(&format!("/api/v1/status?token={TOKEN}")).status, 401);
}

#[test]
fn users() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    // `htpasswd -nbB anna secret`, with few rounds.
    let hash = bcrypt::hash("secret", 4).unwrap();
    std::fs::write(&users, format!("anna:{hash}\n")).unwrap();
    let sensor = Sensor::replay(&capture("btcd-v1"), &["--web-users", users.to_str().unwrap()]);
    let with = |authorization: &str| sensor.ask("GET", "/api/v1/status", &[("Authorization", authorization)], "");
    let reply = sensor.get("/");
    assert_eq!(reply.status, 401);
    assert!(reply.header("www-authenticate").unwrap().starts_with("Basic realm="), "{reply:?}");
    assert_eq!(with("Basic YW5uYTpzZWNyZXQ=").status, 200); // anna:secret
    assert_eq!(with("Basic YW5uYTpzZWNyZXQ=").status, 200);
    assert_eq!(with("Basic YW5uYTpTZWNyZXQ=").status, 401); // anna:Secret
    assert_eq!(with("Basic !!").status, 401);
    // Guessing is dear.
    let guesses = (0..60).map(|_| with("Basic YW5uYTpTZWNyZXQ=").status).collect::<Vec<_>>();
    assert!(guesses.contains(&429), "{guesses:?}");
}

#[test]
fn statements_only_read_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db");
    let sensor = Sensor::replay(&capture("btcd-v1"), &[]);
    let ask = |sql: &str| sensor.get(&format!("/api/v1/query?sql={}", encode(sql)));
    for sql in [
        "DELETE FROM tx",
        "UPDATE tx SET txid = ''",
        "DROP TABLE tx",
        "CREATE TABLE x (y)",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA temp_store = FILE",
        "VACUUM",
        "BEGIN",
        &format!("ATTACH '{}' AS other", other.display()),
        &format!("VACUUM INTO '{}'", other.display()),
        "SELECT load_extension('/tmp/x')",
    ] {
        let reply = ask(sql);
        assert_eq!((reply.status, reply.code().as_str()), (403, "refused"), "{sql}: {}", reply.body);
    }
    assert!(!other.exists());
    for sql in ["SELECT 1; SELECT 2", "SELEC 1", "", "SELECT readfile('/etc/passwd')", "SELECT zeroblob(100000000)"] {
        assert_eq!(ask(sql).status, 400, "{sql}");
    }
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
    let large = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT hex(zeroblob(10000)) || x FROM c ORDER BY 1";
    for sql in [endless, large] {
        let reply = ask(sql);
        assert_eq!((reply.status, reply.code().as_str()), (400, "time_limit"), "{sql}: {}", reply.body);
    }
    // Rows end too, and while statements of others run the pages have their own.
    let many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
    let answer = sensor.json(&format!("/api/v1/query?limit=10000&sql={}", encode(many)));
    assert_eq!((answer["rows"].as_array().unwrap().len(), answer["truncated"].as_bool()), (10_000, Some(true)));
    let path = format!("/api/v1/query?sql={}", encode(endless));
    let running: Vec<_> = (0..8).map(|_| sensor.send("GET", &path, &[], "")).collect();
    assert_eq!(sensor.get("/api/v1/series/bandwidth").status, 200);
    // Who leaves takes his statement along: the next need not wait until all have run as long as they may.
    drop(running);
    // A POST takes JSON only: a form of another site cannot send it.
    let body = "{\"sql\":\"SELECT 1\"}";
    assert_eq!(sensor.ask("POST", "/api/v1/query", &[("Content-Type", "application/json")], body).status, 200);
    assert_eq!(sensor.ask("POST", "/api/v1/query", &[("Content-Type", "text/plain")], body).status, 400);
    let long = format!("{{\"sql\":\"{}\"}}", "x".repeat(100_000));
    assert_eq!(sensor.ask("POST", "/api/v1/query", &[("Content-Type", "application/json")], &long).status, 413);
    assert_eq!(sensor.ask("DELETE", "/api/v1/query", &[], "").status, 405);
}

#[test]
fn too_much_at_once() {
    let sensor = Sensor::replay(&capture("btcd-v1"), &[]);
    let streams: Vec<_> = (0..64).map(|_| sensor.events("/api/v1/events")).collect();
    let reply = sensor.get("/api/v1/messages");
    assert_eq!((reply.status, reply.code().as_str()), (503, "busy"));
    drop(streams);
    let until = Instant::now() + PATIENCE;
    while sensor.send("GET", "/api/v1/events", &[], "").peek_status() != Some(200) {
        assert!(Instant::now() < until, "places for streams are not given back");
        std::thread::sleep(Duration::from_millis(100));
    }
    // More requests than anybody makes: one connection, one after the other.
    let mut refused = None;
    while refused.is_none() && Instant::now() < until {
        refused = Some(sensor.burst(500)).filter(|r| *r > 0);
    }
    assert!(refused.is_some(), "nobody was told to wait");
}
