//! A server that speaks as much HTTP as a write to InfluxDB needs, and answers by a script.
#![allow(dead_code, unreachable_pub, reason = "shared by tests that use parts of it")]

use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<String>,
    /// Unpacked.
    pub body: String,
    /// Bytes on the wire.
    pub bytes: usize,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Status, further headers, body; lines of writes are kept when the status is 2xx.
    Say(u16, &'static str, String),
    /// Nothing, for ever.
    Hang,
    /// The connection is cut after the points were taken.
    Cut,
}

impl Answer {
    pub fn ok() -> Self {
        Self::Say(204, "", String::new())
    }

    pub fn status(status: u16, body: &str) -> Self {
        Self::Say(status, "", body.to_owned())
    }
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

#[derive(Default)]
struct State {
    lines: BTreeSet<String>,
    requests: Vec<Request>,
}

pub struct Fake {
    pub url: String,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

impl Fake {
    /// Starts it; `script` answers every write, all else is answered 200.
    pub fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Starts it where somebody has chosen.
    pub fn on(listener: TcpListener, script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || serve(stream, &shared, &script));
            }
        });
        Self { url, state, stop }
    }

    /// Nobody listens there any more.
    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        // The thread has ended when its port is free.
        for _ in 0..500 {
            if TcpStream::connect(self.url.trim_start_matches("http://")).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// One that takes everything.
    pub fn willing() -> Self {
        Self::start(|_| Answer::ok())
    }

    /// Keys of the points it has: lines without their fields.
    pub fn keys(&self) -> BTreeSet<String> {
        let key = |l: &String| {
            let (rest, time) = l.rsplit_once(' ').unwrap();
            // The first space that is not escaped ends the tags.
            let mut last = ' ';
            let end = rest.find(|c| {
                let ends = c == ' ' && last != '\\';
                last = c;
                ends
            });
            format!("{} {time}", &rest[..end.unwrap()])
        };
        self.state.lock().unwrap().lines.iter().map(key).collect()
    }

    pub fn lines(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().lines.clone()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut out = stream;
    while let Some(request) = read(&mut reader) {
        state.lock().unwrap().requests.push(request.clone());
        let write = request.path.starts_with("/write") || request.path.starts_with("/api/v2/write");
        let answer = if write { script.lock().unwrap()(&request) } else { Answer::Say(200, "", "{}".to_owned()) };
        if write && matches!(answer, Answer::Cut | Answer::Say(200..=299, ..)) {
            state.lock().unwrap().lines.extend(request.body.lines().map(str::to_owned));
        }
        let Answer::Say(status, headers, body) = answer else {
            if matches!(answer, Answer::Hang) {
                thread::sleep(Duration::from_mins(1));
            }
            return;
        };
        // No body after 204 (RFC 9110 section 15.3.5).
        let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        if write!(out, "HTTP/1.1 {status} X\r\n{length}{headers}\r\n{body}").is_err() {
            return;
        }
    }
}

fn read(from: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut request = Request::default();
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split(' ');
    words.next()?.clone_into(&mut request.method);
    words.next()?.clone_into(&mut request.path);
    let (mut length, mut gzip) = (0, false);
    loop {
        let mut header = String::new();
        from.read_line(&mut header).ok().filter(|n| *n > 0)?;
        let header = header.trim().to_owned();
        if header.is_empty() {
            break;
        }
        let lower = header.to_lowercase();
        if let Some(n) = lower.strip_prefix("content-length: ") {
            length = n.parse().ok()?;
        }
        gzip |= lower == "content-encoding: gzip";
        request.headers.push(header);
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    request.bytes = length;
    if gzip {
        GzDecoder::new(&body[..]).read_to_string(&mut request.body).ok()?;
    } else {
        request.body = String::from_utf8_lossy(&body).into_owned();
    }
    Some(request)
}
