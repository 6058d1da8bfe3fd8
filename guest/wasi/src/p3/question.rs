//! `wasi:sockets/ip-name-lookup`.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use crate::error::{ErrorCode, NetError};
use crate::p3::bindings::wasi::sockets::ip_name_lookup::{self, resolve_addresses};
use crate::p3::bindings::wasi::sockets::types::IpAddress;
use crate::p3::poll::Pollable;

type Answer = Result<Vec<IpAddress>, ip_name_lookup::ErrorCode>;

/// A name that is being resolved.
#[derive(Debug)]
pub struct Question {
    answered: Pollable,
    answer: Rc<RefCell<Option<Answer>>>,
}

impl Question {
    /// Starts to resolve `name`.
    ///
    /// # Errors
    ///
    /// None: [`Self::answer`] returns them.
    pub fn ask(name: &str) -> Result<Self, NetError> {
        let (name, answer) = (name.to_owned(), Rc::<RefCell<_>>::default());
        let slot = answer.clone();
        let answered = Pollable::of(async move {
            let resolved = resolve_addresses(name).await;
            slot.replace(Some(resolved));
        });
        Ok(Self { answered, answer })
    }

    /// Returns a pollable that is ready when [`Self::answer`] should be called.
    pub fn pollable(&self) -> &Pollable {
        &self.answered
    }

    /// Returns all addresses, in the resolver's order; `None` if it is not done yet.
    ///
    /// # Errors
    ///
    /// The reason why there are none.
    pub fn answer(&mut self) -> Result<Option<Vec<IpAddr>>, NetError> {
        match self.answer.take() {
            None => Ok(None),
            Some(Ok(addresses)) => Ok(Some(
                addresses
                    .into_iter()
                    .map(|address| match address {
                        IpAddress::Ipv4(v4) => <[u8; 4]>::from(v4).into(),
                        IpAddress::Ipv6(v6) => <[u16; 8]>::from(v6).into(),
                    })
                    .collect(),
            )),
            Some(Err(code)) => Err(ErrorCode::from(code).into()),
        }
    }
}
