//! Standard output and standard error, written by line.

use std::fmt::Display;

use crate::cli;
pub use crate::error::WriteError;
use crate::output::Output;
use crate::poll::Pollable;

/// An output stream for people: each line is flushed as it is written.
#[derive(Debug)]
pub struct Console(Output);

impl Console {
    /// Opens `wasi:cli/stdout`.
    pub fn stdout() -> Self {
        Self(Output::stdout())
    }

    /// Opens `wasi:cli/stderr`.
    pub fn stderr() -> Self {
        Self(Output::stderr())
    }

    /// Returns whether standard output is a terminal.
    pub fn stdout_is_terminal() -> bool {
        cli::stdout_is_terminal()
    }

    /// Writes `text` and a line feed.
    pub fn line(&self, text: impl Display) -> Result<(), WriteError> {
        self.write(&format!("{text}\n"))
    }

    /// Writes as many of the first bytes of `bytes` as the stream accepts without waiting, and
    /// returns their number.
    ///
    /// # Errors
    ///
    /// If nothing more can be written.
    pub fn write_some(&self, bytes: &[u8]) -> Result<usize, WriteError> {
        self.0.write_some(bytes)
    }

    /// Returns a pollable that is ready when [`Self::write_some`] should be tried again.
    pub fn writable(&self) -> Pollable {
        self.0.writable()
    }

    /// Writes `text` without adding a line feed.
    pub fn write(&self, text: &str) -> Result<(), WriteError> {
        self.write_bytes(text.as_bytes())
    }

    /// Writes all of `bytes`, and waits until they are written.
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<(), WriteError> {
        self.0.write_all(bytes)
    }
}
