//! When to send: on a grid of points in time that is fixed in advance, so that a late send does not
//! delay later ones.

use std::time::Duration;

use fastrand::Rng;

use crate::time::Instant;

/// The longest time that a flood waits for a reply before it sends again, as in ping.
const FLOOD_PATIENCE: Duration = Duration::from_millis(10);

/// The shortest interval of an adaptive schedule, as ping permits it to unprivileged users.
const ADAPTIVE_MINIMUM: Duration = Duration::from_millis(2);

/// The number of points of a Poisson process that are drawn individually after a stop. After a
/// longer stop, the rest is counted by the mean.
const DRAWN_ONE_BY_ONE: u32 = 100_000;

/// How grid points are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Evenly, at the interval.
    Fixed,
    /// At random, with exponentially distributed gaps: a Poisson process, which samples a network
    /// in each of its states (RFC 2330, section 11.1.1). The points are derived from the seed.
    Poisson {
        /// The seed of the random number generator.
        seed: u64,
    },
    /// As soon as a reply arrives, or after 10 ms.
    Flood,
    /// Evenly, at the smoothed RTT (RFC 6298, section 2), so that about one ping is in flight; not
    /// faster than every 2 ms, and not slower than the interval.
    Adaptive,
}

/// A point in time at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The number of the point, starting at 0 and including missed ones.
    pub index: u64,
    /// The time at which it is due.
    pub at: Instant,
}

/// The grid. It has `turns` points per interval, one for each of the senders that take turns.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    interval: Duration,
    turns: u64,
    /// Turns whose points lie in the same one of these spans take the span's start.
    grid: Option<Duration>,
    rhythm: Rhythm,
    next: Slot,
    missed: u64,
    /// Whether the last point was skipped and none has been taken since.
    between_points: bool,
}

/// The state of a pace besides the interval.
#[derive(Clone, Debug)]
enum Rhythm {
    Fixed,
    Poisson(Rng),
    Flood,
    Adaptive { smoothed: Option<Duration> },
}

impl Schedule {
    /// Creates a grid whose first point is `start`. Neither `interval` nor `turns` may be zero.
    pub(crate) fn new(start: Instant, interval: Duration, turns: u64, pace: Pace) -> Self {
        debug_assert!(!interval.is_zero() && turns > 0);
        let rhythm = match pace {
            Pace::Fixed => Rhythm::Fixed,
            Pace::Poisson { seed } => Rhythm::Poisson(Rng::with_seed(seed)),
            Pace::Flood => Rhythm::Flood,
            Pace::Adaptive => Rhythm::Adaptive { smoothed: None },
        };
        let next = Slot { index: 0, at: start };
        let grid = None;
        Self { start, interval, turns, grid, rhythm, next, missed: 0, between_points: false }
    }

    /// Has turns that are closer than `grid` take the same points, at multiples of `grid` from the
    /// start of each interval: each sender still has its turn once per interval, to the nanosecond.
    /// Only evenly spaced points are moved.
    pub(crate) fn on_grid(self, grid: Duration) -> Self {
        let gap = self.interval.as_nanos() / u128::from(self.turns);
        Self { grid: (gap < grid.as_nanos()).then_some(grid), ..self }
    }

    /// Returns the next grid point.
    pub(crate) fn next(&self) -> Instant {
        self.next.at
    }

    /// Returns the grid point after [`Self::next`], if it is known before that one is taken,
    /// because it does not depend on replies.
    pub(crate) fn after_next(&self) -> Option<Instant> {
        let is_told = matches!(self.rhythm, Rhythm::Fixed | Rhythm::Poisson(_));
        is_told.then(|| self.clone().following(self.next, self.next.at))
    }

