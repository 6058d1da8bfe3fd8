//! `resolve-address-stream` of `wasi:sockets/ip-name-lookup`.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::vec;

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use crate::permissions::{ResolveError, Resolved};

/// The remaining addresses of a resolved name, or an error code.
pub type Answer = Result<vec::IntoIter<IpAddr>, ErrorCode>;

/// A pending resolution.
type Asked = Pin<Box<dyn Future<Output = Resolved> + Send>>;

/// A `resolve-address-stream`: the addresses of a name, resolved or pending.
pub enum Addresses {
    /// The name is resolved: the addresses not yet returned.
    Ready(Answer),
    /// The name is being resolved.
    Asked(Asked),
}

impl Addresses {
    /// Creates the stream of `asked`, which is polled now: resolving starts before the stream is
    /// waited for.
    pub(crate) fn asked(asked: Asked) -> Self {
        let mut addresses = Self::Asked(asked);
        addresses.advance();
        addresses
    }

    /// Becomes ready if the name has been resolved by now.
    pub(crate) fn advance(&mut self) {
        if let Self::Asked(question) = self
            && let Poll::Ready(resolved) =
                question.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            *self = Self::Ready(Self::of(resolved));
        }
    }

    /// Translates `resolved` to addresses or an error code for the component.
    pub(crate) fn of(resolved: Resolved) -> Answer {
        match resolved {
            Ok(addresses) if addresses.is_empty() => Err(ErrorCode::NameUnresolvable),
            Ok(addresses) => Ok(addresses.into_iter()),
            Err(ResolveError::NoSuchName) => Err(ErrorCode::NameUnresolvable),
            Err(ResolveError::Temporary) => Err(ErrorCode::TemporaryResolverFailure),
            Err(ResolveError::Permanent) => Err(ErrorCode::PermanentResolverFailure),
        }
    }
}

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        if let Self::Asked(question) = self {
            *self = Self::Ready(Self::of(question.await));
        }
    }
}
