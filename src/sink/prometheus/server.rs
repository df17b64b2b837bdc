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
    let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let open = accepts.contains("application/openmetrics-text");
    let text = page.lock().unwrap_or_else(PoisonError::into_inner).render(open);
    ([(header::CONTENT_TYPE, if open { OPEN_METRICS } else { PLAIN })], text)
}

async fn ready(State(page): State<Arc<Mutex<Page>>>) -> impl IntoResponse {
    if page.lock().unwrap_or_else(PoisonError::into_inner).is_ready() {
        (StatusCode::OK, "btcdmon is ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no interval has ended yet\n")
    }
}
