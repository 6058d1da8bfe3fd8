//! What happens on the network, as it happens: the truth that reports are compared with.

use std::fmt;
use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};

use crate::time::Time;

/// The identity of a node: its index, in the order in which nodes were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The identity of a datagram: datagrams are numbered in the order in which they were sent. A copy
/// has the number of its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatagramId(pub(crate) u64);

impl DatagramId {
    /// The number, from 0.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Something that happened to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When.
    pub time: Time,
    /// To which one.
    pub id: DatagramId,
    /// Its source.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Its payload at that time.
    pub data: &'a [u8],
    /// What.
    pub event: Event,
}

/// What happens to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node has sent it.
    Sent(NodeId),
    /// It is on its way twice.
    Duplicated,
    /// It skips the delay of its link.
    Reordered,
    /// A bit of it was inverted.
    Corrupted,
    /// It will not arrive.
    Lost(Cause),
    /// It is in the receive buffer of a socket of this node.
    Arrived(NodeId),
}

/// Why a datagram does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// By chance ([`crate::Link::loss`] and [`crate::Link::gemodel`]).
    Link,
    /// The queue of the link was full ([`crate::Link::limit`]).
    Queue,
    /// It exceeds the link's MTU.
    TooLarge,
    /// The nodes were partitioned.
    Partition,
    /// No node has its destination's address.
    NoNode,
    /// No socket was bound to its destination.
    NoSocket,
    /// The receive buffer of the socket was full.
    Buffer,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "lost on the link",
            Self::Queue => "dropped by the queue of the link",
            Self::TooLarge => "larger than the MTU",
            Self::Partition => "lost in a partition",
            Self::NoNode => "to an address that no node has",
            Self::NoSocket => "to a port that no socket has",
            Self::Buffer => "dropped by a full receive buffer",
        })
    }
}

/// The SHA-256 of all records, which identifies a run.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds a record.
    pub fn add(&mut self, record: &Record<'_>) {
        let Record { time, id, from, to, data, event } = record;
        let (kind, detail) = match event {
            Event::Sent(node) => (0, node.0),
            Event::Duplicated => (1, 0),
            Event::Reordered => (2, 0),
            Event::Corrupted => (3, 0),
            Event::Lost(cause) => (4, *cause as u32),
            Event::Arrived(node) => (5, node.0),
        };
        let mut bytes = [0; 64];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&time.as_nanos().to_le_bytes());
        put(&id.0.to_le_bytes());
        put(&[kind]);
        put(&detail.to_le_bytes());
        for address in [from, to] {
            put(&address.port().to_le_bytes());
            match address.ip() {
                std::net::IpAddr::V4(ip) => put(&ip.octets()),
                std::net::IpAddr::V6(ip) => put(&ip.octets()),
            }
        }
        self.0.update(&bytes[..at]);
        self.0.update(data);
    }

    /// The fingerprint of what was added, in hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
