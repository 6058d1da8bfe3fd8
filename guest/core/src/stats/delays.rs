//! The durations measured in a run.

use crate::stats::Distribution;
use crate::stats::one_way::OneWayDelays;
use crate::stats::outcome::Sent;
use crate::wire::stamp::ErrorEstimate;

/// What is measured in a run, as far as it is known in advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Whether replies contain the reflector's times and counter.
    pub one_way: bool,
    /// The error estimate of the local clock, if it is declared to be synchronised with the
    /// reflector's.
    pub synced: Option<ErrorEstimate>,
    /// Whether the reflector is declared to be stateful.
    pub stateful: bool,
}

/// The delays of pings.
#[derive(Clone, Debug)]
pub(crate) struct Delays {
    /// The RTT: from send to receipt.
    pub rtt: Distribution,
    /// From the time at which the ping was due to receipt: what a caller on the schedule would have
    /// experienced.
    pub scheduled_rtt: Distribution,
    /// The differences between the RTTs of pings with adjacent numbers, both received: IPDV (RFC
    /// 3393, section 1).
    pub ipdv: Distribution,
    /// The one-way delays, if a reflector reports its times.
    pub one_way: Option<OneWayDelays>,
}

impl Delays {
    /// Creates empty distributions with `new`.
    pub(crate) fn new(measured: Measured, new: fn() -> Distribution) -> Self {
        let one_way = measured.one_way.then(|| OneWayDelays::new(measured.synced, new));
        Self { rtt: new(), scheduled_rtt: new(), ipdv: new(), one_way }
    }

    /// Records that `sent` was received, after `neighbours`, which have adjacent numbers.
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
