//! What a host tells its guests: the environment; and, which only udping-host does, that it changed, and that they should
//! stop.

use std::cell::RefCell;

use udping_cli::contract::{CHANGED, UDPING_HOST};

use crate::bindings::wasi::cli::{environment, stdin};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::poll::Pollable;

/// Bytes of a line that are kept: more than any line has that means something.
const LINE: usize = 64;

/// Bytes that are asked for at a time.
const READ: u64 = 65_536;

/// A variable of the environment.
pub fn variable(wanted: &str) -> Option<String> {
    environment::get_environment().into_iter().find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Whether udping-host runs this component. WASI 0.2 has no signals: elsewhere the end of standard input means nothing, since it
/// may be /dev/null.
pub fn is_udping_host() -> bool {
    variable(UDPING_HOST).is_some()
}

/// Standard input to its end, as text.
///
/// # Errors
///
/// Where it cannot be read, or is not UTF-8.
pub fn read_stdin() -> Result<String, &'static str> {
    let (stdin, mut all) = (stdin::get_stdin(), Vec::new());
    loop {
        match stdin.blocking_read(READ) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return String::from_utf8(all).map_err(|_| "standard input is not UTF-8"),
            Err(StreamError::LastOperationFailed(_)) => return Err("standard input cannot be read"),
        }
    }
}

/// What the host says while the component runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The environment changed.
    Environment,
    /// The component should end in good order.
    Stop,
}

/// Where the host says that something changed, or that the component should end.
#[derive(Debug)]
pub struct StopSignal {
    // Dropped before the stream whose child it is.
    readable: Pollable,
    stdin: InputStream,
    /// The line that has not ended yet.
    line: RefCell<Vec<u8>>,
}

impl StopSignal {
    /// `None` under a host that gives no such signal.
    pub fn from_host() -> Option<Self> {
        is_udping_host().then(|| {
            let stdin = stdin::get_stdin();
            Self { readable: stdin.subscribe(), stdin, line: RefCell::default() }
        })
    }

    /// Ready when [`Self::notice`] is worth asking.
    pub fn pollable(&self) -> &Pollable {
        &self.readable
    }

    /// What the host has said since the last time; several changes are one. A line that means nothing is left.
    pub fn notice(&self) -> Option<Notice> {
        let mut notice = None;
        loop {
            match self.stdin.read(LINE as u64) {
                Ok(bytes) if bytes.is_empty() => return notice,
                Ok(bytes) => {
                    if self.read_lines(&bytes) {
                        notice = Some(Notice::Environment);
                    }
                }
                Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => return Some(Notice::Stop),
            }
        }
    }

    /// Whether a line that ends in `bytes` says that the environment changed.
    fn read_lines(&self, bytes: &[u8]) -> bool {
        let mut line = self.line.borrow_mut();
        let mut changed = false;
        for &byte in bytes {
            if byte == b'\n' {
                changed |= CHANGED.strip_suffix(b"\n") == Some(line.as_slice());
                line.clear();
            } else if line.len() < LINE {
                line.push(byte);
            }
        }
        changed
    }
}
