//! The kernel's timestamps of received datagrams (`SO_TIMESTAMPNS`, socket(7)), as instants.
//!
//! They are of `CLOCK_REALTIME`, instants of `CLOCK_MONOTONIC`. Both advance alike, also while the
//! clock is slewed (adjtimex(2)), so that their difference is constant until the wall clock is
//! stepped, or the machine was suspended (`clock_gettime(2)`). What arrived before that was seen has a
//! timestamp of either difference: it is not converted. Steps that cancel each other out, to within
//! a microsecond and between two readings of the clocks, are not seen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A reading of both clocks takes less than this unless the thread is interrupted.
const UNINTERRUPTED: Duration = Duration::from_micros(5);

/// How often the clocks are read for such a reading.
const READINGS: usize = 4;

/// Rounding of the clocks' conversions, and more.
const ROUNDING: Duration = Duration::from_micros(1);

/// Converts timestamps, for all sockets of a [`crate::OperatingSystem`].
#[derive(Debug)]
pub(super) struct Stamps {
    start: Instant,
    known: Mutex<Known>,
    /// Whether a socket could not be asked for timestamps.
    refused: AtomicBool,
}

/// What is known of the clocks.
#[derive(Clone, Copy, Debug)]
struct Known {
    difference: Difference,
    /// The instant from which arrivals have timestamps of that difference.
    from: Instant,
}

/// What the wall clock is ahead of an [`Instant`], in nanoseconds: at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    least: i128,
    most: i128,
}

impl Difference {
    /// Whether both can be of the same difference.
    fn agrees(self, other: Self) -> bool {
        let rounding = ROUNDING.as_nanos().cast_signed();
        self.least <= other.most + rounding && other.least <= self.most + rounding
    }

    /// The difference, if it is within both.
    fn narrowed(self, other: Self) -> Self {
        let (least, most) = (self.least.max(other.least), self.most.min(other.most));
        if least <= most { Self { least, most } } else { other }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        let start = Instant::now();
        let (from, difference) = read(start);
        let known = Mutex::new(Known { difference, from });
        Self { start, known, refused: AtomicBool::new(false) }
    }
}

impl Stamps {
    /// Records that the system does not support them.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether the system does not support them.
    pub(super) fn are_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Reads the clocks, to convert the timestamps of what was received just now.
    pub(super) fn now(&self) -> Conversion {
        let (now, difference) = read(self.start);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.after(now, difference);
        Conversion { start: self.start, now, known: *known }
    }
}

impl Known {
    fn after(self, now: Instant, difference: Difference) -> Self {
        if self.difference.agrees(difference) {
            Self { difference: self.difference.narrowed(difference), ..self }
        } else {
            Self { difference, from: now }
        }
    }
}

/// Converts timestamps of datagrams that were received before `now`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conversion {
    start: Instant,
    now: Instant,
    known: Known,
}

impl Conversion {
    /// The instant of arrival; `None` if the timestamp is of before or after a step.
    pub(super) fn instant(&self, stamp: SystemTime) -> Option<Instant> {
        let since_start = of_wall(stamp)? - self.known.difference.least;
        let since_start = Duration::from_nanos(u64::try_from(since_start).ok()?);
        let at = self.start.checked_add(since_start)?;
        (self.known.from <= at && at <= self.now + ROUNDING).then(|| at.min(self.now))
    }
}

