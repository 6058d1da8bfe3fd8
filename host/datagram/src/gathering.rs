//! Which sent datagrams wait for those sent after them, so that several leave by one system call.
//!
//! A component that uses sockets through its standard library receives and sends datagrams one by
//! one. What it receives is prefetched in batches; while it answers such a batch, its answers are
//! gathered. That delays them by no more than the rest of the batch takes, in which the component
//! would not have been ready to send by itself if it had received it as a batch. A component that
//! does anything else gets each datagram sent at once:
//!
//! - one that has received all that was prefetched, or polls;
//! - one that reads a clock, for which it matters when a datagram leaves;
//! - one that has taken longer than [`PATIENCE`] since the first of those that wait, for the next
//!   [`PAUSE`].

use std::time::{Duration, Instant};

/// The maximum number of datagrams that leave together: of twice as many, each takes hardly less.
pub(crate) const MOST: usize = 32;

/// How long a datagram waits, unless the component makes no call: twice the time in which as many as
/// leave together are received and answered one by one.
const PATIENCE: Duration = Duration::from_micros(250);

/// The number of datagrams that are sent at once because those before had to wait too long.
const PAUSE: u32 = 64;

/// The state of one instance.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// The outgoing stream whose datagrams wait, as an index in the resource table, and since when.
    stream: Option<(u32, Instant)>,
    /// Whether datagrams were prefetched that the component has not received.
    is_behind: bool,
    /// Whether the component has read a clock since it last received something.
    is_timing: bool,
    /// The number of datagrams that are still to be sent at once.
    paused: u32,
}

impl Gathering {
    /// Records a `receive`, after which datagrams may be left that were prefetched.
    pub(crate) fn received(&mut self, is_behind: bool) {
        self.is_behind = is_behind;
        self.is_timing = false;
    }

    /// Records that a clock is read.
    pub(crate) fn timed(&mut self) {
        self.is_timing = true;
    }

    /// Records a `poll`.
    pub(crate) fn polled(&mut self) {
        self.is_behind = false;
    }

    /// Whether a datagram that is sent at `now` may wait.
    pub(crate) fn permits(&mut self, now: Instant) -> bool {
        let waited = |(_, since)| now.saturating_duration_since(since);
        if self.stream.map(waited) > Some(PATIENCE) {
            self.paused = PAUSE;
        }
        let is_paused = self.paused > 0;
        self.paused = self.paused.saturating_sub(1);
        self.is_behind && !self.is_timing && !is_paused
    }

    /// The stream whose datagrams wait.
    pub(crate) fn stream(&self) -> Option<u32> {
        self.stream.map(|(stream, _)| stream)
    }

    /// Records after a `send` at `now` whether datagrams of `stream`, and no others, wait.
    pub(crate) fn sent(&mut self, stream: u32, now: Instant, waits: bool) {
        let since = self.stream.map_or(now, |(_, since)| since);
        self.stream = waits.then_some((stream, since));
    }

    /// Records that none wait.
    pub(crate) fn flushed(&mut self) {
        self.stream = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that is behind.
    fn behind() -> Gathering {
        let mut gathering = Gathering::default();
        gathering.received(true);
        gathering
    }

    #[test]
    fn only_those_sent_while_others_are_to_be_received_wait() {
        let now = Instant::now();
        assert!(behind().permits(now));
        assert!(!Gathering::default().permits(now));
        let mut polled = behind();
        polled.polled();
        assert!(!polled.permits(now));
        let mut timing = behind();
        timing.timed();
        assert!(!timing.permits(now));
        // It has read the clock for another datagram.
        timing.received(true);
        assert!(timing.permits(now));
        timing.received(false);
        assert!(!timing.permits(now));
    }

    #[test]
    fn none_wait_for_a_slow_component_for_some_time() {
        let (start, mut slow) = (Instant::now(), behind());
        slow.sent(3, start, true);
        assert!(slow.permits(start + PATIENCE));
        // Since the first, not since the last.
        slow.sent(3, start + PATIENCE, true);
        let later = start + PATIENCE + Duration::from_nanos(1);
        for _ in 0..PAUSE {
            assert!(!slow.permits(later));
            slow.sent(3, later, false);
        }
        assert!(slow.permits(later));
    }
}
