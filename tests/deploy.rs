//! The deployment: nginx with the real nginx, the compose file by docker-compose's schema, shell scripts by shellcheck.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "deploy/dockerfile.rs"]
mod dockerfile;
#[path = "influx/fake.rs"]
mod fake;

use fake::Fake;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
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
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut scripts = vec![root.join(".ci/install"), root.join(".ci/run")];
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && !["target", "node_modules", ".git"].contains(&&*name) {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "sh") {
                scripts.push(path);
            }
        }
    }
    assert!(scripts.len() >= 14, "{scripts:?}");
    let o = Command::new("shellcheck").args(scripts).output().unwrap();
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
    // Without the secrets it does not start.
    fs::remove_file(folder.path().join("docker/.env")).unwrap();
    let o = run(&["config", "-q"]);
    assert!(!o.status.success() && text(&o).contains("init.sh"), "{}", text(&o));
}

/// To a version of three numbers, or to a day.
#[test]
fn images_are_pinned() {
    let read = |name: &str| fs::read_to_string(deploy().join("docker").join(name)).unwrap();
    let (compose, dockerfile) = (read("compose.yaml"), read("Dockerfile"));
    let run = compose.lines().filter_map(|l| l.trim().strip_prefix("image: "));
    let built = dockerfile.lines().filter_map(|l| l.strip_prefix("FROM ")?.split(' ').next());
    let images: Vec<&str> = run.chain(built).collect();
    assert!(images.len() >= 7, "{images:?}");
    for image in images {
        let tag = image.split_once(':').map_or("", |(_, tag)| tag);
        let day = |part: &str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_digit());
        assert!(tag.matches('.').count() == 2 || tag.split('-').any(day), "{image} is not pinned");
    }
}