/// Nanoseconds since 1970.
fn of_wall(time: SystemTime) -> Option<i128> {
    i128::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// Reads both clocks, the monotonic one before and after the other.
fn read(start: Instant) -> (Instant, Difference) {
    let reading = || {
        let (before, wall, after) = (Instant::now(), SystemTime::now(), Instant::now());
        let nanoseconds =
            |at: Instant| at.saturating_duration_since(start).as_nanos().cast_signed();
        // A clock before 1970 has no datagram that arrived before 1970 and is converted.
        let wall = of_wall(wall).unwrap_or(0);
        let difference =
            Difference { least: wall - nanoseconds(after), most: wall - nanoseconds(before) };
        (after, difference, after - before)
    };
    let mut best = reading();
    for _ in 1..READINGS {
        if best.2 <= UNINTERRUPTED {
            break;
        }
        let next = reading();
        best = if next.2 < best.2 { next } else { (next.0, best.1, best.2) };
    }
    (best.0, best.1)
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    /// The clocks of a machine, in nanoseconds since the start.
    struct Machine {
        start: Instant,
        known: Known,
        /// What the wall clock is ahead now.
        ahead: i128,
    }

    impl Machine {
        fn new() -> Self {
            let (start, ahead) = (Instant::now(), 1_700_000_000_000_000_000);
            Self { start, known: Known { difference: exactly(ahead), from: start }, ahead }
        }

        fn at(&self, nanoseconds: u64) -> Instant {
            self.start + Duration::from_nanos(nanoseconds)
        }

        /// The timestamp of a datagram that arrives then.
        fn stamp(&self, arrives: u64) -> SystemTime {
            let wall = self.ahead + i128::from(arrives);
            UNIX_EPOCH + Duration::from_nanos(u64::try_from(wall).unwrap())
        }

        /// When it arrived, as read at `now`.
        fn instant(&mut self, stamp: SystemTime, now: u64) -> Option<u64> {
            let now = self.at(now);
            self.known = self.known.after(now, exactly(self.ahead));
            let conversion = Conversion { start: self.start, now, known: self.known };
            let since = conversion.instant(stamp)? - self.start;
            Some(u64::try_from(since.as_nanos()).unwrap())
        }
    }

    fn exactly(ahead: i128) -> Difference {
        Difference { least: ahead, most: ahead }
    }

    const HOUR: i128 = 3_600_000_000_000;

    #[test]
    fn a_timestamp_is_the_instant_of_arrival() {
        let mut machine = Machine::new();
        let stamp = machine.stamp(5_000);
        assert_eq!(machine.instant(stamp, 9_000), Some(5_000));
        // Rounded by the kernel to after the reading.
        let stamp = machine.stamp(9_900);
        assert_eq!(machine.instant(stamp, 9_500), Some(9_500));
    }

    #[test]
    fn steps_of_the_wall_clock_are_not_told_as_arrivals() {
        for step in [HOUR, -HOUR, 5_000_000, -5_000_000, 10_000, -10_000] {
            let mut machine = Machine::new();
            let before = machine.stamp(1_000_000);
            machine.ahead += step;
            let told = machine.instant(before, 20_000_000);
            assert!(told.is_none_or(|told| (1_000_000..=20_000_000).contains(&told)), "{step}");
            // Once it was seen, later ones are told.
            let after = machine.stamp(30_000_000);
            assert_eq!(machine.instant(after, 31_000_000), Some(30_000_000), "{step}");
        }
    }

    #[test]
    fn arrivals_of_the_future_or_before_the_epoch_are_not_told() {
        let mut machine = Machine::new();
        let later = machine.stamp(1_000_000);
        assert_eq!(machine.instant(later, 500_000), None);
        assert_eq!(machine.instant(UNIX_EPOCH - Duration::from_secs(1), 500_000), None);
        assert_eq!(machine.instant(UNIX_EPOCH, 500_000), None);
    }

    #[test]
    fn difference_is_narrowed_by_each_reading_and_replaced_by_a_step() {
        let start = Instant::now();
        let reading = |least, most| Difference { least, most };
        let known = Known { difference: reading(100, 900), from: start };
        let narrowed = known.after(start, reading(500, 2_000));
        assert_eq!(narrowed.difference, reading(500, 900));
        let later = start + Duration::from_secs(1);
        assert_eq!(narrowed.after(later, reading(1_500, 1_800)).from, start, "rounding");
        let stepped = narrowed.after(later, reading(2_500, 2_800));
        assert_eq!((stepped.difference, stepped.from), (reading(2_500, 2_800), later));
    }

    proptest! {
        /// What is told lies between the true arrival and now, whatever steps the wall clock makes
        /// and however late the datagrams are received: it is never below the truth, and off by no
        /// more than the wait.
        #[test]
        fn told_arrivals_are_never_early_or_in_the_future(
            moves in collection::vec((0_u64..5_000_000, -2 * HOUR..2 * HOUR, 0_u8..8), 1..50),
        ) {
            let mut machine = Machine::new();
            let (mut now, mut queue) = (0, Vec::new());
            let mut steps = Vec::new();
            for (pause, step, what) in moves {
                now += pause;
                let step = match what {
                    0 => step,
                    1 => step / 1_000_000,
                    _ => 0,
                };
                machine.ahead += step;
                match what {
                    0 | 1 => steps.push(step),
                    2..=5 => queue.push((now, machine.stamp(now))),
                    // Without a datagram, the clocks are not read.
                    _ if queue.is_empty() => {}
                    // They are read once for what is received together.
                    _ => {
                        let cancel_out = !steps.is_empty() && steps.iter().sum::<i128>().abs() <= 1_000;
                        prop_assume!(!cancel_out);
                        steps.clear();
                        for (arrived, stamp) in queue.drain(..) {
                            if let Some(told) = machine.instant(stamp, now) {
                                prop_assert!((arrived..=now).contains(&told), "{told} of {arrived}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_system_clocks_agree() {
        let stamps = Stamps::default();
        let before = Instant::now();
        let stamp = SystemTime::now();
        let told = stamps.now().instant(stamp).unwrap();
        assert!((before..=Instant::now()).contains(&told));
    }
}
