//! A datagram on its way out, and what comes with one that arrives.

use std::net::SocketAddr;

use crate::client::flow::FlowId;
use crate::seq::Seq;
use crate::time::{Instant, UnixTime};

/// A datagram that is due.
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// The flow that it belongs to.
    pub flow: FlowId,
    /// The ping in it.
    pub seq: Seq,
    /// Which source port it is to be sent from, from 0.
    pub source_port: usize,
    /// Address that it goes to.
    pub to: SocketAddr,
    /// UDP payload.
    pub datagram: &'a [u8],
}

/// What is known of a datagram besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When, by the clock that never jumps.
    pub now: Instant,
    /// When, by the clock that pings are stamped with.
    pub wall: UnixTime,
    /// The source port that it came to, from 0.
    pub source_port: usize,
    /// Where it came from.
    pub from: SocketAddr,
}
