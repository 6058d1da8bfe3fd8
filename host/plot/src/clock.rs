//! The wall clock of a run, in UTC: times of day, and round ones for an axis.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use udping_results::Timestamp;

/// The seconds of a day.
const DAY: f64 = 86_400.0;

/// The distances between ticks, in seconds. Shorter ones are 1, 2 or 5 times a power of ten, longer
/// ones such times days.
const STEPS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    21600.0, 43200.0,
];

/// The clock of a run: places on its axis are seconds since the midnight before the run began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clock {
    /// That midnight, in seconds since 1970.
    midnight: u64,
    /// When the run began, since that midnight.
    start: Duration,
}

impl Clock {
    pub(crate) fn new(started: SystemTime) -> Self {
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let midnight = started.as_secs() - started.as_secs() % DAY as u64;
        Self { midnight, start: started.saturating_sub(Duration::from_secs(midnight)) }
    }

    /// The place of a time in ns since the start of the run.
    pub(crate) fn place(self, ns: f64) -> f64 {
        self.start.as_secs_f64() + ns / 1e9
    }

    /// Date and time of a place, in RFC 3339, of which as much is taken as is to be shown.
    fn written(self, place: f64) -> String {
        let since = Duration::try_from_secs_f64(place.max(0.0)).unwrap_or(Duration::MAX);
        Timestamp::from_unix(since.saturating_add(Duration::from_secs(self.midnight))).to_string()
    }

    /// The time of day at a time in ns since the start of the run, to the millisecond.
    pub(crate) fn time(self, ns: u64) -> String {
        let exact = self.start.saturating_add(Duration::from_nanos(ns));
        let exact = exact.saturating_add(Duration::from_secs(self.midnight));
        Timestamp::from_unix(exact).to_string().chars().skip(11).take(12).collect()
    }

    /// The name of the axis: when the run began, since ticks have a time of day alone.
    pub(crate) fn name(self) -> String {
        let written = self.written(self.start.as_secs_f64());
        let began: String = written.chars().take(19).collect();
        format!("time in UTC; the run began at {}", began.replace('T', " "))
    }

    /// The label of a tick, where ticks are `step` apart on an axis of that `range`.
    pub(crate) fn label(self, tick: f64, step: f64, range: &Range<f64>) -> String {
        let several_days = range.end >= DAY;
        // The margin is more than what a sum of steps is off, and less than what is shown.
        let decimals = if step < 1.0 { (-(step * 1.000_001).log10().floor()) as usize } else { 0 };
        let written = self.written(tick + 0.4 * 10_f64.powi(-(decimals.min(9) as i32)));
        let part = |from: usize, to: usize| written.chars().skip(from).take(to - from);
        match step {
            ..1.0 => part(11, 20 + decimals.min(9)).collect(),
            ..60.0 => part(11, 19).collect(),
            ..DAY if several_days => part(5, 16).collect::<String>().replace('T', " "),
            ..DAY => part(11, 16).collect(),
            _ => part(0, 10).collect(),
        }
    }

    /// The distance between at most `most` ticks on an axis that is `length` seconds long.
    pub(crate) fn step(length: f64, most: usize) -> f64 {
        let fits = |step: &f64| length / step <= most as f64;
        let round = |unit: f64| {
            let power = 10_f64.powf((length / unit / most as f64).log10().floor());
            [1.0, 2.0, 5.0, 10.0].map(|mantissa| mantissa * power * unit).into_iter().find(fits)
        };
        let whole =
            || STEPS.into_iter().find(fits).or_else(|| round(DAY).map(|step| step.max(DAY)));
        let step = if length < most as f64 { round(1.0) } else { whole() };
        step.unwrap_or(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        // 2026-11-24T23:59:50.25Z
        Clock::new(UNIX_EPOCH + Duration::from_millis(1_795_564_790_250))
    }

    #[test]
    fn a_place_is_a_time_of_day() {
        let clock = clock();
        assert!((clock.place(0.0) - 86_390.25).abs() < 1e-9);
        assert_eq!(clock.time(0), "23:59:50.250");
        assert_eq!(clock.time(9_750_000_000), "00:00:00.000");
        assert_eq!(clock.name(), "time in UTC; the run began at 2026-11-24 23:59:50");
    }

    #[test]
    fn ticks_are_round_times() {
        let steps = [0.004, 0.85, 9.0, 60.0, 600.0, 4000.0, 86_400.0, 864_000.0, 1e10];
        let found = steps.map(|length| Clock::step(length, 9));
        let expected = [0.0005, 0.1, 1.0, 10.0, 120.0, 600.0, 21_600.0, 172_800.0, 1.728e9];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn a_label_shows_as_much_as_tells_ticks_apart() {
        let clock = clock();
        let within = 0.0..86_399.0;
        let label = |tick, step| clock.label(tick, step, &within);
        assert_eq!(label(43_200.3, 0.1), "12:00:00.3");
        assert_eq!(label(43_200.000_5, 0.0005), "12:00:00.0005");
        assert_eq!(label(43_205.0, 5.0), "12:00:05");
        assert_eq!(label(43_260.0, 60.0), "12:01");
        assert_eq!(clock.label(86_400.0, 21_600.0, &(0.0..100_000.0)), "11-25 00:00");
        assert_eq!(clock.label(86_400.0, 86_400.0, &(0.0..1e6)), "2026-11-25");
        // The last second that there is.
        assert_eq!(clock.label(1e300, 86_400.0, &(0.0..1e300)), "9999-12-31");
    }
}
