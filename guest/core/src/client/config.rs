//! The configuration of a run.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use crate::client::codec::{Codec, Protocol};
use crate::client::schedule::Pace;
use crate::seq::Seq;
use crate::stats::delays::Measured;

/// The configuration of one run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses that pings are sent to, without duplicates.
    pub targets: Vec<SocketAddr>,
    /// The number of source ports that each target is pinged from, in turn. Each pair of target and
    /// source port is a flow.
    pub source_ports: NonZeroUsize,
    /// The encoder of pings.
    pub codec: Codec,
    /// The sequence number of each flow's first ping.
    pub first: Seq,
    /// What is measured besides RTTs.
    pub measured: Measured,
    /// The number of pings per target; without it, the run ends when it is stopped.
    pub count: Option<NonZeroU64>,
    /// The time between two sends to the same target; not zero.
    pub interval: Duration,
    /// How sends are spaced.
    pub pace: Pace,
    /// Pings to different targets whose times are closer than this are due at the same time; zero
    /// for none. The times of each flow stay an interval apart.
    pub grid: Duration,
    /// The number of pings sent back to back each time.
    pub burst: NonZeroU32,
    /// How long to wait for a reply to each ping.
    pub timeout: Duration,
    /// The time after which the run ends, even with replies outstanding.
    pub deadline: Option<Duration>,
}

impl Config {
    /// Creates the configuration that the command uses without options: ten pings to each of
    /// `targets`, one per second, as text of 32 bytes, with a timeout of two seconds.
    pub fn new(targets: Vec<SocketAddr>) -> Self {
        let codec = Codec { protocol: Protocol::Text, size: 32, keys: None };
        Self {
            targets,
            source_ports: NonZeroUsize::MIN,
            first: codec.protocol.first(),
            codec,
            measured: Measured::default(),
            count: NonZeroU64::new(10),
            interval: Duration::from_secs(1),
            pace: Pace::Fixed,
            grid: Duration::ZERO,
            burst: NonZeroU32::MIN,
            timeout: Duration::from_secs(2),
            deadline: None,
        }
    }

    /// Whether pings to different targets are due together, since the [`Self::grid`] is wider than
    /// the time between them.
    pub fn is_on_grid(&self) -> bool {
        self.pace == Pace::Fixed
            && self.targets.len() > 1
            && self.interval.as_nanos() < self.grid.as_nanos() * self.targets.len() as u128
    }
}
