//! What the points of a bucket add up to, by sensor, node and tags.
//!
//! Points are taken in the order of the key of their table, which is how they lie in it: nothing has to be sorted, and what is
//! taken in pieces comes to the same as what is taken at once.

use super::percentile::{PERCENTILES, VALUES, Values};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Result, Row};
use std::collections::HashMap;

/// What is kept of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The sum, or how many are true.
    Sum,
    /// The largest.
    Largest,
    /// Mean, smallest, largest.
    Level,
    /// Mean, sum, smallest, largest.
    Amounts,
    /// The same, and [`PERCENTILES`].
    Ranks,
}

impl Kept {
    /// Ends of the names of its figures, in their order; whether each is a mean or percentile, which are no integers.
    pub fn figures(self) -> Vec<(String, bool)> {
        let of = |names: &[(&str, bool)]| names.iter().map(|(n, real)| ((*n).to_owned(), *real)).collect();
        match self {
            Self::Sum | Self::Largest => of(&[("", false)]),
            Self::Level => of(&[("", true), ("_min", false), ("_max", false)]),
            Self::Amounts => of(&[("", true), ("_sum", false), ("_min", false), ("_max", false)]),
            Self::Ranks => {
                let mut all = Self::Amounts.figures();
                all.extend(PERCENTILES.map(|p| (format!("_p{p}"), true)));
                all
            }
        }
    }
}

/// A number of a column: integers stay exact.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    fn read(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(i) => Some(Self::Integer(i)),
            ValueRef::Real(r) => Some(Self::Real(r)),
            _ => None,
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Integer(i) => i as f64,
            Self::Real(r) => r,
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Integer(i) => Value::Integer(i),
            Self::Real(r) => Value::Real(r),
        }
    }
}

/// A column of a group.
#[derive(Debug, Default)]
struct Sum {
    /// Values that are known.
    known: u64,
    integers: i128,
    reals: f64,
    /// What rounding has left out of `reals` (Kahan, Babuška, Neumaier).
    left: f64,
    least: Option<Number>,
    most: Option<Number>,
    values: Option<Box<Values>>,
}

impl Sum {
    fn add(&mut self, kept: Kept, x: Number, most_values: usize) {
        self.known += 1;
        match x {
            Number::Integer(i) => self.integers += i128::from(i),
            Number::Real(r) => {
                let sum = self.reals + r;
                self.left += if self.reals.abs() >= r.abs() { (self.reals - sum) + r } else { (r - sum) + self.reals };
                self.reals = sum;
            }
        }
        if self.least.is_none_or(|least| x < least) {
            self.least = Some(x);
        }
        if self.most.is_none_or(|most| x > most) {
            self.most = Some(x);
        }
        if kept == Kept::Ranks {
            self.values.get_or_insert_default().push(x.real(), most_values);
        }
    }

    fn sum(&self) -> Number {
        match self.most {
            Some(Number::Real(_)) => Number::Real(self.reals + self.left),
            _ => Number::Integer(self.integers.clamp(i64::MIN.into(), i64::MAX.into()) as i64),
        }
    }

    /// Its figures, in the order of [`Kept::figures`].
    fn figures(&mut self, kept: Kept, into: &mut Vec<Value>) {
        let number = |n: Option<Number>| n.map_or(Value::Null, Number::value);
        let mean = Value::Real((self.integers as f64 + self.reals + self.left) / self.known as f64);
        match kept {
            Kept::Sum => into.push(self.sum().value()),
            Kept::Largest => into.push(number(self.most)),
            Kept::Level => into.extend([mean, number(self.least), number(self.most)]),
            Kept::Amounts | Kept::Ranks => {
                into.extend([mean, self.sum().value(), number(self.least), number(self.most)]);
            }
        }
        if let (Kept::Ranks, Some(values)) = (kept, &mut self.values) {
            values.sort();
            into.extend(PERCENTILES.map(|p| values.nearest_rank(f64::from(p)).map_or(Value::Null, Value::Real)));
        }
    }
}

/// A group: its points, and its columns.
#[derive(Debug)]
struct Group {
    keys: Vec<Value>,
    points: i64,
    /// Those of which nothing is known are absent: most of them, where a series has tags for some points only.
    sums: Vec<Option<Box<Sum>>>,
}

/// Values that all groups of a column keep together for percentiles, at most …
const ALL_VALUES: usize = 1 << 19;
/// … and each of them at least, when there are very many.
const FEW_VALUES: usize = 1 << 10;

/// The groups of one bucket.
#[derive(Debug, Default)]
pub struct Sums {
    groups: Vec<Group>,
    /// Where a group is, by its keys one behind the other, each after its length.
    places: HashMap<Vec<u8>, usize, ahash::RandomState>,
    key: Vec<u8>,
}

