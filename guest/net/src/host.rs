//! What a host tells its guests: the environment; and, which only udping-host does, that it changed, and that they should
//! stop.

use std::cell::RefCell;

use crate::bindings::wasi::cli::{environment, stdin};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::poll::Pollable;

/// Set by udping-host: it says refusals itself, writes [`ENVIRONMENT`] to standard input when a variable has another value
/// than before, and [`REPORT`] at SIGQUIT, and closes standard input to say "stop".
///
/// WASI 0.2 has no signals. Elsewhere the end of standard input means nothing: it may be /dev/null.
const UNDER_UDPING_HOST: &str = "UDPING_HOST";

/// The line that says that the environment is worth asking for again.
const ENVIRONMENT: &[u8] = b"environment";

/// The line that asks for statistics so far.
const REPORT: &[u8] = b"report";

/// Bytes of a line that are kept: more than any line has that means something.
const LINE: usize = 64;

/// Bytes that are asked for at a time.
const READ: u64 = 65_536;

/// A variable of the environment.
pub fn variable(wanted: &str) -> Option<String> {
    environment::get_environment().into_iter().find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Whether udping-host runs this component.
pub fn is_udping_host() -> bool {
    variable(UNDER_UDPING_HOST).is_some()
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
    /// Statistics so far are asked for.
    Report,
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

    /// What the host has said since the last time, each once. A line that means nothing is left out.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        loop {
            match self.stdin.read(LINE as u64) {
                Ok(bytes) if bytes.is_empty() => return notices,
                Ok(bytes) => self.read_lines(&bytes, &mut notices),
                Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => {
                    notices.push(Notice::Stop);
                    return notices;
                }
            }
        }
    }

    /// Adds what the lines say that end in `bytes`.
    fn read_lines(&self, bytes: &[u8], notices: &mut Vec<Notice>) {
        let mut line = self.line.borrow_mut();
        for &byte in bytes {
            if byte == b'\n' {
                let notice = match line.as_slice() {
                    ENVIRONMENT => Some(Notice::Environment),
                    REPORT => Some(Notice::Report),
                    _ => None,
                };
                notices.extend(notice.filter(|notice| !notices.contains(notice)));
                line.clear();
            } else if line.len() < LINE {
                line.push(byte);
            }
        }
    }
}
