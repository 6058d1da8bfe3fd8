//! Rates, and the token buckets that enforce them.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// A rate per second, of datagrams or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub NonZeroU64);

/// The burst that a bucket permits, as the time in which it arrives at the rate.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket, represented by the time at which it will be full again (the generic cell rate
/// algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: Rate,
    full_at: Instant,
}

impl Bucket {
    /// Creates a full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// Takes `tokens`, or returns the instant at which they will be available. A full bucket
    /// permits more than its capacity.
    pub fn take(&mut self, tokens: u64, now: Instant) -> Result<(), Instant> {
        self.take_within(BURST, tokens, now)
    }

    /// As [`Self::take`], with a capacity of what arrives in the time `burst`.
    pub fn take_within(
        &mut self,
        burst: Duration,
        tokens: u64,
        now: Instant,
    ) -> Result<(), Instant> {
        let filling = self.full_at.saturating_duration_since(now);
        let after = filling + self.time_for(tokens);
        if after > burst && !filling.is_zero() {
            return Err(now + after.min(filling + burst).saturating_sub(burst));
        }
        self.full_at = now + after;
        Ok(())
    }

    /// Returns tokens that were taken and not used.
    pub fn put_back(&mut self, tokens: u64) {
        self.full_at = self.full_at.checked_sub(self.time_for(tokens)).unwrap_or(self.full_at);
    }

    fn time_for(&self, tokens: u64) -> Duration {
        let nanos = u128::from(tokens) * 1_000_000_000 / u128::from(self.rate.0.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(per_second: u64) -> (Bucket, Instant) {
        let now = Instant::now();
        (Bucket::new(Rate(NonZeroU64::new(per_second).unwrap()), now), now)
    }

    fn taken(bucket: &mut Bucket, now: Instant, most: u64) -> u64 {
        (0..most).take_while(|_| bucket.take(1, now).is_ok()).count() as u64
    }

    #[test]
    fn a_second_of_it_may_come_at_once_and_the_rest_at_the_rate() {
        let (mut bucket, start) = bucket(100);
        assert_eq!(taken(&mut bucket, start, 1_000), 100);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(50), 1_000), 5);
        let mut granted = 0;
        for millis in 51..=10_050 {
            granted += taken(&mut bucket, start + Duration::from_millis(millis), 1_000);
        }
        assert_eq!(granted, 1_000);
    }

    #[test]
    fn one_that_is_not_used_holds_no_more_than_a_second() {
        let (mut bucket, start) = bucket(100);
        assert_eq!(taken(&mut bucket, start + Duration::from_hours(1), 1_000), 100);
    }

    #[test]
    fn it_says_when_to_come_again() {
        let (mut bucket, start) = bucket(10);
        assert_eq!(taken(&mut bucket, start, 100), 10);
        let at = bucket.take(1, start).unwrap_err();
        assert_eq!(at, start + Duration::from_millis(100));
        assert_eq!(bucket.take(1, at), Ok(()));
    }

    #[test]
    fn more_than_it_holds_passes_when_it_is_full_and_is_waited_off() {
        let (mut bucket, start) = bucket(1_000);
        assert_eq!(bucket.take(65_507, start), Ok(()));
        let at = bucket.take(65_507, start).unwrap_err();
        assert!(at >= start + Duration::from_secs(65), "{:?}", at - start);
        assert_eq!(bucket.take(65_507, at), Ok(()));
    }

    #[test]
    fn what_is_put_back_can_be_taken_again() {
        let (mut bucket, start) = bucket(10);
        assert_eq!(taken(&mut bucket, start, 100), 10);
        bucket.put_back(3);
        assert_eq!(taken(&mut bucket, start, 100), 3);
    }
}
