//! Interarrival jitter.

use std::time::Duration;

use crate::stats;

/// The jitter of RFC 3550, section 6.4.1 and appendix A.8, over replies in order of arrival: J +=
/// (|D| - J) / 16, where D is the difference between the RTT of a reply and that of the one that
/// arrived before it.
///
/// There, D is `(Rj - Ri) - (Sj - Si)`; with the times of the same clock at both ends, this is the
/// difference of two RTTs. It is a smoothed value at the end of the run, not the mean of the
/// differences.
#[derive(Clone, Debug, Default)]
pub struct Jitter {
    /// The jitter, in nanoseconds.
    smoothed: f64,
    last: Option<Duration>,
    differences: u64,
}

impl Jitter {
    /// Records the RTT of a reply, in order of arrival.
    pub fn record(&mut self, rtt: Duration) {
        if let Some(last) = self.last.replace(rtt) {
            let difference = rtt.abs_diff(last).as_nanos() as f64;
            self.smoothed += (difference - self.smoothed) / 16.0;
            self.differences += 1;
        }
    }

    /// Returns the jitter; `None` before two replies have arrived.
    pub fn value(&self) -> Option<Duration> {
        (self.differences > 0).then(|| stats::from_nanos(self.smoothed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_jitter() {
        let mut jitter = Jitter::default();
        let mut after = |micros| {
            jitter.record(Duration::from_micros(micros));
            jitter.value().map(|value| value.as_nanos())
        };
        assert_eq!(after(100), None);
        // D = 16 us: J = 0 + 16/16 = 1 us. D = 16 again: J = 1 + (16 - 1)/16 = 1.9375 us.
        assert_eq!(after(116), Some(1_000));
        assert_eq!(after(100), Some(1_938));
        // D = 0: J = 1.9375 - 1.9375/16 = 1.81640625 us.
        assert_eq!(after(100), Some(1_816));
    }
}
