//! The results of a run.

use std::time::Duration;

use crate::stats::delays::Delays;
use crate::stats::loss_directions::DirectedLosses;
use crate::stats::losses::longer;
use crate::stats::one_way::{OneWayDelays, OneWaySpreads};
use crate::stats::{Outage, Spread};

/// The results of a run so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// The summary of each flow.
    pub flows: Vec<Summary>,
    /// The summary over all flows.
    pub total: Summary,
    /// The time from the first send to the end, or to the latest time passed in.
    pub duration: Duration,
    /// How well the schedule was kept.
    pub punctuality: Punctuality,
    /// The number of datagrams dropped because the own sockets' receive buffers were full, if
    /// known.
    pub dropped: Option<u64>,
    /// Where the times of receipt come from.
    pub receive_times: ReceiveTimes,
    /// The time from the arrival of datagrams to when the client looked, if the kernel recorded
    /// their arrival: it is not part of their RTTs.
    pub receive_delay: Option<Spread>,
}

/// Where the times of receipt come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiveTimes {
    /// The client's reading of the clock: they are late by the time that it took to wake up.
    #[default]
    User,
    /// The kernel, which recorded when each datagram arrived.
    Kernel,
}

/// The outcomes of the pings of one flow, or of all flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of datagrams that the socket accepted.
    pub sent: u64,
    /// The number of pings whose first reply arrived within the timeout.
    pub received: u64,
    /// The number of pings whose first reply arrived after the timeout and before the end of the
    /// run. They are neither received nor lost.
    pub late: u64,
    /// The number of pings that timed out, except those answered late.
    pub lost: u64,
    /// The number of pings neither answered nor timed out; nonzero only if the run was stopped.
    pub awaited: u64,
    /// The number of replies to pings already answered.
    pub duplicates: u64,
    /// The number of first replies that arrived after one to a later ping (RFC 4737).
    pub reordered: u64,
    /// The number of datagrams from another address, or with content that was not sent.
    pub foreign: u64,
    /// The number of datagrams that the socket did not accept.
    pub send_errors: u64,
    /// The longest run of consecutive sequence numbers that were lost.
    pub longest_loss_burst: u64,
    /// The payload bytes of the datagrams that were sent.
    pub sent_bytes: u64,
    /// The payload bytes of the first replies, in time or late.
    pub received_bytes: u64,
    /// The longest period without a reply to any ping sent in it.
    pub longest_outage: Outage,
    /// The RTTs of the received pings; `None` if there are none.
    pub rtt: Option<Spread>,
    /// The same, measured from when the pings were due.
    pub scheduled_rtt: Option<Spread>,
    /// The differences between the RTTs of adjacent pings (IPDV); `None` if no two adjacent ones
    /// were received.
    pub ipdv: Option<Spread>,
    /// The interarrival jitter (RFC 3550). `None` over several flows: it is defined for one.
    pub jitter: Option<Duration>,
    /// The one-way delays, if a reflector reports its times.
    pub one_way: Option<OneWaySpreads>,
    /// The losses by direction, if a reflector counts its replies.
    pub directed_losses: Option<DirectedLosses>,
}

impl Summary {
    pub(crate) fn of_delays(delays: &Delays) -> Self {
        Self {
            rtt: delays.rtt.spread(),
            scheduled_rtt: delays.scheduled_rtt.spread(),
            ipdv: delays.ipdv.spread(),
            one_way: delays.one_way.as_ref().map(OneWayDelays::spreads),
            ..Self::default()
        }
    }

    /// Adds the counts of `flow`; of bursts and outages, the longest is kept.
    pub(crate) fn add_counts(&mut self, flow: &Self) {
        self.sent += flow.sent;
        self.received += flow.received;
        self.late += flow.late;
        self.lost += flow.lost;
        self.awaited += flow.awaited;
        self.duplicates += flow.duplicates;
        self.reordered += flow.reordered;
        self.foreign += flow.foreign;
        self.send_errors += flow.send_errors;
        self.longest_loss_burst = self.longest_loss_burst.max(flow.longest_loss_burst);
        self.sent_bytes += flow.sent_bytes;
        self.received_bytes += flow.received_bytes;
        self.longest_outage = longer(self.longest_outage, flow.longest_outage);
        if let Some(losses) = flow.directed_losses {
            let all = self.directed_losses.get_or_insert_default();
            all.forward += losses.forward;
            all.backward += losses.backward;
            all.unknown += losses.unknown;
        }
    }

    /// Returns whether any reply arrived, in time or late.
    pub fn answered(&self) -> bool {
        self.received + self.late > 0
    }

    /// Returns the number of pings that were due: those sent, and those that the socket did not
    /// accept.
    pub fn attempted(&self) -> u64 {
        self.sent + self.send_errors
    }

    /// Returns the share of pings without an answer, lost or not sent, among those due and no
    /// longer awaited; from 0 to 1.
    pub fn unanswered_ratio(&self) -> f64 {
        ratio(self.lost + self.send_errors, self.attempted() - self.awaited)
    }

    /// Returns the share of lost pings among those sent and no longer awaited, from 0 to 1.
    pub fn loss_ratio(&self) -> f64 {
        ratio(self.lost, self.sent - self.awaited)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How well the sender kept to its schedule: the tool's own error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Punctuality {
    /// The number of grid points skipped because the sender was more than half an interval late.
    pub missed_slots: u64,
    /// The time from when a ping was due to when it was sent.
    pub timer_error: Option<Spread>,
    /// The duration of the call that sent it.
    pub send_call: Option<Spread>,
}
