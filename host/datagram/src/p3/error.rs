//! `error-code` of `wasi:sockets/types`, from that of 0.2, in which the sockets fail.

use wasmtime_wasi::{TrappableError, p2};

use crate::p3::types::{ErrorCode, Host};
use crate::sockets;
use crate::view::View;

/// An error code, or a trap.
pub type SocketError = TrappableError<ErrorCode>;

/// Translates an error of [`crate::udp`].
pub(super) fn translate(error: p2::SocketError) -> SocketError {
    match error.downcast() {
        Ok(code) => ErrorCode::from(code).into(),
        Err(trap) => SocketError::trap(trap),
    }
}

impl From<sockets::ErrorCode> for ErrorCode {
    fn from(code: sockets::ErrorCode) -> Self {
        use sockets::ErrorCode as P2;
        match code {
            P2::AccessDenied => Self::AccessDenied,
            P2::NotSupported => Self::NotSupported,
            P2::InvalidArgument => Self::InvalidArgument,
            // It has no code for the limit of descriptors.
            P2::OutOfMemory | P2::NewSocketLimit => Self::OutOfMemory,
            P2::Timeout => Self::Timeout,
            P2::InvalidState | P2::ConcurrencyConflict | P2::NotInProgress => Self::InvalidState,
            P2::AddressNotBindable => Self::AddressNotBindable,
            P2::AddressInUse => Self::AddressInUse,
            P2::RemoteUnreachable => Self::RemoteUnreachable,
            P2::ConnectionRefused => Self::ConnectionRefused,
            P2::ConnectionReset => Self::ConnectionReset,
            P2::ConnectionAborted => Self::ConnectionAborted,
            P2::DatagramTooLarge => Self::DatagramTooLarge,
            P2::Unknown
            | P2::WouldBlock
            | P2::NameUnresolvable
            | P2::TemporaryResolverFailure
            | P2::PermanentResolverFailure => Self::Other(None),
        }
    }
}

impl Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}
