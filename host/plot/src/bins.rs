//! Bins of a histogram, of equal width on a logarithmic axis.

use std::ops::Range;

/// Bins from the minimum to the maximum RTT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bins {
    /// The natural logarithm of the first bin's start in ns.
    ln_start: f64,
    /// The natural logarithm of the ratio of a bin's ends.
    ln_width: f64,
    count: usize,
}

impl Bins {
    /// Creates bins for `pings` round-trip times from `min` to `max` (in ns): more bins for more
    /// pings.
    pub(crate) fn new(min: u64, max: u64, pings: usize) -> Self {
        let (start, end) = ((min.max(1) as f64).ln(), (max.max(1) as f64).ln());
        // If all times are equal, there is one bin, 10 % wide.
        if end <= start {
            return Self { ln_start: start - 0.05, ln_width: 0.1, count: 1 };
        }
        let count = ((pings as f64).sqrt() * 2.0).clamp(10.0, 100.0);
        Self { ln_start: start, ln_width: (end - start) / count.floor(), count: count as usize }
    }

    /// The start and end of a bin, in ns.
    pub(crate) fn edges(&self, index: usize) -> Range<f64> {
        let edge = |index: usize| (self.ln_start + self.ln_width * index as f64).exp();
        edge(index)..edge(index + 1)
    }

    /// The range of all bins with a small margin, in ns.
    pub(crate) fn range(&self) -> Range<f64> {
        let length = self.ln_width * self.count as f64;
        let margin = if self.count == 1 { 2.0 * length } else { 0.03 * length };
        (self.ln_start - margin).exp()..(self.ln_start + length + margin).exp()
    }

    /// Counts how many of `rtts` are in each bin.
    pub(crate) fn count(&self, rtts: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut counts = vec![0; self.count];
        for rtt in rtts {
            let index = ((rtt.max(1) as f64).ln() - self.ln_start) / self.ln_width;
            counts[(index.max(0.0) as usize).min(self.count - 1)] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_equal_factors_and_each_time_is_in_one() {
        let bins = Bins::new(1, 1 << 10, 25);
        assert_eq!(bins.count, 10);
        for (index, start) in [(0, 1.0), (1, 2.0), (9, 512.0)] {
            let edges = bins.edges(index);
            assert!(
                (edges.start - start).abs() < 1e-6 && (edges.end - 2.0 * start).abs() < 1e-6,
                "{edges:?}"
            );
        }
        assert_eq!(bins.count([1, 3, 3, 700, 1 << 10].into_iter()), [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn times_that_are_all_the_same_are_in_one_bin_around_them() {
        let bins = Bins::new(1000, 1000, 5);
        assert_eq!(bins.count([1000; 5].into_iter()), [5]);
        assert!(bins.edges(0).contains(&1000.0) && bins.range().start < bins.edges(0).start);
    }

    #[test]
    fn a_time_of_nothing_is_in_the_first_bin() {
        assert_eq!(Bins::new(0, 100, 25).count([0, 100].into_iter())[0], 1);
    }
}
