//! Resolution of hosts, as written by the user, to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use udping_cli::address::{self, Address, Zone};
use udping_cli::contract::{self, UDPING_ZONES};

use crate::error::{ErrorCode, NetError};
use crate::host::{self, Notice, Notices};
use crate::poll;
pub use crate::wasi::question::Question;

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
pub async fn lookup(name: &str, stop: Option<&Notices>) -> Result<Option<Vec<IpAddr>>, NetError> {
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
        if poll::wait(&waited_for).await.contains(&1) && is_stopped() {
            return Ok(None);
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
