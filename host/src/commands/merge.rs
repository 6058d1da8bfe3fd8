//! `udping-host merge`: the results that one run over several would have had.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use udping_analysis::merge as merged;

use crate::commands::results::read;

/// Writes the merged results to standard output, and what they cannot have to standard error.
///
/// # Errors
///
/// One line, before anything is written.
pub fn merge(paths: &[PathBuf]) -> Result<()> {
    let mut documents = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let others = documents.split_off(1.min(documents.len()));
    let first = documents.first().context("there are no results to merge")?;
    let merged = merged(first, &others)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{merged}")?;
    out.flush()?;
    if !merged.absent.is_empty() {
        let absent: Vec<_> = merged.absent.iter().copied().collect();
        eprintln!("udping-host: not in merged results: {}", absent.join(", "));
    }
    Ok(())
}
