//! A sensor that serves, and whoever asks it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest wait for what should come, a slow machine included.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A program of its own; ends with the test.
pub struct Sensor {
    pub child: Child,
    pub address: SocketAddr,
    lines: Receiver<String>,
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn btcdmon(args: &[&str]) -> Command {
    let mut c = Command::new(cargo_bin("btcdmon"));
    c.args(args).env_remove("BTCDMON_NODE").env_remove("BTCDMON_SENSOR").stdin(Stdio::null());
    c
}

impl Sensor {
    /// Starts the program and waits for its address.
    pub fn start(args: &[&str]) -> Self {
        let mut child = btcdmon(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|l| send.send(l)));
        let mut sensor = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), lines };
        let line = sensor.line("dashboard is at http://");
        let at = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
        sensor.address = at.parse().unwrap();
        sensor
    }

    /// Replays `file` and waits for the end.
    pub fn replay(file: &str, more: &[&str]) -> Self {
        let sensor = Self::start(&[&["replay", "--serve", "--web", "127.0.0.1:0", "-q", file], more].concat());
        sensor.line("the replay is finished");
        sensor
    }

    /// Waits for a line on standard error that holds `part`.
    pub fn line(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(part) {
                return line;
            }
            all.push(line);
        }
        panic!("no line with `{part}`: {all:?}");
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    pub fn json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    /// The rows of a statement.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Value>> {
        let answer = self.json(&format!("/api/v1/query?limit=10000&sql={}", encode(sql)));
        assert_eq!(answer["truncated"], false, "{sql}");
        serde_json::from_value(answer["rows"].clone()).unwrap()
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = self.send(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::of(&String::from_utf8(bytes).unwrap())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            let _ = write!(head, "Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        stream
    }

    /// Opens a stream of events.
    pub fn events(&self, path: &str) -> Events {
        let mut events = Events(BufReader::new(self.send("GET", path, &[], "")));
        assert_eq!(events.line(), "HTTP/1.1 200 OK");
        while !events.line().is_empty() {}
        events
    }

    /// Ends it as an operator would, and gives its exit status.
    pub fn interrupt(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// Server-sent events, one after the other.
pub struct Events(BufReader<TcpStream>);

impl Events {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next event and its data; comments and the frames of the transfer are left out.
    pub fn next(&mut self) -> (String, Value) {
        let mut name = String::new();
        loop {
            let line = self.line();
            if let Some(n) = line.strip_prefix("event: ") {
                n.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (name, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Waits for an event of this name.
    pub fn wait(&mut self, name: &str) -> Value {
        loop {
            let (found, data) = self.next();
            if found == name {
                return data;
            }
        }
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// What stands in the first line of an answer.
pub trait Peek {
    fn peek_status(self) -> Option<u16>;
}

impl Peek for TcpStream {
    fn peek_status(self) -> Option<u16> {
        let mut line = String::new();
        BufReader::new(self).read_line(&mut line).ok()?;
        line.split(' ').nth(1)?.parse().ok()
    }
}

impl Sensor {
    /// Many requests in one piece; how many were refused for their number.
    pub fn burst(&self, n: usize) -> usize {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let one = format!("HEAD /api/v1/config HTTP/1.1\r\nHost: {}\r\n", self.address);
        let mut all = format!("{one}\r\n").repeat(n - 1);
        let _ = write!(all, "{one}Connection: close\r\n\r\n");
        let mut write = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || write.write_all(all.as_bytes()));
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        writer.join().unwrap().unwrap();
        text.matches("HTTP/1.1 429").count()
    }
}
