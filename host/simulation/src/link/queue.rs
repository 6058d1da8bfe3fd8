//! The rate of a link, and the datagrams that wait for it.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::link::Link;
use crate::time::Time;

/// A rate in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU64);

/// Why a text is not a rate.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a rate, such as 10mbit; the units are bit, kbit, mbit and gbit per second (tc(8))")]
pub struct RateError;

impl Rate {
    const UNITS: [(&str, u64); 4] =
        [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1000), ("bit", 1)];

    /// The time that it takes to send `bytes`.
    pub fn time(self, bytes: usize) -> Duration {
        let nanoseconds = bytes as u128 * 8 * 1_000_000_000 / u128::from(self.0.get());
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (number, unit) = Self::UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .ok_or(RateError)?;
        let number: u64 = number.trim().parse().map_err(|_| RateError)?;
        let rate = number.checked_mul(unit).and_then(NonZeroU64::new);
        rate.map(Self).ok_or(RateError)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, unit): &&(&str, u64)| self.0.get().is_multiple_of(*unit);
        let (name, unit) = Self::UNITS.iter().find(whole).unwrap_or(&("bit", 1));
        write!(f, "{}{name}", self.0.get() / unit)
    }
}

/// The datagrams that wait to be sent at the rate of a link.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// When each of them has been sent, the first to be sent first.
    sent: VecDeque<Time>,
}

impl Queue {
    /// Appends an IP packet of `bytes` bytes at `now`. Returns how long it takes until it has been
    /// sent, or `None` if there is no room for it.
    pub fn append(&mut self, link: &Link, now: Time, bytes: usize) -> Option<Duration> {
        let Some(rate) = link.rate else { return Some(Duration::ZERO) };
        while self.sent.front().is_some_and(|sent| *sent <= now) {
            self.sent.pop_front();
        }
        // The first of them is being sent, and does not wait.
        if self.sent.len() > link.limit {
            return None;
        }
        let start = self.sent.back().copied().unwrap_or(now);
        let end = start + rate.time(bytes);
        self.sent.push_back(end);
        Some(end.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units() {
        let rate: Rate = "8kbit".parse().unwrap();
        assert_eq!(rate.time(1000), Duration::from_secs(1));
        for text in ["8kbit", "1gbit", "1500mbit", "7bit"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for wrong in ["", "8", "0bit", "8kb", "-1bit", "99999999999gbit"] {
            assert_eq!(wrong.parse::<Rate>(), Err(RateError), "{wrong}");
        }
    }

    #[test]
    fn one_is_sent_and_as_many_as_the_limit_wait() {
        let link = Link { rate: "8kbit".parse().ok(), limit: 2, ..Link::default() };
        let mut queue = Queue::default();
        let seconds = |queue: &mut Queue, now: u64| {
            queue.append(&link, Time::from_nanos(now * 1_000_000_000), 1000).map(|d| d.as_secs())
        };
        assert_eq!(seconds(&mut queue, 0), Some(1));
        assert_eq!(seconds(&mut queue, 0), Some(2));
        assert_eq!(seconds(&mut queue, 0), Some(3));
        assert_eq!(seconds(&mut queue, 0), None);
        // One of them has been sent.
        assert_eq!(seconds(&mut queue, 1), Some(3));
        assert_eq!(seconds(&mut queue, 1), None);
        assert_eq!(seconds(&mut queue, 100), Some(1));
    }
}
