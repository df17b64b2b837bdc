//! The store of a sensor that must not stop: an interval that cannot be written is lost and told once, the next one
//! is tried again, and it is told when that works.

use super::contract::{Notices, Sink, SinkError, Status};
use super::error::StoreError;
use super::store::Store;
use crate::series::Point;
use crate::series::delivery::Loss;

/// A store that is written to as long as it takes.
pub struct Steady {
    store: Store,
    notices: Notices,
    /// The last interval could not be written.
    fails: bool,
    /// The running interval has lost points already: the rest of it goes with them, so that no half is stored.
    torn: bool,
    left_out: u64,
}

impl Steady {
    /// Writes to `store`, and says on `notices` how it goes.
    pub fn new(store: Store, notices: Notices) -> Self {
        Self { store, notices, fails: false, torn: false, left_out: 0 }
    }

    fn failed(&mut self, e: &StoreError) {
        if !std::mem::replace(&mut self.fails, true) {
            self.notices.say(format!("the store is not written: {}", e.to_string().replace('\n', "; ")));
        }
    }
}

impl Sink for Steady {
    fn write(&mut self, points: &[Point]) -> Result<(), SinkError> {
        if self.torn {
            self.left_out += points.len() as u64;
        } else if let Err(e) = self.store.write(points) {
            self.torn = true;
            self.failed(&e);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        if std::mem::take(&mut self.torn) {
            return Ok(());
        }
        match self.store.commit() {
            Ok(()) if std::mem::take(&mut self.fails) => {
                let lost = self.status().lost.get(Loss::RolledBack);
                self.notices.say(format!("the store is written again; {lost} points are lost"));
            }
            Ok(()) => {}
            Err(e) => self.failed(&e),
        }
        Ok(())
    }

    fn status(&self) -> Status {
        let mut lost = self.store.loss().clone();
        lost.add(Loss::RolledBack, self.left_out);
        Status { delivered: self.store.committed(), lost, spool_bytes: 0 }
    }

    fn close(mut self: Box<Self>) -> Result<Status, SinkError> {
        let result = self.store.commit();
        let status = self.status();
        let closed = self.store.close();
        result.and(closed)?;
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{SERIES, id};
    use crate::time::{SECOND, Timestamp};
    use std::time::Duration;

    fn point(seconds: i64) -> Point {
        let values = vec![crate::series::Value::Absent; SERIES[id::BANDWIDTH].columns.len()];
        Point { series: id::BANDWIDTH, time: Timestamp::from_nanos(seconds * SECOND), node: "n".into(), values }
    }

    #[test]
    fn goes_on_after_a_failure_and_tells_both_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let (notices, said) = Notices::collected();
        let take = || std::mem::take(&mut *said.lock().unwrap());
        let mut sink = Box::new(Steady::new(Store::open(&path, "s", SERIES).unwrap(), notices.clone()));
        let interval = |sink: &mut Steady, seconds: i64| {
            for n in 0..3 {
                sink.write(&[point(10 * seconds + n)]).unwrap();
            }
            sink.commit().unwrap();
        };
        interval(&mut sink, 1);
        let other = rusqlite::Connection::open(&path).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        interval(&mut sink, 2);
        assert_eq!(take().len(), 1);
        interval(&mut sink, 3);
        assert!(take().is_empty(), "told once");
        other.execute_batch("ROLLBACK").unwrap();
        interval(&mut sink, 4);
        assert_eq!(take(), ["the store is written again; 6 points are lost"]);
        let status = sink.close().unwrap();
        assert_eq!((status.delivered, status.lost.get(Loss::RolledBack)), (6, 6));
        let times: Vec<i64> = {
            let mut s = other.prepare("SELECT time FROM bandwidth ORDER BY time").unwrap();
            s.query_map([], |r| r.get::<_, i64>(0)).unwrap().map(|t| t.unwrap() / SECOND).collect()
        };
        assert_eq!(times, [10, 11, 12, 40, 41, 42]);
    }
}
