//! The configuration in the document.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

use crate::Nanoseconds;

/// The configuration of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config<S = String> {
    /// The protocol of the datagrams.
    pub protocol: Protocol<S>,
    /// When pings are sent.
    pub schedule: Schedule<S>,
    /// The time between two sends to the same target.
    pub interval_ns: Nanoseconds,
    /// The time for which each ping is awaited.
    pub timeout_ns: Nanoseconds,
    /// The number of pings to each target; `None` for no limit.
    pub count: Option<NonZeroU64>,
    /// The number of pings sent back to back each time.
    #[serde(default = "one_ping")]
    pub burst: NonZeroU32,
    /// The length of the first datagram, in bytes.
    pub size_bytes: u64,
    /// The time after which the run ends, even with replies outstanding.
    pub deadline_ns: Option<Nanoseconds>,
    /// The number of ports that pings are sent from, in turn.
    #[serde(default = "one_port")]
    pub source_ports: u64,
    /// Whether the client spins before each send.
    #[serde(default)]
    pub precise: bool,
    /// Whether pings are authenticated (HMAC-SHA-256).
    #[serde(default)]
    pub keyed: bool,
}

const fn one_ping() -> NonZeroU32 {
    NonZeroU32::MIN
}

const fn one_port() -> u64 {
    1
}

/// The protocol of the datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "expected the name of a protocol")]
pub enum Protocol<S = String> {
    /// The text of the UDP Pinger lab of Kurose and Ross's textbook.
    Text,
    /// STAMP (RFC 8762).
    Stamp,
    /// An unknown protocol, by its name.
    #[serde(untagged)]
    Other(S),
}

/// Formats the name as in the document.
impl<S: Serialize> fmt::Display for Protocol<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// When pings are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "expected the name of a schedule")]
pub enum Schedule<S = String> {
    /// At fixed intervals.
    Fixed,
    /// At exponentially distributed intervals: a Poisson process (RFC 2330, section 11.1.1).
    Poisson,
    /// As soon as a reply arrives, or after 10 ms.
    Flood,
    /// At the smoothed round-trip time (RFC 6298, section 2), within limits.
    Adaptive,
    /// An unknown schedule, by its name.
    #[serde(untagged)]
    Other(S),
}

/// Formats the name as in the document.
impl<S: Serialize> fmt::Display for Schedule<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A host as it was named.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target<S = String> {
    /// The host as the user wrote it.
    pub host: S,
    /// The address that it was resolved to, and the port: `IP:PORT`, or `[IP]:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<S>,
    /// The reason why it was not pinged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<S>,
}
