//! The processor time that the host spends on dropping datagrams, which is not the component's, and
//! has its own limit.

use std::time::{Duration, Instant};

/// The reciprocal of the part of a core that it may use.
const PART: u32 = 2;

/// The processor time that may be used at once before the limit applies.
const BURST: Duration = Duration::from_millis(50);

/// The limit of one instance, represented by the time at which all processor time is paid for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dropping {
    paid_at: Option<Instant>,
}

impl Dropping {
    /// Charges `spent`. Returns the instant until which the socket has to be left unread, if that
    /// was too much.
    pub(super) fn spend(&mut self, spent: Duration, now: Instant) -> Option<Instant> {
        let paid_at = self.paid_at.filter(|at| *at > now).unwrap_or(now) + spent * PART;
        self.paid_at = Some(paid_at);
        paid_at.checked_sub(BURST * PART).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn half_a_core_is_there_for_it_beyond_the_burst() {
        let (mut dropping, start) = (Dropping::default(), Instant::now());
        let (mut now, mut spent) = (start, Duration::ZERO);
        while now < start + MS * 10_000 {
            spent += MS * 4;
            now += MS * 4;
            if let Some(until) = dropping.spend(MS * 4, now) {
                assert!(until - now <= MS * 8, "{:?}", until - now);
                now = until;
            }
        }
        assert!(spent > MS * 4_900 && spent < MS * 5_100, "{spent:?}");
    }

    #[test]
    fn below_that_no_socket_is_left_alone() {
        let (mut dropping, start) = (Dropping::default(), Instant::now());
        assert!((0..10_000).all(|i| dropping.spend(MS, start + MS * 2 * i).is_none()));
        assert_eq!(dropping.spend(MS * 20, start + MS * 30_000), None, "the burst");
    }

    #[test]
    fn what_is_computed_beyond_the_burst_is_paid_for_twice() {
        let now = Instant::now();
        for (spent, until) in [(BURST, None), (BURST + MS, Some(now + MS * 2))] {
            assert_eq!(Dropping::default().spend(spent, now), until, "{spent:?}");
        }
    }
}
