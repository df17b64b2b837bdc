//! The store of a sensor that must not stop: an interval that cannot be written is lost and told, the next one is
//! tried again.

use super::log::Trouble;
use crate::health::Tally;
use crate::series::Point;
use crate::series::delivery::Loss;
use crate::sink::{Store, StoreError};

/// A store that is written to as long as it takes.
pub struct Keeper {
    store: Store,
    trouble: Trouble,
    /// The running interval has lost points already; the rest of it goes with them, so that no half is stored.
    torn: bool,
    left_out: u64,
}

impl Keeper {
    /// Writes to `store`.
    pub fn new(store: Store) -> Self {
        let trouble = Trouble::new("the store is not written".to_owned(), "the store is written again".to_owned());
        Self { store, trouble, torn: false, left_out: 0 }
    }

    /// An event of the running interval.
    pub fn point(&mut self, point: Point) {
        if self.torn {
            self.left_out += 1;
        } else {
            let result = self.store.write(&[point]);
            self.torn = self.noted(&result);
        }
    }

    /// The end of an interval.
    pub fn interval(&mut self, points: &[Point]) {
        if std::mem::take(&mut self.torn) {
            self.left_out += points.len() as u64;
            return;
        }
        let result = self.store.write(points).and_then(|()| self.store.commit());
        self.noted(&result);
    }

    fn noted(&mut self, result: &Result<(), StoreError>) -> bool {
        // A single point that was written into the open interval does not tell that the disk has space again.
        if result.is_err() || self.store.pending() == 0 {
            self.trouble.tell(result);
        }
        result.is_err()
    }

    /// Points that are not in the store.
    pub fn lost(&self) -> u64 {
        let tally: &Tally<Loss> = self.store.loss();
        self.left_out + tally.total()
    }

    /// Whether the last interval could not be written.
    pub fn failing(&self) -> bool {
        self.trouble.lasts()
    }

    /// Commits and closes.
    pub fn close(mut self) {
        let Self { store, trouble, .. } = &mut self;
        let result = store.commit();
        trouble.tell(&result);
        let closed = self.store.close();
        self.trouble.tell(&closed);
    }
}
