//! Instants and wall-clock times, as read from the two WASI clocks.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point on a monotonic clock with an arbitrary origin, in nanoseconds, as in
/// `wasi:clocks/monotonic-clock.instant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// Creates the instant `nanos` nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the instant `span` before this one, saturating at the clock's origin.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(u64::try_from(span.as_nanos()).map_or(0, |nanos| self.0.saturating_sub(nanos)))
    }

    /// Returns the time elapsed since `earlier`, or zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the maximum, 584 years after the clock's origin: such a deadline is never reached.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time since 1970-01-01T00:00:00Z, as `wasi:clocks/wall-clock.datetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixTime {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub seconds: u64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl UnixTime {
    /// Returns the absolute difference between two times.
    pub fn distance(self, other: Self) -> Duration {
        let since_epoch = |time: Self| Duration::new(time.seconds, time.nanoseconds);
        since_epoch(self).abs_diff(since_epoch(other))
    }
}

/// Formats the time as seconds with nine decimals: `1700000000.000000042`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_never_negative_and_a_sum_never_wraps() {
        let (a, b) = (Instant::from_nanos(5), Instant::from_nanos(9));
        assert_eq!(b.since(a), Duration::from_nanos(4));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(a + Duration::MAX, Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn unix_times_are_as_far_apart_seen_from_either() {
        let time = |seconds, nanoseconds| UnixTime { seconds, nanoseconds };
        let (a, b) = (time(7, 999_999_999), time(9, 1));
        assert_eq!(a.distance(b), Duration::new(1, 2));
        assert_eq!(b.distance(a), Duration::new(1, 2));
        assert_eq!(time(0, 0).distance(time(u64::MAX, 999_999_999)), Duration::MAX);
    }

    #[test]
    fn unix_time_keeps_leading_zeros_of_its_fraction() {
        let time = UnixTime { seconds: 1_700_000_000, nanoseconds: 42 };
        assert_eq!(time.to_string(), "1700000000.000000042");
    }
}
