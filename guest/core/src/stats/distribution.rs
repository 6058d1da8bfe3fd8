//! Distributions of durations, in bounded memory.

use std::time::Duration;

use crate::stats;
use crate::stats::histogram::Histogram;

/// A distribution of durations: running minimum, maximum, mean and standard deviation and, if
/// requested, a histogram for the percentiles.
#[derive(Clone, Debug)]
pub struct Distribution {
    count: u64,
    min: Duration,
    max: Duration,
    /// The running mean, in nanoseconds.
    mean: f64,
    /// The sum of squared differences from the mean, in square nanoseconds (Welford, 1962).
    squares: f64,
    histogram: Option<Histogram>,
}

/// A summary of a [`Distribution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The number of recorded durations.
    pub count: u64,
    /// The shortest duration.
    pub min: Duration,
    /// The arithmetic mean.
    pub mean: Duration,
    /// The longest duration.
    pub max: Duration,
    /// The population standard deviation, which iputils calls mdev.
    pub stddev: Duration,
    /// The percentiles, if there is a histogram.
    pub percentiles: Option<Percentiles>,
    /// The histogram, if there is one.
    pub histogram: Option<Histogram>,
    /// The histogram in few buckets, if there is one.
    pub buckets: Option<Buckets>,
}

/// The counts of a histogram with few buckets, as metrics have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The number of durations up to each of [`Self::BOUNDS`] and above the one before it. A duration
    /// at most 0.1 % above a bound may count below it.
    pub counts: [u64; Self::BOUNDS.len()],
}

impl Buckets {
    /// The upper bounds: from 10 us, an RTT within one machine, to 10 s, in steps of 1, 2 and 5.
    pub const BOUNDS: [Duration; 19] = {
        let mut bounds = [Duration::ZERO; 19];
        let (mut index, mut decade) = (0, Duration::from_micros(10));
        while index < bounds.len() {
            bounds[index] = decade.saturating_mul([1, 2, 5][index % 3]);
            if index % 3 == 2 {
                decade = decade.saturating_mul(10);
            }
            index += 1;
        }
        bounds
    };
}

