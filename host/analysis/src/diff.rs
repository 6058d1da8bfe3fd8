//! What has changed between two runs, by how much, and whether chance explains it.
//!
//! The losses of two runs are compared by Fisher's exact test, and so are quantiles of their RTTs: if
//! nothing has changed, the share of RTTs above the quantile of both runs together is the same in
//! each (Mood's median test, for any quantile). That needs no assumption about the distribution, and
//! the histograms have the counts. The test is one-sided, in the direction of the change. For more
//! than 100,000 values, it is the two-proportion z-test, to which the exact one then comes close.

use std::collections::HashMap;
use std::f64::consts::SQRT_2;
use std::fmt;
use std::str::FromStr;

use statrs::function::erf::erfc;
use statrs::stats_tests::Alternative;
use statrs::stats_tests::fisher::fishers_exact;
use thiserror::Error;
use udping_core::duration::Millis;
use udping_core::stats::{Histogram, NotAHistogram};
use udping_results::{Nanoseconds, Spread, Summary, Target};

use crate::document::Document;
use crate::spread;

/// The probability below which chance does not explain a change.
const SIGNIFICANT: f64 = 0.01;

/// The number of values from which on the normal approximation is as good as the exact test, which
/// takes time for each value.
const MANY: u64 = 100_000;

/// How much worse something may be, as a fraction of what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold(f64);

/// Why a text is not a threshold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a percentage such as 5%")]
pub struct ThresholdError;

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let percent = text.strip_suffix('%').unwrap_or(text);
        match percent.parse::<f64>() {
            Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(Self(percent / 100.0)),
            _ => Err(ThresholdError),
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    /// The share of lost pings.
    Loss,
    /// A quantile of the RTT, in per mille.
    Rtt(u64),
}

/// A percentile that results have.
type Percentile = fn(&Spread) -> Option<Nanoseconds>;

/// The quantiles, each with its percentile.
const QUANTILES: [(u64, Percentile); 3] =
    [(500, |rtt| rtt.p50_ns), (900, |rtt| rtt.p90_ns), (990, |rtt| rtt.p99_ns)];

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss => f.write_str("loss"),
            Self::Rtt(500) => f.write_str("rtt median"),
            Self::Rtt(per_mille) => write!(f, "rtt p{}", per_mille / 10),
        }
    }
}

/// A quantity in both runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    quantity: Quantity,
    /// Its values: shares, or nanoseconds.
    before: f64,
    after: f64,
    /// The probability of such a change, or a larger one, by chance.
    p: f64,
}

impl Change {
    /// Whether it is larger than `threshold`, worse, and not by chance.
    pub fn is_worse_than(&self, threshold: Threshold) -> bool {
        self.p < SIGNIFICANT && self.after > self.before * (1.0 + threshold.0)
    }

    fn value(&self, value: f64) -> String {
        match self.quantity {
            Quantity::Loss => format!("{:.3} %", value * 100.0),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it was nanoseconds in u64"
            )]
            Quantity::Rtt(_) => {
                format!("{} ms", Millis(std::time::Duration::from_nanos(value as u64)))
            }
        }
    }

    fn relative(&self) -> String {
        if self.before.total_cmp(&self.after).is_eq() {
            "none".to_owned()
        } else if self.before == 0.0 {
            "from none".to_owned()
        } else {
            format!("{:+.1} %", (self.after / self.before - 1.0) * 100.0)
        }
    }
}

/// The changes of one target, or of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The target; `None` for all together.
    pub target: Option<String>,
    /// The changes.
    pub changes: Vec<Change>,
}

/// The changes between two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// Those of each target that both runs have, if there are several, and of all.
    pub comparisons: Vec<Comparison>,
    /// The targets of only one of the runs.
    pub unmatched: Vec<String>,
}

impl Diff {
    /// Compares two runs.
    ///
    /// # Errors
    ///
    /// If a histogram cannot be read.
    pub fn of(before: &Document, after: &Document) -> Result<Self, NotAHistogram> {
        let mut comparisons = Vec::new();
        let (ours, theirs) = (summaries(before), summaries(after));
        let only_in = |one: &Document, other: &HashMap<&str, _>| {
            let only =
                one.targets.iter().filter(|target| !other.contains_key(target.host.as_str()));
            only.map(name).collect::<Vec<_>>()
        };
        let unmatched = [only_in(before, &theirs), only_in(after, &ours)].concat();
        // One target is all together.
        for target in before.targets.iter().filter(|_| before.targets.len() > 1) {
            let host = target.host.as_str();
            // Of several source ports, or a name that is given twice, only the total is compared.
            if let (Some([one]), Some([other])) =
                (ours.get(host).map(Vec::as_slice), theirs.get(host).map(Vec::as_slice))
            {
                let changes = changes(one, other)?;
                comparisons.push(Comparison { target: Some(name(target)), changes });
            }
        }
        let changes = changes(&before.total, &after.total)?;
        comparisons.push(Comparison { target: None, changes });
        Ok(Self { comparisons, unmatched })
    }

    /// Whether anything is worse than `threshold`, and not by chance.
    pub fn is_worse_than(&self, threshold: Threshold) -> bool {
        self.comparisons
            .iter()
            .flat_map(|comparison| &comparison.changes)
            .any(|change| change.is_worse_than(threshold))
    }
}