impl Sums {
    /// Takes a point: after its time `keys` columns that tell the groups apart, then those of `kept`.
    pub fn take(&mut self, row: &Row<'_>, keys: usize, kept: &[Kept]) -> Result<()> {
        self.key.clear();
        for i in 1..=keys {
            let text = row.get_ref(i)?.as_bytes_or_null()?.unwrap_or_default();
            self.key.extend((text.len() as u32).to_le_bytes());
            self.key.extend(text);
        }
        let place = if let Some(place) = self.places.get(&self.key) {
            *place
        } else {
            let keys = (1..=keys).map(|i| row.get(i)).collect::<Result<_>>()?;
            let sums = kept.iter().map(|_| None).collect();
            self.groups.push(Group { keys, points: 0, sums });
            self.places.insert(self.key.clone(), self.groups.len() - 1);
            self.groups.len() - 1
        };
        let most_values = (ALL_VALUES / self.groups.len()).clamp(FEW_VALUES, VALUES);
        let group = &mut self.groups[place];
        group.points += 1;
        for (i, (sum, kept)) in group.sums.iter_mut().zip(kept).enumerate() {
            if let Some(x) = Number::read(row.get_ref(1 + keys + i)?) {
                sum.get_or_insert_default().add(*kept, x, most_values);
            }
        }
        Ok(())
    }

    /// The rows of the bucket: keys, points, figures. Nothing is left.
    pub fn rows(&mut self, kept: &[Kept]) -> Vec<Vec<Value>> {
        self.places.clear();
        let row = |mut g: Group| {
            let mut row = g.keys;
            row.push(Value::Integer(g.points));
            for (sum, kept) in g.sums.iter_mut().zip(kept) {
                match sum {
                    Some(sum) => sum.figures(*kept, &mut row),
                    None => row.resize(row.len() + kept.figures().len(), Value::Null),
                }
            }
            row
        };
        self.groups.drain(..).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(kept: Kept, all: &[Number]) -> Vec<Value> {
        let mut sum = Sum::default();
        for x in all {
            sum.add(kept, *x, VALUES);
        }
        let mut out = Vec::new();
        sum.figures(kept, &mut out);
        assert_eq!(out.len(), kept.figures().len());
        out
    }

    #[test]
    fn integers_stay_exact_and_real_numbers_lose_little() {
        let large = [Number::Integer(1 << 60), Number::Integer(1), Number::Integer(2)];
        assert_eq!(figures(Kept::Sum, &large), [Value::Integer((1 << 60) + 3)]);
        assert_eq!(figures(Kept::Largest, &large), [Value::Integer(1 << 60)]);
        // More than fits: as much as fits.
        assert_eq!(figures(Kept::Sum, &[Number::Integer(i64::MAX); 2]), [Value::Integer(i64::MAX)]);
        let level = figures(Kept::Level, &[Number::Integer(-1), Number::Integer(4)]);
        assert_eq!(level, [Value::Real(1.5), Value::Integer(-1), Value::Integer(4)]);
        // In order of their sizes the small ones would vanish.
        let reals = [1e16, 1.0, 1.0, -1e16].map(Number::Real);
        let amounts = figures(Kept::Amounts, &reals);
        assert_eq!(amounts, [0.5, 2.0, -1e16, 1e16].map(Value::Real));
        assert_eq!(figures(Kept::Sum, &[0.5, 0.25].map(Number::Real)), [Value::Real(0.75)]);
    }

    #[test]
    fn many_groups_share_the_room_for_values() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let groups = 600;
        let sql = "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < ?2 * 1500 - 1) SELECT 0, CAST(x % ?2 AS TEXT), x / ?2 FROM c WHERE x % ?2 < ?1";
        let mut statement = conn.prepare(sql).unwrap();
        let mut taken = |wanted: u32| {
            let mut sums = Sums::default();
            let mut rows = statement.query([wanted, groups]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                sums.take(row, 1, &[Kept::Ranks]).unwrap();
            }
            let kept: Vec<_> =
                sums.groups.iter().map(|g| g.sums[0].as_ref().unwrap().values.as_ref().unwrap()).collect();
            let kept: Vec<_> = kept.iter().map(|v| v.taken()).collect();
            let rows = sums.rows(&[Kept::Ranks]);
            assert!(rows.iter().all(|r| r[1] == Value::Integer(1500)));
            // Keys, points, mean, sum, least, most, then the percentiles.
            let medians: Vec<Value> = rows.into_iter().map(|mut r| r.swap_remove(6 + 5)).collect();
            (kept, medians)
        };
        assert_eq!(taken(1), (vec![1500], vec![Value::Real(749.0)]));
        let (kept, medians) = taken(groups);
        assert!(kept.len() == 600 && kept.iter().all(|n| (FEW_VALUES / 2..FEW_VALUES).contains(n)), "{kept:?}");
        assert!(medians.iter().all(|m| matches!(m, Value::Real(x) if (x - 749.5).abs() < 4.0)), "{medians:?}");
    }
}
