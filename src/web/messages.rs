//! `/api/v1/messages`: messages as they pass; as server-sent events.

use super::answer::ApiError;
use super::endpoints;
use super::events::{ALIVE, place};
use super::params::Params;
use super::shared::Shared;
use super::subscribers::{Peer, Text, Wanted};
use crate::node::Direction;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval};

/// How often a reader is told what it did not get.
const TELL: Duration = Duration::from_secs(1);

/// One stream.
struct Stream {
    messages: mpsc::Receiver<Text>,
    skipped: Arc<AtomicU64>,
    tell: tokio::time::Interval,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    fn event(&mut self, name: &str, data: &str) -> Event {
        self.number += 1;
        Event::default().event(name).id(self.number.to_string()).data(data)
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            let event = tokio::select! {
                biased;
                _ = self.tell.tick() => match self.skipped.swap(0, Ordering::Relaxed) {
                    0 => continue,
                    n => self.event("skipped", &format!("{{\"count\":{n}}}")),
                },
                message = self.messages.recv() => {
                    let text = message?;
                    self.event("message", &text)
                }
            };
            return Some((Ok(event), self));
        }
    }
}

/// `GET /api/v1/messages`
pub async fn get(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::read(&endpoints::MESSAGES, query.as_deref())?;
    let owned = |name: &str| params.text(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let wanted = Wanted {
        node: owned("node"),
        peer: params.text("peer").filter(|v| !v.is_empty()).map(Peer::read),
        direction: params.text("direction").map(|d| if d == "recv" { Direction::Recv } else { Direction::Sent }),
        commands: params.list("command").into_iter().map(str::to_owned).collect(),
        fields: params.flag("fields"),
    };
    let place = place(&shared)?;
    let (messages, skipped) = shared.subscribers.add(wanted);
    let mut tell = interval(TELL);
    tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let first = Stream { messages, skipped, tell, number: 0, _place: place };
    let events = stream::unfold(first, Stream::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}
