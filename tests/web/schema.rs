//! The API keeps what its `OpenAPI` document says: schemathesis asks, with its usual checks.

use super::capture;
use super::client::Sensor;
use serde_json::Value;
use std::process::Command;

/// What schemathesis cannot know.
const CONFIG: &str = r#"
# Server-sent events do not end; tests of their own read them.
[[operations]]
include-path-regex = "/api/v1/(events|messages)$"
enabled = false

# Whether a text is a statement that SQLite understands cannot be said in a schema.
[[operations]]
include-path = "/api/v1/query"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "403", "429"]
"#;

#[test]
fn schemathesis() {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/schemathesis");
    let usual = if std::path::Path::new(installed).exists() { installed } else { "schemathesis" };
    let program = std::env::var("SCHEMATHESIS").unwrap_or_else(|_| usual.to_owned());
    if Command::new(&program).arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "schemathesis is missing: `.ci/install test` installs it");
        eprintln!("SKIPPED: schemathesis is not here (`.ci/install test` installs it, or name it in $SCHEMATHESIS)");
        return;
    }
    let sensor = Sensor::replay(&capture("btcd-v1"), &[]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let url = format!("http://{}/api/openapi.json", sensor.address);
    let examples = std::env::var("SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "20".to_owned());
    let out = Command::new(program)
        .arg("--config-file")
        .arg(&config)
        .args(["run", &url, "--max-examples", &examples, "--rate-limit", "80/s", "--seed", "1", "--no-color"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("11 selected / 13 total"), "{text}");
}

#[test]
fn every_route_is_described_and_every_description_answers() {
    let sensor = Sensor::replay(&capture("btcd-v1"), &[]);
    let document = sensor.json("/api/openapi.json");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let block = text(&sensor.json("/api/v1/blocks")["blocks"][0]["hash"]);
    let peer = text(&sensor.json("/api/v1/peers")["peers"][0]["id"]);
    let tx = text(&sensor.sql("SELECT txid FROM tx LIMIT 1")[0][0]);
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled =
            path.replace("{hash}", &block).replace("{id}", &peer).replace("{txid}", &tx).replace("{name}", "bandwidth");
        let query = if path.ends_with("/query") { "?sql=SELECT%201" } else { "" };
        let kinds = item["get"]["responses"]["200"]["content"].as_object().unwrap();
        if kinds.contains_key("text/event-stream") {
            drop(sensor.events(&filled));
            continue;
        }
        let reply = sensor.get(&format!("{filled}{query}"));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")), "{path}");
        let unknown = sensor.get(&format!("{filled}?nonsense=1"));
        assert_eq!((unknown.status, unknown.code().as_str()), (400, "bad_request"), "{path}");
    }
    for path in ["/api", "/api/", "/api/v1", "/api/v2/status", "/api/v1/nonsense"] {
        let reply = sensor.get(path);
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
}
