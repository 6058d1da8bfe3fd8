//! A datagram on its way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::trace::{DatagramId, NodeId};

#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) id: DatagramId,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) data: Arc<[u8]>,
    /// The node that it does not leave, if it does not.
    pub(super) within: Option<NodeId>,
}

/// The bytes of the headers of IPv4 or IPv6, and UDP.
const HEADERS: [usize; 2] = [20 + 8, 40 + 8];

impl Packet {
    /// The length of the IP packet in bytes.
    pub(super) fn length(&self) -> usize {
        HEADERS[usize::from(self.to.is_ipv6())] + self.data.len()
    }
}

/// The path from one address to another, as bytes.
pub(super) fn name((from, to): (SocketAddr, SocketAddr)) -> Vec<u8> {
    let mut name = Vec::with_capacity(36);
    for address in [from, to] {
        match address.ip() {
            IpAddr::V4(ip) => name.extend(ip.octets()),
            IpAddr::V6(ip) => name.extend(ip.octets()),
        }
        name.extend(address.port().to_le_bytes());
    }
    name
}
