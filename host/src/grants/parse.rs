//! Grants from text.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

use super::spec::{Denied, Endpoint, HostName, NamePattern};
use super::{Destination, Listen, Network, Ports};

/// Why a text is no grant.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GrantError {
    /// For `--allow-to`.
    #[error(
        "write HOST[/PREFIX]:PORT[-PORT], with IPv6 in brackets: 192.0.2.7:12000, [2001:db8::]/32:12000-12010, example.org:12000"
    )]
    Endpoint,
    /// For `--deny-to`.
    #[error("write HOST[/PREFIX][:PORT[-PORT]], with IPv6 in brackets: 192.0.2.0/24, [2001:db8::7]:12000 or example.org")]
    Denied,
    /// For `--allow-listen`.
    #[error("write [ADDR:]PORT: 12000, 127.0.0.1:12000 or [::1]:12000")]
    Listen,
    /// For `--allow-from`.
    #[error("write a network or an address: 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
    Network,
    /// For `--allow-resolve`.
    #[error("not a host name, nor *. and a domain")]
    Name,
}

impl Endpoint {
    /// `host` is an IPv4 address, an IPv6 address with or without brackets and a numeric zone, or a name; an address may have
    /// a prefix length, inside its brackets or after them.
    pub fn new(host: &str, ports: Ports) -> Result<Self, GrantError> {
        let (host, inside) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((bare, outside)) if outside.is_empty() || outside.starts_with('/') => (format!("{bare}{outside}"), true),
            Some(_) => return Err(GrantError::Endpoint),
            None => (host.to_owned(), false),
        };
        let (address, length) = match host.split_once('/') {
            Some((address, length)) => (address, Some(length.parse().map_err(|_| GrantError::Endpoint)?)),
            None => (&*host, None),
        };
        // The standard library knows zones only together with a port.
        let (ip, zone) = match format!("[{address}]:0").parse::<SocketAddrV6>() {
            Ok(v6) => (IpAddr::from(*v6.ip()), v6.scope_id()),
            Err(_) => match address.parse::<Ipv4Addr>() {
                Ok(v4) if !inside => (v4.into(), 0),
                _ if length.is_some() || inside => return Err(GrantError::Endpoint),
                _ => return Ok(Self::Name(host.parse()?, ports)),
            },
        };
        let net = length.map_or(Ok(ip.into()), |length| IpNet::new(ip, length)).map_err(|_| GrantError::Endpoint)?;
        Ok(Self::Address(Destination::new(net, zone, ports)))
    }
}

impl FromStr for Ports {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => Self::new(first..=last).ok_or(GrantError::Endpoint),
            _ => Err(GrantError::Endpoint),
        }
    }
}

impl FromStr for Endpoint {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (host, ports) = text.rsplit_once(':').ok_or(GrantError::Endpoint)?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(GrantError::Endpoint);
        }
        Self::new(host, ports.parse()?).map_err(|_| GrantError::Endpoint)
    }
}

impl FromStr for Denied {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let with_ports = text.parse().map(Self);
        with_ports.or_else(|_| Endpoint::new(text, Ports::ALL).map(Self)).map_err(|_| GrantError::Denied)
    }
}

impl FromStr for Network {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match Endpoint::new(text, Ports::ALL) {
            Ok(Endpoint::Address(destination)) => Ok(destination.network()),
            Ok(Endpoint::Name(..)) | Err(_) => Err(GrantError::Network),
        }
    }
}

impl FromStr for NamePattern {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match text.strip_prefix("*.") {
            Some(domain) => domain.parse().map(Self::Under),
            None => text.parse().map(Self::Exactly),
        }
    }
}

impl FromStr for Listen {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match text.parse() {
            Ok(port) => Ok(Self { address: None, port }),
            Err(_) => {
                let local: SocketAddr = text.parse().map_err(|_| GrantError::Listen)?;
                let zone = if let SocketAddr::V6(v6) = local { v6.scope_id() } else { 0 };
                Ok(Self { address: Some(Network::new(local.ip().into(), zone)), port: local.port() })
            }
        }
    }
}

impl FromStr for HostName {
    type Err = GrantError;

    /// Takes what resolvers take: labels of 1 to 63 letters, digits, hyphens and underscores, 253 in all (RFC 1035,
    /// section 2.3.4), and not all digits and dots, which would be an address.
    fn from_str(text: &str) -> Result<Self, GrantError> {
        // First of all: the lower case of a letter may be more than a letter.
        let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        };
        let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if name.len() <= 253 && !numeric && !name.starts_with('-') && name.split('.').all(label) {
            Ok(Self(name))
        } else {
            Err(GrantError::Name)
        }
    }
}
