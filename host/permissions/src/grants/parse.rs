//! Parsing of grants.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;
use udping_cli::address::{Address, Zone, ends_in_number};
use udping_cli::number;

use super::spec::{DenyRule, Endpoint, NamePattern};
use super::{Destination, Listen, Network, Ports};
use crate::host_name::InvalidHostName;
use crate::zones;

/// Why a text is not a grant.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GrantError {
    /// Not an endpoint of `--allow-to`.
    #[error(
        "write HOST[/PREFIX]:PORT[-PORT], with IPv6 in brackets: 192.0.2.7:12000, [2001:db8::]/32:12000-12010, example.org:12000"
    )]
    Endpoint,
    /// Not a rule of `--deny-to`.
    #[error(
        "write HOST[/PREFIX][:PORT[-PORT]], with IPv6 in brackets: 192.0.2.0/24, [2001:db8::7]:12000 or example.org"
    )]
    Denied,
    /// Not an address and port of `--allow-listen`.
    #[error("write [ADDR:]PORT: 12000, 127.0.0.1:12000 or [::1]:12000")]
    Listen,
    /// Not a network of `--allow-from`.
    #[error("write a network or an address: 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
    Network,
    /// Not a name or pattern of `--allow-resolve`.
    #[error("not a host name, nor *. and a domain")]
    Name,
    /// The zone of an address is not the name of an interface.
    #[error("there is no network interface of that name")]
    Zone,
}

impl From<InvalidHostName> for GrantError {
    fn from(_: InvalidHostName) -> Self {
        Self::Name
    }
}

impl GrantError {
    /// The error for a grant of another form, unless the form is not what is wrong.
    fn or(self, form: Self) -> Self {
        if self == Self::Zone { self } else { form }
    }
}

impl Endpoint {
    /// Parses `host`: an address, as in [`Address`], or a name. An address may have a prefix
    /// length, inside its brackets or after them, in which case IPv4 needs all four numbers: 10/8
    /// is 10.0.0.0/8 for some programs, and 0.0.0.10/8 for others.
    pub fn new(host: &str, ports: Ports) -> Result<Self, GrantError> {
        let (host, inside) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((bare, outside)) if outside.is_empty() || outside.starts_with('/') => {
                (format!("{bare}{outside}"), true)
            }
            Some(_) => return Err(GrantError::Endpoint),
            None => (host.to_owned(), false),
        };
        let (address, length) = match host.split_once('/') {
            Some((address, length)) => {
                (address, Some(length.parse().map_err(|_| GrantError::Endpoint)?))
            }
            None => (&*host, None),
        };
        let (ip, zone) = match address.parse() {
            _ if address.starts_with('[') => return Err(GrantError::Endpoint),
            Ok(Address { ip: IpAddr::V4(_), .. }) if inside => return Err(GrantError::Endpoint),
            Ok(Address { ip: IpAddr::V4(_), .. })
                if length.is_some() && address.parse::<Ipv4Addr>().is_err() =>
            {
                return Err(GrantError::Endpoint);
            }
            Ok(Address { ip, zone }) => (ip, index(zone)?),
            Err(_) if length.is_some() || inside || ends_in_number(address) => {
                return Err(GrantError::Endpoint);
            }
            Err(_) => return Ok(Self::Name(host.parse()?, ports)),
        };
        let net = length
            .map_or(Ok(ip.into()), |length| IpNet::new(ip, length))
            .map_err(|_| GrantError::Endpoint)?;
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
        Self::new(host, ports.parse()?).map_err(|error| error.or(GrantError::Endpoint))
    }
}

impl FromStr for DenyRule {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let with_ports = text.parse().map(Self);
        let without = |error: GrantError| match error {
            GrantError::Zone => Err(error),
            _ => Endpoint::new(text, Ports::ALL).map(Self),
        };
        with_ports.or_else(without).map_err(|error| error.or(GrantError::Denied))
    }
}

impl FromStr for Network {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match Endpoint::new(text, Ports::ALL) {
            Ok(Endpoint::Address(destination)) => Ok(destination.network()),
            Ok(Endpoint::Name(..)) => Err(GrantError::Network),
            Err(error) => Err(error.or(GrantError::Network)),
        }
    }
}

impl FromStr for NamePattern {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        Ok(match text.strip_prefix("*.") {
            Some(domain) => Self::Under(domain.parse()?),
            None => Self::Exactly(text.parse()?),
        })
    }
}

impl FromStr for Listen {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        if let Ok(port) = text.parse() {
            Ok(Self { address: None, port })
        } else {
            let (host, port) = text.rsplit_once(':').ok_or(GrantError::Listen)?;
            if host.contains(':') && !host.starts_with('[') {
                return Err(GrantError::Listen);
            }
            let address = host.parse().map_err(|_| GrantError::Listen)?;
            let port = number::whole(port, &(0..=u16::MAX.into())).ok_or(GrantError::Listen)?;
            Self::at(address, port)
        }
    }
}

impl Listen {
    /// Creates a listen grant for `address`.
    ///
    /// # Errors
    ///
    /// If its zone is not the name of an interface.
    pub fn at(address: Address, port: u16) -> Result<Self, GrantError> {
        let zone = index(address.zone)?;
        Ok(Self { address: Some(Network::new(address.ip.into(), zone)), port })
    }
}

/// The index of an interface; 0 without a zone.
fn index(zone: Option<Zone>) -> Result<u32, GrantError> {
    match zone {
        None => Ok(0),
        Some(Zone::Index(index)) => Ok(index),
        Some(Zone::Name(name)) => zones::index(&name).ok_or(GrantError::Zone),
    }
}
