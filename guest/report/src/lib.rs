//! What the client prints: a run, its events and its results, in one of several formats. An exporter a file.
//!
//! Nothing here writes anywhere or knows where its text goes: each exporter adds to a string.

pub mod csv;
pub mod json;
pub mod jsonl;
pub mod live;
pub mod openmetrics;
pub mod run;
pub mod text;
mod views;

use udping_core::pinger::{Happened, Results};

pub use run::{FlowName, Run, Settings, Target};

/// A format: what it makes of each part of a run, as text that is added to `out`.
pub trait Exporter {
    /// The run begins.
    fn start(&mut self, run: &Run, out: &mut String);

    /// Something happened.
    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String);

    /// The run is over, and everything that happened was told.
    fn finish(&mut self, run: &Run, results: &Results, out: &mut String);
}
