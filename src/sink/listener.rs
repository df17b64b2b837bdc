//! A port for a server of this program, with a limit of connections and of their idleness.
//!
//! A client that vanishes says nothing, and hyper has no timer for it: without one its connection is there for ever,
//! and in the end there is room, or a file descriptor, for nobody. The timer is the patience of a server with people
//! and programs; it measures nothing.

use axum::serve::Listener;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// A connection on which nothing moves for so long is ended. Events have a sign of life every 15 s, and a request that
/// waits for its turn and then runs as long as it may is answered before.
pub const IDLE: Duration = Duration::from_mins(2);

/// Opens a port, and tells where it is: the system chooses it when 0 was given.
///
/// # Errors
/// Nobody may listen there.
pub fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once at most; further ones wait in the system's queue.
    pub connections: usize,
    /// Time without any byte read or written after which a connection is ended.
    pub idle: Duration,
}

/// A listener with limits.
pub struct Capped {
    listener: tokio::net::TcpListener,
    slots: Arc<Semaphore>,
    idle: Duration,
    ended: Arc<AtomicU64>,
}

impl Capped {
    /// Takes connections from `listener`, and counts in `ended` those that were idle for too long.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub fn new(listener: TcpListener, limits: Limits, ended: Arc<AtomicU64>) -> io::Result<Self> {
        Ok(Self {
            listener: tokio::net::TcpListener::from_std(listener)?,
            slots: Arc::new(Semaphore::new(limits.connections)),
            idle: limits.idle,
            ended,
        })
    }
}

impl Listener for Capped {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        let (stream, from) = Listener::accept(&mut self.listener).await;
        let timer = Box::pin(sleep(self.idle));
        (Held { stream, idle: self.idle, timer, ended: Arc::clone(&self.ended), over: false, _slot: slot }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection and its place.
pub struct Held {
    stream: TcpStream,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    ended: Arc<AtomicU64>,
    over: bool,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// What came of reading or writing: when it waits, the timer runs; when something `moved`, that begins anew.
    fn watched<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>, moved: bool) -> Poll<io::Result<T>> {
        if moved {
            self.timer.set(sleep(self.idle));
        }
        // Also behind what moved: nobody may ask again before the timer has to wake the task.
        if !self.over && self.timer.as_mut().poll(cx).is_ready() && result.is_pending() {
            self.over = true;
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        if self.over { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { result }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watched(cx, result, buf.filled().len() > before)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        let moved = matches!(result, Poll::Ready(Ok(n)) if n > 0);
        self.watched(cx, result, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
