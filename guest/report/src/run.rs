//! A run, as it is known when it starts.

use std::net::SocketAddr;
use std::time::Duration;

use udping_core::client::{Config, FlowId};
use udping_core::{Instant, UnixTime};
use udping_results::Timestamp;

use crate::style::Style;

/// A target of a run: as written by the user, and as resolved, or the reason why it could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host as the user wrote it.
    pub host: String,
    /// The destination port.
    pub port: u16,
    /// The address chosen for it, or the reason why it is not pinged.
    pub address: Result<SocketAddr, String>,
}

/// The target, address and port of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowName {
    /// The index of the target among all that were named, starting at 0.
    pub target: usize,
    /// The destination of its pings.
    pub address: SocketAddr,
    /// The source port of its pings.
    pub source_port: u16,
}

/// The settings besides those in [`Config`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether the client spins shortly before each send.
    pub precise: bool,
    /// Whether a JSON document contains a record of each ping.
    pub records: bool,
    /// Whether text lines start with the time.
    pub timestamps: bool,
    /// Whether text lines for single pings are omitted.
    pub quiet: bool,
    /// The order of targets in a summary.
    pub sort: Sort,
    /// Whether the source port was chosen by the user, so that it is the same in each run.
    pub fixed_source_port: bool,
    /// The capabilities of the terminal, if there is one.
    pub style: Style,
}

/// The order of targets in a summary: as given, or the worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As they were given.
    #[default]
    Given,
    /// By the share of unanswered pings.
    Loss,
    /// By the 99th percentile of the RTT; by its maximum if there are too few pings for one, or too
    /// many targets.
    P99,
}

/// A run, as it starts.
#[derive(Clone, Debug)]
pub struct Run {
    /// All named targets.
    pub targets: Vec<Target>,
    /// The flows to targets that have an address, as numbered by the pinger.
    pub flows: Vec<FlowName>,
    /// The configuration of the pinger.
    pub config: Config,
    /// The other settings.
    pub settings: Settings,
    /// The length of the first datagram, in bytes.
    pub datagram: usize,
    /// The monotonic time at which it started.
    pub start: Instant,
    /// The last readings of both clocks.
    pub clocks: Clocks,
}

/// The readings of both clocks at one moment. The differences between two such readings differ if
/// the wall clock was set, or the machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The reading of the monotonic clock.
    pub monotonic: Instant,
    /// The reading of the wall clock.
    pub wall: UnixTime,
}

impl Run {
    /// Returns the target, address and port of a flow.
    pub fn flow(&self, flow: FlowId) -> FlowName {
        self.flows[flow.0]
    }

    /// Changes the address of `target`, an index of addresses, to `to`.
    pub fn readdress(&mut self, target: usize, to: SocketAddr) {
        self.config.targets[target] = to;
        let addresses = self.config.targets.len();
        for flow in self.flows.iter_mut().skip(target).step_by(addresses) {
            flow.address = to;
            self.targets[flow.target].address = Ok(to);
        }
    }

    /// Returns the time from the start to `at`.
    pub fn since_start(&self, at: Instant) -> Duration {
        at.since(self.start)
    }

    /// Converts `at` to wall-clock time by the last reading: if the clock was set since then, by
    /// the new time.
    pub fn timestamp(&self, at: Instant) -> Timestamp {
        let Clocks { monotonic, wall } = self.clocks;
        let read = since_epoch(wall);
        let time = (read + at.since(monotonic)).saturating_sub(monotonic.since(at));
        Timestamp::from_unix(time)
    }

    /// Returns the last reading of the wall clock.
    pub fn now(&self) -> Timestamp {
        unix_time(self.clocks.wall)
    }
}

/// Converts a wall-clock time.
pub fn unix_time(time: UnixTime) -> Timestamp {
    Timestamp::from_unix(since_epoch(time))
}

fn since_epoch(time: UnixTime) -> Duration {
    Duration::new(time.seconds, time.nanoseconds)
}
