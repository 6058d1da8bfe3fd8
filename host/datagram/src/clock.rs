//! `wasi:clocks/monotonic-clock`, to the microsecond: tokio's own timers, on which wasmtime-wasi's stand, fire up to a
//! millisecond late, which is all of the interval of a fast pinger.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::io::Interest;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::reactor::Watched;

/// Adds it to what a linker serves, where `view` gives what it needs of a store's state.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> ClockView<'_>) -> wasmtime::Result<()> {
    monotonic_clock::add_to_linker::<_, Clocks>(linker, view)
}

struct Clocks;

impl HasData for Clocks {
    type Data<'a> = ClockView<'a>;
}

/// What the clock needs of the store's state.
pub struct ClockView<'a> {
    /// The store's resources.
    pub table: &'a mut ResourceTable,
    /// The instance's clock.
    pub clock: &'a Clock,
}

/// The clock of one instance. It starts at zero, so that it tells nothing of the machine.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    timers: Arc<Timers>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Instant::now(), timers: Arc::default() }
    }
}

/// Timers that nobody waits for now: a poll loop makes a new pollable each time round, but needs no new timer.
#[derive(Debug, Default)]
struct Timers(Mutex<Vec<Watched>>);

impl Timers {
    fn take(&self) -> io::Result<Watched> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(
            || {
                let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
                Watched::new(timer, Interest::READABLE)
            },
            Ok,
        )
    }

    fn give_back(&self, timer: Watched) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(timer);
    }
}

/// What `subscribe-instant` and `subscribe-duration` make.
struct Deadline {
    /// `None` is later than there is time.
    at: Option<Instant>,
    /// The timer that runs for it, from the first time that it is waited for.
    timer: Option<Watched>,
    timers: Arc<Timers>,
}

impl Deadline {
    fn start(&mut self, left: Duration) -> io::Result<&Watched> {
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => self.timers.take()?,
        };
        let mut it_value = Timespec::try_from(left).map_err(io::Error::other)?;
        // Zero would stop it.
        it_value.tv_nsec = if left.is_zero() { 1 } else { it_value.tv_nsec };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(timer.get(), TimerfdTimerFlags::empty(), &once)?;
        Ok(self.timer.insert(timer))
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
impl Pollable for Deadline {
    async fn ready(&mut self) {
        let Some(at) = self.at else { return std::future::pending().await };
        let mut expiry = pin!(self.expire(at));
        // However it was woken, and whether the reactor has looked at the timer or not: what has expired is ready.
        poll_fn(|context| if at <= Instant::now() { Poll::Ready(()) } else { expiry.as_mut().poll(context) }).await;
    }
}

impl Deadline {
    async fn expire(&mut self, at: Instant) {
        while let Some(left) = at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            match self.start(left) {
                // What it said to whoever had it before, it may say once more: hence the loop.
                Ok(timer) => timer.becomes_ready().await,
                // Without descriptors for timers, late is better than never.
                Err(_) => tokio::time::sleep(left).await,
            }
        }
    }
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.clock.start.elapsed().as_nanos())?)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        // As Linux reports it for its monotonic clock (clock_getres(2)).
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.deadline(self.clock.start.checked_add(Duration::from_nanos(when)))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.deadline(Instant::now().checked_add(Duration::from_nanos(duration)))
    }
}

impl ClockView<'_> {
    fn deadline(&mut self, at: Option<Instant>) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = self.table.push(Deadline { at, timer: None, timers: self.clock.timers.clone() })?;
        subscribe(self.table, deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(clock: &Clock, after: Duration) -> Deadline {
        Deadline { at: Some(clock.start + after), timer: None, timers: clock.timers.clone() }
    }

    fn idle(clock: &Clock) -> usize {
        clock.timers.0.lock().unwrap().len()
    }

    #[tokio::test]
    async fn a_deadline_is_never_early() {
        let clock = Clock::default();
        for after in [0, 1, 100, 5_000, 20_000].map(Duration::from_micros) {
            deadline(&clock, after).ready().await;
            assert!(clock.start.elapsed() >= after);
        }
    }

    #[tokio::test]
    async fn timers_are_used_again_and_what_they_said_before_is_forgotten() {
        let clock = Clock::default();
        let mut first = deadline(&clock, Duration::from_millis(5));
        first.ready().await;
        drop(first);
        assert_eq!(idle(&clock), 1);
        // Given back while it runs, and while what it said is not read yet.
        let mut abandoned = deadline(&clock, Duration::from_millis(15));
        let waits = tokio::time::timeout(Duration::from_millis(1), abandoned.ready()).await;
        assert!(waits.is_err());
        drop(abandoned);
        std::thread::sleep(Duration::from_millis(20));
        let after = clock.start.elapsed() + Duration::from_millis(10);
        deadline(&clock, after).ready().await;
        assert!(clock.start.elapsed() >= after);
        assert_eq!(idle(&clock), 1);
    }

    #[tokio::test]
    async fn one_that_is_later_than_there_is_time_never_comes() {
        let clock = Clock::default();
        let mut never = Deadline { at: None, timer: None, timers: clock.timers.clone() };
        assert!(tokio::time::timeout(Duration::from_millis(5), never.ready()).await.is_err());
    }
}
