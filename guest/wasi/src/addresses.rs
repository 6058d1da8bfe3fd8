//! Socket addresses, which are the same records in both versions of WASI.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::wasi::sockets::{IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress};

impl From<SocketAddr> for IpSocketAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => {
                Self::Ipv4(Ipv4SocketAddress { port: v4.port(), address: v4.ip().octets().into() })
            }
            SocketAddr::V6(v6) => Self::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: v6.ip().segments().into(),
                scope_id: v6.scope_id(),
            }),
        }
    }
}

impl From<IpSocketAddress> for SocketAddr {
    fn from(address: IpSocketAddress) -> Self {
        match address {
            IpSocketAddress::Ipv4(v4) => {
                SocketAddrV4::new(<[u8; 4]>::from(v4.address).into(), v4.port).into()
            }
            IpSocketAddress::Ipv6(v6) => SocketAddrV6::new(
                <[u16; 8]>::from(v6.address).into(),
                v6.port,
                v6.flow_info,
                v6.scope_id,
            )
            .into(),
        }
    }
}
