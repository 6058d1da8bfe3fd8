//! Files of results, for the commands that read them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

/// The name of a file of results, for messages.
pub fn name(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Opens a file of results.
///
/// # Errors
///
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path == Path::new(STANDARD_INPUT) {
        Ok(Box::new(io::stdin().lock()))
    } else {
        Ok(Box::new(File::open(path)?))
    }
}

/// Reads a file of results, as far as they are merged and compared.
///
/// # Errors
///
/// One line that names the file.
#[cfg(feature = "analysis")]
pub fn read(path: &Path) -> anyhow::Result<udping_analysis::Document> {
    use anyhow::Context as _;

    open(path)
        .map_err(anyhow::Error::from)
        .and_then(|file| Ok(udping_analysis::Document::read(file)?))
        .with_context(|| name(path))
}
