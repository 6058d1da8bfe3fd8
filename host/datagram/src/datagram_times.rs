//! What the clocks of an instance return after a `receive` or `send`: when the datagrams arrived or
//! left.
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
//! Likewise, the first reading of each clock after a `send` returns when the datagrams were passed to
//! the system: the component runs again some time after they left, on a busy machine after their
//! replies have arrived.
//!
//! The monotonic clock never runs back: it returns at least what it has returned before.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

/// The longest turn of others in which a component waits for nothing itself.
const TURN: Duration = Duration::from_millis(1);

/// The state behind the clocks of one instance.
#[derive(Debug)]
pub(crate) struct DatagramTimes {
    /// The incoming streams, by their pollables; both as indexes in the resource table.
    subscribed: HashMap<u32, u32, RandomState>,
    /// The incoming streams that the last `poll` returned.
    returned: HashSet<u32, RandomState>,
    /// The time of what was just received or sent, for the next reading of each clock.
    monotonic: Option<Instant>,
    wall: Option<Instant>,
    /// Whether something was received and no clock read since.
    is_unread: bool,
    /// The latest instant that the component was told.
    latest: Instant,
    /// Whether the component reads a clock after it receives, as far as is known: else nothing is
    /// split for it. One that has read a clock before it receives anything is taken to do so, for its
    /// first time to be right.
    reads: bool,
    has_received: bool,
    /// The number of the last `poll`, that of the last after which a stream had to wait for another
    /// ([`Self::deferred`]), and that of the last after which something was received.
    poll: u64,
    deferred: u64,
    received: u64,
    /// When the component began to wait in WASI 0.3 without having read the time of what was received: it
    /// may only have given others their turn.
    unread_since: Option<Instant>,
    /// How many calls of `receive` (WASI 0.3) wait for each stream.
    waiting: HashMap<u32, usize, RandomState>,
}

