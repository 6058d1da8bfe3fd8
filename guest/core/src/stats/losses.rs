//! Losses in a row.

use std::time::Duration;

use crate::in_flight::Fate;
use crate::time::Instant;

/// The longest run of consecutive lost pings, and the longest time without an answer, from the fates of pings in the order of
/// their numbers.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    in_a_row: u64,
    longest_burst: u64,
    /// When the last ping before the outage was sent that was answered; or the first lost one, where none was.
    outage_since: Option<Instant>,
    last_answered: Option<Instant>,
    last_lost: Option<Instant>,
    longest_outage: Duration,
}

impl Losses {
    /// The next ping was sent at `sent`, and this became of it for good.
    ///
    /// One answered late was not lost. One that was not sent says nothing of the network: it ends a run of consecutive numbers,
    /// and no outage.
    pub fn record(&mut self, sent: Instant, fate: Fate) {
        match fate {
            Fate::Received | Fate::Late => {
                if let Some(since) = self.outage_since.take() {
                    self.longest_outage = self.longest_outage.max(sent.since(since));
                }
                self.in_a_row = 0;
                self.last_answered = Some(sent);
            }
            Fate::Lost => {
                self.in_a_row += 1;
                self.longest_burst = self.longest_burst.max(self.in_a_row);
                self.outage_since = self.outage_since.or(self.last_answered).or(Some(sent));
                self.last_lost = Some(sent);
            }
            Fate::NotSent | Fate::Awaited => self.in_a_row = 0,
        }
    }

    /// The longest run of consecutive sequence numbers whose pings were lost.
    pub fn longest_burst(&self) -> u64 {
        self.longest_burst
    }

    /// The longest time from the last answered send before a loss to the first one after it. Where the run began or ended with
    /// losses, it is counted from or to the outermost lost send: it lasted at least so long.
    pub fn longest_outage(&self) -> Duration {
        let open = self.outage_since.zip(self.last_lost).map(|(since, until)| until.since(since));
        self.longest_outage.max(open.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Fate::{Awaited, Late, Lost, NotSent, Received};
    use super::*;

    /// Pings 100 ms apart.
    fn of(fates: &[Fate]) -> (u64, u64) {
        let mut losses = Losses::default();
        for (i, &fate) in fates.iter().enumerate() {
            losses.record(Instant::from_nanos(i as u64 * 100_000_000), fate);
        }
        (losses.longest_burst(), losses.longest_outage().as_millis() as u64)
    }

    #[test]
    fn hand_worked_bursts_and_outages() {
        assert_eq!(of(&[]), (0, 0));
        assert_eq!(of(&[Received, Received]), (0, 0));
        // One lost between two: no answer to anything sent in the 200 ms between those.
        assert_eq!(of(&[Received, Lost, Received]), (1, 200));
        // Two bursts, of 2 and of 3: the second lasts from ping 3 to ping 7.
        assert_eq!(of(&[Received, Lost, Lost, Received, Lost, Lost, Lost, Received]), (3, 400));
        assert_eq!(of(&[Received, Lost, Late, Lost, Received]), (1, 200), "late is not lost");
    }

    #[test]
    fn a_run_that_begins_or_ends_with_losses_lasted_at_least_as_long_as_they() {
        assert_eq!(of(&[Lost, Lost, Received]), (2, 200));
        assert_eq!(of(&[Received, Lost, Lost]), (2, 200));
        assert_eq!(of(&[Lost, Lost, Lost]), (3, 200));
        assert_eq!(of(&[Received, Lost, Awaited]), (1, 100));
    }

    #[test]
    fn what_was_not_sent_ends_a_burst_and_no_outage() {
        assert_eq!(of(&[Received, Lost, NotSent, Lost, Received]), (1, 400));
    }
}
