//! What happens in a run, as a reader of it is told.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::flow::{FlowId, ReplyKind};
use crate::seq::Seq;
use crate::stats::outcome::Sent;
use crate::time::Instant;

/// Something that a reader of the run wants to know as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The socket accepted a ping.
    Sent(FlowId, Seq),
    /// The first reply to a ping, within the timeout; or, by `kind`, one that does not count as
    /// such.
    Reply {
        /// Flow that the ping belongs to.
        flow: FlowId,
        /// The ping it answers.
        seq: Seq,
        /// Where that went, and the reply came from: pings of a flow may go elsewhere by now.
        from: SocketAddr,
        /// Length of the reply.
        bytes: usize,
        /// When the ping was due, and when it was sent.
        times: Times,
        /// From send to receipt.
        rtt: Duration,
        /// In time, late, or a duplicate.
        kind: ReplyKind,
    },
    /// The timeout passed without a reply.
    Lost(FlowId, Seq, Times),
    /// The socket did not accept the datagram.
    NotSent(FlowId, Seq, Times, String),
    /// The network reported an error that belongs to no ping in particular, such as an ICMP port
    /// unreachable; and to whose pings it belongs, where that is known.
    NetworkError(Option<FlowId>, String),
    /// Pings to a target go to another address from now on.
    AddressChanged {
        /// The target, as the index of its address.
        target: usize,
        /// Address that the target had before.
        from: SocketAddr,
        /// Address that its pings go to from now on.
        to: SocketAddr,
    },
    /// A datagram from another address, with content that was not sent, or without the tag that it
    /// should have.
    Foreign {
        /// Source address of the datagram.
        from: SocketAddr,
        /// Length of its payload, in bytes.
        bytes: usize,
    },
    /// Nothing more will become of a ping. Of each flow, they come in the order of their numbers.
    Settled(FlowId, Seq, Sent),
}

/// When a ping was due, and when it was sent, or was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it was due.
    pub scheduled: Instant,
    /// When it was sent.
    pub sent: Instant,
}

impl From<&Sent> for Times {
    fn from(sent: &Sent) -> Self {
        Self { scheduled: sent.scheduled, sent: sent.at }
    }
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Monotonic time at which it happened.
    pub at: Instant,
    /// What happened.
    pub event: Event,
}