    /// Takes the grid point that is due at `now`, if any.
    ///
    /// A point missed by more than half an interval is skipped and counted, so that a sender that
    /// was stopped for a while resumes on the grid, not with a burst. After a wake-up that was too
    /// late for one point and too early for the next, however, a point is taken however late it is:
    /// if every wake-up were that late, nothing would ever be sent.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Slot> {
        let interval = self.current_interval();
        let tolerated = if self.between_points {
            interval.saturating_sub(Duration::from_nanos(1))
        } else {
            interval / 2
        };
        let was_behind =
            now.since(self.next.at) > tolerated && !matches!(self.rhythm, Rhythm::Flood);
        if was_behind {
            self.skip(now, tolerated);
        }
        if self.next.at > now {
            self.between_points = self.between_points || was_behind;
            return None;
        }
        self.between_points = false;
        let due = self.next;
        self.next = Slot { index: due.index + 1, at: self.following(due, now) };
        Some(due)
    }

    /// Records a reply received at `now`, after `rtt`.
    pub(crate) fn replied(&mut self, now: Instant, rtt: Duration) {
        match &mut self.rhythm {
            Rhythm::Fixed | Rhythm::Poisson(_) => {}
            Rhythm::Flood => self.next.at = self.next.at.min(now),
            Rhythm::Adaptive { smoothed } => {
                // SRTT <- 7/8 SRTT + 1/8 R.
                *smoothed = Some(smoothed.map_or(rtt, |before| before / 8 * 7 + rtt / 8));
            }
        }
    }

    /// Returns the number of grid points that were skipped.
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }

    fn current_interval(&self) -> Duration {
        match &self.rhythm {
            Rhythm::Adaptive { smoothed: Some(rtt) } => {
                (*rtt).max(ADAPTIVE_MINIMUM).min(self.interval)
            }
            _ => self.interval,
        }
    }

    /// Returns the point after `slot`, which was taken or skipped at `now`.
    fn following(&mut self, slot: Slot, now: Instant) -> Instant {
        match &mut self.rhythm {
            Rhythm::Fixed => {
                // Computed from the start, not from the previous point, so that fractions of a
                // nanosecond do not accumulate.
                let (interval, turns) = (self.interval.as_nanos(), u128::from(self.turns));
                let index = u128::from(slot.index + 1);
                let offset = match self.grid {
                    None => interval * index / turns,
                    Some(grid) => {
                        let of_turn = interval * (index % turns) / turns;
                        interval * (index / turns) + of_turn - of_turn % grid.as_nanos()
                    }
                };
                self.start + Duration::from_nanos(u64::try_from(offset).unwrap_or(u64::MAX))
            }
            // By inversion; `f64` is in [0, 1), so the logarithm's argument is in (0, 1].
            Rhythm::Poisson(rng) => {
                slot.at + self.interval.div_f64(self.turns as f64).mul_f64(-(1.0 - rng.f64()).ln())
            }
            Rhythm::Flood => now + FLOOD_PATIENCE,
            Rhythm::Adaptive { .. } => slot.at + self.current_interval().div_f64(self.turns as f64),
        }
    }

    /// Skips every point that is more than `tolerated` before `now`.
    fn skip(&mut self, now: Instant, tolerated: Duration) {
        let step = (self.current_interval().as_nanos() / u128::from(self.turns)).max(1);
        let behind =
            |schedule: &Self| now.since(schedule.next.at).saturating_sub(tolerated).as_nanos();
        let (before, mut drawn) = (self.next.index, 0);
        while behind(self) > 0 {
            if drawn == DRAWN_ONE_BY_ONE || !matches!(self.rhythm, Rhythm::Poisson(_)) {
                // Skips as many as bring the next point within the tolerance, in one step.
                let skipped = u64::try_from(behind(self).div_ceil(step)).unwrap_or(u64::MAX);
                let last = Slot {
                    index: self.next.index.saturating_add(skipped - 1),
                    at: self.at_after(skipped - 1, step),
                };
                self.next =
                    Slot { index: last.index.saturating_add(1), at: self.following(last, now) };
            } else {
                self.next = Slot { index: self.next.index + 1, at: self.following(self.next, now) };
                drawn += 1;
            }
        }
        self.missed = self.missed.saturating_add(self.next.index - before);
    }

    fn at_after(&self, points: u64, step: u128) -> Instant {
        let span = u64::try_from(step.saturating_mul(u128::from(points))).unwrap_or(u64::MAX);
        self.next.at + Duration::from_nanos(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * MS)
    }

    fn every_100_ms(start: u64, pace: Pace) -> Schedule {
        Schedule::new(at(start), Duration::from_millis(100), 1, pace)
    }

    #[test]
    fn the_point_after_the_next_is_told_where_no_reply_decides_it() {
        for pace in [Pace::Fixed, Pace::Poisson { seed: 7 }] {
            let mut grid = every_100_ms(7, pace);
            for _ in 0..100 {
                let (next, after) = (grid.next(), grid.after_next());
                assert_eq!(take(&mut grid, next), Some(next));
                assert_eq!(Some(grid.next()), after);
            }
        }
        for pace in [Pace::Flood, Pace::Adaptive] {
            assert_eq!(every_100_ms(7, pace).after_next(), None);
        }
    }

    fn take(grid: &mut Schedule, now: Instant) -> Option<Instant> {
        grid.take_due(now).map(|slot| slot.at)
    }

    #[test]
    fn the_grid_is_absolute() {
        let mut grid = every_100_ms(7, Pace::Fixed);
        assert_eq!(take(&mut grid, at(7)), Some(at(7)));
        assert_eq!(take(&mut grid, at(106)), None);
        assert_eq!(take(&mut grid, at(140)), Some(at(107)));
        assert_eq!(grid.next(), at(207));
        assert_eq!(grid.missed(), 0);
    }

    #[test]
    fn slot_late_by_half_an_interval_is_sent_and_later_is_skipped() {
        let mut grid = every_100_ms(0, Pace::Fixed);
        assert_eq!(take(&mut grid, at(50)), Some(at(0)));
        assert_eq!(take(&mut grid, Instant::from_nanos(150 * MS + 1)), None);
        assert_eq!((grid.missed(), grid.next()), (1, at(200)));
    }

    #[test]
    fn where_every_wake_up_is_late_every_other_point_is_taken() {
        let mut grid = every_100_ms(0, Pace::Fixed);
        let mut taken = Vec::new();
        for _ in 0..6 {
            // A sender that waits for the next point wakes 80 ms after it.
            let now = grid.next() + Duration::from_millis(80);
            taken.extend(take(&mut grid, now));
        }
        assert_eq!(taken, [at(100), at(300), at(500)]);
        assert_eq!(grid.missed(), 3);
    }

    #[test]
    fn a_long_stop_skips_what_it_missed_and_goes_on_with_the_grid() {
        let mut grid = every_100_ms(0, Pace::Fixed);
        assert_eq!(take(&mut grid, at(0)), Some(at(0)));
        assert_eq!(take(&mut grid, at(1_020)), Some(at(1_000)));
        assert_eq!((grid.missed(), grid.next()), (9, at(1_100)));
    }

    #[test]
    fn those_who_take_turns_share_the_interval_to_the_nanosecond() {
        let mut grid = Schedule::new(at(0), Duration::from_nanos(100), 3, Pace::Fixed);
        let points = [(); 7].map(|()| grid.take_due(grid.next()).unwrap());
        assert_eq!(
            points.map(|slot| slot.at),
            [0, 33, 66, 100, 133, 166, 200].map(Instant::from_nanos)
        );
        assert_eq!(points.map(|slot| slot.index), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn turns_on_a_grid_leave_together_and_keep_their_interval() {
        let interval = Duration::from_millis(10);
        let grid =
            || Schedule::new(at(3), interval, 40, Pace::Fixed).on_grid(Duration::from_millis(1));
        let mut points = grid();
        let points: Vec<_> = (0..120).map(|_| points.take_due(points.next()).unwrap().at).collect();
        for (index, point) in points.iter().enumerate() {
            let (cycle, turn) = (index / 40, index % 40);
            assert_eq!(*point, at(3 + 10 * cycle as u64 + turn as u64 / 4));
        }
        // All that are due leave, and none counts as missed.
        let mut late = grid();
        let taken = std::iter::from_fn(|| late.take_due(at(4))).count();
        assert_eq!((taken, late.missed(), late.next()), (8, 0, at(5)));
        // Farther apart than the grid, or alone, they keep their own points.
        for turns in [1, 10] {
            let new = || Schedule::new(at(0), interval, turns, Pace::Fixed);
            let (mut one, mut other) = (new(), new().on_grid(Duration::from_millis(1)));
            for _ in 0..30 {
                assert_eq!(one.take_due(one.next()), other.take_due(other.next()));
            }
        }
    }

    #[test]
    fn those_who_take_turns_catch_up_to_half_an_interval() {
        let mut grid = Schedule::new(at(0), Duration::from_millis(100), 10, Pace::Fixed);
        let taken: Vec<_> = std::iter::from_fn(|| grid.take_due(at(73)))
            .map(|slot| (slot.index, slot.at))
            .collect();
        assert_eq!(taken, [(3, at(30)), (4, at(40)), (5, at(50)), (6, at(60)), (7, at(70))]);
        assert_eq!(grid.missed(), 3);
    }

    #[test]
    fn poisson_gaps_have_exponential_mean_median_and_deviation() {
        let mut grid = every_100_ms(0, Pace::Poisson { seed: 7 });
        let (mut before, mut gaps) = (at(0), Vec::new());
        for _ in 0..20_000 {
            let slot = grid.take_due(grid.next()).unwrap();
            gaps.push(slot.at.since(before).as_secs_f64() * 1_000.0);
            before = slot.at;
        }
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Mean and standard deviation of an exponential distribution are equal; 20,000 draws are
        // within 3 % of both.
        assert!(
            (mean - 100.0).abs() < 3.0 && (variance.sqrt() - 100.0).abs() < 3.0,
            "{mean} {variance}"
        );
        let below_median = gaps.iter().filter(|&&gap| gap < 69.3).count();
        assert!(
            (below_median as f64 / 20_000.0 - 0.5).abs() < 0.02,
            "ln 2 of the mean is the median"
        );
        assert_eq!(grid.missed(), 0);
    }

    #[test]
    fn the_same_seed_gives_the_same_points() {
        let points = |seed| {
            let mut grid = every_100_ms(0, Pace::Poisson { seed });
            [(); 5].map(|()| grid.take_due(grid.next()).unwrap().at)
        };
        assert_eq!(points(1), points(1));
        assert_ne!(points(1), points(2));
    }

    #[test]
    fn stopped_poisson_schedule_skips_one_slot_per_mean_interval() {
        for (stop, expected) in [(100_000, 1_000.0), (100_000_000_000, 1e9)] {
            let mut grid = every_100_ms(0, Pace::Poisson { seed: 1 });
            while grid.take_due(at(stop)).is_none() && grid.next() <= at(stop) {}
            let missed = grid.missed() as f64;
            assert!((missed / expected - 1.0).abs() < 0.1, "{missed} of {expected}");
        }
    }

    #[test]
    fn flood_sends_on_reply_or_after_ten_ms_and_misses_no_slot() {
        let mut grid = every_100_ms(0, Pace::Flood);
        assert_eq!(take(&mut grid, at(0)), Some(at(0)));
        assert_eq!(grid.next(), at(10));
        grid.replied(at(3), Duration::from_millis(3));
        assert_eq!(take(&mut grid, at(3)), Some(at(3)));
        assert_eq!(grid.next(), at(13));
        assert_eq!(take(&mut grid, at(500)), Some(at(13)));
        assert_eq!((grid.next(), grid.missed()), (at(510), 0));
    }

    #[test]
    fn adaptive_interval_follows_smoothed_rtt_within_its_bounds() {
        let mut grid = every_100_ms(0, Pace::Adaptive);
        assert_eq!(take(&mut grid, at(0)), Some(at(0)));
        assert_eq!(grid.next(), at(100), "nothing is known yet");
        grid.replied(at(16), Duration::from_millis(16));
        assert_eq!(take(&mut grid, at(100)), Some(at(100)));
        assert_eq!(grid.next(), at(116));
        // 16 * 7/8 + 80 * 1/8 = 24.
        grid.replied(at(110), Duration::from_millis(80));
        assert_eq!(take(&mut grid, at(116)), Some(at(116)));
        assert_eq!(grid.next(), at(140));
        (0..100).for_each(|_| grid.replied(at(117), Duration::from_micros(1)));
        assert_eq!(take(&mut grid, at(140)), Some(at(140)));
        assert_eq!(grid.next(), at(142));
        (0..100).for_each(|_| grid.replied(at(141), Duration::from_secs(9)));
        assert_eq!(take(&mut grid, at(142)), Some(at(142)));
        assert_eq!(grid.next(), at(242));
    }
}
