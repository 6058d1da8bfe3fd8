//! Addresses and ports that grants are for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Ports from one to another, both included. None is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Every port there is.
    pub const ALL: Self = Self { first: 1, last: u16::MAX };
    /// STAMP's port (RFC 8762, section 4.1).
    pub const STAMP: Self = Self { first: 862, last: 862 };

    /// `None` where there is none in `range`, or port 0, which nobody has.
    pub fn new(range: RangeInclusive<u16>) -> Option<Self> {
        let (first, last) = range.into_inner();
        (first != 0 && first <= last).then_some(Self { first, last })
    }

    fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// As flags take it: `12000` or `12000-12010`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.first == self.last { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

/// A network, or a single address, and ports of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    net: IpNet,
    /// An IPv6 zone (RFC 4007), or 0 for every one.
    zone: u32,
    ports: Ports,
}

impl Destination {
    /// IPv4-mapped IPv6 networks become the IPv4 networks that they stand for.
    pub fn new(net: IpNet, zone: u32, ports: Ports) -> Self {
        let net = canonical(net.trunc());
        // IPv4 has no zones: a denial for one would cover nothing.
        Self { net, zone: if matches!(net, IpNet::V6(_)) { zone } else { 0 }, ports }
    }

    /// One address.
    pub fn host(ip: IpAddr, zone: u32, ports: Ports) -> Self {
        Self::new(ip.into(), zone, ports)
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: SocketAddr) -> bool {
        let zone = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
        self.net.contains(&address.ip().to_canonical())
            && self.ports.contain(address.port())
            && (self.zone == 0 || self.zone == zone)
    }

    /// The address and the port, where it is one of each, in every zone: it covers that, and nothing else.
    pub(super) fn endpoint(&self) -> Option<(IpAddr, u16)> {
        let single = self.net.prefix_len() == self.net.max_prefix_len() && self.ports.first == self.ports.last;
        (single && self.zone == 0).then(|| (self.net.addr(), self.ports.first))
    }

    /// Whether a grant for it is one for `address`: special addresses have to be meant, so a network that merely contains
    /// them, such as 0.0.0.0/0, does not cover them.
    pub fn covers(&self, address: SocketAddr) -> bool {
        self.contains(address) && special(address.ip()).is_none_or(|range| range.contains(&self.net))
    }
}

/// As flags take it: `192.0.2.7:12000`, `192.0.2.0/24:1-9`, `[2001:db8::7]:12000`, `[fe80::%2]/64:12000`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.net {
            IpNet::V4(net) => net.addr().fmt(f)?,
            IpNet::V6(net) if self.zone != 0 => write!(f, "[{}%{}]", net.addr(), self.zone)?,
            IpNet::V6(net) => write!(f, "[{}]", net.addr())?,
        }
        if self.net.prefix_len() < self.net.max_prefix_len() {
            write!(f, "/{}", self.net.prefix_len())?;
        }
        write!(f, ":{}", self.ports)
    }
}

fn canonical(net: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(MAPPED_BITS)) {
        (IpAddr::V4(ip), Some(length)) if matches!(net, IpNet::V6(_)) => Ipv4Net::new(ip, length).map_or(net, IpNet::V4),
        _ => net,
    }
}

/// Whether nobody can be reached there: the unspecified address, or port 0.
pub fn is_nowhere(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_unspecified() || address.port() == 0
}

/// Whether it stands for several at once: multicast (RFC 5771, RFC 4291) or limited broadcast (RFC 919). Nothing comes from
/// there that may be answered.
pub fn is_many(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The special range that `ip` lies in: loopback, link-local, multicast or limited broadcast. Each reaches something else
/// than "the network" that a wide grant means: this machine's own services, the neighbours, many at once.
fn special(ip: IpAddr) -> Option<IpNet> {
    const RANGES: [IpNet; 7] = [
        v4([127, 0, 0, 0], 8),
        v4([169, 254, 0, 0], 16),
        v4([224, 0, 0, 0], 4),
        v4([255, 255, 255, 255], 32),
        v6(Ipv6Addr::LOCALHOST, 128),
        v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
    ];
    let ip = ip.to_canonical();
    RANGES.into_iter().find(|range| range.contains(&ip))
}

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(address: Ipv6Addr, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(address, length))
}
