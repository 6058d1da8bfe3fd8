//! The events of a run, as reported to the caller.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::flow::{FlowId, ReplyKind};
use crate::seq::Seq;
use crate::stats::outcome::Sent;
use crate::time::Instant;

/// An event that is reported as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The socket accepted a ping.
    Sent(FlowId, Seq),
    /// A reply to a ping was received: the first one within the timeout, or a late or duplicate
    /// one, as `kind` tells.
    Reply {
        /// The flow of the ping.
        flow: FlowId,
        /// The sequence number of the ping that it answers.
        seq: Seq,
        /// The source of the reply, which is where the ping was sent. Later pings of the flow may
        /// have another destination.
        from: SocketAddr,
        /// The length of the reply's payload, in bytes.
        bytes: usize,
        /// When the ping was due, and when it was sent.
        times: Times,
        /// The time from send to receipt.
        rtt: Duration,
        /// Whether the reply is in time, late, or a duplicate.
        kind: ReplyKind,
    },
    /// The timeout passed without a reply.
    Lost(FlowId, Seq, Times),
    /// The socket did not accept the datagram.
    NotSent(FlowId, Seq, Times, String),
    /// The network reported an error that belongs to no ping in particular, such as an ICMP port
    /// unreachable; with the flow that it belongs to, if known.
    NetworkError(Option<FlowId>, String),
    /// Further pings to a target go to another address.
    AddressChanged {
        /// The index of the target's address.
        target: usize,
        /// The previous address of the target.
        from: SocketAddr,
        /// The new address of the target.
        to: SocketAddr,
    },
    /// A datagram was received from another address, with content that was not sent, or without the
    /// required tag.
    Foreign {
        /// The source address of the datagram.
        from: SocketAddr,
        /// The length of its payload, in bytes.
        bytes: usize,
    },
    /// The outcome of a ping is final. Within a flow, these events come in order of sequence
    /// number.
    Settled(FlowId, Seq, Sent),
}

/// When a ping was due, and when it was sent or should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The time at which it was due.
    pub scheduled: Instant,
    /// The time at which it was sent.
    pub sent: Instant,
}

impl From<&Sent> for Times {
    fn from(sent: &Sent) -> Self {
        Self { scheduled: sent.scheduled, sent: sent.at }
    }
}

/// An event and the time at which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The monotonic time at which it happened.
    pub at: Instant,
    /// The event.
    pub event: Event,
}
