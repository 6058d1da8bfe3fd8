//! Spans of time that a run measures.

use crate::stats::Distribution;
use crate::stats::one_way::OneWayDelays;
use crate::stats::outcome::Sent;
use crate::wire::stamp::ErrorEstimate;

/// What is known beforehand of what will be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Replies tell the reflector's times and counts.
    pub one_way: bool,
    /// Its clock and this one are declared to agree, this one as well as it says here.
    pub synced: Option<ErrorEstimate>,
    /// It is declared to count by itself.
    pub stateful: bool,
}

/// Spans of time that pings took.
#[derive(Clone, Debug)]
pub(crate) struct Delays {
    /// From send to receipt: RTT.
    pub rtt: Distribution,
    /// From the time at which the ping was due to receipt: what a caller on the schedule would have
    /// felt.
    pub scheduled_rtt: Distribution,
    /// Of pings with adjacent numbers, both received, how much their RTTs differ: IPDV (RFC 3393,
    /// section 1).
    pub ipdv: Distribution,
    /// Where a reflector tells its times.
    pub one_way: Option<OneWayDelays>,
}

impl Delays {
    /// Nothing yet, in distributions made by `new`.
    pub(crate) fn new(measured: Measured, new: fn() -> Distribution) -> Self {
        let one_way = measured.one_way.then(|| OneWayDelays::new(measured.synced, new));
        Self { rtt: new(), scheduled_rtt: new(), ipdv: new(), one_way }
    }

    /// `sent` was received, and `neighbours`, whose numbers are adjacent, before it.
    pub(crate) fn record(&mut self, sent: &Sent, neighbours: [Option<Sent>; 2]) {
        self.rtt.record(sent.rtt);
        self.scheduled_rtt.record((sent.at + sent.rtt).since(sent.scheduled));
        for other in neighbours.into_iter().flatten() {
            self.ipdv.record(sent.rtt.abs_diff(other.rtt));
            if let (Some(delays), Some(one), Some(other)) =
                (&mut self.one_way, sent.reflected, other.reflected)
            {
                delays.record_adjacent(one, other);
            }
        }
        if let (Some(delays), Some(reflected)) = (&mut self.one_way, sent.reflected) {
            delays.record(sent.rtt, reflected);
        }
    }
}
