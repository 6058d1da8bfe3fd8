//! `resolve-address-stream`.

use std::net::IpAddr;
use std::vec;

use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use crate::permissions::{ResolveError, Resolved};

/// What there is of an answer.
pub type Answer = Result<vec::IntoIter<IpAddr>, ErrorCode>;

/// `resolve-address-stream`: an answer, or a question that is still out.
pub enum Addresses {
    /// The addresses not taken yet.
    Ready(Answer),
    /// The system's resolver is at work.
    Asked(JoinHandle<Answer>),
}

impl Addresses {
    /// What `resolved` is to a component.
    pub fn of(resolved: Resolved) -> Answer {
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
            *self = Self::Ready(question.await.unwrap_or(Err(ErrorCode::PermanentResolverFailure)));
        }
    }
}
