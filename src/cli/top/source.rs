//! Where the figures come from: the HTTP API of a running sensor, or a store.

use super::snapshot::{Block, ENCRYPTED, ESTIMATED, Node, Peer, Snapshot, int, text};
use crate::app::log::wall;
use crate::cli::view_args::TopArgs;
use crate::series::{SERIES, id};
use crate::sink::rows::JsonRows;
use crate::sink::{Limits, StoreReader};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// An answer takes this long at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer at most: a sensor with thousands of peers stays below it.
const ANSWER: usize = 32 << 20;
/// Messages are counted over this length of capture time, µs.
const MINUTES: i64 = 10 * 60 * 1_000_000;
/// Blocks asked for.
const BLOCKS: usize = 100;

/// What is read.
pub enum Source {
    /// A running sensor.
    Api(Api),
    /// A store, which a sensor may be writing.
    Store(PathBuf),
}

/// A running sensor.
pub struct Api {
    base: Url,
    token: Option<String>,
    client: Client,
    runtime: Runtime,
}

impl Source {
    /// Opens what `args` name.
    pub fn open(args: &TopArgs) -> Result<Self> {
        let url = match (&args.url, &args.store) {
            (None, Some(store)) => return Ok(Self::Store(store.clone())),
            (Some(url), _) => url.as_str(),
            (None, None) => "127.0.0.1:8399",
        };
        let base = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = Url::parse(&base).with_context(|| format!("{url}: not an address such as 127.0.0.1:8399"))?;
        ensure!(matches!(base.scheme(), "http" | "https"), "{base}: only http and https are spoken");
        // Fails when one was chosen already: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self::Api(Api { base, token: args.token.clone(), client, runtime }))
    }

    /// The figures now, of `node` or the first one.
    pub fn read(&mut self, node: Option<&str>) -> Result<Snapshot> {
        match self {
            Self::Api(api) => api.read(node),
            Self::Store(path) => {
                let reader = StoreReader::open(path, wall())?;
                Stored { reader }.read(path.display().to_string(), node)
            }
        }
    }
}

impl Api {
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let mut url = self.base.join(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.runtime.block_on(async {
            let mut request = self.client.get(url);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let mut response = request.send().await.map_err(|e| self.unreachable(&e))?;
            let status = response.status();
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
                ensure!(body.len() + chunk.len() <= ANSWER, "{}: the answer to {path} is too long", self.base);
                body.extend_from_slice(&chunk);
            }
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            match status.as_u16() {
                200 => Ok(answer),
                401 => bail!("{}: a token is needed: --web-token, or BTCDMON_WEB_TOKEN", self.base),
                code => {
                    bail!("{}: {}", self.base, answer["error"]["message"].as_str().unwrap_or(&format!("status {code}")))
                }
            }
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let why = if error.is_timeout() { "no answer in time" } else { "no sensor answers" };
        anyhow!(
            "{}: {why}; start `btcdmon live` or `btcdmon replay --serve FILE`, or name a store by --store",
            self.base
        )
    }

    fn read(&self, node: Option<&str>) -> Result<Snapshot> {
        let status = self.get("/api/v1/status", &[])?;
        let nodes: Vec<Node> = status["nodes"].as_array().into_iter().flatten().map(Node::from_json).collect();
        let mut snapshot = Snapshot {
            origin: self.base.to_string(),
            sensor: text(&status, "sensor"),
            mode: text(&status, "mode"),
            time: int(&status, "time"),
            losses: losses(&status["sensor_figures"]),
            ..Snapshot::default()
        };
        let chosen = node.or_else(|| nodes.first().map(|n| n.name.as_str())).map(str::to_owned);
        snapshot.nodes = nodes;
        let Some(node) = chosen else { return Ok(snapshot) };
        let peers = self.get("/api/v1/peers", &[("node", &node)])?;
        snapshot.peers = Some(peers["peers"].as_array().into_iter().flatten().map(Peer::from_json).collect());
        let blocks = self.get("/api/v1/blocks", &[("node", &node), ("limit", &BLOCKS.to_string())])?;
        snapshot.blocks = blocks["blocks"].as_array().into_iter().flatten().map(Block::from_json).collect();
        let from = (snapshot.time.unwrap_or_default() - MINUTES).to_string();
        let sums = |series: &str| -> Result<Vec<(String, f64)>> {
            let query = [("node", &*node), ("by", "transport"), ("agg", "sum"), ("points", "1"), ("from", &from)];
            let answer = self.get(&format!("/api/v1/series/{series}"), &query)?;
            let line = |l: &Value| {
                let values = l["values"].as_array()?;
                let name = marked(&text(&l["tags"], "transport"), &text(l, "column"));
                Some((name, values.iter().filter_map(Value::as_f64).sum()))
            };
            Ok(answer["lines"].as_array().into_iter().flatten().filter_map(line).collect())
        };
        snapshot.messages = joined(sums("msg_recv")?, sums("msg_sent")?);
        Ok(snapshot)
    }
}

/// The name of a count of messages: those of encrypted connections are estimated, and never added to the others.
fn marked(transport: &str, name: &str) -> String {
    format!("{}{name}", if transport == ENCRYPTED { ESTIMATED } else { "" })
}

/// Received and sent by command, the most frequent first.
fn joined(recv: Vec<(String, f64)>, sent: Vec<(String, f64)>) -> Vec<(String, [f64; 2])> {
    let mut all: Vec<(String, [f64; 2])> = Vec::new();
    for (i, list) in [recv, sent].into_iter().enumerate() {
        // `inv_known` counts announcements that were not made.
        for (name, n) in list.into_iter().filter(|(name, n)| *n > 0.0 && name != "inv_known") {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, counts)) => counts[i] += n,
                None => all.push((name, if i == 0 { [n, 0.0] } else { [0.0, n] })),
            }
        }
    }
    all.sort_by(|a, b| (b.1[0] + b.1[1]).total_cmp(&(a.1[0] + a.1[1])).then_with(|| a.0.cmp(&b.0)));
    all
}

