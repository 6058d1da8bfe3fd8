//! The last pings of a target, for the page: Prometheus has the others.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

/// How many pings of a target are kept: two minutes at one a second, in 1 kB.
pub(crate) const KEPT: usize = 120;

/// The unit in which RTTs are kept: 32 bits of it are seven minutes.
const UNIT: Duration = Duration::from_nanos(100);

/// The last pings of a target whose outcome is known, in the order in which it became known.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Kept>);

/// A ping, in 8 bytes.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// When it was sent, in ms since 1970, modulo 2^32: 49 days.
    sent: u32,
    /// Its RTT in [`UNIT`]s; none if it was lost.
    rtt: Option<NonZeroU32>,
}

/// What the last pings have in common. RTTs are in ns, percentiles by nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Digest {
    pub(crate) pings: usize,
    pub(crate) lost: usize,
    /// That of the last ping; none if it was lost.
    pub(crate) last_ns: Option<u64>,
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
}

fn nanoseconds(rtt: NonZeroU32) -> u64 {
    u64::from(rtt.get()) * u64::try_from(UNIT.as_nanos()).unwrap_or(u64::MAX)
}

impl Recent {
    /// Adds a ping that was sent at that time since 1970, and its RTT, unless it was lost. The oldest
    /// one makes room.
    pub(crate) fn push(&mut self, sent: Duration, rtt: Option<Duration>) {
        if self.0.capacity() == 0 {
            self.0.reserve_exact(KEPT);
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let units = |rtt: Duration| {
            let units = (rtt.as_nanos() + UNIT.as_nanos() / 2) / UNIT.as_nanos();
            NonZeroU32::new(u32::try_from(units).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
        };
        self.0.push_back(Kept { sent: modular(sent), rtt: rtt.map(units) });
    }

    /// The pings: when each was sent, in ms since 1970, and its RTT in ns, unless it was lost. `now`
    /// is within 24 days of them.
    pub(crate) fn pings(&self, now: Duration) -> impl Iterator<Item = (u64, Option<u64>)> {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.0.iter().map(move |kept| {
            let age = modular(now).wrapping_sub(kept.sent).cast_signed();
            (now_ms.saturating_add_signed(-i64::from(age)), kept.rtt.map(nanoseconds))
        })
    }

    /// Summarizes them.
    pub(crate) fn digest(&self) -> Digest {
        let mut rtts: Vec<_> = self.0.iter().filter_map(|kept| kept.rtt).collect();
        rtts.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (rtts.len() * percent).div_ceil(100);
            rtts.get(rank.checked_sub(1)?).copied().map(nanoseconds)
        };
        Digest {
            pings: self.0.len(),
            lost: self.0.len() - rtts.len(),
            last_ns: self.0.back().and_then(|kept| kept.rtt).map(nanoseconds),
            p50_ns: percentile(50),
            p99_ns: percentile(99),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is modulo 2^32")]
fn modular(since_epoch: Duration) -> u32 {
    since_epoch.as_millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1_764_266_400_123);

    #[test]
    fn the_last_pings_are_kept_with_their_times() {
        let mut recent = Recent::default();
        for second in (1..=300).rev() {
            let rtt = (second % 10 != 0).then(|| Duration::from_micros(second));
            recent.push(NOW.saturating_sub(Duration::from_secs(second)), rtt);
        }
        let pings: Vec<_> = recent.pings(NOW).collect();
        assert_eq!(pings.len(), KEPT);
        assert_eq!(pings[0], (1_764_266_400_123 - 120_000, None));
        assert_eq!(pings[KEPT - 1], (1_764_266_400_123 - 1000, Some(1000)));
        // A clock that was set back meanwhile.
        let before = NOW.saturating_sub(Duration::from_hours(1));
        assert_eq!(recent.pings(before).next(), Some(pings[0]));
    }

    #[test]
    fn percentiles_are_the_nearest_rank_and_losses_are_counted() {
        let mut recent = Recent::default();
        assert_eq!(recent.digest(), Digest::default());
        for rtt in 1..=100 {
            recent.push(NOW, Some(Duration::from_micros(rtt)));
        }
        recent.push(NOW, None);
        let digest = recent.digest();
        assert_eq!((digest.pings, digest.lost, digest.last_ns), (101, 1, None));
        assert_eq!((digest.p50_ns, digest.p99_ns), (Some(50_000), Some(99_000)));
        recent.push(NOW, Some(Duration::from_hours(1)));
        // Longer than can be kept, and not nothing.
        assert_eq!(recent.digest().last_ns, Some(429_496_729_500));
        recent.push(NOW, Some(Duration::ZERO));
        assert_eq!(recent.digest().last_ns, Some(100));
    }
}
