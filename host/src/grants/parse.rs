//! Grants from text.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

use super::Listen;
use super::spec::{Endpoint, HostName};

/// Why a text is no grant.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GrantError {
    /// For `--allow-to`.
    #[error("write HOST:PORT, with an IPv6 address in brackets: 192.0.2.7:12000, [2001:db8::7]:12000 or example.org:12000")]
    Endpoint,
    /// For `--allow-listen`.
    #[error("write [ADDR:]PORT: 12000, 127.0.0.1:12000 or [::1]:12000")]
    Listen,
    /// For `--allow-resolve`.
    #[error("not a host name")]
    Name,
}

impl Endpoint {
    /// `host` is an IPv4 address, an IPv6 address with or without brackets and a numeric zone, or a name.
    pub fn new(host: &str, port: NonZeroU16) -> Result<Self, GrantError> {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(v6) = format!("[{bare}]:{port}").parse::<SocketAddrV6>() {
            return Ok(Self::Address(v6.into()));
        }
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(ip, port.get())));
        }
        host.parse().map(|name| Self::Name(name, port))
    }
}

impl FromStr for Endpoint {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (host, port) = text.rsplit_once(':').ok_or(GrantError::Endpoint)?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(GrantError::Endpoint);
        }
        let port = port.parse().map_err(|_| GrantError::Endpoint)?;
        Self::new(host, port).map_err(|_| GrantError::Endpoint)
    }
}

impl FromStr for Listen {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match text.parse() {
            Ok(port) => Ok(Self { address: None, port }),
            Err(_) => {
                let local: SocketAddr = text.parse().map_err(|_| GrantError::Listen)?;
                Ok(Self { address: Some(local.ip()), port: local.port() })
            }
        }
    }
}

impl FromStr for HostName {
    type Err = GrantError;

    /// Takes what resolvers take: labels of 1 to 63 letters, digits, hyphens and underscores, 253 in all (RFC 1035,
    /// section 2.3.4), and not all digits and dots, which would be an address.
    fn from_str(text: &str) -> Result<Self, GrantError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        };
        let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if name.len() <= 253 && !numeric && !name.starts_with('-') && name.split('.').all(label) {
            Ok(Self(name.to_lowercase()))
        } else {
            Err(GrantError::Name)
        }
    }
}
