//! The HTTP server before the page: on a thread and a runtime of its own.

use super::page::Page;
use crate::sink::listener::{Capped, IDLE, Limits, bind};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Text format 0.0.4.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
/// OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Protocol Buffers, each family behind its length.
const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Nobody may listen there.
#[derive(Debug, thiserror::Error)]
#[error(
    "--prometheus {address}: cannot listen there: {why}\nhint: is another btcdmon running? Give another port, such as 127.0.0.1:9436"
)]
pub struct ServerError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub why: std::io::Error,
}

/// Scrapers are few.
const LIMITS: Limits = Limits { connections: 64, idle: IDLE };

/// What requests need.
#[derive(Clone)]
struct Shown {
    page: Arc<Mutex<Page>>,
    /// Connections that were idle for too long.
    ended: Arc<AtomicU64>,
}

/// The server.
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Listens at `address` and shows `page`.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(address: SocketAddr, page: Arc<Mutex<Page>>) -> Result<Self, ServerError> {
        Self::limited(address, page, LIMITS)
    }

    fn limited(address: SocketAddr, page: Arc<Mutex<Page>>, limits: Limits) -> Result<Self, ServerError> {
        let wrong = |why| ServerError { address, why };
        let (listener, bound) = bind(address).map_err(wrong)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(wrong)?;
        let (stop, stopped) = oneshot::channel();
        let ended = Arc::new(AtomicU64::new(0));
        let app = Router::new()
            .route("/metrics", get(metrics))
            .route("/-/healthy", get(|| async { "btcdmon is healthy\n" }))
            .route("/-/ready", get(ready))
            .route("/", get(|| async { "btcdmon: /metrics, /-/healthy, /-/ready\n" }))
            .with_state(Shown { page, ended: Arc::clone(&ended) });
        let serve = async move {
            let Ok(listener) = Capped::new(listener, limits, ended) else { return };
            let server = axum::serve(listener, app).into_future();
            // A scraper that holds a connection open does not hold up the end.
            tokio::select! { _ = server => {}, _ = stopped => {} }
        };
        let thread = thread::Builder::new()
            .name("prometheus".to_owned())
            .spawn(move || runtime.block_on(serve))
            .map_err(wrong)?;
        Ok(Self { address: bound, stop, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn metrics(State(shown): State<Shown>, headers: HeaderMap) -> impl IntoResponse {
    let format = format(headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default());
    let mut page = shown.page.lock().unwrap_or_else(PoisonError::into_inner);
    page.idle_ended(shown.ended.load(Ordering::Relaxed));
    let bytes = match format {
        PROTOBUF => page.render_protobuf(),
        format => page.render(format == OPEN_METRICS).into_bytes(),
    };
    ([(header::CONTENT_TYPE, format)], bytes)
}

/// The format that a scraper likes best of those that there are (RFC 9110 section 12.5.1).
fn format(accept: &str) -> &'static str {
    let mut best = (PLAIN, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        let format = match kind {
            "application/vnd.google.protobuf"
                if parameters.contains(&"encoding=delimited")
                    && parameters.contains(&"proto=io.prometheus.client.MetricFamily") =>
            {
                PROTOBUF
            }
            "application/openmetrics-text" => OPEN_METRICS,
            "text/plain" | "text/*" | "*/*" => PLAIN,
            _ => continue,
        };
        let weight = parameters.iter().find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

async fn ready(State(shown): State<Shown>) -> impl IntoResponse {
    if shown.page.lock().unwrap_or_else(PoisonError::into_inner).is_ready() {
        (StatusCode::OK, "btcdmon is ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no interval has ended yet\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::IDLE_ENDED;
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    /// Longest wait for what should come, a slow machine included.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[test]
    fn idle_connections_are_ended_and_scrapes_go_on() {
        let limits = Limits { connections: 4, idle: Duration::from_millis(100) };
        let page = Arc::new(Mutex::new(Page::new("s1")));
        let server = Server::limited("127.0.0.1:0".parse().unwrap(), page, limits).unwrap();
        let connect = || {
            let stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        let idle: Vec<_> = (0..10).map(|_| connect()).collect();
        // Asked again where the machine was so slow that the connection was ended before it asked.
        let scrape = || {
            let (mut stream, mut text) = (connect(), String::new());
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let late = stream.read_to_string(&mut text).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
            assert!(!late, "idle ones hold all places");
            text
        };
        let text = std::iter::repeat_with(scrape).take(1000).find(|t| t.starts_with("HTTP/1.1 200")).unwrap();
        let counted = text.lines().find_map(|l| l.strip_prefix(&format!("{}{{sensor=\"s1\"}} ", IDLE_ENDED.0)));
        assert!(counted.is_some_and(|n| n.parse::<u64>().unwrap() > 0), "{text}");
        for mut stream in idle {
            assert_eq!(stream.read(&mut [0]).expect("it is there for ever"), 0);
        }
        server.stop();
    }

    #[test]
    fn the_format_that_is_asked_for() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let usual = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(format(native), PROTOBUF);
        assert_eq!(format(&native.replace("delimited", "text")), OPEN_METRICS);
        assert_eq!(format(&native.replace("encoding=delimited", "encoding=delimited;q=0.6")), OPEN_METRICS);
        assert_eq!(format(usual), OPEN_METRICS);
        for plain in ["", "*/*", "text/plain", "text/html,*/*;q=0.8", "image/png", "text/plain;q=x"] {
            assert_eq!(format(plain), PLAIN, "{plain}");
        }
    }
}
