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
    /// The last point was skipped, and none taken since.
    between_points: bool,
}

impl Schedule {
    /// A grid whose first point is `start`. `interval` must not be zero.
    pub fn new(start: Instant, interval: Duration) -> Self {
        debug_assert!(!interval.is_zero());
        Self { start, interval, slot: 0, missed: 0, between_points: false }
    }

    /// The next grid point.
    pub fn next(&self) -> Instant {
        let offset = self.interval.as_nanos().saturating_mul(u128::from(self.slot));
        self.start + Duration::from_nanos(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Takes the grid point that is due at `now`, if one is.
    ///
    /// A point missed by more than half an interval is skipped and counted, so that a sender that was stopped for a while
    /// goes on with the grid and not with a burst. After a wake-up that was too late for one point and too early for the
    /// next, though, a point is taken however late: where each wake-up comes as late, nothing would be sent ever.
    pub fn take_due(&mut self, now: Instant) -> Option<Instant> {
        let behind = now.since(self.next()).as_nanos();
        let interval = self.interval.as_nanos();
        let tolerated = if self.between_points { interval - 1 } else { interval / 2 };
        if behind > tolerated {
            let skipped = u64::try_from((behind - tolerated).div_ceil(interval)).unwrap_or(u64::MAX);
            self.slot = self.slot.saturating_add(skipped);
            self.missed = self.missed.saturating_add(skipped);
        }
        let due = self.next();
        if due > now {
            self.between_points = self.between_points || behind > tolerated;
            return None;
        }
        self.between_points = false;
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
    fn where_every_wake_up_is_late_every_other_point_is_taken() {
        let mut grid = Schedule::new(at(0), Duration::from_millis(100));
        let mut taken = Vec::new();
        for _ in 0..6 {
            // Whoever waits for the next point wakes 80 ms after it.
            let now = grid.next() + Duration::from_millis(80);
            taken.extend(grid.take_due(now));
        }
        assert_eq!(taken, [at(100), at(300), at(500)]);
        assert_eq!(grid.missed(), 3);
    }

    #[test]
    fn a_long_stop_skips_what_it_missed_and_goes_on_with_the_grid() {
        let mut grid = Schedule::new(at(0), Duration::from_millis(100));
        assert_eq!(grid.take_due(at(0)), Some(at(0)));
        assert_eq!(grid.take_due(at(1_020)), Some(at(1_000)));
        assert_eq!((grid.missed(), grid.next()), (9, at(1_100)));
    }
}
