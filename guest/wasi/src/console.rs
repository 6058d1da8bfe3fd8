//! Standard output and standard error, written by line.

use std::fmt::Display;

use thiserror::Error;

use crate::bindings::wasi::cli::{stderr, stdout, terminal_stdout};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};
use crate::poll::Pollable;

/// The maximum number of bytes per `blocking-write-and-flush` (`wasi:io/streams`).
const WRITE_LIMIT: usize = 4096;

/// The error after which nothing more can be written.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// The reader has closed the stream.
    #[error("the output was closed")]
    Closed,
    /// Another error, such as a full disk, with the runtime's message.
    #[error("cannot write: {0}")]
    Failed(String),
}

impl From<StreamError> for WriteError {
    /// wasmtime reports a closed reader as any other failed operation: only the message differs.
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

/// An output stream for people: each line is flushed as it is written.
#[derive(Debug)]
pub struct Console(OutputStream);

impl Console {
    /// Opens `wasi:cli/stdout`.
    pub fn stdout() -> Self {
        Self(stdout::get_stdout())
    }

    /// Opens `wasi:cli/stderr`.
    pub fn stderr() -> Self {
        Self(stderr::get_stderr())
    }

    /// Returns whether standard output is a terminal.
    pub fn stdout_is_terminal() -> bool {
        terminal_stdout::get_terminal_stdout().is_some()
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
        let permitted = usize::try_from(self.0.check_write()?).unwrap_or(usize::MAX);
        let now = &bytes[..bytes.len().min(permitted)];
        if !now.is_empty() {
            self.0.write(now)?;
            // Starts a flush: what it has not written by the next call reduces what is permitted
            // then.
            self.0.flush()?;
        }
        Ok(now.len())
    }

    /// Returns a pollable that is ready when [`Self::write_some`] should be tried again.
    pub fn writable(&self) -> Pollable {
        self.0.subscribe()
    }

    /// Writes `text` without adding a line feed.
    pub fn write(&self, text: &str) -> Result<(), WriteError> {
        self.write_bytes(text.as_bytes())
    }

    /// Writes all of `bytes`, and waits until they are written.
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<(), WriteError> {
        bytes.chunks(WRITE_LIMIT).try_for_each(|part| Ok(self.0.blocking_write_and_flush(part)?))
    }
}
