//! When to send: an absolute grid, so that a late send never delays those after it.

use std::time::Duration;

use crate::time::Instant;

/// The grid G(i) = start + i * interval.
#[derive(Clone, Debug)]
pub struct Schedule {
    start: Instant,
    interval: Duration,
    slot: u64,
    missed: u64,
}

impl Schedule {
    /// A grid whose first point is `start`. `interval` must not be zero.
    pub fn new(start: Instant, interval: Duration) -> Self {
        debug_assert!(!interval.is_zero());
        Self { start, interval, slot: 0, missed: 0 }
    }

    /// The next grid point.
    pub fn next(&self) -> Instant {
        let offset = self.interval.as_nanos().saturating_mul(u128::from(self.slot));
        self.start + Duration::from_nanos(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Takes the grid point that is due at `now`, if one is.
    ///
    /// A point missed by more than half an interval is skipped and counted, so that a sender that was stopped for a while
    /// goes on with the grid and not with a burst.
    pub fn take_due(&mut self, now: Instant) -> Option<Instant> {
        let behind = now.since(self.next()).as_nanos();
        let half = self.interval.as_nanos() / 2;
        if behind > half {
            let skipped = u64::try_from((behind - half).div_ceil(self.interval.as_nanos())).unwrap_or(u64::MAX);
            self.slot = self.slot.saturating_add(skipped);
            self.missed = self.missed.saturating_add(skipped);
        }
        let due = self.next();
        if due > now {
            return None;
        }
        self.slot += 1;
        Some(due)
    }

    /// How many grid points were skipped.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * MS)
    }

    #[test]
    fn the_grid_is_absolute() {
        let mut grid = Schedule::new(at(7), Duration::from_millis(100));
        assert_eq!(grid.take_due(at(7)), Some(at(7)));
        assert_eq!(grid.take_due(at(106)), None);
        assert_eq!(grid.take_due(at(140)), Some(at(107)));
        assert_eq!(grid.next(), at(207));
        assert_eq!(grid.missed(), 0);
    }

    #[test]
    fn a_point_late_by_just_half_an_interval_is_taken_and_by_more_is_skipped() {
        let mut grid = Schedule::new(at(0), Duration::from_millis(100));
        assert_eq!(grid.take_due(at(50)), Some(at(0)));
        assert_eq!(grid.take_due(Instant::from_nanos(150 * MS + 1)), None);
        assert_eq!((grid.missed(), grid.next()), (1, at(200)));
    }

    #[test]
    fn a_long_stop_skips_what_it_missed_and_goes_on_with_the_grid() {
        let mut grid = Schedule::new(at(0), Duration::from_millis(100));
        assert_eq!(grid.take_due(at(0)), Some(at(0)));
        assert_eq!(grid.take_due(at(1_020)), Some(at(1_000)));
        assert_eq!((grid.missed(), grid.next()), (9, at(1_100)));
    }
}
