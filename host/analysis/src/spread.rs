//! Distributions as results have them, and as they are computed with.

use udping_core::stats::{self, Distribution, Histogram, NotAHistogram};
use udping_results::Spread;

/// Reads a spread. `count` is the number of its values, if it is known otherwise: a spread without a
/// histogram does not tell. Returns `None` if it is not known at all.
pub(crate) fn read(
    spread: &Spread,
    count: Option<u64>,
) -> Result<Option<stats::Spread>, NotAHistogram> {
    let histogram = spread.histogram.as_deref().map(Histogram::deserialize).transpose()?;
    let count = histogram.as_ref().map(Histogram::count).or(count);
    Ok(count.map(|count| stats::Spread {
        count,
        min: spread.min_ns.into(),
        mean: spread.mean_ns.into(),
        max: spread.max_ns.into(),
        stddev: spread.stddev_ns.into(),
        percentiles: None,
        histogram,
        buckets: None,
    }))
}

/// The spread of all values of several.
pub(crate) fn sum(spreads: &[stats::Spread]) -> Option<Spread> {
    let mut all = Distribution::with_percentiles();
    for spread in spreads {
        all.add(spread);
    }
    all.spread().as_ref().map(udping_report::spread)
}
