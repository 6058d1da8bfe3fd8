//! Errors of the network and of streams, with messages.

use std::fmt;

use thiserror::Error;

pub use crate::wasi::ErrorCode;

/// An error of a socket or of name resolution.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub struct NetError(pub ErrorCode);

impl From<ErrorCode> for NetError {
    fn from(code: ErrorCode) -> Self {
        Self(code)
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            ErrorCode::AccessDenied => "permission denied",
            ErrorCode::NotSupported => "the host does not support it",
            ErrorCode::InvalidArgument => "not a valid address for this",
            ErrorCode::OutOfMemory => "no buffer space or memory left",
            ErrorCode::Timeout => "timed out",
            ErrorCode::WouldBlock => "the send buffer is full",
            ErrorCode::NewSocketLimit => "no more sockets",
            ErrorCode::AddressNotBindable => "this machine does not have that address",
            ErrorCode::AddressInUse => "another program uses that address and port",
            ErrorCode::RemoteUnreachable => "no route to it",
            ErrorCode::ConnectionRefused => "connection refused: nothing listens on that port",
            ErrorCode::DatagramTooLarge => "the datagram is too large",
            ErrorCode::NameUnresolvable => "no such name, or it has no address",
            ErrorCode::TemporaryResolverFailure => {
                "temporary failure in name resolution: the name server does not answer, try again"
            }
            ErrorCode::PermanentResolverFailure => "the name server failed",
            other => return f.write_str(other.name()),
        })
    }
}

impl NetError {
    /// Returns whether the operation was refused, by the host or by the system, rather than
    /// impossible.
    pub fn is_refusal(self) -> bool {
        self.0 == ErrorCode::AccessDenied
    }
}

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

/// Why there is nothing more to read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InputEnd {
    /// It was the end.
    #[error("the input was closed")]
    Closed,
    /// It cannot be read.
    #[error("cannot read")]
    Failed,
}
