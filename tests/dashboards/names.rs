//! What the dashboards and rules call things, and what those things are called: data sources, labels and their values,
//! crawlers. A query with a wrong name is valid and finds nothing, so that a panel which may be empty would hide it.

use super::{DASHBOARDS, Source, queries, root};
use btcdmon::series::{SERIES, id};
use btcdmon::sink::prometheus::catalogue::{EVENTS, How, IDLE_ENDED, PEER_HEIGHT, What, column_metric, how};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Values that a query may demand of a label; of a command they are the columns of the series of messages.
const VALUES: &[(&str, &[&str])] = &[
    ("transport", &["v1", "v2"]),
    ("direction", &["recv", "sent"]),
    ("direction of peers", &["inbound", "outbound"]),
    ("is_dust", &["true", "false"]),
    ("script_type", &["pubkeyhash"]),
    ("via", &["block fallback"]),
];

/// Every metric and its labels: what the program exports, and what is recorded of it.
fn labels() -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name: String, labels: &[&str]| {
        let of_sensor = name.starts_with("btcdmon_sensor_");
        let always = if of_sensor { &["sensor"][..] } else { &["sensor", "node"] };
        all.entry(name).or_default().extend(always.iter().chain(labels).map(|l| (*l).to_owned()));
    };
    for (i, s) in SERIES.iter().enumerate() {
        // What events leave behind is of the node, not of the event.
        let tagged = !matches!(i, id::PEERS | id::BLOCKS | id::MEMPOOL);
        let tags: Vec<&str> = s.columns.iter().filter(|c| c.tag && tagged).map(|c| c.name).collect();
        for c in s.columns.iter().filter(|c| !c.tag) {
            match how(i, c) {
                How::Event => {}
                How::Command => {
                    add(column_metric(s, c, How::Command), &[&tags[..], &["direction", "command"]].concat());
                }
                how => add(column_metric(s, c, how), &tags),
            }
        }
    }
    for e in EVENTS {
        if matches!(e.what, What::Histogram(..)) {
            add(format!("{}_bucket", e.name), &[e.labels, &["le"]].concat());
            add(format!("{}_sum", e.name), e.labels);
            add(format!("{}_count", e.name), e.labels);
        } else {
            add(e.name.to_owned(), e.labels);
        }
    }
    add(PEER_HEIGHT.0.to_owned(), &[]);
    add(IDLE_ENDED.0.to_owned(), &[]);
    let recording = fs::read_to_string(root().join("deploy/prometheus/recording.yml")).unwrap();
    for rule in recording.split("- record: ").skip(1) {
        let (name, expr) = rule.split_once('\n').unwrap();
        let labels = grouped(expr).unwrap_or_else(|| panic!("{name}: by what?"));
        all.insert(name.to_owned(), labels.into_iter().map(str::to_owned).collect());
    }
    all
}

/// The labels of the first `by (…)`.
fn grouped(expr: &str) -> Option<Vec<&str>> {
    Some(expr.split_once(" by (")?.1.split(')').next()?.split(", ").collect())
}

/// What a query demands of a label: name, operator, value.
type Demand<'a> = (&'a str, &'a str, &'a str);

/// The metrics of a query, and for each what it demands of its labels.
fn selectors(query: &str) -> Vec<(&str, Vec<Demand<'_>>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("btcdmon") {
        let (name, after) = rest[at..].split_at(rest[at..].find(|c| !is_name(c)).unwrap_or(rest.len() - at));
        rest = after;
        // Its own name as a value.
        if name == "btcdmon" {
            continue;
        }
        let inside = after.strip_prefix('{').and_then(|a| a.split_once('}'));
        let demands = inside.map_or(Vec::new(), |(inside, _)| {
            let each = inside.split("\",").map(|m| m.trim_end_matches('"').split_once('"').unwrap());
            each.map(|(left, value)| {
                let name = left.trim_end_matches(|c| "=!~".contains(c));
                (name, &left[name.len()..], value)
            })
            .collect()
        });
        found.push((name, demands));
    }
    found
}

