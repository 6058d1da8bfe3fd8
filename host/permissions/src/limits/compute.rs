//! The limit on processor time without a datagram: a pinger does not need it, and a guest that
//! spins uses nothing else.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::LimitExceeded;
use wasi_datagram::{Blocked, blocked, processor_time};

/// The maximum processor time of a wakeup by a datagram that is dropped, beside the time for
/// dropping it.
const WAKE: Duration = Duration::from_micros(20);

/// The shortest pause that counts as sleep: in a shorter one the thread hardly leaves the
/// processor.
const SHORT: Duration = Duration::from_micros(20);

/// After a sleep as long as this, the processor time of the wait is so little that it is not
/// measured at once.
const LONG: Duration = Duration::from_millis(1);

/// The activity of one instance, as recorded by the host for [`Compute`].
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    passed: AtomicU64,
    dropping: AtomicU64,
    spins: AtomicU64,
    slept: AtomicU64,
    wakeups: AtomicU64,
}

impl Activity {
    /// Records that a datagram was sent, or handed to the component.
    pub fn passed(&self) {
        add(&self.0.passed, 1);
    }

    /// Records that the host spent processor time on dropped datagrams.
    pub fn dropped(&self, spent: Duration) {
        add(&self.0.dropping, u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records that the host busy-polls, whose processor time is not the component's.
    pub fn spins(&self) {
        add(&self.0.spins, 1);
    }

    /// Runs `instance`, which waits in calls of its own (WASI 0.3), and records the time in which it had
    /// nothing to do.
    pub async fn of<T>(&self, instance: impl Future<Output = T>) -> T {
        let (mut instance, mut paused) = (pin!(instance), None::<Instant>);
        std::future::poll_fn(|context| {
            let pause = paused.take().map_or(Duration::ZERO, |paused| paused.elapsed());
            // One that wakes itself has not been woken by a datagram.
            if pause >= SHORT {
                add(&self.0.wakeups, 1);
                add(&self.0.slept, u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
            }
            let polled = instance.as_mut().poll(context);
            if polled.is_pending() {
                paused = Some(Instant::now());
            }
            polled
        })
        .await
    }

    fn slept(&self) -> (Duration, u64) {
        let slept = Duration::from_nanos(self.0.slept.load(Ordering::Relaxed));
        (slept, self.0.wakeups.load(Ordering::Relaxed))
    }

    fn count(&self) -> u64 {
        self.0.passed.load(Ordering::Relaxed)
    }

    fn dropping(&self) -> Duration {
        Duration::from_nanos(self.0.dropping.load(Ordering::Relaxed))
    }
}

/// Only the instance's thread writes the counters, so no lock is needed.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// The account of an instance: it is charged for the processor time of its thread, and credited for
/// the time it slept. A datagram that passes clears it. The time that the host spends on dropping
/// datagrams is never charged.
///
/// While datagrams pass, nothing is measured except at each tick of the watchdog: the next check
/// clears the account.
#[derive(Debug)]
pub struct Compute {
    limit: Duration,
    activity: Activity,
    /// The number of passed datagrams at the last check.
    passed: u64,
    /// The processor time, and the part of it spent on dropping, up to which the account has been
    /// charged.
    until: Duration,
    dropping: Duration,
    charged: Duration,
    /// The time slept in calls of WASI 0.3, and the wakeups from it, up to the last check.
    slept: (Duration, u64),
}

/// A wait that is being measured.
#[derive(Debug)]
struct Wait {
    /// Since when the thread has had nothing to do for the wait.
    paused: Instant,
    slept: Duration,
    spins: u64,
}

impl Wait {
    fn resume(&mut self) {
        let pause = self.paused.elapsed();
        if pause >= SHORT {
            self.slept += pause;
        }
    }
}

impl Compute {
    /// Creates an empty account of the calling thread, which is charged from now on.
    pub fn new(limit: Duration, activity: Activity) -> Self {
        Self::starting_at(processor_time(), limit, activity)
    }

    fn starting_at(until: Duration, limit: Duration, activity: Activity) -> Self {
        let (passed, dropping, slept) = (activity.count(), activity.dropping(), activity.slept());
        Self { limit, activity, passed, until, dropping, charged: Duration::ZERO, slept }
    }

    /// Checks the limit. Called at each tick of the watchdog, on the instance's thread.
    pub fn check(&mut self) -> Result<(), LimitExceeded> {
        self.check_at(processor_time())
    }

    fn check_at(&mut self, now: Duration) -> Result<(), LimitExceeded> {
        let (slept, wakeups) = self.activity.slept();
        let woken = u32::try_from(wakeups.wrapping_sub(self.slept.1)).unwrap_or(u32::MAX);
        let has_dropped = self.activity.dropping() != self.dropping;
        self.charge(now, if has_dropped { WAKE.saturating_mul(woken) } else { Duration::ZERO });
        self.charged = self.charged.saturating_sub(slept.saturating_sub(self.slept.0));
        self.slept = (slept, wakeups);
        let passed = self.activity.count();
        if passed != self.passed {
            (self.passed, self.charged) = (passed, Duration::ZERO);
        }
        if self.charged > self.limit { Err(LimitExceeded::Compute(self.limit)) } else { Ok(()) }
    }

    /// Charges for the processor time up to `now`, except the time spent on dropping, and `free`.
    fn charge(&mut self, now: Duration, free: Duration) {
        let (spent, dropping) = (now.saturating_sub(self.until), self.activity.dropping());
        self.charged +=
            spent.saturating_sub(dropping.saturating_sub(self.dropping).saturating_add(free));
        (self.until, self.dropping) = (now, dropping);
    }

    /// Waits for `future`. Credited is only the time in which there was nothing to do for it; a
    /// future that is ready at once is no wait, and time in which others had the processor while it
    /// was polled is no sleep.
    pub async fn wait<T>(&mut self, future: impl Future<Output = T>) -> T {
        let (mut future, mut wait) = (pin!(future), None::<Wait>);
        std::future::poll_fn(|context| {
            if let Some(wait) = &mut wait {
                wait.resume();
            }
            let before = blocked();
            let polled = future.as_mut().poll(context);
            self.has_blocked(before, blocked());
            match (&polled, &mut wait) {
                (Poll::Pending, Some(wait)) => {
                    self.was_woken(processor_time);
                    wait.paused = Instant::now();
                }
                (Poll::Pending, None) => wait = self.starts_to_wait(),
                (Poll::Ready(_), Some(wait)) => self.has_waited(wait, processor_time),
                (Poll::Ready(_), None) => {}
            }
            polled
        })
        .await
    }

    /// Starts to measure a wait, unless a datagram has passed since the last check.
    fn starts_to_wait(&mut self) -> Option<Wait> {
        let is_measured = self.limit < Duration::MAX && self.activity.count() == self.passed;
        is_measured.then(|| {
            self.charge(processor_time(), Duration::ZERO);
            let spins = self.activity.0.spins.load(Ordering::Relaxed);
            Wait { paused: Instant::now(), slept: Duration::ZERO, spins }
        })
    }

    /// Credits for the waits in place between two readings, unless a datagram has passed since the
    /// last check.
    fn has_blocked(&mut self, before: Blocked, after: Blocked) {
        let (slept, wakeups) =
            (after.time.saturating_sub(before.time), after.times.wrapping_sub(before.times));
        if wakeups == 0 || self.activity.count() != self.passed {
            return;
        }
        let pause = slept / wakeups;
        if self.activity.dropping() != self.dropping {
            self.charge(processor_time(), WAKE * wakeups);
        } else if pause < LONG {
            self.charge(processor_time(), Duration::ZERO);
        }
        if pause >= SHORT {
            self.charged = self.charged.saturating_sub(slept);
        }
    }

    /// Charges for a wakeup of the thread, except for the time spent on dropped datagrams.
    fn was_woken(&mut self, processor_time: impl Fn() -> Duration) {
        if self.activity.dropping() != self.dropping {
            self.charge(processor_time(), WAKE);
        }
    }

    fn has_waited(&mut self, wait: &Wait, processor_time: impl Fn() -> Duration) {
        self.was_woken(&processor_time);
        let spun = self.activity.0.spins.load(Ordering::Relaxed) != wait.spins;
        if !MEASURED {
            self.until = processor_time();
        } else if wait.slept < LONG || spun {
            self.charge(processor_time(), if spun { Duration::MAX } else { Duration::ZERO });
        }
        self.charged = self.charged.saturating_sub(wait.slept);
    }
}

/// Whether the processor time of a thread is available.
const MEASURED: bool = cfg!(target_os = "linux");

#[cfg(test)]
#[path = "compute_tests.rs"]
mod tests;
