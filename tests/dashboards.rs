//! The dashboards of `deploy/grafana` are made here, from a list that knows the series: `BLESS=1 cargo test --test
//! dashboards` writes them. Every query of them is run on a replayed capture, against a real InfluxDB and a real
//! Prometheus, and has to return something. What is computed ahead for them, the rules of `deploy/prometheus` and the
//! continuous queries and tasks of `deploy/influxdb`, is loaded by the real programs, and the dashboards read it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

/// User agents that crawl the network, or list it for others: a pattern, of any case. The web page has it in parts.
macro_rules! crawlers {
    () => {
        "bitnodes|bitcoin-?seeder|dnsseed|seeder|snoopy|crawl|btc-?scan|scanner|monitor|nodemap|explorer|recorder|probe|kastel"
    };
}

#[path = "dashboards/model.rs"]
mod model;
#[path = "dashboards/names.rs"]
mod names;
#[rustfmt::skip]
#[path = "dashboards/panels.rs"]
mod panels;
#[path = "dashboards/influxql.rs"]
mod influxql;
#[path = "dashboards/rollups.rs"]
mod rollups;
#[path = "influx/server.rs"]
mod server;
#[path = "influx/server2.rs"]
mod server2;

use assert_cmd::cargo::cargo_bin;
use btcdmon::series::SERIES;
use btcdmon::sink::prometheus::catalogue;
use model::{Dashboard, Panel, Source};
use panels::DASHBOARDS;
use rollups::{ROLLUPS, Rollup};
use serde_json::{Value, json};
use server::skip;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Queries that return nothing on the recording that is replayed: panel, name of the line in it (`*`: all of them), why.
/// All others have to return something, of both sources.
const EMPTY: &[(&str, &str, &str)] = &[
    ("Dust watch", "*", "the recorded transactions have no output under the dust limit"),
    ("Blocks by how they came", "compact", "the recorded btcd nodes speak no compact blocks"),
    ("Blocks by how they came", "fallback", "the recorded btcd nodes speak no compact blocks"),
    ("Time to process and to relay a block", "relay", "the recorded btcd nodes send no compact blocks"),
    ("Transactions missing from compact blocks", "missing", "the recorded btcd nodes speak no compact blocks"),
    ("Delivery to sinks", "*", "figures of sinks are absent in replays; a live run has them (tests/e2e/sinks.py)"),
    // InfluxDB has zeros for it, Prometheus no commands at all.
    ("Messages received on encrypted connections per minute", "{{command}}", "the recorded connections are readable"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn capture() -> PathBuf {
    root().join("captures/btcd-v1/capture.pcap.zst")
}

fn may_be_empty(panel: &Panel, line: &str) -> bool {
    EMPTY.iter().any(|(title, l, _)| *title == panel.title && (*l == line || *l == "*"))
}

/// All queries of one source: panel, name of the line, query.
fn queries(source: Source) -> Vec<(&'static Panel, &'static str, &'static str)> {
    let all = DASHBOARDS.iter().flat_map(Dashboard::panels);
    all.flat_map(|p| p.targets(source).iter().map(move |(line, q)| (p, *line, *q))).collect()
}

/// Files of these texts and no others are in the folder. `BLESS=1` writes them.
fn made_here(folder: &Path, texts: &BTreeMap<PathBuf, String>) {
    for (file, text) in texts {
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let found = fs::read_to_string(file).unwrap_or_default();
        assert!(found == *text, "{} is not what is made: BLESS=1 cargo test --test dashboards", file.display());
    }
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(f) = folders.pop() {
        let entries: Vec<PathBuf> = fs::read_dir(f).unwrap().map(|e| e.unwrap().path()).collect();
        let (inner, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|e| e.is_dir());
        folders.extend(inner);
        found.extend(files);
    }
    assert_eq!(found, texts.keys().cloned().collect(), "no others");
}

#[test]
fn the_files_are_what_the_list_says() {
    let folder = root().join("deploy/grafana/dashboards");
    let all = DASHBOARDS.iter().flat_map(|d| Source::ALL.map(|s| (d, s)));
    let file = |(d, s): (&Dashboard, Source)| (folder.join(s.name()).join(d.file(s)), d.json(s));
    made_here(&folder, &all.map(file).collect());
    let folder = root().join("deploy/influxdb");
    let task = |r: &Rollup| (folder.join(format!("tasks/{}.flux", r.name)), r.task());
    let mut files: BTreeMap<_, _> = ROLLUPS.iter().map(task).collect();
    files.insert(folder.join("continuous-queries.iql"), rollups::continuous_queries());
    made_here(&folder, &files);
}

/// Grafana itself is not to be had here, its types are: they know every name and every word of a dashboard.
#[test]
fn the_dashboards_are_of_grafanas_schema() {
    let python = root().join("target/venv/bin/python");
    let told = |files: &[PathBuf]| {
        let script = root().join("tests/dashboards/schema.py");
        let o = Command::new(&python).arg(script).args(files).output().unwrap();
        assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
        String::from_utf8_lossy(&o.stdout).into_owned()
    };
    if !Command::new(&python).args(["-c", "import grafana_foundation_sdk"]).output().is_ok_and(|o| o.status.success()) {
        return skip("Grafana's types are not here (.ci/install test installs them)");
    }
    let folder = root().join("deploy/grafana/dashboards");
    let all = DASHBOARDS.iter().flat_map(|d| Source::ALL.map(|s| folder.join(s.name()).join(d.file(s))));
    assert_eq!(told(&all.collect::<Vec<_>>()), "");
    // What is wrong is told.
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.json");
    let text = DASHBOARDS[0].json(Source::Prometheus).replacen("legendFormat", "legend_format", 1);
    fs::write(&wrong, text.replacen("\"showPoints\": \"auto\"", "\"showPoints\": \"some\"", 1)).unwrap();
    let told = told(&[wrong]);
    assert!(told.contains("legend_format is unknown") && told.contains("show_points is 'some'"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn the_alerts_of_grafana_are_those_of_prometheus() {
    let yaml = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let file = root().join("deploy/grafana/provisioning/alerting/btcdmon.yaml");
    let text = model::grafana_alerts(&yaml);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), text, "BLESS=1 cargo test --test dashboards");
    let json: Value = serde_json::from_str(&text).unwrap();
    let rules = json["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), yaml.matches("- alert: ").count());
    for r in rules {
        assert!(r["annotations"]["runbook"].as_str().unwrap().len() > 20 && r["labels"]["severity"] != "", "{r}");
    }
    // What Grafana asks Prometheus is valid PromQL.
    if has("promtool") {
        let folder = tempfile::tempdir().unwrap();
        let exprs = rules.iter().map(|r| json!({ "record": "a:b:c", "expr": r["data"][0]["model"]["expr"] }));
        let rules = json!({ "groups": [{ "name": "g", "rules": exprs.collect::<Vec<_>>() }] });
        fs::write(folder.path().join("rules.yml"), rules.to_string()).unwrap();
        let o = Command::new("promtool")
            .args(["check", "rules", "--lint=none"])
            .arg(folder.path().join("rules.yml"))
            .output()
            .unwrap();
        assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
    }
}

#[test]
fn every_panel_has_both_sources_and_names_what_there_is() {
    let metrics: BTreeSet<String> = catalogue::names().into_iter().map(|n| n.0).collect();
    let recorded = fs::read_to_string(root().join("deploy/prometheus/recording.yml")).unwrap();
    for (panel, _, query) in queries(Source::Prometheus) {
        for word in query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("btcdmon_"))
        {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| word.strip_suffix(s)).unwrap_or(word);
            assert!(metrics.contains(base) || metrics.contains(word), "{}: there is no metric {word}", panel.title);
        }
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        for word in words.filter(|w| w.starts_with("btcdmon:")) {
            assert!(recorded.contains(&format!("- record: {word}\n")), "{}: nothing records {word}", panel.title);
        }
        let slow = ["[1h]", "histogram_quantile("].iter().any(|s| query.contains(s));
        assert!(!slow, "{}: an hourly figure or a quantile that nothing records: {query}", panel.title);
    }
    for (panel, _, query) in queries(Source::Influx) {
        let quoted: Vec<&str> = query.split('"').skip(1).step_by(2).collect();
        if query.contains("FROM \"rollups\".") {
            let rollup = ROLLUPS.iter().find(|r| quoted.contains(&r.name));
            let rollup = rollup.unwrap_or_else(|| panic!("{}: nothing computes {query}", panel.title));
            for name in quoted.iter().filter(|q| !["rollups", rollup.name].contains(q)) {
                let known = rollup.by().any(|t| t == *name) || rollup.fields.iter().any(|(f, ..)| f == name);
                assert!(known, "{}: {} has no {name}", panel.title, rollup.name);
            }
            assert!(query.contains(&format!("time({})", rollup.each)), "{}: {query}", panel.title);
            continue;
        }
        let slow = ["time(1h)", "percentile(", "median("].iter().any(|s| query.contains(s));
        assert!(!slow, "{}: an hourly figure or a percentile that nothing computes ahead: {query}", panel.title);
        let series =
            SERIES.iter().find(|s| quoted.contains(&s.name) && query.contains(&format!("FROM \"{}\"", s.name)));
        let series = series.unwrap_or_else(|| panic!("{}: no series in {query}", panel.title));
        for name in quoted {
            let known =
                ["node", "sensor", series.name].contains(&name) || series.columns.iter().any(|c| c.name == name);
            assert!(known, "{}: {} has no column {name}", panel.title, series.name);
        }
    }
    for (rollup, (field, ..)) in ROLLUPS.iter().flat_map(|r| r.fields.iter().map(move |f| (r, f))) {
        let (of, from) = (format!("(\"{field}\")"), format!("FROM \"rollups\".\"{}\"", rollup.name));
        let read = queries(Source::Influx).iter().any(|(_, _, q)| q.contains(&of) && q.contains(&from));
        assert!(read, "no panel reads {field} of {}", rollup.name);
    }
    for p in DASHBOARDS.iter().flat_map(Dashboard::panels) {
        assert!(!p.influx.is_empty() && !p.prometheus.is_empty() && p.help.ends_with('.'), "{}", p.title);
    }
    for (title, line, why) in EMPTY {
        let named = |p: &Panel, l: &str| p.title == *title && (*line == "*" || *line == l);
        let known = Source::ALL.iter().any(|s| queries(*s).iter().any(|(p, l, _)| named(p, l)));
        assert!(known && why.len() > 10, "{title}: {line}");
    }
}

/// Of messages InfluxDB's dashboards show the commands that the web page does.
#[test]
fn messages_are_told_apart_as_on_the_web_page() {
    let page = fs::read_to_string(root().join("src/web/ui/src/pages/panels.ts")).unwrap();
    let list = page.split("const COMMANDS = [").nth(1).unwrap().split(']').next().unwrap();
    let commands: Vec<&str> = list.split('\'').skip(1).step_by(2).collect();
    let panels = queries(Source::Influx).into_iter().filter(|(p, ..)| p.title.starts_with("Messages "));
    let mut seen = BTreeSet::new();
    for (panel, _, query) in panels {
        let columns = query.split(" FROM ").next().unwrap().split("sum(\"").skip(1);
        assert_eq!(columns.map(|c| c.split('"').next().unwrap()).collect::<Vec<_>>(), commands, "{}", panel.title);
        seen.insert(panel.title);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

/// Alerts and recording rules name metrics that there are.
#[test]
fn rules_name_what_there_is() {
    let metrics: BTreeSet<String> = catalogue::names().into_iter().map(|n| n.0).collect();
    for file in ["recording.yml", "alerts.yml"] {
        let text = fs::read_to_string(root().join("deploy/prometheus").join(file)).unwrap();
        let mut seen = 0;
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        for word in words.filter(|w| w.starts_with("btcdmon_") && !w.starts_with("btcdmon_sensor_sink_lost_")) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| word.strip_suffix(s)).unwrap_or(word);
            assert!(metrics.contains(base) || metrics.contains(word), "{file}: there is no metric {word}");
            seen += 1;
        }
        assert!(seen > 5, "{file}");
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn http(url: &str, query: &[(&str, &str)], accept: &str) -> (u16, String) {
    let mut url = reqwest::Url::parse(url).unwrap();
    url.query_pairs_mut().extend_pairs(query);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        match client.get(url).header("Accept", accept).send().await {
            Ok(r) => (r.status().as_u16(), r.text().await.unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    })
}

fn until<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(t) = f() {
            return t;
        }
        assert!(started.elapsed() < Duration::from_secs(40), "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// A replay from a pipe that stays open, and its page.
fn serving() -> (Running, String, std::process::ChildStdin) {
    let port = free();
    let url = format!("http://127.0.0.1:{port}");
    let mut child = Command::new(cargo_bin("btcdmon"))
        .args([
            "replay",
            "-q",
            "--interval",
            "1s",
            "--sensor",
            "s \"1\"",
            "--prometheus",
            &format!("127.0.0.1:{port}"),
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let to = child.stdin.take().unwrap();
    (Running(child), url, to)
}

#[test]
fn the_page_is_clean_and_tells_when_it_is_ready() {
    let (_child, url, mut to) = serving();
    let whole = zstd::decode_all(File::open(capture()).unwrap()).unwrap();
    // The sinks are opened when the first bytes show that it is a capture.
    to.write_all(&whole[..2000]).unwrap();
    until("healthy", || (http(&format!("{url}/-/healthy"), &[], "*/*").0 == 200).then_some(()));
    assert_eq!(http(&format!("{url}/-/ready"), &[], "*/*").0, 503, "before the first interval");
    to.write_all(&whole[2000..]).unwrap();
    until("ready", || (http(&format!("{url}/-/ready"), &[], "*/*").0 == 200).then_some(()));
    let page = until("blocks", || {
        let (_, text) = http(&format!("{url}/metrics"), &[], "text/plain");
        text.contains("btcdmon_block_fees_satoshis_bucket").then_some(text)
    });
    let open = http(&format!("{url}/metrics"), &[], "application/openmetrics-text; version=1.0.0").1;
    assert!(open.ends_with("# EOF\n") && page.contains("sensor=\"s \\\"1\\\"\""), "{open}");
    if !has("promtool") {
        return skip("promtool check metrics: there is no promtool here (Debian: apt-get install prometheus)");
    }
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let o = check.wait_with_output().unwrap();
    let said = [o.stdout, o.stderr].concat();
    assert!(o.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn rules_fire_and_stay_silent() {
    if !has("promtool") {
        return skip("promtool test rules: there is no promtool here (Debian: apt-get install prometheus)");
    }
    let o = Command::new("promtool")
        .args(["test", "rules", "alerts_test.yml"])
        .current_dir(root().join("deploy/prometheus"))
        .output()
        .unwrap();
    assert!(o.status.success(), "{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr));
    let alerts = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let tests = fs::read_to_string(root().join("deploy/prometheus/alerts_test.yml")).unwrap();
    for name in alerts.lines().filter_map(|l| l.trim().strip_prefix("- alert: ")) {
        assert!(
            tests.contains(&format!("name: {name} fires")) && tests.contains(&format!("name: {name} stays silent")),
            "{name}"
        );
    }
    assert_eq!(alerts.matches("- alert: ").count(), alerts.matches("runbook: ").count(), "each says what to do");
}

fn scrape(folder: &Path, target: &str, more: &[&str]) -> (Running, String) {
    let port = free();
    for name in ["recording.yml", "alerts.yml"] {
        let text = fs::read_to_string(root().join("deploy/prometheus").join(name)).unwrap();
        // Nobody waits a minute here.
        fs::write(folder.join(name), text.replace("interval: 1m\n", "interval: 1s\n")).unwrap();
    }
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
         rule_files: [recording.yml, alerts.yml]\n\
         scrape_configs:\n  - job_name: btcdmon\n    static_configs: [{{ targets: [\"{target}\"] }}]\n"
    );
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(more)
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    (Running(child), format!("http://127.0.0.1:{port}"))
}

/// What a query returns now.
fn ask(api: &str, q: &str) -> Vec<Value> {
    let (_, text) = http(&format!("{api}/api/v1/query"), &[("query", q)], "*/*");
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(json["status"] != "error", "{q}: {json}");
    json["data"]["result"].as_array().cloned().unwrap_or_default()
}

/// A Prometheus that wants native histograms gets them, and their quantiles are near those of the buckets in the list.
#[test]
fn native_histograms() {
    if !has("prometheus") {
        return skip("Prometheus: there is none here (Debian: apt-get install prometheus)");
    }
    let folder = tempfile::tempdir().unwrap();
    let (_child, url, mut to) = serving();
    let more = ["--enable-feature=native-histograms"];
    let (_prometheus, api) = scrape(folder.path(), url.strip_prefix("http://").unwrap(), &more);
    to.write_all(&zstd::decode_all(File::open(capture()).unwrap()).unwrap()).unwrap();
    let value = |q: &str| -> Option<f64> { ask(&api, q).first()?["value"][1].as_str()?.parse().ok() };
    let page = || http(&format!("{url}/metrics"), &[], "text/plain").1;
    let count = until("all transactions are counted", || {
        let page = page();
        let n = page.lines().find(|l| l.starts_with("btcdmon_transaction_size_bytes_count{"))?.rsplit(' ').next()?;
        let n = n.parse::<f64>().unwrap();
        (value("histogram_count(sum(btcdmon_transaction_size_bytes))") == Some(n) && n > 50.0).then_some(n)
    });
    let median = value("histogram_quantile(0.5, sum(btcdmon_transaction_size_bytes))").unwrap();
    // From the text: the borders between which the median lies.
    let buckets: Vec<(f64, f64)> = (page().lines())
        .filter(|l| l.starts_with("btcdmon_transaction_size_bytes_bucket{"))
        .map(|l| {
            let le = l.split("le=\"").nth(1).unwrap().split('"').next().unwrap();
            (le.parse().unwrap_or(f64::INFINITY), l.rsplit(' ').next().unwrap().parse().unwrap())
        })
        .collect();
    let at = buckets.iter().position(|(_, n)| *n >= count / 2.0).unwrap();
    assert!(median > buckets[at - 1].0 * 0.9 && median < buckets[at].0 * 1.1, "{median}: {buckets:?}");
    assert!(value("btcdmon_bandwidth_bytes_recv_total").is_some_and(|v| v > 100_000.0), "counters as well");
    assert!(value("btcdmon_peers_total_connected").is_some(), "and gauges");
}

#[test]
fn a_real_prometheus_scrapes_it_and_every_query_returns_something() {
    if !has("prometheus") {
        return skip("Prometheus: there is none here (Debian: apt-get install prometheus)");
    }
    let folder = tempfile::tempdir().unwrap();
    let (_child, url, mut to) = serving();
    let (_prometheus, api) = scrape(folder.path(), url.strip_prefix("http://").unwrap(), &[]);
    // In pieces, so that the counters grow while they are scraped.
    let whole = zstd::decode_all(File::open(capture()).unwrap()).unwrap();
    for piece in whole.chunks(whole.len() / 6 + 1) {
        to.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
    }
    until("the last piece is scraped", || (!ask(&api, "btcdmon_block_fees_satoshis_count").is_empty()).then_some(()));
    let mut silent = queries(Source::Prometheus);
    silent.retain(|(panel, line, _)| !may_be_empty(panel, line));
    // What grows is scraped twice before it has a rate.
    let started = Instant::now();
    while !silent.is_empty() && started.elapsed() < Duration::from_secs(20) {
        silent.retain(|(_, _, q)| {
            let found = ask(&api, &q.replace("$__rate_interval", "1m").replace("$node", ".*"));
            !found.iter().any(|r| r["value"][1].as_str().is_some_and(|v| v != "NaN"))
        });
        std::thread::sleep(Duration::from_millis(500));
    }
    let silent: Vec<_> = silent.iter().map(|(p, line, q)| (p.title, line, q)).collect();
    assert!(silent.is_empty(), "{silent:#?}");
    let (_, rules) = http(&format!("{api}/api/v1/rules"), &[], "*/*");
    let rules: Value = serde_json::from_str(&rules).unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap();
    let all: Vec<&Value> = groups.iter().flat_map(|g| g["rules"].as_array().unwrap()).collect();
    assert!(all.len() > 20 && all.iter().all(|r| r["health"] != "err"), "{all:?}");
}
