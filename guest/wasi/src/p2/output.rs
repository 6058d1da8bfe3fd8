//! Standard output and standard error.

use crate::error::WriteError;
use crate::p2::bindings::wasi::cli::{stderr, stdout};
use crate::p2::bindings::wasi::io::streams::{OutputStream, StreamError};
use crate::p2::poll::Pollable;

/// The maximum number of bytes per `blocking-write-and-flush` (`wasi:io/streams`).
const WRITE_LIMIT: usize = 4096;

/// An output stream.
#[derive(Debug)]
pub struct Output(OutputStream);

impl Output {
    /// Opens `wasi:cli/stdout`.
    pub fn stdout() -> Self {
        Self(stdout::get_stdout())
    }

    /// Opens `wasi:cli/stderr`.
    pub fn stderr() -> Self {
        Self(stderr::get_stderr())
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

    /// Writes all of `bytes`, and waits until they are written.
    ///
    /// # Errors
    ///
    /// If nothing more can be written.
    pub fn write_all(&self, bytes: &[u8]) -> Result<(), WriteError> {
        bytes.chunks(WRITE_LIMIT).try_for_each(|part| Ok(self.0.blocking_write_and_flush(part)?))
    }
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
