//! Token buckets for sources of datagrams that are not well-formed requests: each of those might be
//! an answer to an answer of this server, and thus one round of a loop.

use std::net::SocketAddr;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::server::loops;
use crate::time::Instant;

/// The number of datagrams from one source that are answered at once.
pub(crate) const DEPTH: u32 = 16;

/// The time after which one more is answered, whether or not others were refused meanwhile.
pub(crate) const REFILL: Duration = Duration::from_secs(1);

/// The number of buckets per set of the table: one cache line.
const WAYS: usize = 4;

/// The number of sets in the table. It takes 64 KiB, and has room for 4,096 sources that were
/// answered within the last seconds.
const SETS: usize = 1_024;

/// A source's bucket, stored as the time at which it is full again. From then on it carries no
/// information, and may be reused.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    source: u64,
    full: Instant,
}

impl Bucket {
    const UNUSED: Self = Self { source: 0, full: Instant::from_nanos(0) };
}

/// A token bucket for each source address and port, found in O(1), in a table of constant size.
///
/// If a set is full, further sources share one extra bucket. So all sources together are answered
/// no more than `DEPTH` datagrams each at once, and then 4,097 datagrams per second.
#[derive(Debug)]
pub(crate) struct Buckets {
    hasher: FixedState,
    /// Empty until the first datagram: a server that receives only pings needs no table.
    sets: Vec<[Bucket; WAYS]>,
    shared: Bucket,
}

impl Buckets {
    /// Creates an empty table. `salt` determines which sources share a set; they must not know it.
    pub(crate) fn new(salt: u64) -> Self {
        Self { hasher: FixedState::with_seed(salt), sets: Vec::new(), shared: Bucket::UNUSED }
    }

    /// Takes a token of `source` for a datagram that arrived at `now`. Returns whether there was
    /// one.
    pub(crate) fn take(&mut self, source: SocketAddr, now: Instant) -> bool {
        if self.sets.is_empty() {
            self.sets = vec![[Bucket::UNUSED; WAYS]; SETS];
        }
        let digest = loops::digest(&self.hasher, source);
        let set = &mut self.sets[loops::place(digest, SETS)];
        let own = set.iter().position(|bucket| bucket.source == digest && bucket.full > now);
        let bucket = match own.or_else(|| set.iter().position(|bucket| bucket.full <= now)) {
            Some(way) => &mut set[way],
            None => &mut self.shared,
        };
        let full = bucket.full.max(now) + REFILL;
        let has_token = full.since(now) <= REFILL * DEPTH;
        if has_token {
            *bucket = Bucket { source: digest, full };
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn source(number: u32) -> SocketAddr {
        SocketAddr::from((number.to_be_bytes(), 5_000))
    }

    /// Returns how many of the datagrams that arrive at these times, in milliseconds, are answered.
    fn answered(
        buckets: &mut Buckets,
        source: SocketAddr,
        times: impl IntoIterator<Item = u64>,
    ) -> usize {
        times.into_iter().filter(|ms| buckets.take(source, at(*ms))).count()
    }

    #[test]
    fn sixteen_at_once_and_then_one_a_second_also_while_refusing() {
        let mut buckets = Buckets::new(1);
        assert_eq!(answered(&mut buckets, source(1), [0; 100]), 16);
        assert_eq!(answered(&mut buckets, source(1), (1..1_000).step_by(10)), 0);
        assert_eq!(answered(&mut buckets, source(1), (1_000..101_000).step_by(10)), 100);
    }

    #[test]
    fn one_a_second_is_answered_for_ever() {
        let mut buckets = Buckets::new(1);
        assert_eq!(
            answered(&mut buckets, source(1), (0..100_000).map(|second| second * 1_000)),
            100_000
        );
        assert_eq!(
            answered(&mut buckets, source(1), [99_999_000; 16]),
            15,
            "and its bucket is full all the time"
        );
    }

    #[test]
    fn another_address_or_port_has_another_bucket() {
        let mut buckets = Buckets::new(1);
        for source in [
            "192.0.2.7:5000",
            "192.0.2.7:5001",
            "192.0.2.8:5000",
            "[::1]:5000",
            "[::2]:5000",
            "[::2]:5001",
        ] {
            assert_eq!(answered(&mut buckets, source.parse().unwrap(), [0; 20]), 16, "{source}");
        }
    }

    #[test]
    fn a_full_table_counts_the_others_together() {
        let mut buckets = Buckets::new(1);
        let burst: usize =
            (0..65_000).map(|number| answered(&mut buckets, source(number), [0; 20])).sum();
        assert!((16 * 4_000..=16 * 4_097).contains(&burst), "{burst}");
        // All of them continue at a hundred datagrams per second for a while.
        let mut sum = 0;
        for tick in 1..=500 {
            sum +=
                (0..65_000).filter(|number| buckets.take(source(*number), at(tick * 10))).count();
        }
        assert!((5 * 4_000..=5 * 4_097).contains(&sum), "{sum}");
    }

    #[test]
    fn sources_of_one_place_do_not_refill_each_others_buckets() {
        let mut buckets = Buckets::new(1);
        let place = |number: &u32| {
            loops::place(loops::digest(&FixedState::with_seed(1), source(*number)), SETS)
        };
        let first = place(&0);
        let same: Vec<_> = (0..).filter(|number| place(number) == first).take(100).collect();
        let mut sum = 0;
        for ms in 0..10_000 {
            sum += same.iter().filter(|number| buckets.take(source(**number), at(ms))).count();
        }
        // Four buckets of their own and the shared one: 16 each, and one each in each of ten
        // seconds.
        assert!((5 * 25..=5 * 26).contains(&sum), "{sum}");
    }

    #[test]
    fn who_was_silent_until_its_bucket_is_full_leaves_its_place() {
        let mut buckets = Buckets::new(1);
        (0..65_000).for_each(|number| assert!(buckets.take(source(number), at(0)) || number > 16));
        assert_eq!(answered(&mut buckets, source(100_000), [1_000; 20]), 16);
    }

    #[test]
    fn the_table_does_not_grow() {
        let mut buckets = Buckets::new(1);
        assert!((0..100_000).filter(|number| buckets.take(source(*number), at(0))).count() < 5_000);
        assert_eq!(buckets.sets.len() * size_of_val(&buckets.sets[0]), 64 << 10);
    }
}
