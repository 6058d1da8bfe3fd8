//! Networks of addresses, and the zones in which link-local ones lie.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network or a single address, in one zone or in every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    net: IpNet,
    /// An IPv6 zone (RFC 4007), or 0 for every one.
    zone: u32,
}

impl Network {
    /// IPv4-mapped IPv6 networks become the IPv4 networks that they stand for. A zone where zones
    /// mean nothing is left out.
    pub fn new(net: IpNet, zone: u32) -> Self {
        const ZONED: [IpNet; 2] = [
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)),
        ];
        let net = canonical(net.trunc());
        let has_zones = ZONED.iter().any(|zoned| zoned.contains(&net) || net.contains(zoned));
        Self { net, zone: if has_zones { zone } else { 0 } }
    }

    /// The addresses, without the zone.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// The zone, or 0 for every one.
    pub fn zone(&self) -> u32 {
        self.zone
    }

    /// The address, where it is a single one.
    pub fn address(&self) -> Option<IpAddr> {
        (self.net.prefix_len() == self.net.max_prefix_len()).then(|| self.net.addr())
    }

    /// Whether it is the unspecified address of a family.
    pub fn is_unspecified(&self) -> bool {
        self.address().is_some_and(|address| address.is_unspecified())
    }

    /// Whether `address` lies in it, for certain: where this has a zone, a link-local address
    /// without one does not.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.holds(address, |zone| zone == self.zone)
    }

    /// Whether `address` may lie in it: the system completes a link-local address without a zone by
    /// that of the socket.
    pub fn may_contain(&self, address: SocketAddr) -> bool {
        self.holds(address, |zone| zone == self.zone || zone == 0)
    }

    fn holds(&self, address: SocketAddr, is_zone: impl FnOnce(u32) -> bool) -> bool {
        self.net.contains(&address.ip().to_canonical())
            && (self.zone == 0 || zone(address).is_none_or(is_zone))
    }
}

/// As CIDR has it: `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.7`, `fe80::%2/64`.
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

/// The zone of an address, 0 where it names none; `None` where systems ignore zones: they mean
/// something for link-local addresses, and for multicast that stays on the interface or the link.
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
        // No prefix of an IPv4 network is that long.
        (IpAddr::V4(ip), Some(length)) => Ipv4Net::new(ip, length).map_or(net, IpNet::V4),
        _ => net,
    }
}
