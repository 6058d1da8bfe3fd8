//! What came of the pings of one flow, or of all.

use serde::{Deserialize, Serialize};

use crate::Nanoseconds;

/// The summary of one target and source port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// The index of its target.
    pub target: u32,
    /// The port that its pings were sent from.
    #[serde(default)]
    pub source_port: u16,
    /// What came of its pings.
    #[serde(flatten)]
    pub summary: Summary,
}

/// What came of some pings. Counts are of pings where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Datagrams that the socket accepted.
    pub sent: u64,
    /// Pings whose first reply came within the timeout.
    pub received: u64,
    /// Pings whose first reply came after the timeout: neither received nor lost.
    #[serde(default)]
    pub late: u64,
    /// Pings without a reply whose timeout passed.
    #[serde(default)]
    pub lost: u64,
    /// Pings neither answered nor timed out when the run was stopped.
    #[serde(default)]
    pub awaited: u64,
    /// Lost pings as a fraction of those that are not awaited, from 0 to 1.
    pub loss_ratio: f64,
    /// Replies to pings already answered.
    #[serde(default)]
    pub duplicates: u64,
    /// First replies that came after one to a later ping (RFC 4737).
    #[serde(default)]
    pub reordered: u64,
    /// Datagrams from elsewhere, or with what was not sent.
    #[serde(default)]
    pub foreign: u64,
    /// Datagrams that the socket did not accept.
    #[serde(default)]
    pub send_errors: u64,
    /// The longest run of consecutive sequence numbers that were lost.
    #[serde(default)]
    pub longest_loss_burst: u64,
    /// The longest time from an unanswered ping to the next answered one, or to the end of the run.
    #[serde(default)]
    pub longest_outage_ns: Nanoseconds,
    /// Pings in that outage that were lost.
    #[serde(default)]
    pub longest_outage_lost: u64,
    /// Pings in that outage that the socket did not accept.
    #[serde(default)]
    pub longest_outage_not_sent: u64,
    /// Bytes in the datagrams that were sent, without headers.
    #[serde(default)]
    pub sent_bytes: u64,
    /// Bytes in the first replies, in time or late, without headers.
    #[serde(default)]
    pub received_bytes: u64,
    /// Round-trip times of the pings received.
    pub rtt: Option<Spread>,
    /// The same, from when the pings were due.
    pub scheduled_rtt: Option<Spread>,
    /// Differences between the round-trip times of adjacent pings, both received (RFC 3393).
    pub ipdv: Option<Spread>,
    /// Interarrival jitter at the end of the run (RFC 3550, section 6.4.1); of one flow only.
    pub jitter_ns: Option<Nanoseconds>,
    /// What a STAMP reflector's times and counts tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<OneWay>,
}

/// A distribution of durations. Percentiles are by nearest rank; there are all or none, since no
/// histogram is kept for many flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min_ns: Nanoseconds,
    /// The arithmetic mean.
    pub mean_ns: Nanoseconds,
    /// The population standard deviation.
    pub stddev_ns: Nanoseconds,
    /// The largest.
    pub max_ns: Nanoseconds,
    /// The median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ns: Option<Nanoseconds>,
    /// The 90th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90_ns: Option<Nanoseconds>,
    /// The 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_ns: Option<Nanoseconds>,
    /// The 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ns: Option<Nanoseconds>,
    /// The 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_9_ns: Option<Nanoseconds>,
}

/// What a STAMP reflector's times and counts tell. The directions of losses are known only where
/// it counts its replies by itself, as a stateful one does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneWay {
    /// Pings that did not reach the reflector.
    pub lost_forward: Option<u64>,
    /// Pings whose replies did not come back.
    pub lost_backward: Option<u64>,
    /// Pings lost in an unknown direction.
    pub lost_unknown: Option<u64>,
    /// The reflector's own time, T3 - T2.
    pub processing: Option<Spread>,
    /// Round-trip times less that.
    pub net_rtt: Option<Spread>,
    /// Differences in T2 - T1 between adjacent pings.
    pub forward_variation: Option<Spread>,
    /// Differences in T4 - T3 between adjacent pings.
    pub backward_variation: Option<Spread>,
    /// One-way delays, where both clocks are declared to be synchronised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced: Option<Synced>,
}

/// One-way delays, and the clock errors that limit them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// T2 - T1.
    pub forward_delay: Option<Spread>,
    /// T4 - T3.
    pub backward_delay: Option<Spread>,
    /// Delays below zero, which are in neither distribution: the clocks do not agree.
    pub below_zero: u64,
    /// The clock of the client.
    pub sender: Clock,
    /// The clock of the reflector as its last reply described it.
    pub reflector: Option<Clock>,
}

/// A clock, as its error estimate describes it (RFC 4656, section 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The largest error; none where the estimate is not valid.
    pub error_ns: Option<Nanoseconds>,
    /// Whether an external source sets it to UTC.
    pub synchronised: bool,
}

/// How well the schedule was kept: the client's own error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Points of the schedule that were over by more than half an interval, and have no ping.
    pub missed_slots: u64,
    /// From when pings were due to when they were sent.
    pub timer_error: Option<Spread>,
    /// How long the call took by which each was sent.
    pub send_call: Option<Spread>,
}

/// What the machine that pinged lost itself, which counts among the lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Datagrams that the system dropped because a receive buffer was full; none where the runtime
    /// does not tell.
    pub dropped: Option<u64>,
}
