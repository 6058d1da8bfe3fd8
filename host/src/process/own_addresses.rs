//! The addresses of this machine.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

/// Reads the current addresses of the interfaces, except loopback's, whose whole range belongs to
/// this machine. In a network namespace, they are the namespace's.
#[cfg(unix)]
pub fn read() -> io::Result<HashSet<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs()?;
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| without_zone(v6.ip()).into()))
    });
    Ok(addresses.filter(|ip| !ip.is_loopback()).collect())
}

/// Not read on this system: the networks that contain them cover them.
#[cfg(not(unix))]
pub fn read() -> io::Result<HashSet<IpAddr>> {
    Ok(HashSet::new())
}

/// The BSDs embed the zone of a link-local address in it.
#[cfg(unix)]
fn without_zone(ip: std::net::Ipv6Addr) -> std::net::Ipv6Addr {
    let mut segments = ip.segments();
    if ip.is_unicast_link_local() {
        segments[1] = 0;
    }
    segments.into()
}
