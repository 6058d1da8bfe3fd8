//! The families of addresses, as sockets have one each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The family of a socket's addresses. A WASI socket never has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, without IPv4-mapped addresses.
    V6,
}

impl Family {
    /// The address that a socket has before it is bound.
    pub fn unspecified(self) -> SocketAddr {
        match self {
            Self::V4 => (IpAddr::from(Ipv4Addr::UNSPECIFIED), 0).into(),
            Self::V6 => (IpAddr::from(Ipv6Addr::UNSPECIFIED), 0).into(),
        }
    }

    /// Whether an address is one of this family: IPv4-mapped addresses are IPv4's, and
    /// IPv4-compatible ones nobody's (RFC 4291, section 2.5.5.1).
    pub fn has(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::V4, IpAddr::V4(_)) => true,
            (Self::V6, IpAddr::V6(v6)) => {
                let is_compatible =
                    v6.to_ipv4().is_some() && !v6.is_unspecified() && !v6.is_loopback();
                !is_compatible
            }
            _ => false,
        }
    }

    /// Whether a datagram of a socket of this family can be sent there.
    pub fn is_destination(self, address: SocketAddr) -> bool {
        self.has(address.ip()) && !address.ip().is_unspecified() && address.port() != 0
    }
}
