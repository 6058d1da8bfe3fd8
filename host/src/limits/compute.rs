//! Processor time without any use of the network: a pinger has no need of it, and a guest that spins has nothing else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

use super::Struck;

/// How often guests are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Interrupts every guest of an engine from time to time, so that its host can look at it, and others get their turn.
///
/// A thread of its own, since a guest that spins leaves no other.
#[derive(Debug)]
pub struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts it. It ends when it is dropped.
    pub fn start(engine: &Engine) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (seen, engine) = (over.clone(), engine.clone());
        let work = move || {
            while !seen.load(Ordering::Relaxed) {
                thread::park_timeout(TICK);
                engine.increment_epoch();
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned()).stack_size(64 << 10).spawn(work)?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and if it did there would be nothing to do.
            let _ = thread.join();
        }
    }
}

/// Counts uses of the network.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<AtomicU64>);

impl Activity {
    /// One more. Only one thread counts, so nothing has to be locked.
    pub fn note(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an instance has computed since it last used the network.
#[derive(Debug)]
pub struct Compute {
    limit: Duration,
    activity: Activity,
    /// At the last look at which the network had been used: how often, and how much this thread had computed by then.
    last: Option<(u64, Duration)>,
}

impl Compute {
    /// Nothing yet. What `activity` notes is the use of the network.
    pub fn new(limit: Duration, activity: Activity) -> Self {
        Self { limit, activity, last: None }
    }

    /// To be called at each tick of the watchdog, on the instance's thread.
    pub fn check(&mut self) -> Result<(), Struck> {
        self.check_at(processor_time())
    }

    fn check_at(&mut self, computed: Duration) -> Result<(), Struck> {
        let count = self.activity.count();
        match self.last {
            Some((before, since)) if before == count => {
                if computed.saturating_sub(since) > self.limit {
                    Err(Struck::Compute(self.limit))
                } else {
                    Ok(())
                }
            }
            _ => {
                self.last = Some((count, computed));
                Ok(())
            }
        }
    }
}

/// What this thread has computed so far: not the time that others had the processor.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time that passed, where the thread's own is not to be had.
#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    use std::time::Instant;
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn computing_counts_from_the_last_use_of_the_network() {
        let activity = Activity::default();
        let mut compute = Compute::new(MS * 500, activity.clone());
        assert_eq!(compute.check_at(MS * 700), Ok(()));
        assert_eq!(compute.check_at(MS * 1_200), Ok(()));
        activity.note();
        assert_eq!(compute.check_at(MS * 1_300), Ok(()));
        assert_eq!(compute.check_at(MS * 1_800), Ok(()));
        assert_eq!(compute.check_at(MS * 1_801), Err(Struck::Compute(MS * 500)));
    }
}