impl DatagramTimes {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            subscribed: HashMap::default(),
            returned: HashSet::default(),
            monotonic: None,
            wall: None,
            is_unread: false,
            latest: start,
            reads: false,
            has_received: false,
            poll: 0,
            deferred: 0,
            received: 0,
            unread_since: None,
            waiting: HashMap::default(),
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
        self.reads &= !self.is_unread;
        (self.monotonic, self.wall, self.is_unread) = (None, None, false);
        self.unread_since = None;
    }

    /// Records that `poll` has returned these pollables.
    pub(crate) fn returned(&mut self, pollables: impl Iterator<Item = u32>) {
        self.poll += 1;
        self.returned.clear();
        // A set: a list may name a stream very often.
        self.returned.extend(pollables.filter_map(|pollable| self.subscribed.get(&pollable)));
    }

    /// Whether a `receive` from `stream` returns datagrams of one arrival, so that the component can
    /// be told the time of each.
    pub(crate) fn splits(&self, stream: u32) -> bool {
        self.reads && self.returned.contains(&stream)
    }

    /// The other streams that `poll` has returned, if a `receive` from `stream` is not to return what
    /// arrived after that of another: the monotonic clock could not tell the time of the other any
    /// more. A component that has received nothing for that reason, after one `poll`, does not want
    /// what comes first.
    pub(crate) fn beside(&self, stream: u32) -> Vec<u32> {
        let last = self.poll.saturating_sub(1);
        let was_in_vain = self.deferred == last && self.received < last;
        if was_in_vain || self.returned.len() < 2 || !self.splits(stream) {
            return Vec::new();
        }
        self.returned.iter().copied().filter(|other| *other != stream).collect()
    }

    /// Records that a `receive` returned nothing for that reason.
    pub(crate) fn deferred(&mut self) {
        self.deferred = self.poll;
    }

    /// Records that datagrams were received from `stream`, the last of which arrived then, if known.
    pub(crate) fn received(&mut self, stream: u32, arrived: Option<Instant>) {
        self.received = self.poll;
        self.arrived(arrived.filter(|_| self.returned.contains(&stream)));
    }

    /// Records that a datagram was received that the component has waited for, and which arrived
    /// then, if known.
    pub(crate) fn arrived(&mut self, arrived: Option<Instant>) {
        self.end();
        self.has_received = true;
        (self.monotonic, self.wall, self.is_unread) = (arrived, arrived, arrived.is_some());
    }

    /// Records that a component of WASI 0.3 waits, at `now`, which ends what was told, unless it was
    /// received since it last waited.
    pub(crate) fn has_to_wait(&mut self, now: Instant) {
        if self.is_unread && self.unread_since.is_none() {
            self.unread_since = Some(now);
        } else {
            self.end();
        }
    }

    /// Whether it has waited for longer than a turn of others takes.
    fn is_stale(&self, now: Instant) -> bool {
        self.unread_since.is_some_and(|since| now.saturating_duration_since(since) > TURN)
    }

    /// Records that a `receive` (WASI 0.3) waits for `stream`.
    pub(crate) fn waits(&mut self, stream: u32) {
        *self.waiting.entry(stream).or_default() += 1;
    }

    /// Records that one does not wait any more.
    pub(crate) fn has_waited(&mut self, stream: u32) {
        if let Some(count) = self.waiting.get_mut(&stream) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&stream);
            }
        }
    }

    /// The other streams that are waited for, if it matters to the component which of several
    /// datagrams it receives first: it reads a clock for each.
    pub(crate) fn waiting_beside(&self, stream: u32) -> Vec<u32> {
        if !self.reads {
            return Vec::new();
        }
        self.waiting.keys().copied().filter(|other| *other != stream).collect()
    }

    /// The streams that are waited for.
    pub(crate) fn waiting(&self) -> Vec<u32> {
        self.waiting.keys().copied().collect()
    }

    /// Whether any is waited for.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a datagram was received for which the component has read no clock yet, as it does.
    pub(crate) fn is_untold(&self) -> bool {
        self.reads && self.is_unread
    }

    /// Records that datagrams were passed to the system at `left`.
    pub(crate) fn sent(&mut self, left: Instant) {
        (self.monotonic, self.wall) = (Some(left), Some(left));
    }

    /// What the monotonic clock returns at `now`.
    pub(crate) fn monotonic(&mut self, now: Instant) -> Instant {
        if self.is_stale(now) {
            self.end();
        }
        self.read();
        let told = self.monotonic.take().unwrap_or(now);
        self.latest = told.min(now).max(self.latest);
        self.latest
    }

    /// How long before `now` the time is that the wall clock returns.
    pub(crate) fn wall(&mut self, now: Instant) -> Duration {
        if self.is_stale(now) {
            self.end();
        }
        self.read();
        self.wall.take().map_or(Duration::ZERO, |told| now.saturating_duration_since(told))
    }

    fn read(&mut self) {
        self.reads |= mem::take(&mut self.is_unread) || !self.has_received;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u32 = 7;
    const POLLABLE: u32 = 8;

    struct Guest {
        start: Instant,
        times: DatagramTimes,
    }

    impl Default for Guest {
        fn default() -> Self {
            let start = Instant::now();
            let mut times = DatagramTimes::new(start);
            times.subscribed(POLLABLE, STREAM);
            Self { start, times }
        }
    }

    impl Guest {
        fn at(&self, micros: u64) -> Instant {
            self.start + Duration::from_micros(micros)
        }

        fn polls(&mut self) {
            self.times.end();
            self.times.returned([POLLABLE].into_iter());
        }

        fn receives(&mut self, arrived: u64) {
            self.times.received(STREAM, Some(self.at(arrived)));
        }

        /// What both clocks return: the monotonic one, and how long ago the wall clock's time is.
        fn reads(&mut self, now: u64) -> (u64, u64) {
            let now = self.at(now);
            let monotonic = self.times.monotonic(now) - self.start;
            (micros(monotonic), micros(self.times.wall(now)))
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
        guest.times.returned([POLLABLE + 1].into_iter());
        guest.receives(60);
        assert_eq!(guest.reads(70), (70, 0));
        // Another poll or send comes before the clocks are read.
        guest.polls();
        guest.receives(80);
        guest.times.end();
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
            guest.times.received(stream, arrived);
            let now = told.0 + told.1;
            assert_eq!(guest.reads(now), told);
        }
        // The pollable is gone, and its index stands for something else.
        guest.times.dropped(POLLABLE);
        guest.polls();
        guest.receives(410);
        assert_eq!(guest.reads(450), (450, 0));
    }

    #[test]
    fn departure_is_told_once_by_each_clock_until_the_next_call() {
        let mut guest = Guest::default();
        let at = guest.at(10);
        guest.times.sent(at);
        assert_eq!(guest.reads(50), (10, 40));
        assert_eq!(guest.reads(60), (60, 0));
        let at = guest.at(70);
        guest.times.sent(at);
        guest.times.end();
        assert_eq!(guest.reads(80), (80, 0));
        // Its reply arrived before the clock was read.
        let at = guest.at(90);
        guest.times.sent(at);
        assert_eq!(guest.reads(200), (90, 110));
        guest.polls();
        guest.receives(100);
        assert_eq!(guest.reads(210), (100, 110));
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
        assert!(!guest.times.splits(STREAM));
        guest.receives(10);
        let now = guest.at(20);
        guest.times.wall(now);
        assert!(guest.times.splits(STREAM));
        assert!(!guest.times.splits(STREAM + 1));
        // That it sends before it polls again, and whether it reads clocks then, means nothing.
        guest.times.end();
        guest.times.sent(now);
        guest.polls();
        assert!(guest.times.splits(STREAM));
        // It reads no clock any more.
        guest.receives(30);
        guest.polls();
        assert!(!guest.times.splits(STREAM));
        // One that reads a clock before it receives anything probably times what it does.
        let mut pinger = Guest::default();
        pinger.reads(5);
        pinger.polls();
        assert!(pinger.times.splits(STREAM));
    }

    #[test]
    fn a_stream_waits_for_those_with_earlier_arrivals_unless_in_vain() {
        let mut guest = Guest::default();
        guest.times.subscribed(POLLABLE + 2, STREAM + 2);
        let polls = |guest: &mut Guest| {
            guest.times.returned([POLLABLE, POLLABLE + 2].into_iter());
        };
        guest.reads(5);
        polls(&mut guest);
        assert_eq!(guest.times.beside(STREAM), [STREAM + 2]);
        assert_eq!(guest.times.beside(STREAM + 2), [STREAM]);
        // Also where one is received before, or after, the other has to wait.
        for is_last in [false, true] {
            if is_last {
                guest.times.deferred();
            }
            guest.receives(10);
            let now = guest.at(20);
            guest.times.wall(now);
            guest.times.deferred();
            polls(&mut guest);
            assert_eq!(guest.times.beside(STREAM), [STREAM + 2]);
        }
        // The component has received nothing: it does not want the others.
        guest.times.deferred();
        polls(&mut guest);
        assert!(guest.times.beside(STREAM).is_empty());
        // Once.
        polls(&mut guest);
        assert_eq!(guest.times.beside(STREAM), [STREAM + 2]);
        guest.polls();
        assert!(guest.times.beside(STREAM).is_empty(), "no other was returned");
    }
}
