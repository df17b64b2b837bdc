//! A sink that remembers, and one that fails by a script: components for tests.

use super::contract::{Sink, SinkError, Status, fits};
use crate::series::delivery::Loss;
use crate::series::{Point, Series, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Key of a point: series, time, node, tags.
type Key = (usize, i64, String, Vec<String>);

/// What a [`Recording`] was given.
#[derive(Debug, Default)]
pub struct Tape {
    /// Points by their key: written twice, there once.
    pub points: BTreeMap<Key, Point>,
    /// Number of points of each call of `write`; [`Tape::COMMIT`] stands for a commit, [`Tape::CLOSE`] for the end.
    pub calls: Vec<usize>,
}

impl Tape {
    /// A commit.
    pub const COMMIT: usize = usize::MAX;
    /// The end.
    pub const CLOSE: usize = usize::MAX - 1;
}

/// What a [`Recording`] does before it takes points: wait, or fail.
pub type Script = Box<dyn FnMut(&[Point]) -> Result<(), SinkError> + Send>;

/// A sink in memory.
pub struct Recording {
    series: &'static [Series],
    tape: Arc<Mutex<Tape>>,
    script: Script,
    status: Status,
}

impl Recording {
    /// A sink, and what it will have got.
    pub fn new(series: &'static [Series]) -> (Self, Arc<Mutex<Tape>>) {
        Self::scripted(series, Box::new(|_| Ok(())))
    }

    /// A sink that runs `script` at each `write`.
    pub fn scripted(series: &'static [Series], script: Script) -> (Self, Arc<Mutex<Tape>>) {
        let tape = Arc::new(Mutex::new(Tape::default()));
        (Self { series, tape: Arc::clone(&tape), script, status: Status::default() }, tape)
    }

    fn note(&self, f: impl FnOnce(&mut Tape)) {
        f(&mut self.tape.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn key(series: &Series, p: &Point) -> Key {
    let tags = series.columns.iter().zip(&p.values).filter(|(c, _)| c.tag).map(|(_, v)| match v {
        Value::Text(t) => t.to_string(),
        other => format!("{other:?}"),
    });
    (p.series, p.time.nanos(), p.node.to_string(), tags.collect())
}

impl Sink for Recording {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        (self.script)(points)?;
        let good: Vec<_> = points.iter().filter(|p| fits(self.series, p)).cloned().collect();
        self.status.delivered += good.len() as u64;
        self.status.lost.add(Loss::Malformed, (points.len() - good.len()) as u64);
        let series = self.series;
        self.note(|t| {
            t.calls.push(points.len());
            t.points.extend(good.into_iter().map(|p| (key(&series[p.series], &p), p)));
        });
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.note(|t| t.calls.push(Tape::COMMIT));
        Ok(())
    }

    fn status(&self) -> Status {
        self.status.clone()
    }

    fn close(self: Box<Self>) -> Result<Status, SinkError> {
        self.note(|t| t.calls.push(Tape::CLOSE));
        Ok(self.status)
    }
}
