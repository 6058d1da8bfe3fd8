//! The addresses that programs bind to and send to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::network::{Id, Target};

/// The port of the discard service, which no machine runs any more.
const DISCARD: u16 = 9;

/// The family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Its name as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// A port of loopback.
    pub fn loopback(self, port: u16) -> SocketAddr {
        let address = match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        (address, port).into()
    }

    fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

fn mapped(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port).into()
}

/// The address to bind a socket to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// A port of loopback that the system chooses.
    Free,
    /// The address of the next socket.
    Taken,
    /// Loopback of the other family.
    OtherFamily,
    /// An IPv4-mapped IPv6 address.
    Mapped,
    /// An address that the machine does not have.
    Elsewhere,
}

impl Local {
    /// The address for a socket of `family`, where the next socket has the address `next`; `None` if
    /// that is needed and not known.
    pub fn address(self, family: Family, next: Option<SocketAddr>) -> Option<SocketAddr> {
        match self {
            Self::Free => Some(family.loopback(0)),
            Self::Taken => next,
            Self::OtherFamily => Some(family.other().loopback(0)),
            Self::Mapped => Some(mapped(0)),
            // Addresses for documentation, which no machine has.
            Self::Elsewhere => Some(match family {
                Family::V4 => ([192, 0, 2, 1], 0).into(),
                Family::V6 => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 0).into(),
            }),
        }
    }
}

/// The remote address of a socket or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// None.
    Unsaid,
    /// The address of the next socket.
    Next,
    /// A port of loopback without a listener.
    Deserted,
    /// Loopback of the other family.
    OtherFamily,
    /// Port 0 of loopback.
    PortZero,
    /// The unspecified address.
    Unspecified,
    /// An IPv4-mapped IPv6 address.
    Mapped,
}

impl Remote {
    /// The address for a socket of `family`, where the next socket has the address `next`.
    pub fn address(self, family: Family, next: Option<SocketAddr>) -> Option<SocketAddr> {
        match self {
            Self::Unsaid => None,
            Self::Next => next,
            Self::Deserted => Some(family.loopback(DISCARD)),
            Self::OtherFamily => Some(family.other().loopback(DISCARD)),
            Self::PortZero => Some(family.loopback(0)),
            Self::Unspecified => Some(match family {
                Family::V4 => (Ipv4Addr::UNSPECIFIED, DISCARD).into(),
                Family::V6 => (Ipv6Addr::UNSPECIFIED, DISCARD).into(),
            }),
            Self::Mapped => Some(mapped(DISCARD)),
        }
    }

    /// What it is, if a socket of `family` can send or connect to it; `next` is the next socket.
    pub(crate) fn target(self, family: Family, next: Option<(Id, Family)>) -> Option<Target> {
        match self {
            Self::Next => {
                next.filter(|(_, of_next)| *of_next == family).map(|(id, _)| Target::Socket(id))
            }
            Self::Deserted => Some(Target::Deserted),
            Self::Unsaid
            | Self::OtherFamily
            | Self::PortZero
            | Self::Unspecified
            | Self::Mapped => None,
        }
    }

    /// Where a socket of `family` sends to, if it can. One with a `peer` sends only to that; one without
    /// needs an address for each datagram.
    pub(crate) fn destination(
        self,
        family: Family,
        peer: Option<Target>,
        next: Option<(Id, Family)>,
    ) -> Option<Target> {
        match (peer, self.target(family, next)) {
            (Some(peer), _) if self == Self::Unsaid => Some(peer),
            (Some(peer), Some(to)) => (to == peer).then_some(to),
            (_, to) => to,
        }
    }
}
