//! What the client prints: a run, its events and its results, in one of several formats, with one
//! exporter per file.
//!
//! Nothing here writes anywhere or knows where its text goes: each exporter appends to a string.

pub mod csv;
mod document;
pub mod json;
pub mod jsonl;
mod labels;
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

pub use document::spread;
pub use run::{Clocks, FlowName, Run, Settings, Sort, Target};
pub use style::Style;

/// An output format: converts each part of a run to text, which is appended to `out`.
pub trait Exporter {
    /// Converts the start of the run.
    fn start(&mut self, run: &Run, out: &mut String);

    /// Converts an event.
    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String);

    /// Converts the results so far. A format in which they have no place adds nothing.
    fn interim(&mut self, _run: &Run, _results: &Results, _out: &mut String) {}

    /// Converts the end of the run, after all events.
    fn finish(&mut self, run: &Run, results: &Results, out: &mut String);

    /// At the end of the run, adds what is not part of the format and goes to standard error.
    fn finish_beside(&mut self, _run: &Run, _results: &Results, _err: &mut String) {}

    /// Returns whether the text of an event is complete in itself, so that it can be dropped if the
    /// output is too slow.
    fn can_drop(&self) -> bool {
        true
    }

    /// Records that up to `at`, `lines` lines of single pings were dropped.
    fn dropped(&mut self, run: &Run, at: Instant, lines: u64, out: &mut String);
}
