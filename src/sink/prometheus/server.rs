//! The HTTP server before the page: on a thread and a runtime of its own.

use super::page::Page;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::{SocketAddr, TcpListener};
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

/// A port for a server of this program, and where it is: the system chooses the port when 0 was given.
///
/// # Errors
/// Nobody may listen there.
pub fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
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
        let wrong = |why| ServerError { address, why };
        let (listener, bound) = bind(address).map_err(wrong)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(wrong)?;
        let (stop, stopped) = oneshot::channel();
        let app = Router::new()
            .route("/metrics", get(metrics))
            .route("/-/healthy", get(|| async { "btcdmon is healthy\n" }))
            .route("/-/ready", get(ready))
            .route("/", get(|| async { "btcdmon: /metrics, /-/healthy, /-/ready\n" }))
            .with_state(page);
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
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

async fn metrics(State(page): State<Arc<Mutex<Page>>>, headers: HeaderMap) -> impl IntoResponse {
    let format = format(headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default());
    let page = page.lock().unwrap_or_else(PoisonError::into_inner);
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

async fn ready(State(page): State<Arc<Mutex<Page>>>) -> impl IntoResponse {
    if page.lock().unwrap_or_else(PoisonError::into_inner).is_ready() {
        (StatusCode::OK, "btcdmon is ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no interval has ended yet\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
