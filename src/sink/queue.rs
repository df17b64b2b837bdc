//! The queue before a sink: bounded, with a thread that writes.
//!
//! The stages never wait for a slow sink in a live capture: when the queue is
//! full its oldest points are dropped and counted. A replay waits instead.

use super::contract::{Notices, Sink, SinkError, Status, TICK};
use crate::health::Tally;
use crate::series::Point;
use crate::series::delivery::{Delivery, Loss};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select, tick};
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Batches that wait at most; with [`BATCH`] points each they take some 30 MB.
pub const CAPACITY: usize = 32;
/// Points in a batch at most, but for those that end an interval.
pub const BATCH: usize = 2048;

/// Points on their way to the sinks, shared by all of them.
#[derive(Debug)]
pub struct Batch {
    /// The points.
    pub points: Vec<Point>,
    /// An interval ends behind them.
    pub ends_interval: bool,
}

/// What happens when the queue is full, or when the sink fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// Wait for the sink.
    Wait,
    /// Drop the oldest points, and count them.
    #[default]
    DropOldest,
}

/// How a queue behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When the queue is full.
    pub when_full: WhenFull,
    /// The first error of the sink ends it; else it is told and the sink goes on.
    pub stop_on_error: bool,
    /// Batches that wait at most.
    pub capacity: usize,
}

impl Policy {
    /// Of a replay: whole, or not at all.
    pub const REPLAY: Self = Self { when_full: WhenFull::Wait, stop_on_error: true, capacity: CAPACITY };

    /// Of a live capture, which goes on.
    pub const fn live(when_full: WhenFull) -> Self {
        Self { when_full, stop_on_error: false, capacity: CAPACITY }
    }
}

/// What both sides of the queue know.
#[derive(Default)]
struct Shared {
    /// Points handed over and not yet written.
    backlog: AtomicU64,
    /// Points dropped from the full queue.
    dropped: AtomicU64,
    failed: AtomicBool,
    status: Mutex<Status>,
    error: Mutex<Option<SinkError>>,
}

/// A poisoned lock only says that some thread panicked; the figures behind it are whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn fail(&self, error: SinkError) {
        locked(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }
}

/// A sink on its thread, and the queue before it.
pub struct Queue {
    name: String,
    sender: Sender<Arc<Batch>>,
    /// To drop from; a queue that waits has none, so that it learns when the thread is gone.
    oldest: Option<Receiver<Arc<Batch>>>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Queue {
    /// Starts the thread of `sink`, which is called `name` in messages.
    ///
    /// # Errors
    /// [`SinkError::Thread`] when the system has no thread left.
    pub fn start(name: &str, sink: Box<dyn Sink>, policy: Policy, notices: &Notices) -> Result<Self, SinkError> {
        let (sender, receiver) = bounded(policy.capacity);
        let oldest = (policy.when_full == WhenFull::DropOldest).then(|| receiver.clone());
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            name: name.to_owned(),
            receiver,
            shared: Arc::clone(&shared),
            stop_on_error: policy.stop_on_error,
            notices: notices.clone(),
            told: String::new(),
        };
        let thread = thread::Builder::new()
            .name(format!("sink {name}"))
            .spawn(move || writer.run(sink))
            .map_err(|e| SinkError::Thread(name.to_owned(), e))?;
        Ok(Self { name: name.to_owned(), sender, oldest, shared, thread })
    }

    /// Hands a batch over; waits, or drops the oldest one, when the queue is full.
    ///
    /// A sink that has failed for good takes nothing more: see [`Queue::has_failed`].
    pub fn send(&self, batch: &Arc<Batch>) {
        let points = batch.points.len() as u64;
        self.shared.backlog.fetch_add(points, Ordering::Relaxed);
        let Some(oldest) = &self.oldest else {
            if self.sender.send(Arc::clone(batch)).is_err() {
                self.lose(points);
                self.gone();
            }
            return;
        };
        if self.thread.is_finished() {
            self.lose(points);
            return self.gone();
        }
        let mut batch = Arc::clone(batch);
        loop {
            match self.sender.try_send(batch) {
                Ok(()) => return,
                Err(TrySendError::Disconnected(_)) => return self.lose(points),
                Err(TrySendError::Full(back)) => {
                    batch = back;
                    // The writer may just have taken it; then there is room now.
                    if let Ok(old) = oldest.try_recv() {
                        self.lose(old.points.len() as u64);
                    }
                }
            }
        }
    }

