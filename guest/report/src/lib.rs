//! What the client prints: a run, its events and its results, in one of several formats. An
//! exporter a file.
//!
//! Nothing here writes anywhere or knows where its text goes: each exporter adds to a string.

pub mod csv;
mod document;
pub mod json;
pub mod jsonl;
pub mod live;
pub mod openmetrics;
pub mod run;
pub mod style;
pub mod summary;
mod table;
pub mod text;
mod units;

use udping_core::Instant;
use udping_core::client::{Happened, Results};

pub use run::{Clocks, FlowName, Run, Settings, Sort, Target};
pub use style::Style;

/// A format: what it makes of each part of a run, as text that is added to `out`.
pub trait Exporter {
    /// The run begins.
    fn start(&mut self, run: &Run, out: &mut String);

    /// Something happened.
    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String);

    /// The run is over, and everything that happened was told.
    fn finish(&mut self, run: &Run, results: &Results, out: &mut String);

    /// The same, for what is not part of the format: what stands on standard error.
    fn finish_beside(&mut self, _run: &Run, _results: &Results, _err: &mut String) {}

    /// Whether what it makes of an event is complete by itself, so that it can be left out where
    /// the output takes no more.
    fn can_drop(&self) -> bool {
        true
    }

    /// `lines` lines of single pings were left out up to `at`.
    fn dropped(&mut self, run: &Run, at: Instant, lines: u64, out: &mut String);
}
