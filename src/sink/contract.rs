//! What a sink is.

use super::alerts::AlertError;
use super::error::StoreError;
use super::influx::InfluxError;
use super::prometheus::server::ServerError;
use crate::health::Tally;
use crate::series::delivery::Loss;
use crate::series::{Point, Series, Type, Value};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often [`Sink::tick`] is called, at most: the only time a sink knows.
pub const TICK: Duration = Duration::from_millis(250);

/// Where points go. A sink runs on the thread of its own [`Queue`](super::queue::Queue) and may block there.
///
/// The contract, which `conformance_tests.rs` holds every sink to: a point written twice is there once;
/// points become visible with [`Sink::commit`] at the latest; one that does not fit its series is counted
/// ([`Loss::Malformed`]) and keeps no other out; what is not delivered in the end is counted.
pub trait Sink: Send {
    /// Takes points of the open interval.
    ///
    /// # Errors
    /// What the operator must know. The sink has counted what is lost by it, and can go on.
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError>;

    /// The interval has ended.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn commit(&mut self) -> Result<(), SinkError>;

    /// About [`TICK`] has passed; sinks that retry or serve count these.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// What is lost so far, and what the sink still holds back.
    fn status(&self) -> Status;

    /// Delivers what can be delivered, and ends.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn close(self: Box<Self>) -> Result<Status, SinkError>;
}

/// What a sink has lost and still holds back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Points delivered.
    pub delivered: u64,
    /// Points lost, by reason.
    pub lost: Tally<Loss>,
    /// Bytes that wait on disk.
    pub spool_bytes: u64,
}

/// Whether the values are those that the series describes, by number and type.
pub(super) fn fits(series: &[Series], point: &Point) -> bool {
    let Some(s) = series.get(point.series) else { return false };
    s.columns.len() == point.values.len()
        && s.columns.iter().zip(&point.values).all(|(c, v)| match v {
            Value::Absent => true,
            Value::Integer(_) => matches!(c.kind_of_value, Type::Integer | Type::Float),
            Value::Float(_) => c.kind_of_value == Type::Float,
            Value::Boolean(_) => c.kind_of_value == Type::Boolean,
            Value::Text(_) => c.kind_of_value == Type::Text,
        })
}

/// What can go wrong with a sink.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The embedded store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// InfluxDB.
    #[error(transparent)]
    Influx(#[from] InfluxError),
    /// The page for Prometheus.
    #[error(transparent)]
    Prometheus(#[from] ServerError),
    /// The webhook for alerts.
    #[error(transparent)]
    Alerts(#[from] AlertError),
    /// The thread of a sink is gone.
    #[error("{0}: its thread has ended unexpectedly; the points after that are lost")]
    Gone(String),
    /// No thread could be started.
    #[error("{0}: cannot start its thread: {1}")]
    Thread(String, std::io::Error),
    /// A sink of the tests.
    #[error("{0}")]
    Scripted(String),
}

/// Lines for the operator that are no errors, such as that a server is back.
#[derive(Clone)]
pub struct Notices(Arc<dyn Fn(String) + Send + Sync>);

impl Notices {
    /// They go to `tell`, on the thread of whoever has something to say; it must not wait.
    pub fn new(tell: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Notices that are collected, and what they are collected in.
    pub fn collected() -> (Self, Arc<Mutex<Vec<String>>>) {
        let all = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&all);
        (Self::new(move |text| into.lock().unwrap_or_else(PoisonError::into_inner).push(text)), all)
    }

    /// Says something.
    pub fn say(&self, text: String) {
        (self.0)(text);
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notices")
    }
}

impl Default for Notices {
    /// Nobody listens.
    fn default() -> Self {
        Self::new(|_| ())
    }
}
