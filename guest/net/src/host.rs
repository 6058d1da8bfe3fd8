//! What a host tells its guests: the environment; and the signal to stop, which only udping-host gives.

use crate::bindings::wasi::cli::{environment, stdin};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::poll::Pollable;

/// Set by udping-host: it says refusals itself, and closes standard input to say "stop".
///
/// WASI 0.2 has no signals. Elsewhere the end of standard input means nothing: it may be /dev/null.
const UNDER_UDPING_HOST: &str = "UDPING_HOST";

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

/// The wish of the host that the component end in good order.
#[derive(Debug)]
pub struct StopSignal {
    // Dropped before the stream whose child it is.
    readable: Pollable,
    stdin: InputStream,
}

impl StopSignal {
    /// `None` under a host that gives no such signal.
    pub fn from_host() -> Option<Self> {
        is_udping_host().then(|| {
            let stdin = stdin::get_stdin();
            Self { readable: stdin.subscribe(), stdin }
        })
    }

    /// Ready when [`Self::is_raised`] is worth asking.
    pub fn pollable(&self) -> &Pollable {
        &self.readable
    }

    /// Whether standard input has ended. What stands in it before its end is not looked at.
    pub fn is_raised(&self) -> bool {
        loop {
            match self.stdin.read(64) {
                Ok(bytes) if bytes.is_empty() => return false,
                Ok(_) => {}
                Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => return true,
            }
        }
    }
}
