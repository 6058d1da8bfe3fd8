//! A run in numbers.

use std::time::Duration;

use crate::stats::delays::Delays;
use crate::stats::loss_directions::DirectedLosses;
use crate::stats::losses::longer;
use crate::stats::one_way::{OneWayDelays, OneWaySpreads};
use crate::stats::{Outage, Spread};

/// The run so far, at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// What came of each flow.
    pub flows: Vec<Summary>,
    /// What came of all.
    pub total: Summary,
    /// From the first send to the end, or to the latest time that was told.
    pub duration: Duration,
    /// How well the schedule was kept.
    pub punctuality: Punctuality,
    /// How many datagrams the own sockets had no room for, where that is known.
    pub dropped: Option<u64>,
}

/// What came of the pings of one flow, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Datagrams that the socket accepted.
    pub sent: u64,
    /// Pings whose first reply came within the timeout.
    pub received: u64,
    /// Pings whose first reply came after the timeout, before the end of the run. Neither received
    /// nor lost.
    pub late: u64,
    /// Pings whose timeout passed, less those answered late.
    pub lost: u64,
    /// Pings neither answered nor timed out: not zero only where the run was stopped.
    pub awaited: u64,
    /// Replies to pings already answered.
    pub duplicates: u64,
    /// First replies that came after one to a later ping (RFC 4737).
    pub reordered: u64,
    /// Datagrams from another address, or with content that was not sent.
    pub foreign: u64,
    /// Datagrams that the socket did not accept.
    pub send_errors: u64,
    /// The longest run of consecutive sequence numbers that were lost.
    pub longest_loss_burst: u64,
    /// Bytes in the datagrams that were sent, without headers.
    pub sent_bytes: u64,
    /// Bytes in the first replies, in time or late.
    pub received_bytes: u64,
    /// The longest time without an answer to anything sent in it.
    pub longest_outage: Outage,
    /// RTT of the pings received; `None` where there are none.
    pub rtt: Option<Spread>,
    /// The same, counted from when they were due.
    pub scheduled_rtt: Option<Spread>,
    /// How much the RTTs of adjacent pings differ; `None` where no two adjacent ones were received.
    pub ipdv: Option<Spread>,
    /// Interarrival jitter (RFC 3550). `None` over several flows: it has a meaning for one.
    pub jitter: Option<Duration>,
    /// Where a reflector tells its times.
    pub one_way: Option<OneWaySpreads>,
    /// Where it counts by itself.
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

    /// Counts `flow` in; of bursts and outages, the longest is kept.
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

    /// Whether any reply came at all, in time or late.
    pub fn answered(&self) -> bool {
        self.received + self.late > 0
    }

    /// Pings that were due: those that were sent, and those that the socket did not accept.
    pub fn attempted(&self) -> u64 {
        self.sent + self.send_errors
    }

    /// Share of the pings that were due, and are not awaited, without an answer: lost or not sent;
    /// from 0 to 1.
    pub fn unanswered_ratio(&self) -> f64 {
        ratio(self.lost + self.send_errors, self.attempted() - self.awaited)
    }

    /// Share of the pings whose fate is known that were lost, from 0 to 1.
    pub fn loss_ratio(&self) -> f64 {
        ratio(self.lost, self.sent - self.awaited)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How well the sender kept to its schedule: the tool's own error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Punctuality {
    /// Grid points skipped because the sender was more than half an interval late.
    pub missed_slots: u64,
    /// From when a ping was due to when it was sent.
    pub timer_error: Option<Spread>,
    /// How long the call took by which it was sent.
    pub send_call: Option<Spread>,
}
