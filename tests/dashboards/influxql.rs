//! The dashboards for InfluxDB, on a real one that computes figures ahead as the deployment says.

use super::model::Source;
use super::rollups::{Figure, ROLLUPS, Rollup};
use super::server::{Influxd, skip};
use super::server2::{Influxd2, ORG, TOKEN};
use super::{capture, may_be_empty, queries, root};
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// What the deployment sets up on 1.x.
fn continuous_queries() -> String {
    fs::read_to_string(root().join("deploy/influxdb/continuous-queries.iql")).unwrap()
}

/// Replays the capture into a server.
fn replay(url: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let o = Command::new(cargo_bin("btcdmon"))
        .args(["replay", "-q", "--interval", "1s", "--influx", url, "--influx-spool"])
        .arg(folder.path())
        .args(more)
        .arg(capture())
        .output()
        .unwrap();
    assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
}

/// Runs the file as README and image do, by the real client.
fn load(server: &Influxd, as_the_image_does: bool) {
    let mut client = Command::new("influx");
    client.stdin(Stdio::null()).args(["-host", "127.0.0.1", "-port", server.url().rsplit(':').next().unwrap()]);
    if as_the_image_does {
        client.args(["-execute", continuous_queries().trim_end()]);
    } else {
        client.stdin(fs::File::open(root().join("deploy/influxdb/continuous-queries.iql")).unwrap());
    }
    let o = client.output().unwrap();
    let said = [o.stdout, o.stderr].concat();
    assert!(o.status.success() && said.trim_ascii().is_empty(), "{}", String::from_utf8_lossy(&said));
    let all = server.query("btcdmon", "SHOW CONTINUOUS QUERIES");
    let all = all["results"][0]["series"].as_array().unwrap();
    let ours = all.iter().find(|s| s["name"] == "btcdmon").unwrap();
    let names = ours["values"].as_array().unwrap().iter().map(|v| v[0].as_str().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(names, ROLLUPS.iter().map(|r| r.name).collect());
}

fn has_client() -> bool {
    let has = Command::new("influx").arg("-version").stdout(Stdio::null()).status().is_ok();
    if !has {
        skip("continuous queries: there is no influx here (Debian: apt-get install influxdb-client)");
    }
    has
}

const HOUR: i64 = 3_600_000_000_000;

/// A 1.x with the capture and what the continuous queries make of it; when its first point is, and all of it.
fn computed() -> Option<(Influxd, i64, String)> {
    let server = Influxd::start(false)?;
    if !has_client() {
        return None;
    }
    replay(&server.url(), &[]);
    load(&server, false);
    let span = server.query("btcdmon", "SELECT first(frames) FROM sensor");
    let begin = span["results"][0]["series"][0]["values"][0][0].as_i64().unwrap_or_else(|| panic!("{span}"));
    let range = format!("time >= {} AND time < {}", begin - HOUR, begin + 24 * HOUR);
    // The server runs them for the present only: what it would run, over the time of the capture.
    for line in continuous_queries().lines().filter(|l| l.starts_with("CREATE CONTINUOUS QUERY")) {
        let body = line.split_once(" BEGIN ").unwrap().1.trim_end_matches(" END;");
        let word = if body.contains(" WHERE ") { "AND" } else { "WHERE" };
        server.query("btcdmon", &body.replace(" GROUP BY", &format!(" {word} {range} GROUP BY")));
    }
    Some((server, begin, range))
}

#[test]
fn every_query_of_influxql_returns_something() {
    let Some((server, _, range)) = computed() else { return };
    every_query(|query| server.query("btcdmon", query), &range);
}

/// The tasks of 2.x write what the continuous queries of 1.x write, and the same dashboards read it.
#[test]
fn tasks_write_what_continuous_queries_write() {
    let Some((old, begin, range)) = computed() else { return };
    let Some(new) = Influxd2::start() else { return };
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), TOKEN).unwrap();
    let token = token.path().to_str().unwrap();
    replay(&new.url(), &["--influx-org", ORG, "--influx-bucket", "btcdmon", "--influx-token-file", token]);
    new.bucket("btcdmon/rollups");
    // As their clock would have run them, to the end of the capture and once more.
    let last = old.query("btcdmon", "SELECT last(frames) FROM sensor");
    let last = last["results"][0]["series"][0]["values"][0][0].as_i64().unwrap();
    let every = HOUR / 6;
    for rollup in ROLLUPS {
        let file = root().join("deploy/influxdb/tasks").join(format!("{}.flux", rollup.name));
        let task = new.task(&fs::read_to_string(file).unwrap());
        let mut at = begin / every * every;
        while at < last + every {
            at += every;
            new.run(&task, &rfc3339(at));
        }
        let (a, b) = (figures(|q| old.query("btcdmon", q), rollup), figures(|q| new.query("btcdmon", q), rollup));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{}", rollup.name);
        for (key, (field, figure, column)) in a.keys().flat_map(|k| rollup.fields.iter().map(move |f| (k, f))) {
            let (a, b) = (&a[key][*field], &b[key][*field]);
            let what = format!("{} {key:?} {field}: {a} and {b}", rollup.name);
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
                assert_eq!(a, b, "{what}");
                continue;
            };
            if (a - b).abs() <= a.abs() * 1e-9 {
                continue;
            }
            let each = if rollup.each == "1h" { HOUR } else { every };
            let of = format!("FROM \"{}\" WHERE time >= {} AND time < {}", rollup.series, key.0, key.0 + each);
            let values = old.query("btcdmon", &format!("SELECT \"{column}\" {of}"));
            let values = values["results"][0]["series"][0]["values"].as_array().unwrap();
            let mut values: Vec<f64> = values.iter().map(|v| v[1].as_f64().unwrap()).collect();
            values.sort_by(f64::total_cmp);
            let same = |x: f64, y: f64| x.total_cmp(&y).is_eq();
            let frequency = |x: f64| values.iter().filter(|v| same(**v, x)).count();
            let right = match figure {
                // The nearest rank, where a percentile lies between two.
                Figure::Percentile(_) => values.windows(2).any(|w| same(w[0], a) && same(w[1], b)),
                Figure::Mode => frequency(a) == frequency(b) && frequency(a) > 0,
                _ => false,
            };
            assert!(right, "{what}: {values:?}");
        }
    }
    every_query(|query| new.query("btcdmon", query), &range);
    new.query("btcdmon", "SHOW TAG VALUES FROM \"bandwidth\" WITH KEY = \"node\"")["results"][0]["series"][0]["values"]
        [0][1]
        .as_str()
        .expect("the variable of the dashboards");
}

