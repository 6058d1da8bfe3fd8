//! The outcomes of the pings of one flow, or of all flows.

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
    /// The outcomes of its pings.
    #[serde(flatten)]
    pub summary: Summary,
}

/// The outcomes of pings. Counts are of pings, unless stated otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Datagrams that the socket accepted.
    pub sent: u64,
    /// Pings whose first reply arrived within the timeout.
    pub received: u64,
    /// Pings whose first reply arrived after the timeout: neither received nor lost.
    #[serde(default)]
    pub late: u64,
    /// Pings that timed out without a reply.
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
    /// First replies that arrived after one to a later ping (RFC 4737).
    #[serde(default)]
    pub reordered: u64,
    /// Datagrams from another address, or with content that was not sent.
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
    /// Payload bytes of the datagrams that were sent.
    #[serde(default)]
    pub sent_bytes: u64,
    /// Payload bytes of the first replies, in time or late.
    #[serde(default)]
    pub received_bytes: u64,
    /// Round-trip times of the received pings.
    pub rtt: Option<Spread>,
    /// The same, measured from when the pings were due.
    pub scheduled_rtt: Option<Spread>,
    /// Differences between the round-trip times of adjacent pings, both received (RFC 3393).
    pub ipdv: Option<Spread>,
    /// Interarrival jitter at the end of the run (RFC 3550, section 6.4.1); only for a single flow.
    pub jitter_ns: Option<Nanoseconds>,
    /// One-way delays and losses by direction, from a STAMP reflector's times and counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<OneWay>,
}

/// A distribution of durations. Percentiles are by nearest rank; all or none are present, since no
/// histograms are kept for many flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest value.
    pub min_ns: Nanoseconds,
    /// The arithmetic mean.
    pub mean_ns: Nanoseconds,
    /// The population standard deviation.
    pub stddev_ns: Nanoseconds,
    /// The largest value.
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
    /// The histogram of the values in nanoseconds: the V2 format of HDR histograms, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
}

/// One-way delays and losses by direction, from a STAMP reflector's times and counter. The
/// directions of losses are known only for a stateful reflector, which counts its replies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneWay {
    /// Pings that did not reach the reflector.
    pub lost_forward: Option<u64>,
    /// Pings whose replies were lost.
    pub lost_backward: Option<u64>,
    /// Pings lost in an unknown direction.
    pub lost_unknown: Option<u64>,
    /// The reflector's processing time, T3 - T2.
    pub processing: Option<Spread>,
    /// Round-trip times less the reflector's processing time.
    pub net_rtt: Option<Spread>,
    /// Differences in T2 - T1 between adjacent pings.
    pub forward_variation: Option<Spread>,
    /// Differences in T4 - T3 between adjacent pings.
    pub backward_variation: Option<Spread>,
    /// One-way delays, if both clocks are declared to be synchronised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced: Option<Synced>,
}

/// One-way delays, and the clock errors that limit their accuracy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// The forward delay, T2 - T1.
    pub forward_delay: Option<Spread>,
    /// The backward delay, T4 - T3.
    pub backward_delay: Option<Spread>,
    /// Negative delays, which are in neither distribution: the clocks are not synchronised.
    pub below_zero: u64,
    /// The clock of the client.
    pub sender: Clock,
    /// The clock of the reflector, as described in its last reply.
    pub reflector: Option<Clock>,
}

/// A clock, as described by its error estimate (RFC 4656, section 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The maximum error; none if the estimate is not valid.
    pub error_ns: Option<Nanoseconds>,
    /// Whether it is synchronised to UTC by an external source.
    pub synchronised: bool,
}

/// How well the schedule was kept: the client's own error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Grid points without a ping, because they were missed by more than half an interval.
    pub missed_slots: u64,
    /// The time from when pings were due to when they were sent.
    pub timer_error: Option<Spread>,
    /// The duration of the calls that sent them.
    pub send_call: Option<Spread>,
}

/// The receiving side of the machine that pinged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Datagrams that the system dropped because a receive buffer was full; none if the runtime
    /// does not report it. Their pings count as lost.
    pub dropped: Option<u64>,
    /// Where the times of receipt come from.
    #[serde(default)]
    pub times: ReceiveTimes,
    /// The time from the arrival of datagrams to when the client looked, which is not part of their
    /// RTTs; none unless the kernel recorded their arrival.
    #[serde(default)]
    pub delay: Option<Spread>,
}

/// Where the times of receipt come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveTimes {
    /// The client's clock, read when it received.
    #[default]
    User,
    /// The kernel's timestamps of arrival.
    Kernel,
}