fn name(target: &Target) -> String {
    target.address.as_ref().map_or_else(
        || target.host.clone(),
        |address| {
            if address.contains(&target.host) {
                address.clone()
            } else {
                format!("{} ({address})", target.host)
            }
        },
    )
}

/// The results of each target's flows, by the name that it was given.
fn summaries(document: &Document) -> HashMap<&str, Vec<&Summary>> {
    let mut all: HashMap<_, Vec<_>> = HashMap::new();
    for ((target, _), flow) in document.keyed_flows() {
        all.entry(target.host.as_str()).or_default().push(&flow.summary);
    }
    all
}

fn changes(before: &Summary, after: &Summary) -> Result<Vec<Change>, NotAHistogram> {
    let mut changes = Vec::new();
    let lost = |summary: &Summary| {
        let due = summary.sent.saturating_sub(summary.awaited);
        [summary.lost.min(due), due.saturating_sub(summary.lost)]
    };
    let [one, other] = [lost(before), lost(after)];
    if one != [0, 0] && other != [0, 0] {
        let (before, after) = (share(one), share(other));
        changes.push(Change {
            quantity: Quantity::Loss,
            before,
            after,
            p: probability(one, other, after >= before),
        });
    }
    let (Some(one), Some(other)) = (&before.rtt, &after.rtt) else { return Ok(changes) };
    let histogram = |rtt: &Spread| Ok(spread::read(rtt, None)?.and_then(|spread| spread.histogram));
    let (Some(before), Some(after)) = (histogram(one)?, histogram(other)?) else {
        return Ok(changes);
    };
    let mut both = before.clone();
    both.add(&after);
    for (per_mille, of) in QUANTILES {
        let (Some(one), Some(other)) = (of(one), of(other)) else { continue };
        let quantile = quantile(&both, per_mille);
        let [in_one, in_other] = [&before, &after].map(|histogram| above(histogram, quantile));
        changes.push(Change {
            quantity: Quantity::Rtt(per_mille),
            before: one.0 as f64,
            after: other.0 as f64,
            p: probability(in_one, in_other, share(in_other) >= share(in_one)),
        });
    }
    Ok(changes)
}

fn share([part, rest]: [u64; 2]) -> f64 {
    part as f64 / (part as f64 + rest as f64)
}

/// The probability that the share of the second is that much larger, or smaller, than that of the
/// first, or more, if both are of the same: Fisher's exact test, one-sided, and for very many its
/// normal approximation.
fn probability([a, b]: [u64; 2], [c, d]: [u64; 2], is_larger: bool) -> f64 {
    if [b, c, d].into_iter().fold(a, u64::saturating_add) > MANY {
        return approximately([a, b], [c, d]);
    }
    let alternative = if is_larger { Alternative::Less } else { Alternative::Greater };
    // It fails for tables that are none; then nothing is known.
    fishers_exact(&[a, b, c, d], alternative).unwrap_or(1.0).min(1.0)
}

/// The same by the pooled two-proportion z-test.
fn approximately(one: [u64; 2], other: [u64; 2]) -> f64 {
    let count = |[part, rest]: [u64; 2]| part as f64 + rest as f64;
    let [ours, theirs] = [one, other].map(count);
    let pooled = (one[0] as f64 + other[0] as f64) / (ours + theirs);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / ours + 1.0 / theirs)).sqrt();
    if deviation > 0.0 {
        let z = (share(one) - share(other)).abs() / deviation;
        erfc(z / SQRT_2) / 2.0
    } else {
        1.0
    }
}

/// The longest duration in the bucket of a quantile, by nearest rank.
fn quantile(histogram: &Histogram, per_mille: u64) -> u64 {
    let rank = (u128::from(histogram.count()) * u128::from(per_mille)).div_ceil(1_000);
    let mut below = 0_u128;
    for (_, longest, count) in histogram.recorded() {
        below += u128::from(count);
        if below >= rank {
            return longest;
        }
    }
    u64::MAX
}

/// How many durations are above `bound`, and how many are not.
fn above(histogram: &Histogram, bound: u64) -> [u64; 2] {
    let counts = histogram.recorded().filter(|(_, longest, _)| *longest > bound);
    let above = counts.fold(0_u64, |sum, (.., count)| sum.saturating_add(count));
    [above, histogram.count().saturating_sub(above)]
}

/// A table, with the changes that are not by chance marked.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Comparison { target, changes } in &self.comparisons {
            if self.comparisons.len() > 1 {
                writeln!(f, "{}", target.as_deref().unwrap_or("all together"))?;
            }
            writeln!(
                f,
                "{:<10}  {:>12}  {:>12}  {:>9}  {:>8}",
                "", "before", "after", "change", "p"
            )?;
            for change in changes {
                let p = if change.p < 0.000_05 {
                    "<0.0001".to_owned()
                } else {
                    format!("{:.4}", change.p)
                };
                let verdict = match change.p < SIGNIFICANT {
                    true if change.after > change.before => "  worse",
                    true if change.after < change.before => "  better",
                    _ => "",
                };
                let [before, after] =
                    [change.before, change.after].map(|value| change.value(value));
                let quantity = change.quantity.to_string();
                writeln!(
                    f,
                    "{quantity:<10}  {before:>12}  {after:>12}  {:>9}  {p:>8}{verdict}",
                    change.relative()
                )?;
            }
        }
        for target in &self.unmatched {
            writeln!(f, "{target}: not in both")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
