//! Writes points of one node, each event at a time of its own.

use crate::series::{Point, Value};
use crate::time::{SECOND, Timestamp};
use std::sync::Arc;

/// Where the points of a node's events go.
pub struct Pen<'a> {
    /// The node's name.
    pub node: &'a Arc<str>,
    /// Time of the last event.
    pub last: &'a mut Timestamp,
    /// The points.
    pub points: &'a mut Vec<Point>,
    /// Somebody wants them; otherwise none is made.
    pub wanted: bool,
}

impl Pen<'_> {
    /// `time`, or as much later as it takes to be alone; a wild time before does not drag the others along.
    /// Whole seconds are for the points of intervals.
    pub fn stamp(&mut self, time: Timestamp) -> Timestamp {
        let taken = (0..SECOND).contains(&self.last.since(time));
        let free = if taken { self.last.plus(1) } else { time };
        *self.last = if free.floor(SECOND) == free { free.plus(1) } else { free };
        *self.last
    }

    /// Writes a point at `time`, which was stamped.
    pub fn write(&mut self, series: usize, time: Timestamp, values: impl FnOnce() -> Vec<Value>) {
        if self.wanted {
            self.points.push(Point { series, time, node: Arc::clone(self.node), values: values() });
        }
    }

    /// Writes the point of an event that happened at `time`.
    pub fn event(&mut self, series: usize, time: Timestamp, values: impl FnOnce() -> Vec<Value>) {
        let time = self.stamp(time);
        self.write(series, time, values);
    }
}
