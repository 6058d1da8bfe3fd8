//! Spans of time and how they spread, in memory that does not grow with their number.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::stats;

/// Significant decimal digits that the histogram keeps: a percentile is at most 0.1 % above the
/// value recorded.
const DIGITS: u8 = 3;

/// Spans of time, each recorded once: running minimum, maximum, mean and standard deviation, and,
/// where that was asked for, a log-linear histogram for the percentiles.
///
/// The histogram has 8 bytes for each of the 1,024 buckets to a power of two, up to the longest
/// span that was recorded: 160 KiB for those up to a second.
#[derive(Clone, Debug)]
pub struct Distribution {
    count: u64,
    min: Duration,
    max: Duration,
    /// In nanoseconds.
    mean: f64,
    /// Sum of squared differences from the mean, in square nanoseconds (Welford, 1962).
    squares: f64,
    histogram: Option<Box<Histogram<u64>>>,
}

/// What a [`Distribution`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// The shortest of the spans.
    pub min: Duration,
    /// The arithmetic mean of the spans.
    pub mean: Duration,
    /// The longest of the spans.
    pub max: Duration,
    /// The population standard deviation, which is what iputils calls mdev.
    pub stddev: Duration,
    /// Where a histogram was kept.
    pub percentiles: Option<Percentiles>,
}

/// By nearest rank: the smallest recorded value with at least so many percent of the values at or
/// below it. At most 0.1 % above that, and never above the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// The 50th percentile: the median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 95th percentile.
    pub p95: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The 99.9th percentile.
    pub p99_9: Duration,
}

impl Distribution {
    /// One that can tell percentiles.
    pub fn with_percentiles() -> Self {
        // It refuses a number of digits above 5, and nothing else.
        Self { histogram: Histogram::new(DIGITS).ok().map(Box::new), ..Self::of_moments() }
    }

    /// One that cannot, and takes 48 bytes.
    pub fn of_moments() -> Self {
        Self {
            count: 0,
            min: Duration::MAX,
            max: Duration::ZERO,
            mean: 0.0,
            squares: 0.0,
            histogram: None,
        }
    }