/// What is wrong with the names of a query.
fn wrong(query: &str, known: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let commands: BTreeSet<&str> = SERIES[id::MSG_RECV].columns.iter().map(|c| c.name).collect();
    let mut all = Vec::new();
    for (metric, demands) in selectors(query) {
        let Some(labels) = known.get(metric) else {
            all.push(format!("there is no {metric}"));
            continue;
        };
        for (name, operator, value) in demands {
            if !labels.contains(name) {
                all.push(format!("{metric} has no label {name}"));
            }
            // Alternatives in a pattern are values like others; those of people are not.
            let of_people = matches!(name, "node" | "user_agent");
            let key = if metric.contains("peer_versions") && name == "direction" { "direction of peers" } else { name };
            let values = VALUES.iter().find(|(label, _)| *label == key).map(|(_, values)| *values);
            for v in value.split('|').filter(|_| !of_people) {
                let there_is = values.map_or(name == "command" && commands.contains(v), |values| values.contains(&v));
                if !there_is || !["=", "!=", "=~"].contains(&operator) {
                    all.push(format!("{metric}: {name} is never {v}"));
                }
            }
        }
        for label in grouped(query).unwrap_or_default() {
            if !labels.contains(label) {
                all.push(format!("{metric} has no label {label}"));
            }
        }
    }
    all
}

#[test]
fn labels_and_their_values_are_those_of_the_program() {
    let known = labels();
    for (panel, line, query) in queries(Source::Prometheus) {
        assert!(!selectors(query).is_empty(), "{}: {query}", panel.title);
        assert_eq!(wrong(query, &known), Vec::<String>::new(), "{}: {query}", panel.title);
        // What a line is called is a label that the answer has.
        for name in line.split("{{").skip(1).map(|l| l.split("}}").next().unwrap()) {
            let by = grouped(query).unwrap_or_else(|| vec!["node"]);
            assert!(by.contains(&name), "{}: {line} of {query}", panel.title);
        }
    }
    let mut seen = 0;
    for file in ["recording.yml", "alerts.yml"] {
        let text = fs::read_to_string(root().join("deploy/prometheus").join(file)).unwrap();
        for query in text.lines().filter_map(|l| l.trim().strip_prefix("expr: ")) {
            assert_eq!(wrong(query, &known), Vec::<String>::new(), "{file}: {query}");
            seen += selectors(query).len();
        }
    }
    assert!(seen > 60, "{seen}");
    // What is wrong is found.
    for (query, said) in [
        ("sum(btcdmon_mempool_num)", "there is no btcdmon_mempool_num"),
        ("btcdmon_mempool_num_tx{transport=\"v1\"}", "btcdmon_mempool_num_tx has no label transport"),
        ("sum by (via) (btcdmon_peers_inbound)", "btcdmon_peers_inbound has no label via"),
        ("btcdmon_messages_total{node=~\"a\",command=~\"addr|adr\"}", "btcdmon_messages_total: command is never adr"),
        ("btcdmon_peer_versions_total{direction=\"recv\"}", "btcdmon_peer_versions_total: direction is never recv"),
    ] {
        assert_eq!(wrong(query, &known), [said]);
    }
}

/// Every `datasource` of a dashboard, and every data source that an alert asks.
fn asked(v: &Value, found: &mut BTreeSet<(String, String)>) {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    match v {
        Value::Object(o) => {
            if let Some(d) = o.get("datasource") {
                found.insert((text(&d["uid"]), text(&d["type"])));
            }
            if let Some(uid) = o.get("datasourceUid").filter(|uid| *uid != "__expr__") {
                found.insert((text(uid), "prometheus".to_owned()));
            }
            o.values().for_each(|v| asked(v, found));
        }
        Value::Array(a) => a.iter().for_each(|v| asked(v, found)),
        _ => {}
    }
}

#[test]
fn data_sources_are_those_that_are_provisioned() {
    let folder = root().join("deploy/grafana/provisioning");
    let text = fs::read_to_string(folder.join("datasources/btcdmon.yaml")).unwrap();
    let provisioned: BTreeSet<(String, String)> = (text.split("  - name: ").skip(1))
        .map(|block| {
            let after = |key: &str| block.lines().find_map(|l| l.trim().strip_prefix(key)).unwrap().to_owned();
            (after("uid: "), after("type: "))
        })
        .collect();
    assert_eq!(provisioned.len(), 2, "{provisioned:?}");
    let mut of_all = BTreeSet::new();
    for (dashboard, source) in DASHBOARDS.iter().flat_map(|d| Source::ALL.map(|s| (d, s))) {
        let file = root().join("deploy/grafana/dashboards").join(source.name()).join(dashboard.file(source));
        let mut of_this = BTreeSet::new();
        asked(&serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap(), &mut of_this);
        assert_eq!(of_this.len(), 1, "{}: {of_this:?}", file.display());
        of_all.append(&mut of_this);
    }
    assert_eq!(of_all, provisioned);
    let mut of_alerts = BTreeSet::new();
    let alerts = fs::read_to_string(folder.join("alerting/btcdmon.yaml")).unwrap();
    asked(&serde_json::from_str(&alerts).unwrap(), &mut of_alerts);
    assert!(of_alerts.len() == 1 && of_alerts.is_subset(&provisioned), "{of_alerts:?}");
}

