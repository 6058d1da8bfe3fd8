//! What a host tells its guests: the environment; and udping-host's notices, by its contract
//! ([`udping_cli::contract`]).

use std::cell::RefCell;
use std::net::SocketAddr;

use udping_cli::contract;

use crate::bindings::wasi::cli::{environment, stdin};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::poll::Pollable;

/// Bytes of a line that are kept: more than any line has that means something.
const LINE: usize = 64;

/// Bytes that are asked for at a time.
const READ: u64 = 65_536;

/// A variable of the environment.
pub fn variable(wanted: &str) -> Option<String> {
    environment::get_environment()
        .into_iter()
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

/// How many datagrams the system dropped because a socket of this component's had no room for them,
/// where the host says so.
pub fn dropped() -> Option<u64> {
    variable(contract::UDPING_DROPPED)?.parse().ok()
}

/// Why the system refused what was last refused; `None` where the host did, or does not say.
pub fn refused_by_system() -> Option<String> {
    variable(contract::UDPING_DENIED)
}

/// An error that came back for a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameBack {
    /// From 1, over all.
    pub number: u64,
    /// The port that the datagram was sent from.
    pub local_port: u16,
    /// Whom it was for.
    pub peer: SocketAddr,
    /// What became of it.
    pub reason: &'static str,
}

/// Those after number `last` that the host still knows, the oldest first.
pub fn errors_after(last: u64) -> Vec<CameBack> {
    let errors = variable(contract::UDPING_ERRORS).unwrap_or_default();
    errors.split(',').filter_map(came_back).filter(|error| error.number > last).collect()
}

fn came_back(text: &str) -> Option<CameBack> {
    let mut words = text.split(' ');
    let (number, port, peer) = (words.next()?, words.next()?, words.next()?);
    let reason = match words.next()? {
        "connection-refused" => "connection refused: nothing listens on that port",
        "prohibited" => "a firewall or a router prohibits it",
        "time-exceeded" => "its TTL, or hop limit, is too small",
        "datagram-too-large" => "the datagram is too large",
        _ => "no route to it",
    };
    Some(CameBack {
        number: number.parse().ok()?,
        local_port: port.parse().ok()?,
        peer: peer.parse().ok()?,
        reason,
    })
}

/// Whether udping-host runs this component.
pub fn is_udping_host() -> bool {
    variable(contract::UDPING_HOST).is_some()
}

/// Whether standard input carries notices of udping-host.
pub fn has_notices() -> bool {
    variable(contract::UDPING_NOTICES).as_deref() == Some(contract::NOTICES_ON_STDIN)
}

/// The columns of the terminal that standard output is, as they are now, where the host knows that.
pub fn columns() -> Option<usize> {
    variable(contract::UDPING_COLUMNS)?.parse().ok()
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
            Err(StreamError::Closed) => {
                return String::from_utf8(all).map_err(|_| "standard input is not UTF-8");
            }
            Err(StreamError::LastOperationFailed(_)) => {
                return Err("standard input cannot be read");
            }
        }
    }
}

/// What the host says while the component runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The environment changed.
    Environment,
    /// Somebody asks what there is to report so far.
    Report,
    /// The component should end in good order.
    Stop,
}

/// Where the host's notices come.
#[derive(Debug)]
pub struct Notices {
    // Dropped before the stream whose child it is.
    readable: Pollable,
    stdin: InputStream,
    /// The line that has not ended yet.
    line: RefCell<Vec<u8>>,
}

impl Notices {
    /// `None` under a host that gives none.
    pub fn from_host() -> Option<Self> {
        // Elsewhere the end of standard input means nothing: it may be /dev/null.
        has_notices().then(|| {
            let stdin = stdin::get_stdin();
            Self { readable: stdin.subscribe(), stdin, line: RefCell::default() }
        })
    }

    /// Ready when [`Self::read`] is worth a call.
    pub fn pollable(&self) -> &Pollable {
        &self.readable
    }

    /// What the host has said since the last time, each once. A line that means nothing is left.
    pub fn read(&self) -> Vec<Notice> {
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

    /// Adds the notices whose lines end in `bytes`.
    fn read_lines(&self, bytes: &[u8], notices: &mut Vec<Notice>) {
        let mut line = self.line.borrow_mut();
        for &byte in bytes {
            if byte != b'\n' {
                if line.len() < LINE {
                    line.push(byte);
                }
                continue;
            }
            let notice = match str::from_utf8(&line) {
                Ok(contract::ENVIRONMENT) => Some(Notice::Environment),
                Ok(contract::REPORT) => Some(Notice::Report),
                _ => None,
            };
            notices.extend(notice.filter(|notice| !notices.contains(notice)));
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_came_back_names_its_datagram() {
        let expected = CameBack {
            number: 17,
            local_port: 40_000,
            peer: "[fe80::1%2]:12000".parse().unwrap(),
            reason: "connection refused: nothing listens on that port",
        };
        assert_eq!(came_back("17 40000 [fe80::1%2]:12000 connection-refused"), Some(expected));
        assert_eq!(
            came_back("17 40000 10.0.0.1:7 something-new").map(|error| error.reason),
            Some("no route to it")
        );
        for text in ["", "17", "17 40000 nobody x", "17 40000 10.0.0.1:7"] {
            assert_eq!(came_back(text), None, "{text:?}");
        }
    }
}
