//! From a host as the user wrote it to an address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use crate::bindings::wasi::sockets::instance_network::instance_network;
use crate::bindings::wasi::sockets::ip_name_lookup;
use crate::bindings::wasi::sockets::network::{ErrorCode, IpAddress};
use crate::error::NetError;

/// The address that `host` spells out: IPv4, or IPv6 with or without brackets and a numeric zone; `None` where it is a name.
pub fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return Some(SocketAddr::from((v4, port)));
    }
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    format!("[{bare}]:{port}").parse::<SocketAddrV6>().ok().map(SocketAddr::V6)
}

/// The first address of `name` that `wanted` takes, through `wasi:sockets/ip-name-lookup`.
pub fn lookup(name: &str, wanted: impl Fn(&IpAddr) -> bool) -> Result<IpAddr, NetError> {
    let stream = ip_name_lookup::resolve_addresses(&instance_network(), name)?;
    loop {
        match stream.resolve_next_address() {
            Ok(Some(address)) => {
                let address = match address {
                    IpAddress::Ipv4(v4) => IpAddr::from(<[u8; 4]>::from(v4)),
                    IpAddress::Ipv6(v6) => IpAddr::from(<[u16; 8]>::from(v6)),
                };
                if wanted(&address) {
                    return Ok(address);
                }
            }
            Ok(None) => return Err(ErrorCode::NameUnresolvable.into()),
            Err(ErrorCode::WouldBlock) => stream.subscribe().block(),
            Err(code) => return Err(code.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for (host, expected) in [
            ("127.0.0.1", Some("127.0.0.1:7")),
            ("::1", Some("[::1]:7")),
            ("[::1]", Some("[::1]:7")),
            ("fe80::1%2", Some("[fe80::1%2]:7")),
            ("localhost", None),
            ("[::1", None),
            ("127.1", None),
            ("", None),
        ] {
            assert_eq!(literal(host, 7), expected.map(|text| text.parse().unwrap()), "{host:?}");
        }
    }
}