#[test]
fn secrets_come_into_no_image_and_no_commit() {
    for (file, secrets) in [
        (".dockerignore", ["deploy/docker/.env", "deploy/docker/secrets"]),
        (".gitignore", ["/deploy/docker/.env", "/deploy/docker/secrets"]),
    ] {
        let ignored = fs::read_to_string(deploy().join("..").join(file)).unwrap();
        assert!(secrets.iter().all(|s| ignored.lines().any(|l| l == *s)), "{file}: {ignored}");
    }
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

/// A whole configuration of nginx around ours, which listens on `port` and has its secrets in `secrets`; nginx finds
/// it in order.
fn checked(folder: &Path, conf: &str, port: u16, secrets: &Path) -> PathBuf {
    let conf = conf
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace("/etc/nginx/btcdmon", secrets.to_str().unwrap());
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
    file
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn nginx(folder: &Path, port: u16, grafana: &str, prometheus: &str) -> Running {
    let conf = fs::read_to_string(deploy().join("nginx/btcdmon.conf")).unwrap();
    let conf = conf.replace("http://grafana:3000", grafana).replace("http://prometheus:9090", prometheus);
    let file = checked(folder, &conf, port, &folder.join("docker/secrets"));
    let child = Command::new("nginx").arg("-c").arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
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
    let port = free_port();
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

/// The lines of the README that put files where they belong without docker, run on copies: nothing that only docker
/// knows is left in them, and nginx and Prometheus take theirs.
#[test]
fn the_way_without_docker_makes_files_that_work() {
    if !has("nginx", "-v") || !has("promtool", "--version") || !has("openssl", "version") {
        return;
    }
    let (secrets, _) = made();
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    fs::create_dir(top.join("deploy")).unwrap();
    for name in ["nginx", "prometheus", "grafana", "systemd"] {
        std::os::unix::fs::symlink(deploy().join(name), top.join("deploy").join(name)).unwrap();
    }
    std::os::unix::fs::symlink(secrets.path().join("docker"), top.join("deploy/docker")).unwrap();
    // What the packages bring.
    for name in ["etc/default", "etc/prometheus", "etc/grafana/provisioning", "etc/nginx/conf.d", "var/lib/grafana"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    let defaults = top.join("etc/default/prometheus");
    fs::write(&defaults, "# Set the command-line arguments to pass to the server.\nARGS=\"\"\n").unwrap();
    let readme = fs::read_to_string(deploy().join("README.md")).unwrap();
    let recipe = readme.split("## Without docker").nth(1).unwrap().split("```").nth(1).unwrap();
    let puts = ["sed", "install", "cp", "mkdir", "echo", "chmod"];
    let mut seds = 0;
    for line in recipe.lines().filter(|l| l.split(' ').next().is_some_and(|word| puts.contains(&word))) {
        seds += u32::from(line.starts_with("sed "));
        let here = line.replace(" /etc/", " \"$TOP\"/etc/").replace(" /var/", " \"$TOP\"/var/");
        let outside = here.replace("\"$TOP\"/etc/", "").replace("\"$TOP\"/var/", "");
        assert!(!outside.contains("/etc/") && !outside.contains("/var/"), "this machine's own file: {line}");
        let o = Command::new("bash").args(["-c", &here]).env("TOP", top).current_dir(top).output().unwrap();
        assert!(o.status.success(), "{line}\n{}", text(&o));
    }
    assert_eq!(seds, 4, "lines with sed: is the README read aright?");
    let read = |name: &str| fs::read_to_string(top.join(name)).unwrap();
    let conf = read("etc/nginx/conf.d/btcdmon.conf");
    let (scrape, sources) =
        (read("etc/prometheus/prometheus.yml"), read("etc/grafana/provisioning/datasources/btcdmon.yaml"));
    for name in ["//grafana:", "//prometheus:", "//influxdb:", "host.docker.internal"] {
        assert!([&conf, &scrape, &sources].iter().all(|t| !t.contains(name)), "{name}");
    }
    assert!(sources.contains("http://127.0.0.1:8086") && sources.contains("http://127.0.0.1:9090/admin/prometheus"));
    assert!(
        scrape.contains("[\"127.0.0.1:9435\"]")
            && read("etc/systemd/system/btcdmon.service.d/sinks.conf").contains("127.0.0.1:9435")
    );
    let arguments = "ARGS=\"--web.listen-address=127.0.0.1:9090 --web.external-url=/admin/prometheus/\"";
    assert_eq!(read("etc/default/prometheus").lines().last(), Some(arguments));
    assert_eq!(read("etc/default/influxdb"), "INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:8086\n");
    assert!(top.join("var/lib/grafana/dashboards/influxdb/overview-influxdb.json").is_file());
    checked(top, &conf, free_port(), &top.join("etc/nginx/btcdmon"));
    let o = Command::new("promtool").args(["check", "config"]).arg(top.join("etc/prometheus/prometheus.yml")).output();
    let o = o.unwrap();
    assert!(o.status.success(), "{}", text(&o));
    assert!(text(&o).contains("2 rule files found"), "{}", text(&o));
}

/// What the Debian package takes is there (cargo-deb itself is run by `make deb`).
#[test]
fn the_package_takes_files_that_there_are() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Value = toml::from_str(&fs::read_to_string(root.join("Cargo.toml")).unwrap()).unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let sources: Vec<&str> = assets.iter().map(|a| a[0].as_str().unwrap()).collect();
    assert!(sources.len() > 10);
    for source in sources.iter().filter(|s| **s != "target/release/btcdmon") {
        let path = root.join(source.trim_end_matches('*'));
        let any = if source.ends_with('*') { fs::read_dir(&path).unwrap().count() > 0 } else { path.is_file() };
        assert!(any, "{source}");
    }
    for folder in
        ["prometheus", "grafana/dashboards/influxdb", "grafana/dashboards/prometheus", "influxdb/tasks", "nginx"]
    {
        assert!(sources.contains(&format!("deploy/{folder}/*").as_str()), "{folder} is not in the package");
    }
}

/// Grafana, as far as nginx sees it: what is upgraded is echoed, `/events` is a stream that goes on when it is told.
fn streaming() -> (String, std::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (go, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Arc::new(std::sync::Mutex::new(told));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told = std::sync::Arc::clone(&told);
            std::thread::spawn(move || stream_to(stream, &told.lock().unwrap()));
        }
    });
    (url, go)
}

fn stream_to(mut to: TcpStream, told: &std::sync::mpsc::Receiver<()>) -> Option<()> {
    let mut from = BufReader::new(to.try_clone().ok()?);
    let mut head = String::new();
    while from.read_line(&mut head).ok()? > 2 {}
    if head.to_lowercase().contains("\r\nupgrade: websocket\r\n") {
        let accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        to.write_all(accepted.as_bytes()).ok()?;
        std::io::copy(&mut from, &mut to).ok()?;
        return Some(());
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    to.write_all(head.as_bytes()).ok()?;
    for n in 1..=3 {
        write!(to, "9\r\ndata: {n}\n\n\r\n").ok()?;
        told.recv().ok()?;
    }
    to.write_all(b"0\r\n\r\n").ok()
}

#[test]
fn nginx_passes_events_and_web_sockets_on_as_they_come() {
    if !has("nginx", "-v") || !has("curl", "--version") || !has("openssl", "version") {
        return;
    }
    let (folder, password) = made();
    let (grafana, go) = streaming();
    let port = free_port();
    let _nginx = nginx(folder.path(), port, &grafana, &grafana);
    let login = format!("btcdmon:{password}");
    // Server-sent events: each is here before the server sends the next one.
    let mut curl = Command::new("curl")
        .args(["-skN", "--max-time", "60", "-u", &login, &format!("https://127.0.0.1:{port}/events")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines().map_while(Result::ok).filter(|l| !l.is_empty());
    for n in 1..=3 {
        assert_eq!(lines.next().as_deref(), Some(format!("data: {n}").as_str()));
        go.send(()).unwrap();
    }
    assert!(lines.next().is_none() && curl.wait().unwrap().success());
    // A web socket: both directions, after the login only.
    let socket = |authorization: &str| {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut to = client.stdin.take().unwrap();
        let head = format!(
            "GET /api/live/ws HTTP/1.1\r\nHost: h\r\n{authorization}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        to.write_all(head.as_bytes()).unwrap();
        let from = BufReader::new(client.stdout.take().unwrap());
        (Running(client), to, from)
    };
    let line = |from: &mut BufReader<std::process::ChildStdout>| {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let (_client, _to, mut from) = socket("");
    assert!(line(&mut from).contains(" 401 "), "no socket without a login");
    let basic = String::from_utf8(base64(login.as_bytes())).unwrap();
    let (_client, mut to, mut from) = socket(&format!("Authorization: Basic {basic}\r\n"));
    assert!(line(&mut from).contains(" 101 "), "the protocol is switched");
    while !line(&mut from).is_empty() {}
    for n in 1..=3 {
        writeln!(to, "frame {n}").unwrap();
        assert_eq!(line(&mut from), format!("frame {n}"), "echoed before the next one is sent");
    }
}

/// By openssl, which is here anyway.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("openssl").args(["base64", "-A"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}
