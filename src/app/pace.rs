//! A replay at the speed of its capture, or a multiple of it.

use crate::time::Timestamp;
use std::time::{Duration, Instant};

/// A silence in the capture is waited for this long at most.
const SILENCE: Duration = Duration::from_secs(5);

/// The clock of such a replay.
#[derive(Debug)]
pub struct Pace {
    speed: f64,
    /// A frame, and when it was due.
    origin: Option<(Timestamp, Instant)>,
    last: Option<Instant>,
}

impl Pace {
    /// `speed` times as fast as the capture.
    pub fn new(speed: f64) -> Self {
        Self { speed, origin: None, last: None }
    }

    /// How long a frame of this time has to wait at `now`.
    pub fn wait(&mut self, time: Timestamp, now: Instant) -> Option<Duration> {
        let (first, began) = *self.origin.get_or_insert((time, now));
        let offset = Duration::from_nanos(time.since(first).max(0) as u64).div_f64(self.speed);
        let due = began.checked_add(offset).unwrap_or(now);
        let last = *self.last.get_or_insert(now);
        if due.saturating_duration_since(last) > SILENCE {
            // From here on this frame is the beginning.
            self.origin = Some((time, last + SILENCE));
            return self.wait(time, now);
        }
        let wait = due.saturating_duration_since(now);
        if wait.is_zero() {
            self.last = Some(now);
            return None;
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_by_the_capture_but_not_through_a_silence() {
        let (mut pace, start) = (Pace::new(10.0), Instant::now());
        let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        assert_eq!(pace.wait(at(1000), start), None);
        assert_eq!(pace.wait(at(2000), start), Some(Duration::from_millis(100)));
        assert_eq!(pace.wait(at(2000), start + Duration::from_millis(100)), None);
        // An older frame is due at once, and an hour is waited for 5 s.
        assert_eq!(pace.wait(at(500), start + Duration::from_millis(100)), None);
        let now = start + Duration::from_millis(100);
        assert_eq!(pace.wait(at(3_600_000), now), Some(SILENCE));
        assert_eq!(pace.wait(at(3_600_000), now + SILENCE), None);
        assert_eq!(pace.wait(at(3_601_000), now + SILENCE), Some(Duration::from_millis(100)));
    }
}
