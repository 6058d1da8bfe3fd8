//! The wall clock of a node, which may be stepped and drift.

use std::time::{Duration, SystemTime};

use crate::time::Time;

/// What wall clocks show at the start of a simulation: 2026-01-01T00:00:00Z.
pub const EPOCH: Duration = Duration::from_hours(490_896);

/// A wall clock: what it showed and will show at each virtual time.
#[derive(Clone, Debug)]
pub struct WallClock {
    /// The stretches of time in which it was not adjusted, the first first.
    stretches: Vec<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    since: Time,
    /// What it showed then, in nanoseconds since 1970.
    shows: i128,
    /// How much too fast it runs.
    parts_per_million: i64,
}

impl Default for WallClock {
    fn default() -> Self {
        let shows = i128::try_from(EPOCH.as_nanos()).unwrap_or_default();
        Self { stretches: vec![Stretch { since: Time::START, shows, parts_per_million: 0 }] }
    }
}

impl WallClock {
    /// What it shows at `time`. Before 1970 it shows 1970.
    pub fn at(&self, time: Time) -> SystemTime {
        let nanoseconds = u64::try_from(self.nanos(time).max(0)).unwrap_or(u64::MAX);
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }

    fn nanos(&self, time: Time) -> i128 {
        let before = self.stretches.iter().rfind(|stretch| stretch.since <= time);
        let Some(stretch) = before.or(self.stretches.first()) else { return 0 };
        let elapsed = i128::from(time.as_nanos()) - i128::from(stretch.since.as_nanos());
        stretch.shows + elapsed + elapsed * i128::from(stretch.parts_per_million) / 1_000_000
    }

    fn rate(&self) -> i64 {
        self.stretches.last().map_or(0, |stretch| stretch.parts_per_million)
    }

    /// Steps it by that many nanoseconds at `now`.
    pub(super) fn step(&mut self, now: Time, by_nanos: i64) {
        let (shows, parts_per_million) = (self.nanos(now) + i128::from(by_nanos), self.rate());
        self.stretches.push(Stretch { since: now, shows, parts_per_million });
    }

    /// Has it run too fast by that much from `now` on.
    pub(super) fn drift(&mut self, now: Time, parts_per_million: i64) {
        let shows = self.nanos(now);
        self.stretches.push(Stretch { since: now, shows, parts_per_million });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_drift_add_up() {
        let second = |count: u64| Time::from_nanos(count * 1_000_000_000);
        let mut clock = WallClock::default();
        clock.drift(second(10), 100);
        clock.step(second(20), -3_000_000_000);
        clock.drift(second(30), 0);
        let shown = |count| {
            let since = clock.at(second(count)).duration_since(SystemTime::UNIX_EPOCH).unwrap();
            i128::try_from((since).as_nanos()).unwrap() - i128::try_from(EPOCH.as_nanos()).unwrap()
        };
        assert_eq!(shown(5), 5_000_000_000);
        assert_eq!(shown(15), 15_000_500_000);
        assert_eq!(shown(20), 17_001_000_000);
        assert_eq!(shown(30), 27_002_000_000);
        assert_eq!(shown(40), 37_002_000_000);
    }
}
