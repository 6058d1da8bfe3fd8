//! Standard output and standard error, a line at a time.

use std::fmt::Display;

use thiserror::Error;

use crate::bindings::wasi::cli::{stderr, stdout, terminal_stdout};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};
use crate::poll::Pollable;

/// The most bytes that one `blocking-write-and-flush` takes (`wasi:io/streams`).
const WRITE_LIMIT: usize = 4096;

/// Why nothing more can be written.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// The reader is gone.
    #[error("the output was closed")]
    Closed,
    /// Such as a disk that is full; in the words of the runtime.
    #[error("cannot write: {0}")]
    Failed(String),
}

impl From<StreamError> for WriteError {
    /// To wasmtime a reader that is gone is one more failed operation: only its words tell.
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::Closed,
            StreamError::LastOperationFailed(error) => match error.to_debug_string() {
                text if text.contains("Broken pipe") || text.contains("BrokenPipe") => Self::Closed,
                // A backtrace may follow.
                text => Self::Failed(text.lines().next().unwrap_or_default().to_owned()),
            },
        }
    }
}

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
    pub fn line(&self, text: impl Display) -> Result<(), WriteError> {
        self.write(&format!("{text}\n"))
    }

    /// Writes as much of the start of `bytes` as is taken now, without waiting, and says how much
    /// that is.
    ///
    /// # Errors
    ///
    /// Where nothing more can be written ever.
    pub fn write_some(&self, bytes: &[u8]) -> Result<usize, WriteError> {
        let permitted = usize::try_from(self.0.check_write()?).unwrap_or(usize::MAX);
        let now = &bytes[..bytes.len().min(permitted)];
        if !now.is_empty() {
            self.0.write(now)?;
            // Begins to: what is not through by then is why less is permitted next time.
            self.0.flush()?;
        }
        Ok(now.len())
    }

    /// Ready when [`Self::write_some`] is worth another try.
    pub fn writable(&self) -> Pollable {
        self.0.subscribe()
    }

    /// Writes `text` as it is.
    pub fn write(&self, text: &str) -> Result<(), WriteError> {
        self.write_bytes(text.as_bytes())
    }

    /// Writes all of `bytes`, and waits until they are written.
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<(), WriteError> {
        bytes.chunks(WRITE_LIMIT).try_for_each(|part| Ok(self.0.blocking_write_and_flush(part)?))
    }
}