/// Figures of a roll-up, by time and tags.
fn figures(ask: impl Fn(&str) -> Value, rollup: &Rollup) -> BTreeMap<(i64, Vec<String>), Value> {
    let answer = ask(&format!("SELECT * FROM \"rollups\".\"{}\"", rollup.name));
    let found = &answer["results"][0]["series"][0];
    let Some(rows) = found["values"].as_array() else { return BTreeMap::new() };
    let columns: Vec<&str> = found["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    let expected = ["time"].into_iter().chain(rollup.by()).chain(rollup.fields.iter().map(|f| f.0));
    let expected: BTreeSet<&str> = expected.collect();
    assert!(columns.iter().all(|c| expected.contains(c)), "{}: {columns:?}", rollup.name);
    let row = |row: &Value| {
        let get = |name: &str| columns.iter().position(|c| *c == name).map_or(Value::Null, |i| row[i].clone());
        let tags = rollup.by().map(|t| get(t).as_str().unwrap().to_owned()).collect();
        let fields = rollup.fields.iter().map(|(f, ..)| ((*f).to_owned(), get(f))).collect();
        ((row[0].as_i64().unwrap(), tags), Value::Object(fields))
    };
    rows.iter().map(row).collect()
}

fn rfc3339(nanoseconds: i64) -> String {
    btcdmon::time::Timestamp::from_nanos(nanoseconds).to_string()
}

/// Runs what the dashboards ask for the time range.
fn every_query(ask: impl Fn(&str) -> Value, range: &str) {
    let mut wrong = Vec::new();
    for (panel, line, query) in queries(Source::Influx) {
        let query = query.replace("$timeFilter", range).replace("$__interval", "10s").replace("$node", ".*");
        let answer = ask(&query);
        let full = answer["results"][0]["series"][0]["values"].as_array().is_some_and(|v| !v.is_empty());
        if full == may_be_empty(panel, line) {
            let what = if full { "is in the list of the empty ones, and is not" } else { "is empty" };
            wrong.push(format!("{}: {line} {what}: {query}", panel.title));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As the image of the compose file loads them; then the server itself runs them.
#[test]
fn continuous_queries_run() {
    let Some(server) = Influxd::start(false) else { return };
    if !has_client() {
        return;
    }
    server.query("", "CREATE DATABASE btcdmon");
    load(&server, true);
    // Nobody waits ten minutes here.
    let text = continuous_queries();
    let line = text.lines().find(|l| l.contains("QUERY \"tx_size_percentiles_1h\"")).unwrap();
    server.query("btcdmon", "DROP CONTINUOUS QUERY \"tx_size_percentiles_1h\" ON \"btcdmon\"");
    server.query("btcdmon", &line.replace("EVERY 10m", "EVERY 1s"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let points = [("v1", 200), ("v1", 300), ("v1", 900), ("v2", 5)].iter().zip(now..);
    let lines = points.map(|((t, size), time)| format!("tx,sensor=s,node=n,transport={t} tx_size={size}i {time}"));
    server.write("btcdmon", &lines.collect::<Vec<_>>().join("\n"));
    let started = Instant::now();
    let found = loop {
        let found =
            server.query("btcdmon", "SELECT \"p50\", \"node\", \"sensor\" FROM \"rollups\".\"tx_size_percentiles_1h\"");
        if found["results"][0]["series"][0]["values"].is_array() {
            break found;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the server has not run it");
        std::thread::sleep(Duration::from_millis(100));
    };
    let row = &found["results"][0]["series"][0]["values"][0];
    assert_eq!((row[1].as_i64(), row[2].as_str(), row[3].as_str()), (Some(300), Some("n"), Some("s")), "{row}");
    assert_eq!(row[0].as_i64().unwrap() % 3_600_000_000_000, 0, "the begin of the hour");
}
