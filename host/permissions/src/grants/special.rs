//! Special addresses, which a grant for a wide network does not cover.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::embedded::{carried, may_carry};

/// A special address: a grant for a network that merely contains it, such as 0.0.0.0/0, does not
/// cover it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    kind: Kind,
    /// A grant for a network within this one covers the address; if `None`, only a grant of exactly
    /// the address does.
    within: Option<IpNet>,
}

/// The kind of a special address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loopback,
    LinkLocal,
    Multicast,
    Broadcast,
    OwnAddress,
    Metadata,
}

/// The ranges that a granted network may lie within.
const RANGES: [(Kind, IpNet); 7] = [
    (Kind::Loopback, v4([127, 0, 0, 0], 8)),
    (Kind::LinkLocal, v4([169, 254, 0, 0], 16)),
    (Kind::Multicast, v4([224, 0, 0, 0], 4)),
    (Kind::Broadcast, v4([255, 255, 255, 255], 32)),
    (Kind::Loopback, v6([0, 0, 0, 0, 0, 0, 0, 1], 128)),
    (Kind::LinkLocal, v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10)),
    (Kind::Multicast, v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8)),
];

/// The addresses from which clouds serve metadata and credentials to a machine, and to all code
/// that runs on it, as documented by them, and further services for machines only.
const METADATA: [IpNet; 17] = [
    // Amazon, Azure, Google, Oracle, OpenStack and most others.
    v4([169, 254, 169, 254], 32),
    // Amazon: DNS, time, credentials of containers (ECS, EKS), and all of them over IPv6.
    v4([169, 254, 169, 253], 32),
    v4([169, 254, 169, 123], 32),
    v4([169, 254, 170, 2], 32),
    v4([169, 254, 170, 23], 32),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    // Google.
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    // Azure's wire server.
    v4([168, 63, 129, 16], 32),
    // Alibaba.
    v4([100, 100, 100, 200], 32),
    v6([0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200], 128),
    // Oracle.
    v4([192, 0, 0, 192], 32),
    v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128),
    // Tencent.
    v4([169, 254, 0, 23], 32),
    // Scaleway.
    v4([169, 254, 42, 42], 32),
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128),
    // Akamai.
    v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1], 128),
    // OpenStack.
    v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128),
];

impl Special {
    /// What is special about `ip`, if anything: by itself, or by an embedded IPv4 address. `own`
    /// are the addresses of this machine.
    pub fn of(ip: IpAddr, own: &HashSet<IpAddr>) -> Option<Self> {
        let ip = ip.to_canonical();
        let exactly = |kind| Some(Self { kind, within: None });
        if is_metadata(ip) {
            exactly(Kind::Metadata)
        } else if own.contains(&ip) {
            exactly(Kind::OwnAddress)
        } else if let Some((kind, range)) = RANGES.iter().find(|(_, range)| range.contains(&ip)) {
            Some(Self { kind: *kind, within: Some(*range) })
        } else {
            // IPv4 addresses embed none, so there is no further recursion.
            carried(ip)
                .find_map(|v4| Self::of(v4.into(), own))
                .and_then(|special| exactly(special.kind))
        }
    }

    /// Whether a grant for `net`, which contains the address, covers the address.
    pub fn is_meant_by(self, net: IpNet) -> bool {
        net.prefix_len() == net.max_prefix_len()
            || self.within.is_some_and(|range| range.contains(&net))
    }

    /// Whether it is the address of a cloud metadata service.
    pub fn is_metadata(self) -> bool {
        self.kind == Kind::Metadata
    }
}

/// Formats what it is, and how it can be granted.
impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Loopback => "a loopback address",
            Kind::LinkLocal => "a link-local address",
            Kind::Multicast => "a multicast address",
            Kind::Broadcast => "the broadcast address",
            Kind::OwnAddress => "an address of this machine",
            Kind::Metadata => "an address of cloud metadata",
        })?;
        match self.within {
            Some(range) if range.prefix_len() < range.max_prefix_len() => {
                write!(f, ": grant it, or a network within {range}")
            }
            _ => f.write_str(": grant exactly that address"),
        }
    }
}

/// Whether `ip` is the address of a cloud metadata service, by itself or by an embedded address.
pub(super) fn is_metadata(ip: IpAddr) -> bool {
    let is_service = |ip: IpAddr| METADATA.iter().any(|service| service.contains(&ip));
    is_service(ip.to_canonical()) || carried(ip).any(|v4| is_service(v4.into()))
}

/// Whether `ip` is a multicast (RFC 5771, RFC 4291) or limited broadcast address (RFC 919), by
/// itself or by an embedded address. A datagram from such a source is never answered.
pub(super) fn is_many(ip: IpAddr) -> bool {
    let is_many = |v4: Ipv4Addr| v4.is_multicast() || v4.is_broadcast();
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_many(v4),
        IpAddr::V6(v6) => v6.is_multicast() || (may_carry(v6) && carried(v6.into()).any(is_many)),
    }
}

const fn v4(octets: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), length))
}

const fn v6(segments: [u16; 8], length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), length))
}
