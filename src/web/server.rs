//! The HTTP server: on a thread and a runtime of its own, of low priority.
//!
//! [`Door`] is opened while the process may still do so; the [`Server`] starts behind it when the process has given up
//! its rights.

use super::config::Config;
use super::db::READERS;
use super::endpoints::{self as all, ENDPOINTS, Endpoint};
use super::shared::Shared;
use super::status::{Pulse, with_range};
use super::watcher::{Capture, Watcher};
use super::{assets, blocks, events, gate, history, messages, openapi, peers, query, status, transactions};
use crate::sink::listener::{Capped, IDLE, Limits, bind};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::connect_info::Connected;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get};
use axum::serve::IncomingStream;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Where it listens unless it is told otherwise.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8399);
/// What clients may take.
const LIMITS: Limits = Limits { connections: 256, idle: IDLE };
/// Largest body of a request, bytes: a statement.
const BODY: usize = 64 << 10;
/// How much the threads of the server give way to those of the capture (`nice`).
const NICE: i32 = 10;
/// At the end statements under way are given this long.
const END: Duration = Duration::from_millis(500);

/// Nobody may listen there.
#[derive(Debug, thiserror::Error)]
#[error("--web {address}: cannot listen there: {why}\nhint: is another btcdmon running? Give another port, such as {}:8400, or --no-web", address.ip())]
pub struct WebError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub why: io::Error,
}

/// An open port behind which nobody stands yet.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

impl Door {
    /// Listens at `address`.
    ///
    /// # Errors
    /// [`WebError`].
    pub fn open(address: SocketAddr) -> Result<Self, WebError> {
        let (listener, address) = bind(address).map_err(|why| WebError { address, why })?;
        Ok(Self { listener, address })
    }

    /// Where: the port was chosen by the system when 0 was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The server.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server at {}", self.address)
    }
}

/// The handler of an endpoint.
fn handler(e: &Endpoint) -> Option<MethodRouter<Arc<Shared>>> {
    Some(match e.path {
        path if path == all::OPENAPI.path => get(openapi::get),
        path if path == all::STATUS.path => get(status::get),
        path if path == all::EVENTS.path => get(events::get),
        path if path == all::SERIES_LIST.path => get(history::list),
        path if path == all::SERIES_LINES.path => get(history::lines),
        path if path == all::QUERY.path => get(query::run).post(query::run),
        path if path == all::PEERS.path => get(peers::list),
        path if path == all::PEER.path => get(peers::one),
        path if path == all::BLOCKS.path => get(blocks::list),
        path if path == all::BLOCK.path => get(blocks::one),
        path if path == all::TRANSACTION.path => get(transactions::one),
        path if path == all::MESSAGES.path => get(messages::get),
        path if path == all::CONFIG.path => get(status::config),
        _ => return None,
    })
}

/// The routes.
fn app(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new();
    for e in ENDPOINTS {
        if let Some(handler) = handler(e) {
            router = router.route(e.path, handler);
        }
    }
    let no_api = || async { axum::http::StatusCode::NOT_FOUND };
    router
        .route("/api", any(no_api))
        .route("/api/", any(no_api))
        .route("/api/{*rest}", any(no_api))
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(shared), gate::pass))
        .with_state(Arc::clone(shared))
}

