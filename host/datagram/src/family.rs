//! The address family of a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address family of a socket. A WASI socket is never dual-stack
/// (`wasi:sockets/udp-create-socket`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The IPv4 family.
    V4,
    /// The IPv6 family, without IPv4-mapped addresses.
    V6,
}

impl Family {
    /// The unspecified address with port 0, which a socket has before it is bound.
    pub fn unspecified(self) -> SocketAddr {
        match self {
            Self::V4 => (IpAddr::from(Ipv4Addr::UNSPECIFIED), 0).into(),
            Self::V6 => (IpAddr::from(Ipv6Addr::UNSPECIFIED), 0).into(),
        }
    }

    /// Whether `ip` belongs to this family. IPv4-mapped and IPv4-compatible addresses (RFC 4291,
    /// section 2.5.5.1) do not belong to the IPv6 family.
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

    /// Whether a socket of this family can send datagrams to `address`.
    pub fn is_destination(self, address: SocketAddr) -> bool {
        self.has(address.ip()) && !address.ip().is_unspecified() && address.port() != 0
    }
}
