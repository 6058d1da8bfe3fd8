//! What is known of a run when it starts.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use udping_core::pinger::{Config, FlowId};
use udping_core::schedule::Pace;
use udping_core::time::{Instant, UnixTime};

/// Whom a run was to ping: as the user said it, and as it was resolved, or why it could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host as the user wrote it.
    pub host: String,
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
    /// The same moment, by the other.
    pub started: UnixTime,
}

impl Run {
    /// The names of a flow.
    pub fn flow(&self, flow: FlowId) -> FlowName {
        self.flows[flow.0]
    }

    /// How long after the start something was.
    pub fn since_start(&self, at: Instant) -> Duration {
        at.since(self.start)
    }

    /// When something was, in RFC 3339: the wall clock at the start, and what passed since on the clock that never jumps.
    pub fn timestamp(&self, at: Instant) -> String {
        let since_epoch = Duration::new(self.started.seconds, self.started.nanoseconds) + self.since_start(at);
        // Formatting is for the years 1970 to 9999.
        let last = Duration::from_secs(253_402_300_799);
        humantime::format_rfc3339_nanos(SystemTime::UNIX_EPOCH + since_epoch.min(last)).to_string()
    }

    /// The word for the pace.
    pub fn schedule(&self) -> &'static str {
        match self.config.pace {
            Pace::Fixed => "fixed",
            Pace::Poisson { .. } => "poisson",
            Pace::Flood => "flood",
            Pace::Adaptive => "adaptive",
        }
    }
}
