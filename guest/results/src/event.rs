//! The events of a run, one object per line (`--format jsonl`).

use serde::{Deserialize, Serialize};

use crate::{Config, Flow, Nanoseconds, Receiver, Sender, Summary, Target, Timestamp};

/// An event of a run. [`Start`](Self::Start) is the first, [`Summary`](Self::Summary) the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Start {
        /// The time at which the first ping is due.
        started: Timestamp,
        /// The configuration of the run.
        config: Config,
        /// The hosts that were named.
        targets: Vec<Target>,
    },
    /// The socket accepted a ping.
    Sent(Ping),
    /// The first reply to a ping arrived within the timeout.
    Reply(Reply),
    /// The first reply to a ping arrived after the timeout, and after [`Lost`](Self::Lost).
    Late(Reply),
    /// A further reply to a ping arrived.
    Duplicate(Reply),
    /// The timeout of a ping passed without a reply.
    Lost(Ping),
    /// The socket did not accept a ping.
    NotSent {
        /// The ping, and the time.
        #[serde(flatten)]
        ping: Ping,
        /// The error of the socket.
        reason: String,
    },
    /// The network reported an error (ICMP) that belongs to no ping in particular.
    NetworkError {
        /// The time of receipt since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// The index of the target that it belongs to, if known.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<u32>,
        /// The source port that it belongs to, if known.
        #[serde(skip_serializing_if = "Option::is_none")]
        source_port: Option<u16>,
        /// The reported error.
        reason: String,
    },
    /// The name of a target was resolved again: further pings go to another address.
    AddressChanged {
        /// The time of the change since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// The index of the target.
        target: u32,
        /// The previous address and port: `IP:PORT`, or `[IP]:PORT`.
        from: String,
        /// The new address and port.
        to: String,
    },
    /// A datagram arrived from another address, or with content that was not sent.
    Foreign {
        /// The time of receipt since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// The source address and port: `IP:PORT`, or `[IP]:PORT`.
        from: String,
        /// The length of the payload, in bytes.
        bytes: u64,
    },
    /// Lines of single pings were dropped, because the reader of the output was too slow.
    Dropped {
        /// The time at which output continued, since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// The number of dropped lines.
        lines: u64,
    },
    /// The results so far (`--report-every`).
    Interim(RunSummary),
    /// The run is over.
    Summary(RunSummary),
}

/// The results of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The time at which the run was over, or was reported.
    pub time: Timestamp,
    /// The time from the first send to then, by the monotonic clock.
    pub duration_ns: Nanoseconds,
    /// The summary of each target and source port.
    #[serde(default)]
    pub flows: Vec<Flow>,
    /// The summary of all flows. Boxed, since it is much larger than the events of single pings.
    pub total: Box<Summary>,
    /// How well the schedule was kept.
    pub sender: Box<Sender>,
    /// The datagrams lost on the machine that pinged.
    pub receiver: Box<Receiver>,
}

/// The ping that an event is about, and the time of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The time of the event since the start of the run.
    pub t_ns: Nanoseconds,
    /// The same by the wall clock.
    pub time: Timestamp,
    /// The index of the ping's target.
    pub target: u32,
    /// The port that the ping was sent from.
    pub source_port: u16,
    /// The sequence number of the ping.
    pub seq: u32,
}

/// A reply to a ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The ping, and the time of the reply.
    #[serde(flatten)]
    pub ping: Ping,
    /// The length of the reply's payload, in bytes.
    pub bytes: u64,
    /// The time from the send of the ping to the reply.
    pub rtt_ns: Nanoseconds,
}
