//! The limiter of free transactions that btcd has (`maybeAcceptTransaction`, after Bitcoin Core before 0.15).

use crate::time::{SECOND, Timestamp};

/// The sum decays by this factor each second.
const DECAY: f64 = 1.0 - 1.0 / 600.0;
/// Most bytes, decayed: `freetxrelaylimit` 15, in units of 10 000 bytes.
const LIMIT: f64 = 15.0 * 10_000.0;

/// Sum of the bytes of transactions below the minimum fee.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limiter {
    sum: f64,
    last: Option<Timestamp>,
}

impl Limiter {
    /// Whether a transaction of `bytes` below the minimum fee would be held back.
    pub fn holds_back(&mut self, bytes: u32, now: Timestamp) -> bool {
        if let Some(last) = self.last {
            let seconds = now.since(last).max(0) as f64 / SECOND as f64;
            self.sum *= DECAY.powf(seconds);
        }
        self.last = Some(now);
        if self.sum >= LIMIT {
            return true;
        }
        self.sum += f64::from(bytes);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_through_what_decays_in_time() {
        let (mut limiter, start) = (Limiter::default(), Timestamp::from_nanos(0));
        let passed = (0..200).filter(|_| !limiter.holds_back(1000, start)).count();
        assert_eq!(passed, 150);
        // After a minute a tenth is gone: (599/600)^60 = 0.9047.
        let later = start.plus(60 * SECOND);
        assert_eq!((0..200).filter(|_| !limiter.holds_back(1000, later)).count(), 15);
    }
}
