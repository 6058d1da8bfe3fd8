//! Targets, and which of them may be probed.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use udping_cli::address::Address;
use udping_cli::targets;
use udping_permissions::grants::{
    Destination, Endpoint, GrantError, GrantSpec, Grants, NamePattern, PeerCredit, Ports, Request,
};
use udping_permissions::host_name::HostName;
use udping_permissions::names::Names;

/// A host and a port, as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// An address, an IPv6 one in brackets, or a name.
    pub host: String,
    /// The UDP port.
    pub port: NonZeroU16,
}

/// A text is not a target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidTarget(String);

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let targets::Named { host, port } = targets::named(text, None).map_err(InvalidTarget)?;
        let invalid = || InvalidTarget(format!("{host:?} is neither an address nor a host name"));
        if host.parse::<Address>().is_err() && host.parse::<HostName>().is_err() {
            return Err(invalid());
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl Target {
    /// Whether it is a name, which must be resolved.
    pub fn is_name(&self) -> bool {
        self.host.parse::<Address>().is_err()
    }
}

/// Destinations that may be pinged: networks, addresses or names, with ports, as `--allow-to` takes
/// them; or the subdomains of a name, as `*.example.org:12000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Addresses, and the ports there.
    Addresses(Destination),
    /// Names, and the ports there.
    Names(NamePattern, Ports),
}

impl FromStr for Allowed {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        if let Some((domain, ports)) =
            text.strip_prefix("*.").and_then(|rest| rest.rsplit_once(':'))
        {
            let domain = domain.parse().map_err(|_| GrantError::Name)?;
            return Ok(Self::Names(NamePattern::Under(domain), ports.parse()?));
        }
        Ok(match text.parse()? {
            Endpoint::Address(destination) => Self::Addresses(destination),
            Endpoint::Name(name, ports) => Self::Names(NamePattern::Exactly(name), ports),
        })
    }
}

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Parses a string of a configuration.
fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
}

/// Decides which targets a module may ping.
#[derive(Clone, Debug, PartialEq)]
pub struct AllowList {
    grants: Grants,
    names: Vec<(NamePattern, Ports)>,
}

impl AllowList {
    /// Creates a list. `own` are the addresses of this machine, which no network covers.
    pub fn new(allowed: &[Allowed], own: HashSet<IpAddr>) -> Self {
        let addresses = allowed.iter().filter_map(|allowed| match allowed {
            Allowed::Addresses(destination) => Some(Endpoint::Address(*destination)),
            Allowed::Names(..) => None,
        });
        let spec = GrantSpec { to: addresses.collect(), ..GrantSpec::default() };
        let names = allowed.iter().filter_map(|allowed| match allowed {
            Allowed::Addresses(_) => None,
            Allowed::Names(pattern, ports) => Some((pattern.clone(), *ports)),
        });
        Self {
            grants: Grants { own, ..spec.with_addresses(&Names::default()) },
            names: names.collect(),
        }
    }

    /// Whether `target` may be pinged: an address by the rules of grants ([`Grants::decide`]), by
    /// which a network covers no loopback address, and none of a metadata service. A name is allowed
    /// as a name alone: what it resolves to may be another address the next time.
    pub fn covers(&self, target: &Target) -> bool {
        let port = target.port.get();
        let Some(ports) = Ports::new(port..=port) else { return false };
        match Endpoint::new(&target.host, ports) {
            Ok(Endpoint::Address(destination)) => {
                let network = destination.network();
                network.address().is_some_and(|ip| {
                    let to = match ip {
                        IpAddr::V4(_) => SocketAddr::new(ip, port),
                        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, network.zone()).into(),
                    };
                    let request = Request::Send { to, credit: PeerCredit::None };
                    self.grants.decide(&request).is_ok()
                })
            }
            Ok(Endpoint::Name(name, _)) => self
                .names
                .iter()
                .any(|(pattern, ports)| ports.contains(port) && pattern.covers(&name)),
            Err(_) => false,
        }
    }

    /// Whether it allows names, which must be resolved.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether it allows nothing.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.grants.send.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(allowed: &str, target: &str) -> bool {
        let own = HashSet::from(["192.0.2.1".parse().unwrap()]);
        AllowList::new(&[allowed.parse().unwrap()], own).covers(&target.parse().unwrap())
    }

    #[test]
    fn addresses_are_allowed_by_network_and_port() {
        assert!(covers("192.0.2.0/24:12000", "192.0.2.7:12000"));
        assert!(covers("192.0.2.0/24:12000-12009", "192.0.2.7:12009"));
        assert!(covers("[2001:db8::]/32:7", "[2001:db8::1]:7"));
        assert!(!covers("192.0.2.0/24:12000", "192.0.3.7:12000"));
        assert!(!covers("192.0.2.0/24:12000", "192.0.2.7:12001"));
        // The same address in another notation, which inet_aton(3) takes.
        assert!(covers("127.0.0.0/8:7", "127.1:7"));
        assert!(covers("127.0.0.0/8:7", "[::ffff:127.0.0.1]:7"));
    }

    #[test]
    fn networks_cover_no_special_addresses() {
        for target in ["127.0.0.1:7", "169.254.169.254:7", "192.0.2.1:7", "[::ffff:127.0.0.1]:7"] {
            assert!(!covers("0.0.0.0/0:1-65535", target), "{target}");
        }
        assert!(covers("0.0.0.0/0:1-65535", "192.0.2.7:7"));
        assert!(covers("192.0.2.1:7", "192.0.2.1:7"));
    }

    #[test]
    fn names_are_allowed_by_name_only() {
        assert!(covers("a.example:7", "A.Example.:7"));
        assert!(covers("*.example:1-9", "a.b.example:9"));
        assert!(!covers("*.example:1-9", "example:9"));
        assert!(!covers("*.example:1-9", "a.example.org:9"));
        assert!(!covers("0.0.0.0/0:1-65535", "localhost:7"));
        assert!(!covers("localhost:7", "127.0.0.1:7"));
    }

    #[test]
    fn zones_are_those_allowed() {
        assert!(covers("[fe80::1%1]:7", "[fe80::1%1]:7"));
        assert!(!covers("[fe80::1%1]:7", "[fe80::1%2]:7"));
        assert!(covers("[fe80::]/10:7", "[fe80::1%1]:7"));
    }

    #[test]
    fn a_target_is_one_host_and_one_port() {
        for text in ["a.example:7", "192.0.2.7:12000", "[::1]:7", "[fe80::1%2]:7"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "a.example",
            "a.example:0",
            "192.0.2.0/24:7",
            "::1:7",
            "a b:7",
            "-a:7",
            "a.example:7\n",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
