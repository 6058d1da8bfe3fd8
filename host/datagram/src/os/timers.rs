//! Timers with a resolution of a microsecond, by `timerfd_create(2)`: tokio's fire up to a
//! millisecond late, which is the whole interval of a fast pinger.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use wasmtime_wasi::async_trait;

use super::reactor::Watched;
use crate::world;

/// The maximum number of timers of an instance that run before they are waited for. Any beyond run
/// from their first wait on, so that unused pollables do not take descriptors.
const RUNNING_AHEAD: usize = 16;

/// Timers that no pollable uses: a poll loop creates a new pollable in each iteration, which needs
/// no new timer. Each may still run for the instant that it was last set to.
#[derive(Debug, Default)]
pub(super) struct Timers {
    idle: Mutex<Vec<Timer>>,
    /// The number of timers in use by pollables.
    taken: AtomicUsize,
}

/// A timer, and the instant that it was last set to.
#[derive(Debug)]
struct Timer {
    descriptor: Watched,
    at: Option<Instant>,
}

impl Timer {
    fn new() -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        Ok(Self { descriptor: Watched::new(timer, Interest::READABLE)?, at: None })
    }

    /// Sets the timer to expire at `at`, without a call if it is set to that already. In a virtual
    /// machine the call takes some 20 us if no other timer is earlier, since it causes a VM exit.
    fn set(&mut self, at: Instant, now: Instant) -> io::Result<()> {
        if self.at == Some(at) {
            return Ok(());
        }
        let mut it_value =
            Timespec::try_from(at.saturating_duration_since(now)).map_err(io::Error::other)?;
        // Zero would disarm the timer.
        it_value.tv_nsec = if at <= now { 1 } else { it_value.tv_nsec };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(self.descriptor.get(), TimerfdTimerFlags::empty(), &once)?;
        self.at = Some(at);
        Ok(())
    }
}

impl Timers {
    /// Takes an idle or new timer, set to `at`.
    fn take(&self, at: Instant, now: Instant) -> io::Result<Timer> {
        let idle = {
            let mut idle = self.idle();
            let running = idle.iter().position(|timer| timer.at == Some(at));
            running.map(|index| idle.swap_remove(index)).or_else(|| idle.pop())
        };
        let mut timer = idle.map_or_else(Timer::new, Ok)?;
        timer.set(at, now)?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(timer)
    }

    fn give_back(&self, timer: Timer) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.idle().push(timer);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Timer>> {
        // No panic while the lock is held leaves the list inconsistent.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pollable's timer.
pub(super) struct Deadline {
    at: Instant,
    /// The running timer: from the start, or from the first wait on.
    timer: Option<Timer>,
    timers: Arc<Timers>,
}

impl Deadline {
    /// Creates a timer that runs at once, unless too many do: arming it while no datagram is on its
    /// way delays nothing.
    pub(super) fn new(at: Instant, timers: Arc<Timers>) -> Self {
        let now = Instant::now();
        let runs = at > now && timers.taken.load(Ordering::Relaxed) < RUNNING_AHEAD;
        // Without a descriptor now, one may be available at the first wait.
        let timer = runs.then(|| timers.take(at, now).ok()).flatten();
        Self { at, timer, timers }
    }

    async fn expire(&mut self, at: Instant) {
        while let Some(left) =
            at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            if self.timer.is_none() {
                self.timer = self.timers.take(at, Instant::now()).ok();
            }
            match &self.timer {
                // It may still be ready from an earlier instant: hence the loop.
                Some(timer) => timer.descriptor.becomes_ready().await,
                // Without descriptors for timers: late, but not never.
                None => tokio::time::sleep(left).await,
            }
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.timers.give_back(timer);
        }
    }
}

#[async_trait]
impl world::Timer for Deadline {
    async fn expired(&mut self) {
        let at = self.at;
        let mut expiry = pin!(self.expire(at));
        // Whatever the cause of the wakeup, and whether or not the reactor has polled the timer: an
        // expired timer is ready.
        poll_fn(
            |context| {
                if at <= Instant::now() { Poll::Ready(()) } else { expiry.as_mut().poll(context) }
            },
        )
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::timerfd_gettime;

    use super::*;

    use crate::world::Timer as _;

    struct Clock {
        start: Instant,
        timers: Arc<Timers>,
    }

    impl Default for Clock {
        fn default() -> Self {
            Self { start: Instant::now(), timers: Arc::default() }
        }
    }

    fn deadline(clock: &Clock, after: Duration) -> Deadline {
        Deadline::new(clock.start + after, clock.timers.clone())
    }

    fn idle(clock: &Clock) -> usize {
        clock.timers.idle().len()
    }

    #[tokio::test]
    async fn a_deadline_is_never_early() {
        let clock = Clock::default();
        for after in [0, 1, 100, 5_000, 20_000].map(Duration::from_micros) {
            deadline(&clock, after).expired().await;
            assert!(clock.start.elapsed() >= after);
        }
    }

    #[tokio::test]
    async fn timers_are_used_again_and_what_they_said_before_is_forgotten() {
        let clock = Clock::default();
        let mut first = deadline(&clock, Duration::from_millis(5));
        first.expired().await;
        drop(first);
        assert_eq!(idle(&clock), 1);
        // Returned while running, and before its expiration is read.
        let mut abandoned = deadline(&clock, Duration::from_millis(15));
        let waits = tokio::time::timeout(Duration::from_millis(1), abandoned.expired()).await;
        assert!(waits.is_err());
        drop(abandoned);
        std::thread::sleep(Duration::from_millis(20));
        let after = clock.start.elapsed() + Duration::from_millis(10);
        deadline(&clock, after).expired().await;
        assert!(clock.start.elapsed() >= after);
        assert_eq!(idle(&clock), 1);
    }

    #[tokio::test]
    async fn timer_runs_from_creation_and_is_reused_for_equal_deadline() {
        let clock = Clock::default();
        let (soon, later) = (Duration::from_secs(10), Duration::from_secs(20));
        let set = |timers: &[Timer]| {
            timers.iter().map(|timer| timer.at.unwrap() - clock.start).collect::<Vec<_>>()
        };
        let left = |deadline: &Deadline| {
            let timer = deadline.timer.as_ref().unwrap();
            Duration::try_from(timerfd_gettime(timer.descriptor.get()).unwrap().it_value).unwrap()
        };
        let (first, second) = (deadline(&clock, soon), deadline(&clock, later));
        assert!(left(&first) > soon / 2 && left(&second) > soon);
        drop((first, second));
        assert_eq!(set(&clock.timers.idle()), [soon, later]);
        // The timer that was not the last to be returned.
        let again = deadline(&clock, soon);
        assert_eq!(set(&clock.timers.idle()), [later]);
        assert!(left(&again) > soon / 2);
    }

    #[tokio::test]
    async fn those_that_are_not_waited_for_take_few_descriptors() {
        let clock = Clock::default();
        let mut many: Vec<_> =
            (1..1_000).map(|ms| deadline(&clock, Duration::from_millis(ms))).collect();
        assert_eq!(many.iter().filter(|deadline| deadline.timer.is_some()).count(), RUNNING_AHEAD);
        many[50].expired().await;
        assert!(clock.start.elapsed() >= Duration::from_millis(51));
        drop(many);
        assert_eq!(
            (clock.timers.taken.load(Ordering::Relaxed), idle(&clock)),
            (0, RUNNING_AHEAD + 1)
        );
    }
}
