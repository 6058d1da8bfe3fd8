//! The limit on names resolved by the system.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::{Bucket, Rate};

/// The rate at which names are permitted: one per second.
const A_SECOND: Rate = Rate(NonZeroU64::MIN);

/// The limit on names that the instances of a run may resolve: `most` at once, then one per second.
#[derive(Clone, Debug)]
pub struct Lookups {
    most: usize,
    bucket: Arc<Mutex<Bucket>>,
}

impl Lookups {
    /// Creates a limit that permits `most` names at once.
    pub fn new(most: usize) -> Self {
        Self { most, bucket: Arc::new(Mutex::new(Bucket::new(A_SECOND, Instant::now()))) }
    }

    /// The number of names permitted at once.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Takes the permission to resolve one name, if there is one left.
    pub fn take(&self, now: Instant) -> bool {
        let burst = Duration::from_secs(self.most as u64);
        self.most > 0
            && self
                .bucket
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take_within(burst, 1, now)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lookups: &Lookups, now: Instant) -> usize {
        (0..1_000).filter(|_| lookups.take(now)).count()
    }

    #[test]
    fn so_many_at_once_and_then_one_a_second() {
        let (lookups, start) = (Lookups::new(64), Instant::now());
        assert_eq!(taken(&lookups, start), lookups.most());
        assert_eq!(lookups.most(), 64);
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(taken(&lookups, after(999)), 0);
        assert_eq!(taken(&lookups, after(1_000)), 1);
        assert_eq!(taken(&lookups, after(11_000)), 10);
        assert_eq!(taken(&lookups, after(3_600_000)), 64, "no more is saved");
    }

    #[test]
    fn all_who_share_it_have_one_allowance() {
        let (lookups, start) = (Lookups::new(64), Instant::now());
        assert_eq!(taken(&lookups.clone(), start), 64);
        assert_eq!(taken(&lookups, start), 0);
    }

    #[test]
    fn none_is_none_and_one_is_one_a_second() {
        let (none, one, start) = (Lookups::new(0), Lookups::new(1), Instant::now());
        assert_eq!(taken(&none, start), 0);
        assert_eq!((taken(&one, start), taken(&one, start + Duration::from_secs(10))), (1, 1));
    }
}
