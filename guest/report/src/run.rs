//! What is known of a run when it starts.

use std::net::SocketAddr;
use std::time::Duration;

use udping_core::client::{Config, FlowId};
use udping_core::{Instant, UnixTime};
use udping_results::Timestamp;

use crate::style::Style;

/// Whom a run was to ping: as the user said it, and as it was resolved, or why it could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host as the user wrote it.
    pub host: String,
    /// The port to be pinged.
    pub port: u16,
    /// The address chosen for it; or why it is not pinged.
    pub address: Result<SocketAddr, String>,
}

/// The names of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowName {
    /// Which target, from 0, of all that were named.
    pub target: usize,
    /// Where its pings go.
    pub address: SocketAddr,
    /// The port that they are sent from.
    pub source_port: u16,
}

/// How it is done, besides what stands in [`Config`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The last stretch before each send is spent spinning.
    pub precise: bool,
    /// Each ping's record is part of a JSON document.
    pub records: bool,
    /// Text lines start with the time.
    pub timestamps: bool,
    /// No text line for each ping.
    pub quiet: bool,
    /// The order of targets in a summary.
    pub sort: Sort,
    /// The port that pings are sent from was chosen by the user: it is the same in each run.
    pub fixed_source_port: bool,
    /// What the terminal can show, if there is one.
    pub style: Style,
}

/// The order of targets in a summary: as they were given, or with the worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As they were given.
    #[default]
    Given,
    /// By the share of pings without an answer.
    Loss,
    /// By the 99th percentile of their RTT; by its maximum where there are too few pings for one,
    /// or too many targets.
    P99,
}

/// A run, as it starts.
#[derive(Clone, Debug)]
pub struct Run {
    /// All that were named.
    pub targets: Vec<Target>,
    /// The flows to those that have an address, as the pinger numbers them.
    pub flows: Vec<FlowName>,
    /// What is done.
    pub config: Config,
    /// How.
    pub settings: Settings,
    /// Length of the first datagram, in bytes.
    pub datagram: usize,
    /// When it started, by the clock that never jumps.
    pub start: Instant,
    /// What both clocks showed when they were last read.
    pub clocks: Clocks,
}

/// One moment on both clocks. What lies between two of them differs where the wall clock is set, or
/// the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The clock that never jumps.
    pub monotonic: Instant,
    /// The one that says what time it is.
    pub wall: UnixTime,
}

impl Run {
    /// The names of a flow.
    pub fn flow(&self, flow: FlowId) -> FlowName {
        self.flows[flow.0]
    }

    /// Pings to `target`, the index of its address, go to `to` from now on.
    pub fn readdress(&mut self, target: usize, to: SocketAddr) {
        self.config.targets[target] = to;
        let addresses = self.config.targets.len();
        for flow in self.flows.iter_mut().skip(target).step_by(addresses) {
            flow.address = to;
            self.targets[flow.target].address = Ok(to);
        }
    }

    /// How long after the start something was.
    pub fn since_start(&self, at: Instant) -> Duration {
        at.since(self.start)
    }

    /// When something was, as the wall clock has it that was read last: where that was set since,
    /// by the new time.
    pub fn timestamp(&self, at: Instant) -> Timestamp {
        let Clocks { monotonic, wall } = self.clocks;
        let read = since_epoch(wall);
        let time = (read + at.since(monotonic)).saturating_sub(monotonic.since(at));
        Timestamp::from_unix(time)
    }

    /// The wall clock when it was last read.
    pub fn now(&self) -> Timestamp {
        unix_time(self.clocks.wall)
    }
}

/// A time of the wall clock.
pub fn unix_time(time: UnixTime) -> Timestamp {
    Timestamp::from_unix(since_epoch(time))
}

fn since_epoch(time: UnixTime) -> Duration {
    Duration::new(time.seconds, time.nanoseconds)
}
