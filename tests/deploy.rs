//! The deployment: nginx with the real nginx, the compose file by docker-compose's schema, shell scripts by shellcheck.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "influx/fake.rs"]
mod fake;

use fake::Fake;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// Whether a program is there; if not it is said loudly, and in CI that is a failure.
fn has(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).output().is_ok_and(|o| o.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "SKIPPED IN CI: there is no {program}");
        eprintln!("SKIPPED: there is no {program} here (make test installs it on Debian)");
    }
    found
}

fn text(o: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr))
}

/// A copy of what `docker compose up` needs, with the secrets made by `init.sh`.
fn made() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    fs::create_dir(&docker).unwrap();
    for name in ["init.sh", "compose.yaml", "Dockerfile", "build.sh"] {
        fs::copy(deploy().join("docker").join(name), docker.join(name)).unwrap();
    }
    let o = Command::new("bash").arg(docker.join("init.sh")).output().unwrap();
    assert!(o.status.success(), "{}", text(&o));
    let said = text(&o);
    let login = said.split("btcdmon / ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    (folder, login)
}

#[test]
fn scripts_are_clean() {
    if !has("shellcheck", "--version") {
        return;
    }
    let o = Command::new("shellcheck")
        .arg("init.sh")
        .arg("build.sh")
        .current_dir(deploy().join("docker"))
        .output()
        .unwrap();
    assert!(o.status.success(), "{}", text(&o));
}

#[test]
fn secrets_are_made_once_and_are_no_defaults() {
    if !has("openssl", "version") {
        return;
    }
    let ((a, login_a), (b, login_b)) = (made(), made());
    assert!(login_a != login_b && login_a.len() >= 20);
    let read = |f: &tempfile::TempDir, name: &str| fs::read_to_string(f.path().join("docker").join(name)).unwrap();
    for name in ["secrets/influx_password", "secrets/grafana_password", "secrets/htpasswd", ".env"] {
        assert_ne!(read(&a, name), read(&b, name), "{name}");
    }
    let before = read(&a, ".env");
    let again = Command::new("bash").arg(a.path().join("docker/init.sh")).output().unwrap();
    assert!(again.status.success() && text(&again).is_empty(), "{}", text(&again));
    assert_eq!(read(&a, ".env"), before);
}

#[test]
fn the_compose_file_is_valid_and_publishes_only_nginx() {
    if !has("docker-compose", "version") {
        return;
    }
    let (folder, _) = made();
    let run = |args: &[&str]| {
        Command::new("docker-compose").args(args).current_dir(folder.path().join("docker")).output().unwrap()
    };
    let o = run(&["config"]);
    assert!(o.status.success(), "{}", text(&o));
    let compose = fs::read_to_string(deploy().join("docker/compose.yaml")).unwrap();
    let published: Vec<&str> = compose.lines().filter(|l| l.trim().starts_with("ports:")).map(str::trim).collect();
    assert_eq!(
        published,
        ["ports: [\"127.0.0.1:8086:8086\"]", "ports: [\"443:443\"]"],
        "all but nginx on the loopback"
    );
    for image in compose.lines().filter_map(|l| l.trim().strip_prefix("image: ")) {
        let tag = image.rsplit(':').next().unwrap();
        assert!(tag.matches('.').count() == 2 && tag != "latest", "{image} is pinned");
    }
    // Without the secrets it does not start.
    fs::remove_file(folder.path().join("docker/.env")).unwrap();
    let o = run(&["config", "-q"]);
    assert!(!o.status.success() && text(&o).contains("init.sh"), "{}", text(&o));
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its own children when it is asked, not when it is killed.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn nginx(folder: &Path, port: u16, grafana: &str, prometheus: &str) -> Running {
    let secrets = folder.join("docker/secrets");
    let conf = fs::read_to_string(deploy().join("nginx/btcdmon.conf")).unwrap();
    let conf = conf
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace("/etc/nginx/btcdmon", secrets.to_str().unwrap())
        .replace("http://grafana:3000", grafana)
        .replace("http://prometheus:9090", prometheus);
    let here = folder.display();
    let paths: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|n| format!("  {n}_temp_path {here}/{n};\n"))
        .collect();
    let paths = paths.concat();
    let user = if fs::metadata("/proc/self").is_ok() && Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
    {
        "user root;\n"
    } else {
        ""
    };
    let whole = format!(
        "{user}daemon off;\npid {here}/pid;\nerror_log {here}/error.log;\nevents {{}}\nhttp {{\n  access_log off;\n{paths}{conf}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, whole).unwrap();
    let o = Command::new("nginx").arg("-t").arg("-c").arg(&file).output().unwrap();
    assert!(o.status.success(), "{}", text(&o));
    let child = Command::new("nginx").arg("-c").arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "nginx does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Running(child)
}

#[test]
fn nginx_wants_tls_and_a_login_and_passes_sockets_on() {
    // Debian's own page of nginx's version goes to standard error and exits 0.
    if !has("nginx", "-v") || !has("curl", "--version") || !has("openssl", "version") {
        return;
    }
    let (folder, password) = made();
    let (grafana, prometheus) = (Fake::willing(), Fake::willing());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _nginx = nginx(folder.path(), port, &grafana.url, &prometheus.url);
    let login = format!("btcdmon:{password}");
    let curl = |path: &str, args: &[&str]| {
        let url = if path.starts_with("http:") { path.to_owned() } else { format!("https://127.0.0.1:{port}{path}") };
        let o = Command::new("curl")
            .args(["-sk", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(args)
            .arg(url)
            .output()
            .unwrap();
        String::from_utf8(o.stdout).unwrap()
    };
    assert_eq!(curl(&format!("http://127.0.0.1:{port}/"), &[]), "400", "not without TLS");
    assert_eq!(curl("/", &["--tls-max", "1.1"]), "000", "no old TLS");
    assert_eq!(curl("/", &[]), "401");
    assert_eq!(curl("/", &["-u", "btcdmon:wrong"]), "401");
    assert!(grafana.requests().is_empty(), "nothing has passed");
    assert_eq!(curl("/d/btcdmon", &["-u", &login, "-H", "X-WEBAUTH-USER: admin"]), "200");
    let seen = grafana.requests().pop().unwrap();
    let has = |header: &str| seen.headers.iter().any(|h| h.eq_ignore_ascii_case(header));
    assert!(has("X-WEBAUTH-USER: btcdmon") && !has("X-WEBAUTH-USER: admin"), "{seen:?}");
    assert!(!seen.headers.iter().any(|h| h.to_lowercase().starts_with("authorization")), "{seen:?}");
    let socket = ["-u", login.as_str(), "--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket"];
    curl("/api/live/ws", &socket);
    let seen = grafana.requests().pop().unwrap();
    let has = |header: &str| seen.headers.iter().any(|h| h.eq_ignore_ascii_case(header));
    assert!(has("Upgrade: websocket") && has("Connection: upgrade"), "{seen:?}");
    // The administration: with a login, and from the machines that are named only.
    assert_eq!(curl("/admin/prometheus/", &[]), "401");
    assert_eq!(curl("/admin/prometheus/", &["-u", &login, "--interface", "127.0.0.2"]), "403");
    assert!(prometheus.requests().is_empty());
    assert_eq!(curl("/admin/prometheus/", &["-u", &login]), "200");
    assert_eq!(prometheus.requests().len(), 1);
}
