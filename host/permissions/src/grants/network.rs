//! Networks, and the zones of link-local addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network or a single address, in one zone or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    net: IpNet,
    /// The index of an IPv6 zone (RFC 4007), or 0 for all.
    zone: u32,
}

impl Network {
    /// Creates a network. IPv4-mapped IPv6 networks are converted to IPv4 networks. The zone is
    /// ignored if the network has no zones.
    pub fn new(net: IpNet, zone: u32) -> Self {
        const ZONED: [IpNet; 2] = [
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)),
        ];
        let net = canonical(net.trunc());
        let has_zones = ZONED.iter().any(|zoned| zoned.contains(&net) || net.contains(zoned));
        Self { net, zone: if has_zones { zone } else { 0 } }
    }

    /// The network without the zone.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// The index of the zone, or 0 for all.
    pub fn zone(&self) -> u32 {
        self.zone
    }

    /// The address, if it is a single one.
    pub fn address(&self) -> Option<IpAddr> {
        (self.net.prefix_len() == self.net.max_prefix_len()).then(|| self.net.addr())
    }

    /// Whether it is the unspecified address of a family.
    pub fn is_unspecified(&self) -> bool {
        self.address().is_some_and(|address| address.is_unspecified())
    }

    /// Whether `address` is certainly in the network: if the network has a zone, a link-local
    /// address without one is not.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.holds(address, |zone| zone == self.zone)
    }

    /// Whether `address` may be in the network: the system takes the zone of a link-local address
    /// without one from the socket.
    pub fn may_contain(&self, address: SocketAddr) -> bool {
        self.holds(address, |zone| zone == self.zone || zone == 0)
    }

    fn holds(&self, address: SocketAddr, is_zone: impl FnOnce(u32) -> bool) -> bool {
        self.net.contains(&address.ip().to_canonical())
            && (self.zone == 0 || zone(address).is_none_or(is_zone))
    }
}

/// Formats the network in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.7`,
/// `fe80::%2/64`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.addr().fmt(f)?;
        if self.zone != 0 {
            write!(f, "%{}", self.zone)?;
        }
        if self.address().is_none() {
            write!(f, "/{}", self.net.prefix_len())?;
        }
        Ok(())
    }
}

/// The zone of an address, or 0 if it has none; `None` if systems ignore its zone, which is
/// significant only for link-local addresses, and for interface-local and link-local multicast.
fn zone(address: SocketAddr) -> Option<u32> {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => Some(v6.scope_id()),
        SocketAddr::V6(v6)
            if v6.ip().is_multicast() && matches!(v6.ip().segments()[0] & 0xf, 1 | 2) =>
        {
            Some(v6.scope_id())
        }
        _ => None,
    }
}

fn canonical(net: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(MAPPED_BITS)) {
        // Never fails: `length` is at most 32.
        (IpAddr::V4(ip), Some(length)) => Ipv4Net::new(ip, length).map_or(net, IpNet::V4),
        _ => net,
    }
}
