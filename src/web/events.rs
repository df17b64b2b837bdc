//! `/api/v1/events`: the status each second, blocks at once, the end of a replay; as server-sent events.

use super::answer::ApiError;
use super::endpoints;
use super::params::Params;
use super::shared::Shared;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, sleep_until};

/// A status is sent at most so often.
pub const EVERY: Duration = Duration::from_secs(1);
/// A sign of life when there is nothing to tell, so that proxies keep the connection.
pub const ALIVE: Duration = Duration::from_secs(15);

/// Takes one of the places for streams.
///
/// # Errors
/// All are taken.
pub fn place(shared: &Shared) -> Result<OwnedSemaphorePermit, ApiError> {
    let place = Arc::clone(&shared.streams).try_acquire_owned();
    place.map_err(|_| {
        ApiError::busy(format!("all {} event streams are taken; close a page", super::shared::MAX_STREAMS))
    })
}

/// One stream.
struct Stream {
    shared: Arc<Shared>,
    status: watch::Receiver<Arc<str>>,
    blocks: broadcast::Receiver<Arc<str>>,
    /// No status before this time.
    next: Instant,
    ready: VecDeque<Event>,
    number: u64,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    fn event(&mut self, name: &str, data: &str) {
        self.number += 1;
        self.ready.push_back(Event::default().event(name).id(self.number.to_string()).data(data));
    }

    fn status(&mut self) {
        let text = Arc::clone(&self.status.borrow_and_update());
        if !text.is_empty() {
            self.next = Instant::now() + EVERY;
            self.event("status", &text);
        }
        if self.shared.is_finished() && !self.ended && text.contains("\"finished\":true") {
            self.ended = true;
            self.event("end", "{}");
        }
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            // Whoever watches the overview opens the tables next.
            self.shared.look();
            let next = self.next;
            tokio::select! {
                block = self.blocks.recv() => match block {
                    Ok(text) => self.event("block", &text),
                    // The reader was too slow: the list has them.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                changed = async { sleep_until(next).await; self.status.changed().await } => match changed {
                    Ok(()) => self.status(),
                    Err(_) => return None,
                },
            }
        }
    }
}

/// `GET /api/v1/events`
pub async fn get(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(&endpoints::EVENTS, query.as_deref())?;
    let place = place(&shared)?;
    let mut first = Stream {
        status: shared.shown.subscribe(),
        blocks: shared.blocks.subscribe(),
        next: Instant::now(),
        ready: VecDeque::new(),
        number: 0,
        ended: false,
        _place: place,
        shared,
    };
    first.status();
    let events = stream::unfold(first, Stream::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}
