//! `resolve-address-stream`.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::vec;

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use crate::permissions::{ResolveError, Resolved};

/// What there is of an answer.
pub type Answer = Result<vec::IntoIter<IpAddr>, ErrorCode>;

/// What will be known.
type Asked = Pin<Box<dyn Future<Output = Resolved> + Send>>;

/// `resolve-address-stream`: an answer, or a question that is still out.
pub enum Addresses {
    /// The addresses not taken yet.
    Ready(Answer),
    /// It is being resolved.
    Asked(Asked),
}

impl Addresses {
    /// The question `asked`, which is put at once, and not only when its answer is waited for.
    pub(crate) fn asked(asked: Asked) -> Self {
        let mut addresses = Self::Asked(asked);
        addresses.advance();
        addresses
    }

    /// Takes the answer where there is one by now.
    pub(crate) fn advance(&mut self) {
        if let Self::Asked(question) = self
            && let Poll::Ready(resolved) =
                question.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            *self = Self::Ready(Self::of(resolved));
        }
    }

    /// What `resolved` is to a component.
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
