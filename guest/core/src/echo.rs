//! The server: what becomes of each datagram that arrives.

use fastrand::Rng;

/// A share of datagrams to drop on purpose: 0 to 100 percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropRate(f64);

impl DropRate {
    /// `None` where `percent` is not from 0 to 100.
    pub fn from_percent(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }
}

/// How the server answers.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The share to leave unanswered.
    pub drop_rate: DropRate,
    /// What the choice of those is derived from.
    pub seed: u64,
    /// Answer in upper case, as the classic lab's server does.
    pub uppercase: bool,
}

/// What was done since the start, in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That arrived.
    pub received: u64,
    /// Whose answer the socket accepted.
    pub answered: u64,
    /// Left unanswered on purpose.
    pub dropped: u64,
    /// Whose answer the socket did not accept.
    pub failed: u64,
}

/// What to do with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it back as it now is.
    Answer,
    /// Leave it.
    Drop,
}

/// The server's state: no more than a random sequence and the counts.
#[derive(Debug)]
pub struct Echo {
    config: Config,
    rng: Rng,
    counts: Counts,
}

impl Echo {
    /// A server that has seen nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config, rng: Rng::with_seed(config.seed), counts: Counts::default() }
    }

    /// A datagram arrived: makes it the answer, in place, or says to drop it.
    pub fn receive(&mut self, datagram: &mut [u8]) -> Verdict {
        self.counts.received += 1;
        if self.config.drop_rate.0 > 0.0 && self.rng.f64() * 100.0 < self.config.drop_rate.0 {
            self.counts.dropped += 1;
            return Verdict::Drop;
        }
        if self.config.uppercase {
            datagram.make_ascii_uppercase();
        }
        Verdict::Answer
    }

    /// The socket accepted `count` answers.
    pub fn answered(&mut self, count: usize) {
        self.counts.answered += count as u64;
    }

    /// The socket did not accept an answer.
    pub fn failed(&mut self) {
        self.counts.failed += 1;
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(percent: f64, seed: u64, uppercase: bool) -> Echo {
        Echo::new(Config { drop_rate: DropRate::from_percent(percent).unwrap(), seed, uppercase })
    }

    fn verdicts(percent: f64, seed: u64) -> Vec<Verdict> {
        let mut echo = echo(percent, seed, false);
        (0..10_000).map(|_| echo.receive(&mut [])).collect()
    }

    #[test]
    fn a_rate_is_a_percentage() {
        for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(DropRate::from_percent(percent), None, "{percent}");
        }
    }

    #[test]
    fn none_and_all_are_exact() {
        assert!(verdicts(0.0, 1).iter().all(|&v| v == Verdict::Answer));
        assert!(verdicts(100.0, 1).iter().all(|&v| v == Verdict::Drop));
    }

    #[test]
    fn a_share_is_near_its_rate_and_the_same_for_the_same_seed() {
        let dropped = verdicts(30.0, 7).iter().filter(|&&v| v == Verdict::Drop).count();
        // 10,000 draws at 0.3 have a standard deviation of 46: 250 is more than five of them.
        assert!(dropped.abs_diff(3_000) < 250, "{dropped}");
        assert_eq!(verdicts(30.0, 7), verdicts(30.0, 7));
        assert_ne!(verdicts(30.0, 7), verdicts(30.0, 8));
    }

    #[test]
    fn an_answer_is_the_same_bytes_or_the_same_upper_cased() {
        let mut datagram = *b"Ping 1 2.0 \xff";
        assert_eq!(echo(0.0, 1, false).receive(&mut datagram), Verdict::Answer);
        assert_eq!(datagram, *b"Ping 1 2.0 \xff");
        assert_eq!(echo(0.0, 1, true).receive(&mut datagram), Verdict::Answer);
        assert_eq!(datagram, *b"PING 1 2.0 \xff");
    }

    #[test]
    fn every_datagram_is_counted_once_on_each_side() {
        let mut echo = echo(100.0, 1, false);
        echo.receive(&mut []);
        echo.config.drop_rate = DropRate(0.0);
        echo.receive(&mut []);
        echo.receive(&mut []);
        echo.answered(1);
        echo.failed();
        assert_eq!(echo.counts(), Counts { received: 3, answered: 1, dropped: 1, failed: 1 });
    }
}
