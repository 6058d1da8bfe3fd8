//! A datagram on its way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::link;
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

/// What a datagram takes in memory besides its payload, about.
const OVERHEAD: usize = 128;

impl Packet {
    /// The length of the IP packet in bytes.
    pub(super) fn length(&self) -> usize {
        link::packet_length(self.to.is_ipv6(), self.data.len())
    }

    /// The bytes that it takes in memory.
    pub(super) fn memory(&self) -> usize {
        OVERHEAD + self.data.len()
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
