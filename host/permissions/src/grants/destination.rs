//! The addresses and ports of grants.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use udping_cli::contract::STAMP_PORT;

use super::embedded::carried;
use super::network::Network;

/// An inclusive range of ports, without port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// All ports except 0.
    pub const ALL: Self = Self { first: 1, last: u16::MAX };
    /// The port of STAMP.
    pub const STAMP: Self = Self { first: STAMP_PORT, last: STAMP_PORT };

    /// Creates a range of ports; `None` if `range` is empty or includes port 0.
    pub fn new(range: RangeInclusive<u16>) -> Option<Self> {
        let (first, last) = range.into_inner();
        (first != 0 && first <= last).then_some(Self { first, last })
    }

    /// Whether the range is a single port.
    pub fn is_single(self) -> bool {
        self.first == self.last
    }

    /// Whether `port` is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// Formats the range as flags take it: `12000` or `12000-12010`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.is_single() { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

/// A network or a single address, and a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    network: Network,
    ports: Ports,
}

impl Destination {
    /// Creates a destination. IPv4-mapped IPv6 networks are converted to IPv4 networks.
    pub fn new(net: IpNet, zone: u32, ports: Ports) -> Self {
        Self { network: Network::new(net, zone), ports }
    }

    /// Creates the destination of a single address.
    pub fn host(ip: IpAddr, zone: u32, ports: Ports) -> Self {
        Self::new(ip.into(), zone, ports)
    }

    /// The network of its addresses.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The range of its ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Whether `address` is in the network and the range of ports.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.ports.contains(address.port()) && self.network.contains(address)
    }

    /// Whether a deny rule for this destination denies `address`: if the address may be in the
    /// network, or embeds an IPv4 address that is.
    pub fn denies(&self, address: SocketAddr) -> bool {
        let network = self.network;
        self.ports.contains(address.port())
            && (network.may_contain(address)
                || carried(address.ip()).any(|v4| network.may_contain((v4, 0).into())))
    }

    /// The address and the port, if it is a single one of each, in every zone: it covers exactly
    /// that.
    pub(super) fn endpoint(&self) -> Option<(IpAddr, u16)> {
        let address = self.network.address().filter(|_| self.network.zone() == 0)?;
        self.ports.is_single().then_some((address, self.ports.first))
    }
}

/// Formats the destination as flags take it: `192.0.2.7:12000`, `192.0.2.0/24:1-9`,
/// `[2001:db8::7]:12000`, `[fe80::%2]/64:12000`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (net, zone) = (self.network.net(), self.network.zone());
        match net {
            IpNet::V4(net) => net.addr().fmt(f)?,
            IpNet::V6(net) if zone != 0 => write!(f, "[{}%{zone}]", net.addr())?,
            IpNet::V6(net) => write!(f, "[{}]", net.addr())?,
        }
        if self.network.address().is_none() {
            write!(f, "/{}", net.prefix_len())?;
        }
        write!(f, ":{}", self.ports)
    }
}

/// Whether nothing can be reached there: at the unspecified address, or port 0.
pub(super) fn is_nowhere(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_unspecified() || address.port() == 0
}
