//! Standard input.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use wit_bindgen::rt::async_support::{FutureReader, StreamResult, block_on};

use crate::error::InputEnd;
use crate::p3::bindings::wasi::cli::{stdin, types};
use crate::p3::poll::{Pollable, taken};

/// The number of bytes requested per read.
const READ: usize = 65_536;

/// The number of bytes requested in advance.
const AHEAD: usize = 1024;

/// Standard input.
pub struct Input {
    readable: Pollable,
    state: Rc<RefCell<State>>,
    result: RefCell<Option<FutureReader<Result<(), types::ErrorCode>>>>,
}

/// What was read and not taken, and whether the stream has ended.
#[derive(Default)]
struct State {
    read: Vec<u8>,
    has_ended: bool,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("readable", &self.readable).finish_non_exhaustive()
    }
}

impl Input {
    /// Opens `wasi:cli/stdin`.
    pub fn stdin() -> Self {
        let (mut stream, result) = stdin::read_via_stream();
        let state = Rc::<RefCell<State>>::default();
        let (of_calls, of_pollable) = (state.clone(), state.clone());
        let is_full = |state: &RefCell<State>| !state.borrow().read.is_empty();
        let readable = Pollable::repeating(move || is_full(&of_pollable), async move {
            while !of_calls.borrow().has_ended {
                let (result, read) = stream.read(Vec::with_capacity(AHEAD)).await;
                let has_ended = matches!(result, StreamResult::Dropped);
                of_calls.replace(State { read, has_ended });
                taken(|| is_full(&of_calls)).await;
            }
        });
        Self { readable, state, result: RefCell::new(Some(result)) }
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
        if !self.readable.ready() {
            return Ok(Vec::new());
        }
        let mut state = self.state.borrow_mut();
        if state.read.is_empty() && state.has_ended {
            drop(state);
            return Err(self.end());
        }
        let count = most.min(state.read.len());
        let rest = state.read.split_off(count);
        Ok(std::mem::replace(&mut state.read, rest))
    }

    /// Reads all of it, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`InputEnd::Failed`].
    pub fn read_to_end(&self) -> Result<Vec<u8>, InputEnd> {
        let mut all = Vec::new();
        loop {
            self.readable.block();
            match self.read(READ) {
                Ok(bytes) => all.extend(bytes),
                Err(InputEnd::Closed) => return Ok(all),
                Err(failed) => return Err(failed),
            }
        }
    }

    /// Why it has ended.
    fn end(&self) -> InputEnd {
        match self.result.take().map(|result| block_on(result.into_future())) {
            Some(Err(_)) => InputEnd::Failed,
            Some(Ok(())) | None => InputEnd::Closed,
        }
    }
}
