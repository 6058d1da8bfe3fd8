//! Resolution of hosts, as written by the user, to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use udping_cli::address::{self, Address, Zone};
use udping_cli::contract::{self, UDPING_ZONES};

use crate::bindings::wasi::sockets::instance_network::instance_network;
use crate::bindings::wasi::sockets::ip_name_lookup::{self, ResolveAddressStream};
use crate::bindings::wasi::sockets::network::{ErrorCode, IpAddress};
use crate::error::NetError;
use crate::host::{self, Notice, Notices};
use crate::poll::{self, Pollable};

/// Parses `host` as an address; `None` if it is a name.
///
/// # Errors
///
/// If it can only be an address but is not valid, or if its zone is not known. The message is for
/// users.
pub fn literal(host: &str, port: u16) -> Result<Option<SocketAddr>, String> {
    match host.parse() {
        Ok(address) => with_port(&address, port).map(Some),
        Err(_) if address::ends_in_number(host) => Err(format!(
            "{host} is not an IPv4 address: write four decimal numbers, without zeros in front"
        )),
        Err(_) => Ok(None),
    }
}

/// Returns `address` with a port.
///
/// # Errors
///
/// If its zone is a name whose index the host has not provided. The message is for users.
pub fn with_port(address: &Address, port: u16) -> Result<SocketAddr, String> {
    let index = match &address.zone {
        None => 0,
        Some(Zone::Index(index)) => *index,
        Some(Zone::Name(name)) => zone(name)?,
    };
    Ok(match address.ip {
        IpAddr::V4(v4) => (v4, port).into(),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, index).into(),
    })
}

fn zone(name: &str) -> Result<u32, String> {
    let zones = host::variable(UDPING_ZONES).unwrap_or_default();
    contract::zone(&zones, name).ok_or_else(|| {
        if host::is_udping_host() {
            format!("there is no network interface {name}")
        } else {
            format!("only udping-host knows interfaces by name: in place of {name}, write its number, as `ip link` shows it")
        }
    })
}

/// Resolves `name` with `wasi:sockets/ip-name-lookup`. The addresses are in the resolver's order.
/// Returns `None` if `stop` has a notice to end before the resolver is done, which may take long.
pub fn lookup(name: &str, stop: Option<&Notices>) -> Result<Option<Vec<IpAddr>>, NetError> {
    let mut question = Question::ask(name)?;
    loop {
        match question.answer() {
            Ok(Some(addresses)) => return Ok(Some(addresses)),
            Ok(None) => {}
            // A system without /etc/hosts does not know it (RFC 6761, section 6.3).
            Err(NetError(ErrorCode::NameUnresolvable)) if name == "localhost" => {
                return Ok(Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
            }
            Err(error) => return Err(error),
        }
        let waited_for: Vec<_> =
            [question.pollable()].into_iter().chain(stop.map(Notices::pollable)).collect();
        let is_stopped = || stop.is_some_and(|stop| stop.read().contains(&Notice::Stop));
        if poll::poll(&waited_for).contains(&1) && is_stopped() {
            return Ok(None);
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for (host, expected) in [
            ("127.0.0.1", Some("127.0.0.1:7")),
            ("::1", Some("[::1]:7")),
            ("[::1]", Some("[::1]:7")),
            ("fe80::1%2", Some("[fe80::1%2]:7")),
            ("127.1", Some("127.0.0.1:7")),
            ("0x7f000001", Some("127.0.0.1:7")),
            ("localhost", None),
            ("[::1", None),
            ("", None),
        ] {
            assert_eq!(
                literal(host, 7),
                Ok(expected.map(|text| text.parse().unwrap())),
                "{host:?}"
            );
        }
        for host in ["127.0.0.256", "010.0.0.1", "a.1"] {
            assert!(literal(host, 7).is_err(), "{host}");
        }
    }
}