/// The web page has them by kind; the dashboards and what is computed for them all in one.
#[test]
fn crawlers_are_the_same_everywhere() {
    let page = fs::read_to_string(root().join("src/web/ui/src/pages/panels.ts")).unwrap();
    let list = page.split("const CRAWLERS").nth(1).unwrap().split("];").next().unwrap();
    let kinds: Vec<&str> = list.split(", /").skip(1).map(|p| p.split("/i, ").next().unwrap()).collect();
    assert_eq!(kinds.join("|"), crawlers!(), "{kinds:?}");
    let files = ["grafana/dashboards/prometheus/overview-prometheus.json", "influxdb/tasks/crawler_visits_1h.flux"];
    for file in files.into_iter().chain(["influxdb/continuous-queries.iql"]) {
        let text = fs::read_to_string(root().join("deploy").join(file)).unwrap();
        assert_eq!(text.matches("bitnodes").count(), 1, "{file}");
        assert_eq!(text.matches(crawlers!()).count(), 1, "{file}");
    }
}

/// Panels of the dashboard of 2014 (`btcdmon-default-dashboard.json`), by row.
const ORIGINAL: &[(&str, &[&str])] = &[
    ("Blockchain Stats", &["Main Chain Height", "Tx Fees Vs. Block Per Hour", "Block Size Vs. Tx Per Block"]),
    ("Mempool", &["Mempool", "Smart TX Relay (Skipped Invs)"]),
    ("Bandwidth", &["Bytes Received", "Bytes Sent"]),
    ("P2P Messages", &["Received Per Min", "Sent Per Min"]),
    ("Peers & Addrs", &["Peers", "Seeder Crawls Per Hour", "Inbound User Agents 5 Min"]),
    (
        "TX Stats",
        &[
            "Non P2PKH Outputs By The Hour",
            "Transaction Fees By The Hour",
            "Dust Watch",
            "Transaction Outputs",
            "TX Size Percentile",
        ],
    ),
];

/// Every one has its row and its queries in the table of docs/from-the-original.md, and is where that says.
#[test]
fn the_panels_of_the_original_are_where_the_table_says() {
    let doc = fs::read_to_string(root().join("docs/from-the-original.md")).unwrap();
    let rows = doc.lines().filter(|l| l.starts_with("| ")).skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|l| l.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let named: Vec<(&str, &str)> = rows.iter().map(|r| (r[0], r[1])).collect();
    let first = |row, i| if i == 0 { row } else { "" };
    let demanded =
        ORIGINAL.iter().flat_map(|(row, all)| all.iter().enumerate().map(move |(i, p)| (first(*row, i), *p)));
    assert_eq!(named, demanded.collect::<Vec<_>>());
    let overview = DASHBOARDS.iter().find(|d| d.name == "overview").unwrap();
    let titles: BTreeSet<&str> = overview.panels().map(|p| p.title).collect();
    let pages = ["panels.ts", "overview.tsx"].map(|f| root().join("src/web/ui/src/pages").join(f));
    let page = pages.map(|f| fs::read_to_string(f).unwrap()).concat();
    // Of both ways, in one line.
    let page = page.replace(
        "`Messages ${way === 'recv' ? 'received' : 'sent'} per minute`",
        "'Messages received per minute' 'Messages sent per minute'",
    );
    for row in rows {
        let [_, panel, then, grafana, on_page, _] = row[..] else { panic!("{row:?}") };
        assert!(then.contains('`'), "{panel}: no query");
        assert!(titles.contains(grafana), "{panel}: no panel of the dashboards is called {grafana}");
        let found = [format!("'{on_page}'"), format!("\"{on_page}\"")].iter().any(|title| page.contains(title));
        assert!(found, "{panel}: the page has no panel that is called {on_page}");
    }
}
