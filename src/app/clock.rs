//! The clock of a capture: ticks, one a second, at positions in the stream of frames.
//!
//! Times in a capture may be out of order, and a damaged or hostile file may
//! claim any time. A frame more than a day ahead of the others, or more than
//! ten seconds behind them, moves the clock only when the next two agree with it.

use crate::time::{SECOND, Timestamp};

/// A jump by more than this is believed only when several frames agree, ns.
const JUMP: i64 = 86_400 * SECOND;
/// The same backwards, ns: frames are out of order by less, so the machine's clock was set back.
const BACK: i64 = 10 * SECOND;
/// A longer silence than this is one tick, ns: nodes ping every two minutes, and a file may claim any times.
const SILENCE: i64 = 150 * SECOND;
/// Frames that must agree.
const AGREE: u8 = 3;

/// The clock.
#[derive(Clone, Debug, Default)]
pub struct CaptureClock {
    now: Option<Timestamp>,
    next_tick: i64,
    jump: Option<(Timestamp, u8)>,
    steps: u64,
}

/// Ticks that are due before a frame.
#[derive(Clone, Debug)]
pub struct Ticks {
    next: i64,
    last: i64,
}

impl Ticks {
    /// Whether there is one.
    #[inline]
    pub fn due(&self) -> bool {
        self.next <= self.last
    }
}

impl Iterator for Ticks {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        if self.next > self.last {
            return None;
        }
        let tick = self.next;
        self.next = self.next.saturating_add(SECOND);
        Some(Timestamp::from_nanos(tick))
    }
}

const NO_TICKS: Ticks = Ticks { next: 1, last: 0 };

impl CaptureClock {
    /// The ticks due before a frame captured at `time`: whole seconds that have passed.
    #[inline]
    pub fn observe(&mut self, time: Timestamp) -> Ticks {
        let Some(now) = self.now else {
            self.start(time);
            return NO_TICKS;
        };
        if time.since(now) > JUMP || now.since(time) > BACK {
            return self.far(time);
        }
        self.jump = None;
        if time <= now {
            return NO_TICKS;
        }
        self.now = Some(time);
        if time.nanos() < self.next_tick {
            return NO_TICKS;
        }
        // After a long silence one tick: not one for each second of it.
        let newest = time.floor(SECOND).nanos();
        let silent = time.since(now) > SILENCE;
        let next = if silent { newest } else { self.next_tick };
        self.next_tick = newest.saturating_add(SECOND);
        Ticks { next, last: newest }
    }

    fn start(&mut self, time: Timestamp) {
        self.now = Some(time);
        self.next_tick = time.floor(SECOND).nanos().saturating_add(SECOND);
    }

    fn far(&mut self, time: Timestamp) -> Ticks {
        let agree = match self.jump {
            Some((other, n)) if time.since(other).saturating_abs() <= JUMP => n + 1,
            _ => 1,
        };
        self.jump = Some((time, agree));
        if agree < AGREE {
            return NO_TICKS;
        }
        self.jump = None;
        self.steps += 1;
        let forward = self.now.is_some_and(|now| time > now);
        self.start(time);
        // Not a tick for each second of years: one, so that what is over is closed.
        let tick = time.floor(SECOND).nanos();
        if forward { Ticks { next: tick, last: tick } } else { NO_TICKS }
    }

    /// The newest believed time.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// Jumps that were believed.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [i64; 0] = [];

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_nanos((seconds * 1e9) as i64)
    }

    fn ticks(clock: &mut CaptureClock, seconds: f64) -> Vec<i64> {
        clock.observe(at(seconds)).map(|t| t.nanos() / SECOND).collect()
    }

    #[test]
    fn one_tick_a_second_at_whole_seconds() {
        let mut c = CaptureClock::default();
        assert_eq!(ticks(&mut c, 10.5), NONE);
        assert_eq!(ticks(&mut c, 10.9), NONE);
        assert_eq!(ticks(&mut c, 11.0), [11]);
        assert_eq!(ticks(&mut c, 10.7), NONE);
        assert_eq!(ticks(&mut c, 14.2), [12, 13, 14]);
    }

    #[test]
    fn one_frame_with_a_wild_time_moves_nothing() {
        let mut c = CaptureClock::default();
        ticks(&mut c, 1000.0);
        assert_eq!(ticks(&mut c, 4e9), NONE);
        assert_eq!(ticks(&mut c, 1001.0), [1001]);
        assert_eq!(c.steps(), 0);
    }

    #[test]
    fn three_frames_that_agree_do_with_one_tick() {
        let mut c = CaptureClock::default();
        ticks(&mut c, 0.0);
        assert_eq!(ticks(&mut c, 4e9), NONE);
        assert_eq!(ticks(&mut c, 4e9 + 1.0), NONE);
        assert_eq!(ticks(&mut c, 4e9 + 2.5), [4_000_000_002]);
        assert_eq!(ticks(&mut c, 4e9 + 3.5), [4_000_000_003]);
        assert_eq!(c.steps(), 1);
        // And back.
        for s in [5.0, 6.0, 7.0] {
            assert_eq!(ticks(&mut c, s), NONE);
        }
        assert_eq!(ticks(&mut c, 8.0), [8]);
        assert_eq!(c.steps(), 2);
    }

    #[test]
    fn a_clock_set_back_by_minutes_goes_on_from_there() {
        let mut c = CaptureClock::default();
        ticks(&mut c, 1000.0);
        // Frames of another file or interface that lag behind move nothing.
        assert_eq!(ticks(&mut c, 995.0), NONE);
        assert_eq!(ticks(&mut c, 900.0), NONE);
        assert_eq!(ticks(&mut c, 1001.0), [1001]);
        assert_eq!(c.steps(), 0);
        for s in [900.2, 900.4, 900.6] {
            assert_eq!(ticks(&mut c, s), NONE);
        }
        assert_eq!((c.steps(), ticks(&mut c, 901.0)), (1, vec![901]));
    }

    #[test]
    fn survives_the_ends_of_time() {
        let mut c = CaptureClock::default();
        c.observe(Timestamp::from_nanos(i64::MIN));
        for _ in 0..4 {
            assert!(c.observe(Timestamp::from_nanos(i64::MAX)).count() <= 2);
        }
    }
}
