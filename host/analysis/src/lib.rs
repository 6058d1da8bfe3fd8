//! Merges the results of several runs, and compares those of two.
//!
//! Everything is computed from the histograms that the results carry, not from percentiles: the
//! percentile of two runs is not the mean of theirs.

mod diff;
mod document;
mod merge;
mod spread;

pub use diff::{Change, Comparison, Diff, Threshold, ThresholdError};
pub use document::{Document, ReadError};
pub use merge::{MergeError, Merged, merge};
