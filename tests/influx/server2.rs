//! An `influxd` of InfluxDB 2.x on the loopback, with its data in a folder of its own.
#![allow(dead_code, reason = "shared by tests that use parts of it")]

use super::server::skip;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Organisation and token that it is set up with.
pub const ORG: &str = "watchers";
pub const TOKEN: &str = "a-token";

pub struct Influxd2 {
    child: Child,
    port: u16,
    /// Id of the organisation.
    org: String,
    _folder: tempfile::TempDir,
}

impl Influxd2 {
    /// Starts one and sets it up. Nothing where there is no `influxd2`.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| folder.path().join(name);
        let child = Command::new("influxd2")
            .args(["--reporting-disabled", "--log-level=error", "--session-length=60"])
            .arg(format!("--http-bind-address=127.0.0.1:{port}"))
            .arg("--bolt-path")
            .arg(path("bolt"))
            .arg("--sqlite-path")
            .arg(path("sqlite"))
            .arg("--engine-path")
            .arg(path("engine"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            skip("InfluxDB 2: there is no influxd2 here (.ci/install test builds it)");
            return None;
        };
        let mut server = Self { child, port, org: String::new(), _folder: folder };
        let started = Instant::now();
        while server.send("GET", "/ready", &[], "").0 != 200 {
            assert!(started.elapsed() < Duration::from_mins(1), "influxd2 does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        let setup =
            json!({ "username": "admin", "password": "at least eight", "org": ORG, "bucket": "other", "token": TOKEN });
        let setup = server.post("/api/v2/setup", &setup);
        setup["org"]["id"].as_str().unwrap().clone_into(&mut server.org);
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The answer to a statement of InfluxQL; times are nanoseconds.
    pub fn query(&self, database: &str, q: &str) -> Value {
        let (_, text) = self.send("GET", "/query", &[("db", database), ("q", q), ("epoch", "ns")], "");
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!(json["results"].is_array() && json["results"][0]["error"].is_null(), "{q}: {json}");
        json
    }

    pub fn bucket(&self, name: &str) {
        self.post("/api/v2/buckets", &json!({ "orgID": self.org, "name": name, "retentionRules": [] }));
    }

    /// A token that may write into one bucket and nothing else.
    pub fn writer(&self, bucket: &str) -> String {
        let (_, text) = self.send("GET", "/api/v2/buckets", &[("name", bucket)], "");
        let buckets: Value = serde_json::from_str(&text).unwrap();
        let resource = json!({ "type": "buckets", "id": buckets["buckets"][0]["id"], "orgID": self.org });
        let wish = json!({ "orgID": self.org, "permissions": [{ "action": "write", "resource": resource }] });
        self.post("/api/v2/authorizations", &wish)["token"].as_str().unwrap().to_owned()
    }

    /// Imports a task, as `influx task create` does, and gives its id.
    pub fn task(&self, flux: &str) -> String {
        let task = self.post("/api/v2/tasks", &json!({ "orgID": self.org, "flux": flux }));
        task["id"].as_str().unwrap().to_owned()
    }

    /// Runs a task as it would have run at that time, and waits for its end.
    pub fn run(&self, task: &str, at: &str) {
        let runs = format!("/api/v2/tasks/{task}/runs");
        let run = self.post(&runs, &json!({ "scheduledFor": at }));
        let run = format!("{runs}/{}", run["id"].as_str().unwrap());
        let started = Instant::now();
        loop {
            let state: Value = serde_json::from_str(&self.send("GET", &run, &[], "").1).unwrap_or_default();
            match state["status"].as_str() {
                Some("success") => return,
                Some("failed" | "canceled") => panic!("{}", self.send("GET", &format!("{run}/logs"), &[], "").1),
                _ => {}
            }
            assert!(started.elapsed() < Duration::from_mins(1), "{state}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, text) = self.send("POST", path, &[], &body.to_string());
        assert!((200..300).contains(&status), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn send(&self, method: &str, path: &str, parameters: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url())).unwrap();
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let request = reqwest::Client::new().request(method.parse().unwrap(), url).body(body.to_owned());
            match request.header("Authorization", format!("Token {TOKEN}")).send().await {
                Ok(r) => (r.status().as_u16(), r.text().await.unwrap_or_default()),
                Err(_) => (0, String::new()),
            }
        })
    }
}

impl Drop for Influxd2 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