/// Percentiles by nearest rank: the smallest recorded value such that at least the given percentage
/// of values is at or below it. At most 0.1 % above that, and never above the maximum.
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
    /// Creates an empty distribution with a histogram.
    pub fn with_percentiles() -> Self {
        Self { histogram: Histogram::new(), ..Self::of_moments() }
    }

    /// Creates an empty distribution without percentiles, which takes 48 bytes.
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

    /// Records a duration, which saturates at 584 years.
    pub fn record(&mut self, span: Duration) {
        self.count += 1;
        self.min = self.min.min(span);
        self.max = self.max.max(span);
        let nanos = span.as_nanos() as f64;
        let delta = nanos - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (nanos - self.mean);
        if let Some(histogram) = &mut self.histogram {
            histogram.record(span);
        }
    }

    /// Adds the durations of another distribution, of which the summary is known: exactly, except that
    /// its mean and its standard deviation are rounded to nanoseconds. There are percentiles only if
    /// both have a histogram.
    pub fn add(&mut self, other: &Spread) {
        if other.count == 0 {
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let all = ours + theirs;
        let (mean, stddev) = (other.mean.as_nanos() as f64, other.stddev.as_nanos() as f64);
        let delta = mean - self.mean;
        // Chan, Golub and LeVeque, 1979.
        self.mean += delta * theirs / all;
        self.squares += stddev * stddev * theirs + delta * delta * ours * theirs / all;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.histogram =
            self.histogram.take().zip(other.histogram.as_ref()).map(|(mut all, more)| {
                all.add(more);
                all
            });
    }

    /// Returns the number of recorded durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the summary; `None` if nothing was recorded.
    pub fn spread(&self) -> Option<Spread> {
        if self.count == 0 {
            return None;
        }
        let (percentiles, buckets) = self.histogram.as_ref().map(|all| self.walk(all)).unzip();
        Some(Spread {
            count: self.count,
            min: self.min,
            mean: stats::from_nanos(self.mean),
            max: self.max,
            stddev: stats::from_nanos((self.squares / self.count as f64).sqrt()),
            percentiles,
            histogram: self.histogram.clone(),
            buckets,
        })
    }

    /// Computes the percentiles and the few buckets in one pass over the histogram, which takes most
    /// of the time of a short run. The ranks are exact, where a floating-point share might miss one.
    fn walk(&self, histogram: &Histogram) -> (Percentiles, Buckets) {
        let ranks = [500, 900, 950, 990, 999]
            .map(|per_mille| (u128::from(self.count) * per_mille).div_ceil(1_000));
        let (mut below, mut values, mut rank) = (0_u64, [0; 5], 0);
        let (mut buckets, mut bucket) = (Buckets::default(), 0);
        for (shortest, longest, count) in histogram.recorded() {
            below += count;
            while ranks.get(rank).is_some_and(|rank| u128::from(below) >= *rank) {
                values[rank] = longest;
                rank += 1;
            }
            let value = Duration::from_nanos(shortest);
            while Buckets::BOUNDS.get(bucket).is_some_and(|bound| value > *bound) {
                bucket += 1;
            }
            if let Some(of_bucket) = buckets.counts.get_mut(bucket) {
                *of_bucket += count;
            }
        }
        let [p50, p90, p95, p99, p99_9] =
            values.map(|value| Duration::from_nanos(value).clamp(self.min, self.max));
        (Percentiles { p50, p90, p95, p99, p99_9 }, buckets)
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
        // An offset of a day in nanoseconds does not cost precision: 1 and 3 above it.
        let day = 86_400_000_000_000;
        assert_eq!(moments(&[day + 1, day + 3]), Some([day + 1, day + 2, day + 3, 1]));
    }

    #[test]
    fn hand_worked_percentiles_by_nearest_rank() {
        // Of 1 to 10, five are at or below 5, nine at or below 9; 95 % of ten is nine and a half,
        // which takes ten.
        let ten: Vec<u64> = (1..=10).collect();
        assert_eq!(percentiles(&ten), [5, 9, 10, 10, 10]);
        // Of 1 to 1000, exact ranks: 500, 900, 950, 990, 999. A floating-point share would give 991
        // for 99 %.
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
        assert_eq!(spread.buckets, None);
    }

    #[test]
    fn hand_worked_buckets() {
        let bounds = Buckets::BOUNDS.map(|bound| bound.as_micros());
        assert_eq!(bounds[..5], [10, 20, 50, 100, 200]);
        assert_eq!(bounds[16..], [2_000_000, 5_000_000, 10_000_000]);
        // Up to 10 us; up to 20 us; above 10 s, which belongs to no bucket.
        let spans = [0, 10_000, 10_100, 20_000, 15_000, 10_100_000_000];
        let counts = of(&spans).spread().unwrap().buckets.unwrap().counts;
        assert_eq!(counts[..3], [2, 3, 0]);
        assert_eq!(counts.iter().sum::<u64>(), 5);
    }

    #[test]
    fn memory_is_that_of_the_longest_span_and_not_of_their_number() {
        let mut distribution = Distribution::with_percentiles();
        let buckets = |d: &Distribution| d.histogram.as_ref().unwrap().buckets();
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
        fn two_added_are_one_of_both(
            one in prop::collection::vec(0..20_000_000_000_u64, 0..100),
            other in prop::collection::vec(0..20_000_000_000_u64, 1..100),
        ) {
            let mut sum = of(&one);
            sum.add(&of(&other).spread().unwrap());
            let (sum, both) = (sum.spread().unwrap(), of(&[one, other].concat()).spread().unwrap());
            let close = |a: Duration, b: Duration| a.abs_diff(b) <= Duration::from_nanos(2);
            prop_assert!(close(sum.mean, both.mean) && close(sum.stddev, both.stddev));
            let Spread { mean, stddev, .. } = both;
            prop_assert_eq!(Spread { mean, stddev, histogram: None, ..sum.clone() }, Spread { histogram: None, ..both.clone() });
            prop_assert!(sum.histogram.unwrap().recorded().eq(both.histogram.unwrap().recorded()));
        }

        #[test]
        fn buckets_count_what_is_up_to_their_bounds(
            spans in prop::collection::vec(0..20_000_000_000_u64, 1..300),
        ) {
            let counts = of(&spans).spread().unwrap().buckets.unwrap().counts;
            let mut found = 0;
            for (bound, count) in Buckets::BOUNDS.iter().zip(counts) {
                found += count;
                let up_to = |bound: u128| {
                    spans.iter().filter(|span| u128::from(**span) <= bound).count() as u64
                };
                let bound = bound.as_nanos();
                prop_assert!((up_to(bound)..=up_to(bound + bound / 1_000)).contains(&found));
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
