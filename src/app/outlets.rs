//! From the node stage to the sinks: points in batches, to every queue.

use crate::series::delivery::Delivery;
use crate::series::{Point, SERIES};
use crate::sink::SinkError;
use crate::sink::config::{Context, SinkConfig, build};
use crate::sink::contract::Notices;
use crate::sink::queue::{BATCH, Batch, Closed, Policy, Queue};
use std::sync::Arc;

/// The queues of all sinks, and the points that wait to be a batch.
pub struct Outlets {
    queues: Vec<Queue>,
    open: Vec<Point>,
    notices: Notices,
    measured: bool,
}

impl Outlets {
    /// Opens the sinks; figures of their queues are given only where they do not wait.
    ///
    /// # Errors
    /// Of the first sink that cannot be used; those opened before it are closed.
    pub fn open(sinks: &[SinkConfig], sensor: &str, policy: Policy) -> Result<Self, SinkError> {
        let notices = Notices::default();
        let live = !policy.stop_on_error;
        let context = Context { sensor: sensor.to_owned(), series: SERIES, notices: notices.clone(), live };
        let mut outlets = Self { queues: Vec::new(), open: Vec::new(), notices, measured: live };
        for config in sinks {
            let started =
                build(config, &context).and_then(|s| Queue::start(config.name(), s, policy, &context.notices));
            match started {
                Ok(queue) => outlets.queues.push(queue),
                Err(e) => {
                    let _ = outlets.close();
                    return Err(e);
                }
            }
        }
        Ok(outlets)
    }

    /// Whether points go nowhere.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Takes a point of an event series.
    #[inline]
    pub fn point(&mut self, point: Point) {
        if self.queues.is_empty() {
            return;
        }
        self.open.push(point);
        if self.open.len() >= BATCH {
            self.send(false);
        }
    }

    /// Takes the points that end an interval.
    pub fn interval(&mut self, points: Vec<Point>) {
        if self.queues.is_empty() {
            return;
        }
        self.open.extend(points);
        self.send(true);
    }

    fn send(&mut self, ends_interval: bool) {
        let points = std::mem::take(&mut self.open);
        let batch = Arc::new(Batch { points, ends_interval });
        self.queues.iter().for_each(|q| q.send(&batch));
    }

    /// Whether a sink has ended for good: a replay ends there.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.queues.iter().any(Queue::has_failed)
    }

    /// How the points fare, all sinks together; nothing in a replay.
    pub fn delivery(&self) -> Option<Delivery> {
        self.measured.then(|| {
            let mut sum = Delivery::default();
            self.queues.iter().for_each(|q| sum.merge(&q.delivery()));
            sum
        })
    }

    /// Lines for the operator, one a thing that happened; also after [`Outlets::close`].
    pub fn notices(&self) -> Notices {
        self.notices.clone()
    }

    /// Hands over what waits, lets every sink finish and gives their last figures.
    ///
    /// # Errors
    /// The first error; the other sinks are closed all the same.
    pub fn close(mut self) -> Result<Vec<Closed>, SinkError> {
        if !self.open.is_empty() && !self.queues.is_empty() {
            self.send(true);
        }
        let mut first = None;
        let mut closed = Vec::new();
        for queue in self.queues {
            match queue.close() {
                Ok(c) => closed.push(c),
                Err(e) => {
                    first.get_or_insert(e);
                }
            }
        }
        first.map_or(Ok(closed), Err)
    }
}
