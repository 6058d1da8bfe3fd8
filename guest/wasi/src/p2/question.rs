//! `wasi:sockets/ip-name-lookup`.

use std::net::IpAddr;

use crate::error::NetError;
use crate::p2::bindings::wasi::sockets::instance_network::instance_network;
use crate::p2::bindings::wasi::sockets::ip_name_lookup::{self, ResolveAddressStream};
use crate::p2::bindings::wasi::sockets::network::{ErrorCode, IpAddress};
use crate::p2::poll::Pollable;

/// A name that is being resolved.
#[derive(Debug)]
pub struct Question {
    // Dropped before the stream, whose child it is.
    answered: Pollable,
    stream: ResolveAddressStream,
    addresses: Vec<IpAddr>,
}

impl Question {
    /// Starts to resolve `name`.
    ///
    /// # Errors
    ///
    /// That of `resolve-addresses`: the name may not be resolved, or is not valid.
    pub fn ask(name: &str) -> Result<Self, NetError> {
        let stream = ip_name_lookup::resolve_addresses(&instance_network(), name)?;
        Ok(Self { answered: stream.subscribe(), stream, addresses: Vec::new() })
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
        loop {
            match self.stream.resolve_next_address() {
                Ok(Some(IpAddress::Ipv4(v4))) => self.addresses.push(<[u8; 4]>::from(v4).into()),
                Ok(Some(IpAddress::Ipv6(v6))) => self.addresses.push(<[u16; 8]>::from(v6).into()),
                Ok(None) if self.addresses.is_empty() => {
                    return Err(ErrorCode::NameUnresolvable.into());
                }
                Ok(None) => return Ok(Some(std::mem::take(&mut self.addresses))),
                Err(ErrorCode::WouldBlock) => return Ok(None),
                Err(code) => return Err(code.into()),
            }
        }
    }
}