    /// Adds one span. One of more than 584 years counts as that.
    pub fn record(&mut self, span: Duration) {
        self.count += 1;
        self.min = self.min.min(span);
        self.max = self.max.max(span);
        let nanos = span.as_nanos() as f64;
        let delta = nanos - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (nanos - self.mean);
        if let Some(histogram) = &mut self.histogram {
            // It grows as far as 64 bits go, and so takes any.
            let _ = histogram.record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// `None` where nothing was recorded.
    pub fn spread(&self) -> Option<Spread> {
        (self.count > 0).then(|| Spread {
            count: self.count,
            min: self.min,
            mean: stats::from_nanos(self.mean),
            max: self.max,
            stddev: stats::from_nanos((self.squares / self.count as f64).sqrt()),
            percentiles: self.percentiles(),
        })
    }

    /// All in one walk over the histogram: the ranks are exact, where a share as a floating point
    /// number might miss one.
    fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.histogram.as_ref()?;
        let mut walk = histogram.iter_recorded();
        let (mut below, mut value) = (0, 0);
        let mut at = |per_mille: u64| {
            let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1_000);
            while u128::from(below) < rank {
                let Some(step) = walk.next() else { break };
                below += step.count_since_last_iteration();
                value = step.value_iterated_to();
            }
            Duration::from_nanos(value).clamp(self.min, self.max)
        };
        Some(Percentiles { p50: at(500), p90: at(900), p95: at(950), p99: at(990), p99_9: at(999) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(spans: &[u64]) -> Distribution {
        let mut distribution = Distribution::with_percentiles();
        for &nanos in spans {
            distribution.record(Duration::from_nanos(nanos));
        }
        distribution
    }

    fn moments(spans: &[u64]) -> Option<[u64; 4]> {
        let s = of(spans).spread()?;
        Some([s.min, s.mean, s.max, s.stddev].map(|span| span.as_nanos() as u64))
    }

    fn percentiles(spans: &[u64]) -> [u64; 5] {
        let p = of(spans).spread().unwrap().percentiles.unwrap();
        [p.p50, p.p90, p.p95, p.p99, p.p99_9].map(|span| span.as_nanos() as u64)
    }

    #[test]
    fn hand_worked_moments() {
        assert_eq!(moments(&[]), None);
        assert_eq!(moments(&[700]), Some([700, 700, 700, 0]));
        // In thousands: mean 5; squared differences 9 1 1 1 0 0 4 16 = 32; 32 / 8 = 4; root 2. Over
        // 7 it would be 2.138.
        let thousands = [2, 4, 4, 4, 5, 5, 7, 9].map(|n| n * 1_000);
        assert_eq!(moments(&thousands), Some([2_000, 5_000, 9_000, 2_000]));
        // A day's worth of nanoseconds does not cost the small spread its digits: 1 and 3 around
        // it.
        let day = 86_400_000_000_000;
        assert_eq!(moments(&[day + 1, day + 3]), Some([day + 1, day + 2, day + 3, 1]));
    }

    #[test]
    fn hand_worked_percentiles_by_nearest_rank() {
        // Of 1 to 10, five are at or below 5, nine at or below 9; 95 % of ten is nine and a half,
        // which takes ten.
        let ten: Vec<u64> = (1..=10).collect();
        assert_eq!(percentiles(&ten), [5, 9, 10, 10, 10]);
        // Of 1 to 1000, exact ranks: 500, 900, 950, 990, 999. A share in floating point would give
        // 991 for 99 %.
        let thousand: Vec<u64> = (1..=1_000).rev().collect();
        assert_eq!(percentiles(&thousand), [500, 900, 950, 990, 999]);
        // Two values: the median is the smaller, since half of them are at or below it.
        assert_eq!(
            percentiles(&[1_000_000_001, 7]),
            [7, 1_000_000_001, 1_000_000_001, 1_000_000_001, 1_000_000_001]
        );
        assert_eq!(percentiles(&[123_456_789]), [123_456_789; 5]);
    }

    #[test]
    fn one_without_a_histogram_knows_no_percentiles() {
        let mut distribution = Distribution::of_moments();
        distribution.record(Duration::from_millis(1));
        let spread = distribution.spread().unwrap();
        assert_eq!((spread.mean, spread.percentiles), (Duration::from_millis(1), None));
    }

    #[test]
    fn memory_is_that_of_the_longest_span_and_not_of_their_number() {
        let mut distribution = Distribution::with_percentiles();
        let buckets = |d: &Distribution| d.histogram.as_ref().unwrap().distinct_values();
        distribution.record(Duration::from_secs(1));
        let before = buckets(&distribution);
        (0..1_000_000).for_each(|n| distribution.record(Duration::from_nanos(n * 1_000)));
        assert_eq!((before, buckets(&distribution)), (21 * 1_024, 21 * 1_024));
    }

    proptest! {
        #[test]
        fn a_percentile_is_the_value_of_its_rank_to_a_thousandth(
            mut spans in prop::collection::vec(0..100_000_000_000_u64, 1..300),
        ) {
            let found = percentiles(&spans);
            spans.sort_unstable();
            for (per_mille, found) in [500, 900, 950, 990, 999].into_iter().zip(found) {
                let exact = spans[(spans.len() * per_mille).div_ceil(1_000) - 1];
                prop_assert!(found >= exact && found - exact <= exact / 1_000, "{found} for {exact}");
                prop_assert!(found <= spans[spans.len() - 1]);
            }
        }

        #[test]
        fn the_moments_are_ordered_and_the_deviation_bounded(spans in prop::collection::vec(0..10_000_000_000_u64, 1..200)) {
            let [min, mean, max, stddev] = moments(&spans).expect("there is at least one");
            prop_assert!(min <= mean && mean <= max);
            prop_assert!(stddev <= max - min);
        }
    }
}
