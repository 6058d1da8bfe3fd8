//! The records of single pings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Nanoseconds, Timestamp};

/// A ping with its final outcome, and a wall-clock time of the type `T`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<T = Timestamp> {
    /// The index of its target.
    pub target: u32,
    /// The port that it was sent from.
    #[serde(default)]
    pub source_port: u16,
    /// Its sequence number.
    #[serde(default)]
    pub seq: u32,
    /// The time at which it was due, since the start of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_ns: Option<Nanoseconds>,
    /// The time at which it was sent, since the start of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_ns: Option<Nanoseconds>,
    /// The same by the wall clock: the time in the ping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<T>,
    /// The outcome of the ping.
    pub fate: Fate,
    /// The time from its send to the first reply, in time or late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ns: Option<Nanoseconds>,
    /// The number of replies after the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u32,
    /// A STAMP reflector's measurements in the first reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Reflected>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The outcome of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The first reply arrived within the timeout.
    Received,
    /// The first reply arrived after the timeout.
    Late,
    /// No reply arrived, within the timeout or later.
    Lost,
    /// The socket did not accept it.
    NotSent,
    /// The run ended before a reply came and before the timeout.
    Awaited,
}

/// Formats the name as in the document.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A STAMP reflector's measurements in a reply. One-way delays, which may be negative, are present
/// only if the clocks of both sides are declared to be synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reflected {
    /// The sequence number of its reply: the ping's or, from a stateful reflector, its own count.
    pub counter: u32,
    /// T3 - T2, by the reflector's clock.
    pub processing_ns: Nanoseconds,
    /// T2 - T1, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_delay_ns: Option<i64>,
    /// T4 - T3, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backward_delay_ns: Option<i64>,
}
