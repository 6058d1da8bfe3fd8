//! What the clocks of an instance return after a `receive`: when the datagrams arrived.
//!
//! A component reads a clock after `receive` to learn when a datagram arrived. Until then the
//! datagram has waited: for the processor, for others before it, and for the sandbox, on a busy
//! machine for milliseconds. The system records the time of arrival
//! ([`crate::Received::arrived`]), so the first reading of each clock after the `receive` returns
//! that instead of the current time.
//!
//! Only a component that waits for datagrams is told it, and only right away. One that drains a
//! queue that it was not told about, or reads a clock when it has done something else since, gets
//! the current time:
//!
//! - The last `poll` must have returned the stream's pollable.
//! - The next `poll`, `send` or `receive` ends it.
//!
//! The monotonic clock never runs back: it returns at least what it has returned before.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

/// Arrivals within this time count as one: the difference is that of the system's own work.
pub(crate) const AS_ONE: Duration = Duration::from_micros(1);

/// The state behind the clocks of one instance.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// The incoming streams, by their pollables; both as indexes in the resource table.
    subscribed: HashMap<u32, u32, RandomState>,
    /// The incoming streams that the last `poll` returned.
    returned: HashSet<u32, RandomState>,
    /// The time of arrival of what was just received, for the next reading of each clock.
    monotonic: Option<Instant>,
    wall: Option<Instant>,
    /// The latest instant that the component was told.
    latest: Instant,
    /// Whether the component reads a clock after it receives, as far as is known: else nothing is
    /// split for it.
    reads: bool,
}