    fn lose(&self, points: u64) {
        self.shared.backlog.fetch_sub(points, Ordering::Relaxed);
        self.shared.dropped.fetch_add(points, Ordering::Relaxed);
    }

    fn gone(&self) {
        self.shared.fail(SinkError::Gone(self.name.clone()));
    }

    /// Whether the sink has ended for good; [`Queue::close`] says why.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// Its figures now.
    pub fn delivery(&self) -> Delivery {
        let status = locked(&self.shared.status);
        let mut lost = status.lost.clone();
        lost.add(Loss::QueueFull, self.shared.dropped.load(Ordering::Relaxed));
        Delivery { backlog: self.shared.backlog.load(Ordering::Relaxed), spool_bytes: status.spool_bytes, lost }
    }

    /// Lets the sink write what waits, ends it and gives its last figures.
    ///
    /// # Errors
    /// The first error of the sink that ended it, or the one of closing it.
    pub fn close(self) -> Result<Closed, SinkError> {
        let Self { name, sender, oldest, shared, thread } = self;
        drop((sender, oldest));
        if thread.join().is_err() {
            shared.fail(SinkError::Gone(name.clone()));
        }
        if let Some(error) = locked(&shared.error).take() {
            return Err(error);
        }
        let status = locked(&shared.status).clone();
        let mut lost = status.lost;
        lost.add(Loss::QueueFull, shared.dropped.load(Ordering::Relaxed));
        Ok(Closed { name, delivered: status.delivered, spool_bytes: status.spool_bytes, lost })
    }
}

/// Last figures of a sink.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its name.
    pub name: String,
    /// Points delivered.
    pub delivered: u64,
    /// Bytes that stay in its spool.
    pub spool_bytes: u64,
    /// Points lost.
    pub lost: Tally<Loss>,
}

/// The thread's side.
struct Writer {
    name: String,
    receiver: Receiver<Arc<Batch>>,
    shared: Arc<Shared>,
    stop_on_error: bool,
    notices: Notices,
    /// The error that was told last: a full disk is told once, not every interval.
    told: String,
}

impl Writer {
    fn run(mut self, mut sink: Box<dyn Sink>) {
        let ticker = tick(TICK);
        loop {
            select! {
                recv(self.receiver) -> batch => {
                    let Ok(batch) = batch else { break };
                    let mut result = sink.write(&batch.points);
                    if batch.ends_interval && (result.is_ok() || !self.stop_on_error) {
                        result = result.and(sink.commit());
                    }
                    self.shared.backlog.fetch_sub(batch.points.len() as u64, Ordering::Relaxed);
                    if batch.ends_interval && result.is_ok() {
                        self.recovered();
                    }
                    if !self.goes_on(result) {
                        break;
                    }
                }
                recv(ticker) -> _ => {
                    let result = sink.tick();
                    if !self.goes_on(result) {
                        break;
                    }
                }
            }
            *locked(&self.shared.status) = sink.status();
        }
        // From here on a waiting sender learns that nobody listens.
        drop(self.receiver);
        *locked(&self.shared.status) = sink.status();
        match sink.close() {
            Ok(status) => *locked(&self.shared.status) = status,
            Err(e) => self.shared.fail(e),
        }
    }

    /// A whole interval went well: the next error is news, even if it is the same one.
    fn recovered(&mut self) {
        if !self.told.is_empty() {
            self.told.clear();
            self.notices.say(format!("{}: takes points again", self.name));
        }
    }

    fn goes_on(&mut self, result: Result<(), SinkError>) -> bool {
        match result {
            Ok(()) => true,
            Err(e) if self.stop_on_error => {
                self.shared.fail(e);
                false
            }
            Err(e) => {
                let text = e.to_string();
                if text != self.told {
                    self.notices.say(format!("{}: {text}", self.name));
                    self.told = text;
                }
                true
            }
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
