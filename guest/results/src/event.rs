//! What happens in a run, an object a line (`--format jsonl`).

use serde::{Deserialize, Serialize};

use crate::{Config, Nanoseconds, Receiver, Sender, Summary, Target, Timestamp};

/// An event of a run. [`Start`](Self::Start) is the first, [`Summary`](Self::Summary) the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Start {
        /// When the first ping is due.
        started: Timestamp,
        /// What was asked for.
        config: Config,
        /// The hosts that were named.
        targets: Vec<Target>,
    },
    /// The socket accepted a ping.
    Sent(Ping),
    /// The first reply to a ping came, within the timeout.
    Reply(Reply),
    /// The first reply to a ping came, after the timeout: [`Lost`](Self::Lost) came before.
    Late(Reply),
    /// A further reply to a ping came.
    Duplicate(Reply),
    /// The timeout of a ping passed.
    Lost(Ping),
    /// The socket did not accept a ping.
    NotSent {
        /// Which ping, and when.
        #[serde(flatten)]
        ping: Ping,
        /// The error of the socket.
        reason: String,
    },
    /// The network reported an error (ICMP) that belongs to no ping in particular.
    NetworkError {
        /// When it was received, since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// The index of the target that it belongs to, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<u32>,
        /// The source port that it belongs to, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        source_port: Option<u16>,
        /// What was reported.
        reason: String,
    },
    /// The name of a target was resolved again: pings go to another address from now on.
    AddressChanged {
        /// When it changed, since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// The index of the target.
        target: u32,
        /// The address and port before: `IP:PORT`, or `[IP]:PORT`.
        from: String,
        /// The address and port from now on.
        to: String,
    },
    /// A datagram came from elsewhere, or with what was not sent.
    Foreign {
        /// When it was received, since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// Its source address and port: `IP:PORT`, or `[IP]:PORT`.
        from: String,
        /// Length of the datagram.
        bytes: u64,
    },
    /// Lines of single pings were not written, because the reader of the output was too slow.
    Dropped {
        /// When the output was taken again, since the start of the run.
        t_ns: Nanoseconds,
        /// The same by the wall clock.
        time: Timestamp,
        /// How many lines.
        lines: u64,
    },
    /// The run is over.
    Summary {
        /// When it was over.
        time: Timestamp,
        /// From the first send to the end, by the monotonic clock.
        duration_ns: Nanoseconds,
        /// The summary of all flows. It is much larger than the events of single pings.
        total: Box<Summary>,
        /// How well the schedule was kept.
        sender: Box<Sender>,
        /// What the machine that pinged lost itself.
        receiver: Receiver,
    },
}

/// Something that happened to a ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// When it happened, since the start of the run.
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
    /// Which ping, and when the reply came.
    #[serde(flatten)]
    pub ping: Ping,
    /// Length of the reply.
    pub bytes: u64,
    /// From the send of the ping to the reply.
    pub rtt_ns: Nanoseconds,
}