/// Every counter of the sensor's own figures that is not 0, with the name of its group.
fn losses(figures: &Value) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for name in ["dropped_by_kernel", "points_lost"] {
        all.extend(figures[name].as_u64().map(|n| (name.to_owned(), n)));
    }
    for group in ["frames_skipped", "tcp_anomalies", "gaps", "gap_bytes", "message_troubles", "evictions"] {
        let counts = figures[group].as_object().into_iter().flatten();
        all.extend(counts.filter_map(|(name, n)| Some((format!("{group}: {name}"), n.as_u64()?))));
    }
    all.retain(|(_, n)| *n > 0);
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// A store that is open.
struct Stored {
    reader: StoreReader,
}

impl Stored {
    fn rows(&mut self, sql: &str) -> Result<Vec<Value>> {
        let mut answer = Vec::new();
        self.reader.run(sql, Limits::default(), &mut JsonRows::new(&mut answer))?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn row(&mut self, sql: &str) -> Result<Value> {
        Ok(self.rows(sql)?.into_iter().next().unwrap_or_default())
    }

    fn read(&mut self, origin: String, node: Option<&str>) -> Result<Snapshot> {
        let newest = self.row("SELECT sensor, time / 1000 AS time FROM sensor ORDER BY time DESC LIMIT 1")?;
        let mut snapshot = Snapshot {
            origin,
            sensor: text(&newest, "sensor"),
            mode: "store".to_owned(),
            time: int(&newest, "time"),
            ..Snapshot::default()
        };
        let names = self.rows("SELECT DISTINCT node FROM bandwidth ORDER BY node")?;
        for name in names.iter().map(|n| text(n, "node")) {
            snapshot.nodes.push(self.node(&name)?);
        }
        let chosen = node.map(str::to_owned).or_else(|| snapshot.nodes.first().map(|n| n.name.clone()));
        if let Some(node) = chosen {
            let node = quoted(&node);
            let blocks = self.rows(&format!(
                "SELECT time / 1000 AS time, transport, height, sha AS hash, size, num_tx, total_tx_fees, via, \
                 first_announcer, process_time, status FROM processed_blocks WHERE node = {node} \
                 ORDER BY processed_blocks.time DESC LIMIT {BLOCKS}"
            ))?;
            snapshot.blocks = blocks.iter().map(Block::from_json).collect();
            let from = snapshot.time.unwrap_or_default().saturating_sub(MINUTES).saturating_mul(1000);
            let recv = self.sums(id::MSG_RECV, &node, from)?;
            snapshot.messages = joined(recv, self.sums(id::MSG_SENT, &node, from)?);
        }
        snapshot.losses = self.losses()?;
        Ok(snapshot)
    }

    /// Sums of the numbers of a series of messages.
    fn sums(&mut self, series: usize, node: &str, from: i64) -> Result<Vec<(String, f64)>> {
        let Some(series) = SERIES.get(series) else { return Ok(Vec::new()) };
        let numbers = series.columns.iter().filter(|c| !c.tag).map(|c| c.name);
        let sums: Vec<_> = numbers.map(|c| format!("sum(\"{c}\") AS \"{c}\"")).collect();
        let sql = format!(
            "SELECT transport, {} FROM {} WHERE node = {node} AND time > {from} GROUP BY transport",
            sums.join(", "),
            series.name
        );
        let mut all = Vec::new();
        for row in self.rows(&sql)? {
            let transport = text(&row, "transport");
            let columns = row.as_object().into_iter().flatten();
            all.extend(columns.filter_map(|(name, n)| Some((marked(&transport, name), n.as_f64()?))));
        }
        Ok(all)
    }

    fn losses(&mut self) -> Result<Vec<(String, u64)>> {
        let row = self.row("SELECT * FROM sensor ORDER BY time DESC LIMIT 1")?;
        let Some(series) = SERIES.get(id::SENSOR) else { return Ok(Vec::new()) };
        // Those that count what went wrong are the vocabularies, in events or bytes.
        let wrong = series.columns.iter().filter(|c| c.unit == "events" || c.name.starts_with("gap"));
        let mut all: Vec<_> = wrong.filter_map(|c| Some((c.name.to_owned(), row[c.name].as_u64()?))).collect();
        all.retain(|(_, n)| *n > 0);
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(all)
    }

    fn node(&mut self, name: &str) -> Result<Node> {
        let node = quoted(name);
        let gauges = self.row(&format!(
            "SELECT inbound, outbound, readable FROM peers WHERE node = {node} AND total_connected IS NOT NULL \
             ORDER BY time DESC LIMIT 1"
        ))?;
        let tip = self.row(&format!(
            "SELECT best_height AS height, time / 1000 AS tip_time FROM blocks WHERE node = {node} \
             AND best_height IS NOT NULL ORDER BY blocks.time DESC LIMIT 1"
        ))?;
        let mempool = self.row(&format!(
            "SELECT num_tx, vsize FROM mempool WHERE node = {node} AND num_tx IS NOT NULL ORDER BY time DESC LIMIT 1"
        ))?;
        let bytes = self.rows(&format!(
            "SELECT time, wire_bytes_recv AS recv, wire_bytes_sent AS sent FROM bandwidth WHERE node = {node} \
             ORDER BY time DESC LIMIT 2"
        ))?;
        let speed = |field: &str| {
            let [now, before] = bytes.as_slice() else { return None };
            let seconds = (int(now, "time")? - int(before, "time")?) as f64 / 1e9;
            (seconds > 0.0).then_some((int(now, field)? - int(before, field)?) as f64 / seconds)
        };
        let connections = int(&gauges, "inbound").zip(int(&gauges, "outbound")).map(|(i, o)| i + o);
        let readable = int(&gauges, "readable");
        Ok(Node::from_json(&json!({
            "name": name,
            "height": tip["height"], "tip_time": tip["tip_time"],
            "inbound": gauges["inbound"], "outbound": gauges["outbound"],
            "v1": readable, "v2": connections.zip(readable).map(|(all, v1)| all - v1),
            "bytes_recv_per_s": speed("recv"), "bytes_sent_per_s": speed("sent"),
            "mempool_tx": mempool["num_tx"], "mempool_vsize": mempool["vsize"],
        })))
    }
}

/// A text as SQL has it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
