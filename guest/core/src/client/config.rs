//! What a run is to do.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use crate::client::codec::{Codec, Protocol};
use crate::client::schedule::Pace;
use crate::seq::Seq;
use crate::stats::delays::Measured;

/// What one run does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to send to. Each address stands here once.
    pub targets: Vec<SocketAddr>,
    /// From how many ports each target is pinged, in turn. Each target and port is a flow.
    pub source_ports: NonZeroUsize,
    /// How pings are written.
    pub codec: Codec,
    /// The number of each flow's first ping.
    pub first: Seq,
    /// What replies tell besides RTTs.
    pub measured: Measured,
    /// How many pings each target gets; without it, the run ends when it is stopped.
    pub count: Option<NonZeroU64>,
    /// Time from one send to a target to the next; not zero.
    pub interval: Duration,
    /// How sends follow one another.
    pub pace: Pace,
    /// How many pings go out each time, back to back.
    pub burst: NonZeroU32,
    /// How long each ping is awaited.
    pub timeout: Duration,
    /// When the run ends, even with replies outstanding.
    pub deadline: Option<Duration>,
}

impl Config {
    /// Ten pings to each of `targets`, one a second, in text of 32 bytes, each awaited for two
    /// seconds: what the command does without options.
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
            burst: NonZeroU32::MIN,
            timeout: Duration::from_secs(2),
            deadline: None,
        }
    }
}
