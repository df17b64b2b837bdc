//! Percentiles: of the roll-ups, and `percentile(value, p)` in SQL.

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::{Connection, Result};

/// Percentiles that roll-ups keep of the figures of events.
pub(super) const PERCENTILES: [u32; 11] = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95];

/// Values that a percentile is made of at most; of more, every second one and so on.
pub(super) const VALUES: usize = 1 << 17;

/// The values of a group: those taken, every how many-th is, and how many came.
#[derive(Debug)]
pub(super) struct Values {
    taken: Vec<f64>,
    every: u64,
    seen: u64,
}

impl Default for Values {
    fn default() -> Self {
        Self { taken: Vec::new(), every: 1, seen: 0 }
    }
}

impl Values {
    /// Takes a value; of more than `most` every second one stays.
    pub(super) fn push(&mut self, x: f64, most: usize) {
        if self.seen.is_multiple_of(self.every) {
            self.taken.push(x);
            if self.taken.len() >= most {
                let mut odd = false;
                self.taken.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.every *= 2;
            }
        }
        self.seen += 1;
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) const fn taken(&self) -> usize {
        self.taken.len()
    }

    /// To be called before [`Values::nearest_rank`].
    pub(super) fn sort(&mut self) {
        self.taken.sort_unstable_by(f64::total_cmp);
    }

    /// Nearest rank, as InfluxQL has it: the smallest of the sorted values that p % of them do not exceed.
    pub(super) fn nearest_rank(&self, p: f64) -> Option<f64> {
        let n = self.taken.len();
        let rank = (p / 100.0 * n as f64).ceil().clamp(1.0, n.max(1) as f64);
        self.taken.get(rank as usize - 1).copied()
    }
}

/// `percentile(value, p)`.
struct One;

/// The values, and p.
impl Aggregate<(Values, f64), Option<f64>> for One {
    fn init(&self, _: &mut Context<'_>) -> Result<(Values, f64)> {
        Ok((Values::default(), 0.0))
    }

    fn step(&self, c: &mut Context<'_>, (values, p): &mut (Values, f64)) -> Result<()> {
        *p = c.get::<Option<f64>>(1)?.unwrap_or(0.0);
        if let Some(x) = c.get(0)? {
            values.push(x, VALUES);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, group: Option<(Values, f64)>) -> Result<Option<f64>> {
        Ok(group.and_then(|(mut values, p)| {
            values.sort();
            values.nearest_rank(p)
        }))
    }
}

const FLAGS: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_INNOCUOUS);

/// Registers `percentile`.
pub(super) fn register(conn: &Connection) -> Result<()> {
    conn.create_aggregate_function("percentile", 2, FLAGS, One)
}
