//! Round-trip times, in constant memory.

use std::time::Duration;

/// Running minimum, maximum, mean and standard deviation of the RTTs of first replies within the timeout.
#[derive(Clone, Debug, Default)]
pub struct RttStats {
    count: u64,
    min: Duration,
    max: Duration,
    /// In nanoseconds.
    mean: f64,
    /// Sum of squared differences from the mean, in square nanoseconds (Welford, 1962).
    squares: f64,
}

/// What [`RttStats`] holds, as ping prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RttSummary {
    /// The smallest.
    pub min: Duration,
    /// The arithmetic mean.
    pub avg: Duration,
    /// The largest.
    pub max: Duration,
    /// The population standard deviation, which is what iputils calls mdev.
    pub mdev: Duration,
}

impl RttStats {
    /// Adds one RTT.
    pub fn record(&mut self, rtt: Duration) {
        self.min = if self.count == 0 { rtt } else { self.min.min(rtt) };
        self.max = self.max.max(rtt);
        self.count += 1;
        let nanos = rtt.as_nanos() as f64;
        let delta = nanos - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (nanos - self.mean);
    }

    /// How many RTTs were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// `None` where there was no RTT.
    pub fn summary(&self) -> Option<RttSummary> {
        let nanos = |n: f64| Duration::from_nanos(n.round() as u64);
        (self.count > 0).then(|| RttSummary {
            min: self.min,
            avg: nanos(self.mean),
            max: self.max,
            mdev: nanos((self.squares / self.count as f64).sqrt()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(rtts: &[u64]) -> Option<RttSummary> {
        let mut stats = RttStats::default();
        rtts.iter().for_each(|&n| stats.record(Duration::from_nanos(n)));
        stats.summary()
    }

    fn summary(min: u64, avg: u64, max: u64, mdev: u64) -> Option<RttSummary> {
        let [min, avg, max, mdev] = [min, avg, max, mdev].map(Duration::from_nanos);
        Some(RttSummary { min, avg, max, mdev })
    }

    #[test]
    fn hand_worked_numbers() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[700]), summary(700, 700, 700, 0));
        // In thousands: mean 5; squared differences 9 1 1 1 0 0 4 16 = 32; 32 / 8 = 4; root 2. Over 7 it would be 2.138.
        let thousands = [2, 4, 4, 4, 5, 5, 7, 9].map(|n| n * 1_000);
        assert_eq!(of(&thousands), summary(2_000, 5_000, 9_000, 2_000));
        // A day's worth of nanoseconds does not cost the small spread its digits: 1 and 3 around it.
        let day = 86_400_000_000_000;
        assert_eq!(of(&[day + 1, day + 3]), summary(day + 1, day + 2, day + 3, 1));
    }

    proptest! {
        #[test]
        fn the_summary_is_ordered_and_the_spread_bounded(rtts in prop::collection::vec(0..10_000_000_000_u64, 1..200)) {
            let s = of(&rtts).expect("there is at least one");
            prop_assert!(s.min <= s.avg && s.avg <= s.max);
            prop_assert!(s.mdev <= s.max - s.min);
        }
    }
}
