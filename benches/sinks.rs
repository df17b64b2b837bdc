//! Points a second into a real InfluxDB, beside a server that takes everything and does nothing, and the embedded
//! store: `cargo bench --bench sinks [-- --seconds 20]`.
//!
//! The points are those of transactions with two inputs and three outputs, seven points each, made while they are
//! sent; nothing is thrown away when a sink is slow, so that the rate is what the sink and its server sustain. Memory
//! is this process's own (`VmHWM`), a quarter of the time after the start and at the end: it has to be flat.

use anyhow::{Context as _, Result, bail, ensure};
use btcdmon::app::outlets::Outlets;
use btcdmon::series::{Column, Point, SERIES, Type, Value, id};
use btcdmon::sink::SinkConfig;
use btcdmon::sink::contract::Notices;
use btcdmon::sink::queue::Policy;
use btcdmon::time::Timestamp;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds a sink is measured, unless it is said.
const SECONDS: u64 = 20;
/// Transactions between two looks at the clock.
const AT_ONCE: i64 = 1000;

/// A server and the configuration of the sink before it.
struct Case {
    name: &'static str,
    server: Option<Child>,
    config: Option<SinkConfig>,
}

impl Drop for Case {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// User and system time of a process, seconds.
fn cpu(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Clock ticks are hundredths of a second on Linux.
    [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory this process ever had, MB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Forgets the peak so far: each sink has its own.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// A plausible value of a column, for transaction `t`.
fn value(c: &Column, t: i64, txid: &str) -> Value {
    match (c.name, c.kind_of_value) {
        ("transport", _) => Value::Text("v1".into()),
        ("script_type" | "prevout_type", _) => {
            let types = ["witness_v0_keyhash", "witness_v1_taproot", "pubkeyhash", "scripthash"];
            Value::Text(types[(t % 4) as usize].into())
        }
        ("txid", _) => Value::Text(txid.into()),
        (_, Type::Integer) => Value::Integer(t % 100_003),
        (_, Type::Float) => Value::Float((t % 1009) as f64 / 7.0),
        (_, Type::Boolean) => Value::Boolean(true),
        (_, Type::Text) => Value::Absent,
    }
}

/// The seven points of transaction `t`.
fn transaction(t: i64, node: &Arc<str>, to: &mut impl FnMut(Point)) {
    let txid = format!("{:016x}{:048x}", (t as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), t);
    let series = [id::TX, id::TX_FEES, id::TX_INPUTS, id::TX_INPUTS, id::TX_OUTPUTS, id::TX_OUTPUTS, id::TX_OUTPUTS];
    for (n, series) in (0..).zip(series) {
        let values = SERIES[series].columns.iter().map(|c| value(c, t + n, &txid)).collect();
        let time = Timestamp::from_nanos(1_700_000_000_000_000_000 + t * 10_000 + n);
        to(Point { series, time, node: Arc::clone(node), values });
    }
}

fn measure(case: &Case, seconds: u64) -> Result<()> {
    forget_peak();
    let sinks: Vec<SinkConfig> = case.config.iter().cloned().collect();
    let mut outlets = Outlets::open(&sinks, "bench", Policy::REPLAY, &Notices::default())?;
    let node = Arc::from("192.0.2.7:8333");
    let server = case.server.as_ref().map(|s| s.id().to_string());
    let server_cpu = || server.as_deref().map_or(0.0, cpu);
    let (own_before, server_before) = (cpu("self"), server_cpu());
    let (started, length) = (Instant::now(), Duration::from_secs(seconds));
    let (mut t, mut sent, mut early) = (0, 0, 0);
    while started.elapsed() < length {
        for _ in 0..AT_ONCE {
            transaction(t, &node, &mut |p| {
                sent += 1;
                outlets.point(p);
            });
            t += 1;
        }
        if early == 0 && started.elapsed() > length / 4 {
            early = peak();
        }
    }
    // All of it has to arrive.
    for closed in outlets.close()? {
        ensure!(closed.delivered == sent && closed.lost.total() == 0 && closed.spool_bytes == 0, "{closed:?}");
    }
    let wall = started.elapsed().as_secs_f64();
    let own = cpu("self") - own_before;
    let server = server.is_some().then(|| server_cpu() - server_before);
    println!(
        "| {} | {:.0} | {sent} | {:.2} | {} | {early} | {} |",
        case.name,
        sent as f64 / wall,
        own * 1e6 / sent as f64,
        server.map_or_else(|| "-".to_owned(), |s| format!("{:.2}", s * 1e6 / sent as f64)),
        peak(),
    );
    Ok(())
}

fn influx(url: &str, folder: &Path) -> Result<SinkConfig> {
    let config = serde_json::json!({ "type": "influx", "url": url, "spool": folder.join("spool") });
    Ok(serde_json::from_value(config)?)
}

fn free() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn wait_for(port: u16) -> Result<()> {
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nobody listens on port {port}")
}

fn influxd(folder: &Path) -> Result<Child> {
    let (port, other) = (free()?, free()?);
    let data = folder.display();
    let config = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{other}\"\n[meta]\n  dir = \"{data}/meta\"\n\
         [data]\n  dir = \"{data}/data\"\n  wal-dir = \"{data}/wal\"\n\
         [http]\n  bind-address = \"127.0.0.1:{port}\"\n  log-enabled = false\n\
         [monitor]\n  store-enabled = false\n[logging]\n  level = \"error\"\n"
    );
    fs::write(folder.join("influxdb.conf"), config)?;
    fs::write(folder.join("port"), port.to_string())?;
    let mut command = Command::new("influxd");
    command.args(["run", "-config"]).arg(folder.join("influxdb.conf"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.context("influxd (Debian: apt-get install influxdb)")?;
    wait_for(port)?;
    Ok(child)
}

/// Takes every request and does nothing with it: a process of its own, so that its time is not ours.
fn nobody(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || answer(stream));
    }
    Ok(())
}

fn answer(mut to: TcpStream) -> Option<()> {
    let mut from = BufReader::new(to.try_clone().ok()?);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if from.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(n) = line.to_lowercase().strip_prefix("content-length: ") {
                length = n.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut from.by_ref().take(length), &mut std::io::sink()).ok()?;
        to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1));
    if let Some(port) = after("--nobody") {
        return nobody(port.parse()?);
    }
    // `cargo test --benches` runs this program too, to see whether it builds.
    if !arguments.iter().any(|a| a == "--bench") {
        println!("not run by `cargo bench`: nothing is measured");
        return Ok(());
    }
    let seconds = after("--seconds").map_or(Ok(SECONDS), |s| s.parse())?;
    let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
    let folder = folder.path();
    println!(
        "| to | points/s | points | CPU s per million | CPU s per million, server | peak MB after a quarter | peak MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    // What it costs to make the points.
    measure(&Case { name: "nowhere", server: None, config: None }, seconds.min(5))?;
    let port = free()?;
    let server = Command::new(std::env::current_exe()?).args(["--nobody", &port.to_string()]).spawn()?;
    let server = Some(server);
    let config = Some(influx(&format!("http://127.0.0.1:{port}"), folder)?);
    let case = Case { name: "a server that drops them", server, config };
    wait_for(port)?;
    measure(&case, seconds)?;
    drop(case);
    let mut case = Case { name: "InfluxDB 1.x", server: Some(influxd(folder)?), config: None };
    let port = fs::read_to_string(folder.join("port"))?;
    case.config = Some(influx(&format!("http://127.0.0.1:{port}"), folder)?);
    measure(&case, seconds)?;
    drop(case);
    let config = Some(SinkConfig::store(&folder.join("store.db")));
    measure(&Case { name: "the embedded store", server: None, config }, seconds)
}
