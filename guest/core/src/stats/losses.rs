//! Consecutive losses, and outages.

use std::time::Duration;

use crate::stats::outcome::Fate;
use crate::time::Instant;

/// A period without a reply to any ping sent in it: from the first unanswered ping to the next
/// answered one, or to the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// The duration of the outage.
    pub duration: Duration,
    /// The number of its pings that were lost.
    pub lost: u64,
    /// The number of its pings that the socket did not accept, as while the link is down.
    pub not_sent: u64,
}

/// The longest run of consecutive lost pings, and the longest outage, from the outcomes of pings in
/// order of sequence number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    in_a_row: u64,
    longest_burst: u64,
    open: Option<Open>,
    longest: Outage,
}

/// An outage that has not ended yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    since: Instant,
    lost: u64,
    not_sent: u64,
}

impl Open {
    fn until(self, end: Instant) -> Outage {
        Outage { duration: end.since(self.since), lost: self.lost, not_sent: self.not_sent }
    }
}

impl Losses {
    /// Records the final outcome of the next ping, which was sent, or should have been, at `sent`.
    ///
    /// A ping answered late is not lost. One that was not sent is not lost in the network: it ends
    /// a run of consecutive lost numbers, but is part of an outage, since nothing was answered
    /// then.
    pub(crate) fn record(&mut self, sent: Instant, fate: Fate) {
        match fate {
            Fate::Received | Fate::Late => {
                self.in_a_row = 0;
                if let Some(open) = self.open.take() {
                    self.longest = longer(self.longest, open.until(sent));
                }
            }
            Fate::Lost => {
                self.in_a_row += 1;
                self.longest_burst = self.longest_burst.max(self.in_a_row);
                self.open(sent).lost += 1;
            }
            Fate::NotSent => {
                self.in_a_row = 0;
                self.open(sent).not_sent += 1;
            }
            Fate::Awaited => self.in_a_row = 0,
        }
    }

    fn open(&mut self, since: Instant) -> &mut Open {
        self.open.get_or_insert(Open { since, lost: 0, not_sent: 0 })
    }

    /// Returns the longest run of consecutive sequence numbers whose pings were lost.
    pub(crate) fn longest_burst(&self) -> u64 {
        self.longest_burst
    }

    /// Returns the longest outage of a run that ended at `end`: one still open lasted at least
    /// until then.
    pub(crate) fn longest_outage(&self, end: Instant) -> Outage {
        self.open.map_or(self.longest, |open| longer(self.longest, open.until(end)))
    }
}

/// Returns the longer of two outages, or the first if they are equally long.
pub(crate) fn longer(one: Outage, other: Outage) -> Outage {
    if other.duration > one.duration { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::Fate::{Awaited, Late, Lost, NotSent, Received};
    use super::*;

    /// Pings 100 ms apart, and an end 50 ms after the last: the longest run of losses, and the
    /// longest outage in milliseconds.
    fn of(fates: &[Fate]) -> (u64, u64) {
        let (losses, end) = recorded(fates);
        (losses.longest_burst(), losses.longest_outage(end).duration.as_millis() as u64)
    }

    fn recorded(fates: &[Fate]) -> (Losses, Instant) {
        let mut losses = Losses::default();
        let at = |i: usize| Instant::from_nanos(i as u64 * 100_000_000);
        for (i, &fate) in fates.iter().enumerate() {
            losses.record(at(i), fate);
        }
        let last = at(fates.len().saturating_sub(1));
        (losses, last + Duration::from_millis(50))
    }

    #[test]
    fn hand_worked_bursts_and_outages() {
        assert_eq!(of(&[]), (0, 0));
        assert_eq!(of(&[Received, Received]), (0, 0));
        // From the lost ping to the next, 100 ms later.
        assert_eq!(of(&[Received, Lost, Received]), (1, 100));
        // Two bursts, of 2 and of 3: the second lasts from ping 4 to ping 7.
        assert_eq!(of(&[Received, Lost, Lost, Received, Lost, Lost, Lost, Received]), (3, 300));
        assert_eq!(of(&[Received, Lost, Late, Lost, Received]), (1, 100), "late is not lost");
    }

    #[test]
    fn an_outage_that_the_run_ends_in_goes_to_its_end() {
        assert_eq!(of(&[Lost, Lost, Received]), (2, 200));
        assert_eq!(of(&[Received, Lost, Lost]), (2, 150));
        assert_eq!(of(&[Received, Lost, Awaited]), (1, 150));
        assert_eq!(of(&[Lost]), (1, 50), "the whole run");
        assert_eq!(of(&[Lost, Lost, Lost]), (3, 250), "the whole run");
    }

    #[test]
    fn what_was_not_sent_ends_a_burst_and_is_part_of_an_outage() {
        assert_eq!(of(&[Received, Lost, NotSent, Lost, Received]), (1, 300));
        assert_eq!(of(&[Received, NotSent, NotSent, Received]), (0, 200), "the link was down");
        let (losses, end) = recorded(&[Received, Lost, NotSent, NotSent, Received, Lost, Received]);
        let outage = losses.longest_outage(end);
        assert_eq!((outage.duration.as_millis(), outage.lost, outage.not_sent), (300, 1, 2));
    }
}
