//! Standard output and standard error, a line at a time.

use std::fmt::Display;

use thiserror::Error;

use crate::bindings::wasi::cli::{stderr, stdout, terminal_stdout};
use crate::bindings::wasi::io::streams::OutputStream;

/// The most bytes that one `blocking-write-and-flush` takes (`wasi:io/streams`).
const WRITE_LIMIT: usize = 4096;

/// The reader of a stream is gone.
#[derive(Clone, Copy, Debug, Error)]
#[error("the output was closed")]
pub struct Closed;

/// A stream that people read: each line is flushed as it is written.
#[derive(Debug)]
pub struct Console(OutputStream);

impl Console {
    /// `wasi:cli/stdout`.
    pub fn stdout() -> Self {
        Self(stdout::get_stdout())
    }

    /// `wasi:cli/stderr`.
    pub fn stderr() -> Self {
        Self(stderr::get_stderr())
    }

    /// Whether standard output is a terminal.
    pub fn stdout_is_terminal() -> bool {
        terminal_stdout::get_terminal_stdout().is_some()
    }

    /// Writes `text` and a line's end.
    pub fn line(&self, text: impl Display) -> Result<(), Closed> {
        self.write(&format!("{text}\n"))
    }

    /// Writes `text` as it is.
    pub fn write(&self, text: &str) -> Result<(), Closed> {
        text.as_bytes().chunks(WRITE_LIMIT).try_for_each(|part| self.0.blocking_write_and_flush(part).map_err(|_| Closed))
    }
}
