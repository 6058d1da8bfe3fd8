//! Standard output and standard error.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamWriter, block_on};

use crate::error::WriteError;
use crate::p3::bindings::wasi::cli::types::ErrorCode;
use crate::p3::bindings::wasi::cli::{stderr, stdout};
use crate::p3::bindings::wit_stream;
use crate::p3::poll::Pollable;

/// The maximum number of bytes that are being written while the program goes on.
const AHEAD: usize = 65_536;

/// What became of all that was written.
type Written = FutureReader<Result<(), ErrorCode>>;

/// An output stream.
pub struct Output {
    writing: Pollable,
    state: Rc<RefCell<State>>,
    result: RefCell<Option<Written>>,
}

/// The stream, unless it is being written to, and whether its reader has ended it.
struct State {
    stream: Option<StreamWriter<u8>>,
    is_closed: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("writing", &self.writing).finish_non_exhaustive()
    }
}

impl Output {
    /// Opens `wasi:cli/stdout`.
    pub fn stdout() -> Self {
        Self::new(stdout::write_via_stream)
    }

    /// Opens `wasi:cli/stderr`.
    pub fn stderr() -> Self {
        Self::new(stderr::write_via_stream)
    }

    fn new(write_via_stream: fn(StreamReader<u8>) -> Written) -> Self {
        let (stream, reader) = wit_stream::new();
        let state = Rc::new(RefCell::new(State { stream: Some(stream), is_closed: false }));
        let result = RefCell::new(Some(write_via_stream(reader)));
        Self { writing: Pollable::idle(), state, result }
    }

    /// Writes as many of the first bytes of `bytes` as the stream accepts without waiting, and
    /// returns their number.
    ///
    /// # Errors
    ///
    /// If nothing more can be written.
    pub fn write_some(&self, bytes: &[u8]) -> Result<usize, WriteError> {
        if !self.writing.ready() {
            return Ok(0);
        }
        let now = &bytes[..bytes.len().min(AHEAD)];
        self.begin(now)?;
        Ok(now.len())
    }

    /// Returns a pollable that is ready when [`Self::write_some`] should be tried again.
    pub fn writable(&self) -> Pollable {
        self.writing.clone()
    }

    /// Writes all of `bytes`, and waits until they are written.
    ///
    /// # Errors
    ///
    /// If nothing more can be written.
    pub fn write_all(&self, bytes: &[u8]) -> Result<(), WriteError> {
        self.writing.block();
        self.begin(bytes)?;
        self.writing.block();
        self.check()
    }

    /// Starts to write. Nothing is being written.
    fn begin(&self, bytes: &[u8]) -> Result<(), WriteError> {
        self.check()?;
        let Some(mut stream) = self.state.borrow_mut().stream.take() else { return Ok(()) };
        if bytes.is_empty() {
            self.state.borrow_mut().stream = Some(stream);
            return Ok(());
        }
        let (bytes, state) = (bytes.to_vec(), self.state.clone());
        self.writing.begin(async move {
            let rest = stream.write_all(bytes).await;
            state.replace(State { stream: Some(stream), is_closed: !rest.is_empty() });
        });
        Ok(())
    }

    fn check(&self) -> Result<(), WriteError> {
        if !self.state.borrow().is_closed {
            return Ok(());
        }
        Err(match self.result.take().map(|result| block_on(result.into_future())) {
            Some(Err(ErrorCode::Io)) => WriteError::Failed("input/output error".to_owned()),
            Some(Err(ErrorCode::IllegalByteSequence)) => {
                WriteError::Failed("illegal byte sequence".to_owned())
            }
            Some(Err(ErrorCode::Pipe) | Ok(())) | None => WriteError::Closed,
        })
    }
}
