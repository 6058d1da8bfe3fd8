//! What a host tells its guests: the environment, and udping-host's notices, according to its
//! contract ([`udping_cli::contract`]).

use std::cell::RefCell;
use std::net::SocketAddr;

use udping_cli::contract;

use crate::cli;
use crate::input::Input;
use crate::poll::Pollable;

/// The number of bytes of a line that are kept: more than any valid line has.
const LINE: usize = 64;

/// Returns the value of an environment variable.
pub fn variable(wanted: &str) -> Option<String> {
    cli::variables().into_iter().find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Returns the number of datagrams that the system dropped because a receive buffer of this
/// component was full, if the host reports it.
pub fn dropped() -> Option<u64> {
    variable(contract::UDPING_DROPPED)?.parse().ok()
}

/// Returns whether the first reading of each clock after a `receive` returns when the datagrams
/// arrived.
pub fn has_kernel_time() -> bool {
    variable(contract::UDPING_RECEIVE_TIMES).as_deref() == Some(contract::KERNEL)
}

/// Returns why the system refused the last refused operation; `None` if the host refused it, or
/// does not say.
pub fn refused_by_system() -> Option<String> {
    variable(contract::UDPING_DENIED)
}

/// An error that was returned for a sent datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameBack {
    /// The number of the error, starting at 1, over all sockets.
    pub number: u64,
    /// The port that the datagram was sent from.
    pub local_port: u16,
    /// The destination of the datagram.
    pub peer: SocketAddr,
    /// The message for the error.
    pub reason: &'static str,
}

/// Returns the errors after number `last` that the host still keeps, oldest first.
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

/// Returns whether udping-host runs this component.
pub fn is_udping_host() -> bool {
    variable(contract::UDPING_HOST).is_some()
}

/// Returns whether standard input carries udping-host's notices.
pub fn has_notices() -> bool {
    variable(contract::UDPING_NOTICES).as_deref() == Some(contract::NOTICES_ON_STDIN)
}

/// Returns the current number of columns of the terminal on standard output, if the host knows it.
pub fn columns() -> Option<usize> {
    variable(contract::UDPING_COLUMNS)?.parse().ok()
}

/// Reads standard input to its end, as text.
///
/// # Errors
///
/// If it cannot be read, or is not UTF-8.
pub fn read_stdin() -> Result<String, &'static str> {
    let all = Input::stdin().read_to_end().map_err(|_| "standard input cannot be read")?;
    String::from_utf8(all).map_err(|_| "standard input is not UTF-8")
}

/// A notice from the host to a running component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The environment changed.
    Environment,
    /// A report of the run so far is requested.
    Report,
    /// The component's counts are requested.
    Counts,
    /// The component should end gracefully.
    Stop,
}

/// The stream of the host's notices.
#[derive(Debug)]
pub struct Notices {
    stdin: Input,
    /// The line that is not complete yet.
    line: RefCell<Vec<u8>>,
}

impl Notices {
    /// Opens the stream; `None` under a host without notices.
    pub fn from_host() -> Option<Self> {
        // Under other hosts the end of standard input means nothing: it may be /dev/null.
        has_notices().then(|| Self { stdin: Input::stdin(), line: RefCell::default() })
    }

    /// Returns a pollable that is ready when [`Self::read`] should be called.
    pub fn pollable(&self) -> &Pollable {
        self.stdin.readable()
    }

    /// Returns the notices since the last call, without duplicates. Unknown lines are ignored.
    pub fn read(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        loop {
            match self.stdin.read(LINE) {
                Ok(bytes) if bytes.is_empty() => return notices,
                Ok(bytes) => self.read_lines(&bytes, &mut notices),
                Err(_) => {
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
                Ok(contract::COUNTS) => Some(Notice::Counts),
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
