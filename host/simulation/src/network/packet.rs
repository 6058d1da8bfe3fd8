//! A datagram on its way.

use std::net::SocketAddr;
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
