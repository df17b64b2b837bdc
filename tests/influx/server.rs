//! An `influxd` on the loopback, with its data in a folder of its own.
#![allow(dead_code, reason = "shared by tests that use parts of it")]

use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Says loudly that a test did not run; in CI that is a failure.
pub fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "SKIPPED IN CI: {what}");
    eprintln!("SKIPPED: {what}");
}

pub struct Influxd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    auth: bool,
}

impl Influxd {
    /// Starts one; with `auth` its administrator is `admin` with the password `right`. Nothing where there is no `influxd`.
    pub fn start(auth: bool) -> Option<Self> {
        Self::start_on(None, auth)
    }

    /// With its data in that folder.
    pub fn start_on(disk: Option<&Path>, auth: bool) -> Option<Self> {
        if Command::new("influxd").arg("version").output().is_err() {
            skip("InfluxDB: there is no influxd here (Debian: apt-get install influxdb)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = free();
        let data = disk.unwrap_or(folder.path()).display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n\
             [meta]\n  dir = \"{data}/meta\"\n  logging-enabled = false\n\
             [data]\n  dir = \"{data}/data\"\n  wal-dir = \"{data}/wal\"\n  query-log-enabled = false\n\
             [http]\n  bind-address = \"127.0.0.1:{port}\"\n  log-enabled = false\n  auth-enabled = {auth}\n\
             [monitor]\n  store-enabled = false\n[logging]\n  level = \"error\"\n",
            free(),
        );
        fs::write(folder.path().join("influxdb.conf"), config).unwrap();
        let mut server = Self { child: Command::new("true").spawn().unwrap(), port, folder, auth };
        server.run();
        if auth {
            server.send("POST", "/query", &[("q", "CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")], "");
        }
        Some(server)
    }

    /// Starts the process, again after [`Influxd::kill`].
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.child = Command::new("influxd")
            .args(["run", "-config"])
            .arg(self.folder.path().join("influxdb.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(30), "influxd does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The answer to a statement of InfluxQL; times are nanoseconds.
    pub fn query(&self, database: &str, q: &str) -> Value {
        let method = if q.starts_with("SELECT") || q.starts_with("SHOW") { "GET" } else { "POST" };
        let text = self.send(method, "/query", &[("db", database), ("q", q), ("epoch", "ns")], "");
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!(json["error"].is_null() && json["results"][0]["error"].is_null(), "{q}: {json}");
        json
    }

    pub fn write(&self, database: &str, line: &str) {
        self.send("POST", "/write", &[("db", database)], line);
    }

    /// Number of points of a series that have a field; 0 while there is no such database.
    pub fn count(&self, database: &str, series: &str, field: &str) -> i64 {
        let q = format!("SELECT count(\"{field}\") FROM \"{series}\"");
        let text = self.send("GET", "/query", &[("db", database), ("q", &q)], "");
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        json["results"][0]["series"][0]["values"][0][1].as_i64().unwrap_or(0)
    }

    fn send(&self, method: &str, path: &str, parameters: &[(&str, &str)], body: &str) -> String {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url())).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        if self.auth {
            url.query_pairs_mut().extend_pairs([("u", "admin"), ("p", "right")]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let client = reqwest::Client::new();
            let request = client.request(method.parse().unwrap(), url).body(body.to_owned());
            request.send().await.unwrap().text().await.unwrap()
        })
    }
}

impl Drop for Influxd {
    fn drop(&mut self) {
        self.kill();
    }
}
