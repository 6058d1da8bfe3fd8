//! `udping-host diff`: what has changed between two runs.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Result;
use udping_analysis::{Diff, Threshold};

use crate::commands::results::read;
use crate::process::exit::Exit;

/// Prints the changes. The exit code says whether something is worse than `threshold`, if there is
/// one.
///
/// # Errors
///
/// One line, before anything is printed.
pub fn diff(before: &Path, after: &Path, threshold: Option<Threshold>) -> Result<Exit> {
    let diff = Diff::of(&read(before)?, &read(after)?)?;
    let mut out = io::stdout().lock();
    write!(out, "{diff}")?;
    out.flush()?;
    let is_worse = threshold.is_some_and(|threshold| diff.is_worse_than(threshold));
    Ok(if is_worse { Exit::Exceeded } else { Exit::Success })
}
