//! Standard input.

use crate::error::InputEnd;
use crate::p2::bindings::wasi::cli::stdin;
use crate::p2::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::p2::poll::Pollable;

/// The number of bytes requested per read.
const READ: u64 = 65_536;

/// Standard input.
#[derive(Debug)]
pub struct Input {
    // Dropped before the stream, whose child it is.
    readable: Pollable,
    stream: InputStream,
}

impl Input {
    /// Opens `wasi:cli/stdin`.
    pub fn stdin() -> Self {
        let stream = stdin::get_stdin();
        Self { readable: stream.subscribe(), stream }
    }

    /// Returns a pollable that is ready when [`Self::read`] should be called.
    pub fn readable(&self) -> &Pollable {
        &self.readable
    }

    /// Reads what is there, up to `most` bytes.
    ///
    /// # Errors
    ///
    /// If there will be nothing more.
    pub fn read(&self, most: usize) -> Result<Vec<u8>, InputEnd> {
        Ok(self.stream.read(most as u64)?)
    }

    /// Reads all of it, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`InputEnd::Failed`].
    pub fn read_to_end(&self) -> Result<Vec<u8>, InputEnd> {
        let mut all = Vec::new();
        loop {
            match self.stream.blocking_read(READ).map_err(InputEnd::from) {
                Ok(bytes) => all.extend(bytes),
                Err(InputEnd::Closed) => return Ok(all),
                Err(failed) => return Err(failed),
            }
        }
    }
}

impl From<StreamError> for InputEnd {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::Closed,
            StreamError::LastOperationFailed(_) => Self::Failed,
        }
    }
}
