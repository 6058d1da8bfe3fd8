//! A datagram to be sent, and the metadata of a received one.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::flow::FlowId;
use crate::seq::Seq;
use crate::time::{Instant, UnixTime};

/// A datagram that is due to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// The flow of the ping.
    pub flow: FlowId,
    /// The sequence number of the ping.
    pub seq: Seq,
    /// The index of the source port to send it from, starting at 0.
    pub source_port: usize,
    /// The destination address.
    pub to: SocketAddr,
    /// The UDP payload.
    pub datagram: &'a [u8],
}

/// The instants of the call by which a ping was sent.
#[derive(Clone, Copy, Debug)]
pub struct SendCall {
    /// When it began.
    pub began: Instant,
    /// When the ping was passed to the system, from which its RTT is measured: where that is not
    /// known, the same.
    pub left: Instant,
    /// When it ended.
    pub ended: Instant,
}

impl SendCall {
    /// A call of which no more is known.
    pub fn new(began: Instant, ended: Instant) -> Self {
        Self { began, left: began, ended }
    }
}

/// The metadata of a received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The time of receipt on the monotonic clock.
    pub now: Instant,
    /// The time of receipt on the wall clock, which pings are stamped with.
    pub wall: UnixTime,
    /// How long before the client looked that was, if the kernel recorded the arrival.
    pub waited: Option<Duration>,
    /// The index of the source port that it was received on, starting at 0.
    pub source_port: usize,
    /// The source address.
    pub from: SocketAddr,
}
