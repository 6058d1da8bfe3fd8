//! A node: a machine on the network, which runs one component.

use std::net::IpAddr;

use crate::network::clock::WallClock;
use crate::time::Time;

/// The number of clock readings by one node in one instant after which that instant ends: a component
/// that spins on a clock would otherwise never see it advance.
const READINGS: u32 = 1000;

/// The number of datagrams that a node receives at one instant without that counting as spinning: more
/// than its receive buffers hold.
const RECEIVED: u32 = 100_000;

/// The first port that a node chooses by itself (RFC 6335, section 6).
const EPHEMERAL: u16 = 49_152;

pub(crate) struct Node {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) wall: WallClock,
    /// Nodes of different groups are partitioned.
    pub(super) group: u32,
    next_port: u16,
    /// The number of readings of its clock at one instant, since it received a datagram.
    readings: u32,
    read_at: Time,
    /// The number of datagrams that it received at that instant.
    received: u32,
}

impl Node {
    pub(super) fn new(name: &str, addresses: Vec<IpAddr>) -> Self {
        Self {
            name: name.to_owned(),
            addresses,
            wall: WallClock::default(),
            group: 0,
            next_port: EPHEMERAL,
            readings: 0,
            read_at: Time::START,
            received: 0,
        }
    }

    /// The next port to try for a socket that asks for none.
    pub(crate) fn next_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(EPHEMERAL);
        port
    }

    /// Counts a reading of its clock at `now`. Returns true for each so-many-th at one instant.
    pub(super) fn has_read_too_often(&mut self, now: Time) -> bool {
        if self.read_at != now {
            (self.read_at, self.readings, self.received) = (now, 0, 0);
        }
        self.readings += 1;
        self.readings >= READINGS
    }

    /// Notes that it has received `count` datagrams at one instant: it does not spin, unless it sends
    /// them to itself.
    pub(crate) fn has_received(&mut self, count: usize) {
        self.received = self.received.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if self.received < RECEIVED {
            self.readings = 0;
        }
    }
}
