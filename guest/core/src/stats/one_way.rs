//! One-way delays, from the times that a STAMP reflector reports (RFC 8762).

use std::time::Duration;

use crate::seq::Seq;
use crate::stats::{Distribution, Spread};
use crate::wire::stamp::ErrorEstimate;

/// The difference between readings of two clocks, which may not be synchronised: of any sign, in
/// nanoseconds. Only the difference of two such spans has a meaning, unless the clocks are known to
/// agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSpan(pub i64);

impl ClockSpan {
    /// Returns the absolute difference of two spans between the same clocks, in which their offset
    /// cancels out.
    pub fn variation(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    /// Returns the span as a delay between synchronised clocks; `None` if negative, which shows
    /// that they are not.
    fn delay(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

/// A reflector's measurements in its reply to one ping (RFC 8762, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflected {
    /// The reply's number: the ping's from a stateless reflector, a count of the session from a
    /// stateful one.
    pub counter: Seq,
    /// From T1 to T2: from the sender's clock to the reflector's.
    pub forward: ClockSpan,
    /// From T3 to T4: from the reflector's clock to the sender's.
    pub backward: ClockSpan,
    /// From T2 to T3, both on the reflector's clock.
    pub processing: Duration,
    /// The error estimate of the reflector's clock.
    pub error: ErrorEstimate,
}

/// The delays of each direction.
#[derive(Clone, Debug)]
pub(crate) struct OneWayDelays {
    processing: Distribution,
    net_rtt: Distribution,
    forward_variation: Distribution,
    backward_variation: Distribution,
    /// The delays that require synchronised clocks, if they were declared to be.
    synced: Option<SyncedDelays>,
}

/// The delays that have a meaning only between synchronised clocks.
#[derive(Clone, Debug)]
struct SyncedDelays {
    forward: Distribution,
    backward: Distribution,
    below_zero: u64,
    sender: ErrorEstimate,
    reflector: Option<ErrorEstimate>,
}

/// Delays and delay variation of each direction, from the times in STAMP replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneWaySpreads {
    /// The reflector's processing time, T3 - T2.
    pub processing: Option<Spread>,
    /// RTT less the reflector's processing time.
    pub net_rtt: Option<Spread>,
    /// The differences of T2 - T1 between adjacent pings.
    pub forward_variation: Option<Spread>,
    /// The differences of T4 - T3 between adjacent pings.
    pub backward_variation: Option<Spread>,
    /// The one-way delays, if the clocks were declared to be synchronised.
    pub synced: Option<SyncedSpreads>,
}

/// One-way delays, and their accuracy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedSpreads {
    /// Forward delay: T2 - T1 of STAMP (RFC 8762).
    pub forward_delay: Option<Spread>,
    /// Backward delay: T4 - T3 of STAMP (RFC 8762).
    pub backward_delay: Option<Spread>,
    /// The number of negative delays, which do not occur between synchronised clocks. They are in
    /// neither spread.
    pub below_zero: u64,
    /// The error estimate of the local clock.
    pub sender: ErrorEstimate,
    /// The reflector's last error estimate; `None` before its first reply.
    pub reflector: Option<ErrorEstimate>,
}

impl OneWayDelays {
    /// Creates empty distributions with `new`. `clock` is the error estimate of the local clock, if
    /// it is declared to be synchronised with the reflector's.
    pub(crate) fn new(clock: Option<ErrorEstimate>, new: fn() -> Distribution) -> Self {
        Self {
            processing: new(),
            net_rtt: new(),
            forward_variation: new(),
            backward_variation: new(),
            synced: clock.map(|sender| SyncedDelays {
                forward: new(),
                backward: new(),
                below_zero: 0,
                sender,
                reflector: None,
            }),
        }
    }

    /// Records the measurements of a ping that was answered after `rtt`.
    pub(crate) fn record(&mut self, rtt: Duration, reflected: Reflected) {
        self.processing.record(reflected.processing);
        self.net_rtt.record(rtt.saturating_sub(reflected.processing));
        if let Some(synced) = &mut self.synced {
            synced.reflector = Some(reflected.error);
            for (delays, span) in [
                (&mut synced.forward, reflected.forward),
                (&mut synced.backward, reflected.backward),
            ] {
                match span.delay() {
                    Some(delay) => delays.record(delay),
                    None => synced.below_zero += 1,
                }
            }
        }
    }

    /// Records the delay variation between two answered pings with adjacent numbers.
    pub(crate) fn record_adjacent(&mut self, one: Reflected, other: Reflected) {
        self.forward_variation.record(one.forward.variation(other.forward));
        self.backward_variation.record(one.backward.variation(other.backward));
    }

    /// Returns the summary so far.
    pub(crate) fn spreads(&self) -> OneWaySpreads {
        OneWaySpreads {
            processing: self.processing.spread(),
            net_rtt: self.net_rtt.spread(),
            forward_variation: self.forward_variation.spread(),
            backward_variation: self.backward_variation.spread(),
            synced: self.synced.as_ref().map(|synced| SyncedSpreads {
                forward_delay: synced.forward.spread(),
                backward_delay: synced.backward.spread(),
                below_zero: synced.below_zero,
                sender: synced.sender,
                reflector: synced.reflector,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_between_two_clocks_falls_out_of_the_variation() {
        let hour = 3_600_000_000_000;
        assert_eq!(
            ClockSpan(hour + 500).variation(ClockSpan(hour + 200)),
            Duration::from_nanos(300)
        );
        assert_eq!(ClockSpan(-hour).variation(ClockSpan(-hour - 7)), Duration::from_nanos(7));
        assert_eq!(
            ClockSpan(i64::MAX).variation(ClockSpan(i64::MIN)),
            Duration::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn one_way_delays_are_kept_only_for_synchronised_clocks() {
        let (here, there) = (ErrorEstimate::of_clock(true), ErrorEstimate::of_clock(false));
        let reflected = |forward, backward, processing| Reflected {
            counter: Seq(0),
            forward: ClockSpan(forward),
            backward: ClockSpan(backward),
            processing: Duration::from_nanos(processing),
            error: there,
        };
        for clock in [None, Some(here)] {
            let mut delays = OneWayDelays::new(clock, Distribution::of_moments);
            // An RTT of 100, of which 30 in the reflector; then 120 with 20.
            delays.record(Duration::from_nanos(100), reflected(60, 10, 30));
            delays.record(Duration::from_nanos(120), reflected(-5, 26, 20));
            delays.record_adjacent(reflected(60, 10, 30), reflected(-5, 26, 20));
            let spreads = delays.spreads();
            let mean = |spread: Option<Spread>| spread.map(|spread| spread.mean.as_nanos());
            assert_eq!((mean(spreads.processing), mean(spreads.net_rtt)), (Some(25), Some(85)));
            assert_eq!(
                (mean(spreads.forward_variation), mean(spreads.backward_variation)),
                (Some(65), Some(16))
            );
            assert_eq!(spreads.synced.is_some(), clock.is_some());
            if let Some(synced) = spreads.synced {
                assert_eq!(
                    (mean(synced.forward_delay), mean(synced.backward_delay)),
                    (Some(60), Some(18))
                );
                assert_eq!(synced.below_zero, 1, "a delay of -5 is none");
                assert_eq!((synced.sender, synced.reflector), (here, Some(there)));
            }
        }
    }
}