impl Server {
    /// Starts behind `door`.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(door: Door, config: Config) -> Result<(Self, Watcher), WebError> {
        Self::limited(door, config, LIMITS)
    }

    fn limited(door: Door, config: Config, limits: Limits) -> Result<(Self, Watcher), WebError> {
        let Door { listener, address } = door;
        let wrong = |why| WebError { address, why };
        let shared = Shared::new(config);
        shared.shown.send_replace(early(&shared).to_string().into());
        let (stop, stopped) = oneshot::channel();
        let (app, status) = (app(&shared), Arc::clone(&shared));
        let serve = move || {
            // Where the system does not let it, the server is as important as the capture.
            let _ = rustix::process::setpriority_process(None, NICE);
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(READERS)
                .thread_name("web-reader")
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let Ok(listener) = Capped::new(listener, limits, Arc::clone(&status.idle_ended)) else { return };
                let server = axum::serve(listener, app.into_make_service_with_connect_info::<Client>()).into_future();
                // Open streams do not hold up the end.
                tokio::select! { _ = server => {}, () = show(status) => {}, _ = stopped => {} }
            });
            runtime.shutdown_timeout(END);
        };
        let thread = thread::Builder::new().name("web".to_owned()).spawn(serve).map_err(wrong)?;
        let watcher = Watcher::new(Arc::clone(&shared));
        Ok((Self { shared, address, stop, thread }, watcher))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store is complete: what is told of it is looked up again.
    pub fn stored(&self) {
        self.shared.db.forget_range();
        // The same status again, now with the whole range.
        self.shared.status.send_modify(|_| {});
    }

    /// Ends it.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Puts each status into words once, with the range of the store, for all who look.
async fn show(shared: Arc<Shared>) {
    let mut status = shared.status.subscribe();
    loop {
        let newest = Arc::clone(&status.borrow_and_update());
        let range = shared.db.range().await;
        let text = if newest.is_null() { early(&shared) } else { with_range(&newest, range) }.to_string();
        shared.shown.send_replace(text.into());
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// The status before the first tick.
fn early(shared: &Shared) -> serde_json::Value {
    let view = crate::node::View::new(crate::node::Config {
        nodes: Vec::new(),
        interval: shared.config.interval,
        ports: Arc::new([]),
        learn: 0,
    });
    let (start, capture) = (crate::time::Timestamp::default(), Capture::default());
    let mut early = status::status(shared, start, &view, capture, &Pulse::default());
    early["time"] = serde_json::Value::Null;
    with_range(&early, None)
}

/// The address of whoever asks.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub SocketAddr);

impl Connected<IncomingStream<'_, Capped>> for Client {
    fn connect_info(stream: IncomingStream<'_, Capped>) -> Self {
        Self(*stream.remote_addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::rollup::Retention;
    use crate::web::{Access, Mode};
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::atomic::Ordering;

    /// Longest wait for what should come, a slow machine included.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[test]
    fn idle_connections_are_ended_and_others_are_served() {
        let door = Door::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = door.address();
        let config = Config {
            mode: Mode::Live,
            speed: None,
            store: None,
            retention: Retention::FOREVER,
            sensor: "s1".to_owned(),
            interval: 1,
            max_connections: 1,
            access: Access::new(address, None, None, &[]).unwrap(),
        };
        let limits = Limits { connections: 4, idle: Duration::from_millis(100) };
        let (server, _watcher) = Server::limited(door, config, limits).unwrap();
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        let idle: Vec<_> = (0..10).map(|_| connect()).collect();
        // Asked again where the machine was so slow that the connection was ended before it asked.
        let request = format!("GET /api/v1/status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let ask = || {
            let (mut stream, mut text) = (connect(), String::new());
            let _ = stream.write_all(request.as_bytes());
            let late = stream.read_to_string(&mut text).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
            assert!(!late, "idle ones hold all places");
            text
        };
        let text = std::iter::repeat_with(ask).take(1000).find(|t| t.starts_with("HTTP/1.1 200")).unwrap();
        assert!(text.contains("\"web_connections_ended\":"), "{text}");
        for mut stream in idle {
            assert_eq!(stream.read(&mut [0]).expect("it is there for ever"), 0);
        }
        assert!(server.shared.idle_ended.load(Ordering::Relaxed) >= 10);
        server.stop();
    }

    #[test]
    fn every_endpoint_has_a_handler() {
        let paths: std::collections::BTreeSet<&str> = ENDPOINTS.iter().map(|e| e.path).collect();
        assert_eq!(paths.len(), ENDPOINTS.len());
        assert!(ENDPOINTS.iter().all(|e| handler(e).is_some()));
        assert_eq!(openapi::document()["paths"].as_object().unwrap().len(), ENDPOINTS.len());
    }
}
