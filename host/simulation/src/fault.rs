//! What happens to nodes and links at given times.

use std::net::IpAddr;

use crate::link::Link;
use crate::trace::NodeId;

/// A change of the network, of a clock or of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// One direction has another link from now on.
    Link {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// The link.
        link: Link,
    },
    /// All directions without a link of their own have this one.
    AllLinks(Link),
    /// These nodes reach each other, and no other node.
    Partition(Vec<NodeId>),
    /// There is no partition any more.
    Heal,
    /// The wall clock of a node is set.
    StepWallClock {
        /// The node.
        node: NodeId,
        /// How far forwards.
        by_nanos: i64,
    },
    /// The wall clock of a node runs too fast or too slow.
    DriftWallClock {
        /// The node.
        node: NodeId,
        /// How much too fast.
        parts_per_million: i64,
    },
    /// A node has another address.
    ChangeAddress {
        /// The node.
        node: NodeId,
        /// The new one.
        address: IpAddr,
    },
    /// The name server stops to answer, or answers again.
    NameServer {
        /// Whether it does not answer.
        is_silent: bool,
    },
    /// The component of a node does not run for now; its clocks do, and datagrams arrive.
    Suspend(NodeId),
    /// The component of a node runs again.
    Resume(NodeId),
    /// The component of a node ends, with its sockets.
    Kill(NodeId),
    /// The component of a node is started anew.
    Start(NodeId),
}

/// What the executor is to do for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Suspend(NodeId),
    Resume(NodeId),
    Kill(NodeId),
    Start(NodeId),
}