impl Arrivals {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            subscribed: HashMap::default(),
            returned: HashSet::default(),
            monotonic: None,
            wall: None,
            latest: start,
            reads: false,
        }
    }

    /// Records a pollable of `stream`.
    pub(crate) fn subscribed(&mut self, pollable: u32, stream: u32) {
        self.subscribed.insert(pollable, stream);
    }

    /// Forgets a pollable.
    pub(crate) fn dropped(&mut self, pollable: u32) {
        self.subscribed.remove(&pollable);
    }

    /// The incoming stream of each of these pollables that has one.
    pub(crate) fn streams(&self, pollables: &[u32]) -> Vec<Option<u32>> {
        pollables.iter().map(|pollable| self.subscribed.get(pollable).copied()).collect()
    }

    /// Ends what was told: the component polls, sends or receives.
    pub(crate) fn end(&mut self) {
        if self.monotonic.is_some() && self.wall.is_some() {
            self.reads = false;
        }
        (self.monotonic, self.wall) = (None, None);
    }

    /// Records that `poll` has returned these pollables.
    pub(crate) fn returned(&mut self, pollables: impl Iterator<Item = u32>) {
        self.returned.clear();
        // A set: a list may name a stream very often.
        self.returned.extend(pollables.filter_map(|pollable| self.subscribed.get(&pollable)));
    }

    /// Whether a `receive` from `stream` returns datagrams of one arrival, so that the component can
    /// be told the time of each.
    pub(crate) fn splits(&self, stream: u32) -> bool {
        self.reads && self.returned.contains(&stream)
    }

    /// Records that datagrams were received from `stream`, the last of which arrived then, if known.
    pub(crate) fn received(&mut self, stream: u32, arrived: Option<Instant>) {
        self.end();
        if self.returned.contains(&stream) {
            (self.monotonic, self.wall) = (arrived, arrived);
        }
    }

    /// What the monotonic clock returns at `now`.
    pub(crate) fn monotonic(&mut self, now: Instant) -> Instant {
        if self.monotonic.is_some() {
            self.reads = true;
        }
        let arrived = self.monotonic.take().unwrap_or(now);
        self.latest = arrived.min(now).max(self.latest);
        self.latest
    }

    /// How long before `now` the time is that the wall clock returns.
    pub(crate) fn wall(&mut self, now: Instant) -> Duration {
        if self.wall.is_some() {
            self.reads = true;
        }
        self.wall.take().map_or(Duration::ZERO, |arrived| now.saturating_duration_since(arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u32 = 7;
    const POLLABLE: u32 = 8;

    struct Guest {
        start: Instant,
        arrivals: Arrivals,
    }

    impl Default for Guest {
        fn default() -> Self {
            let start = Instant::now();
            let mut arrivals = Arrivals::new(start);
            arrivals.subscribed(POLLABLE, STREAM);
            Self { start, arrivals }
        }
    }

    impl Guest {
        fn at(&self, micros: u64) -> Instant {
            self.start + Duration::from_micros(micros)
        }

        fn polls(&mut self) {
            self.arrivals.end();
            self.arrivals.returned([POLLABLE].into_iter());
        }

        fn receives(&mut self, arrived: u64) {
            self.arrivals.received(STREAM, Some(self.at(arrived)));
        }

        /// What both clocks return: the monotonic one, and how long ago the wall clock's time is.
        fn reads(&mut self, now: u64) -> (u64, u64) {
            let now = self.at(now);
            let monotonic = self.arrivals.monotonic(now) - self.start;
            (micros(monotonic), micros(self.arrivals.wall(now)))
        }
    }

    fn micros(span: Duration) -> u64 {
        u64::try_from(span.as_micros()).unwrap()
    }

    #[test]
    fn clocks_return_the_arrival_once_each() {
        let mut guest = Guest::default();
        guest.polls();
        guest.receives(10);
        assert_eq!(guest.reads(50), (10, 40));
        assert_eq!(guest.reads(60), (60, 0));
    }

    #[test]
    fn arrival_is_told_only_between_poll_and_next_call() {
        // Not polled at all, or for something else.
        let mut guest = Guest::default();
        guest.receives(10);
        assert_eq!(guest.reads(50), (50, 0));
        guest.arrivals.returned([POLLABLE + 1].into_iter());
        guest.receives(60);
        assert_eq!(guest.reads(70), (70, 0));
        // Another poll or send comes before the clocks are read.
        guest.polls();
        guest.receives(80);
        guest.arrivals.end();
        assert_eq!(guest.reads(90), (90, 0));
        // Another receive does: of another stream, of something whose arrival is not known, and of
        // the next arrival.
        for (stream, arrived, told) in [
            (STREAM + 1, Some(100), (200, 0)),
            (STREAM, None, (300, 0)),
            (STREAM, Some(350), (350, 50)),
        ] {
            guest.polls();
            guest.receives(95);
            let arrived = arrived.map(|arrived| guest.at(arrived));
            guest.arrivals.received(stream, arrived);
            let now = told.0 + told.1;
            assert_eq!(guest.reads(now), told);
        }
        // The pollable is gone, and its index stands for something else.
        guest.arrivals.dropped(POLLABLE);
        guest.polls();
        guest.receives(410);
        assert_eq!(guest.reads(450), (450, 0));
    }

    #[test]
    fn monotonic_clock_does_not_run_back_or_ahead() {
        let mut guest = Guest::default();
        assert_eq!(guest.reads(30), (30, 0));
        guest.polls();
        guest.receives(10);
        assert_eq!(guest.reads(50).0, 30);
        guest.polls();
        guest.receives(100);
        assert_eq!(guest.reads(60).0, 60);
    }

    #[test]
    fn arrivals_are_split_for_a_guest_that_reads_clocks() {
        let mut guest = Guest::default();
        guest.polls();
        assert!(!guest.arrivals.splits(STREAM));
        guest.receives(10);
        let now = guest.at(20);
        guest.arrivals.wall(now);
        assert!(guest.arrivals.splits(STREAM));
        assert!(!guest.arrivals.splits(STREAM + 1));
        // It reads no clock any more.
        guest.receives(30);
        guest.polls();
        assert!(!guest.arrivals.splits(STREAM));
    }
}
