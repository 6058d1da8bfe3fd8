//! Ends the process at a deadline, whatever its threads are blocked in: a write to a pipe whose
//! reader sleeps does not observe timers.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::exit::Exit;
use udping_permissions::limits::LimitExceeded;

/// How long after a limit's deadline the process is ended from outside; normally it ends by itself.
const GRACE: Duration = Duration::from_millis(500);

/// How long it may then take to report why: the reader of the report may be blocked, too.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Reports why the process ends, as far as that is still possible.
type Tell = dyn Fn(Option<LimitExceeded>, Exit) + Send + Sync;

/// Ends the process at the earliest of its deadlines. Clones share the deadlines.
#[derive(Clone)]
pub struct Enforcer(Arc<Inner>);

struct Inner {
    deadlines: Mutex<Vec<Entry>>,
    next: AtomicU64,
    /// Whether the final report was already made.
    told: AtomicBool,
    tell: Box<Tell>,
}

struct Entry {
    id: u64,
    at: Option<Instant>,
    limit: Option<LimitExceeded>,
    exit: Exit,
}

impl Enforcer {
    /// Creates an enforcer without deadlines. `tell` gets the limit that ended the process, unless
    /// it was reported already.
    pub fn new(tell: impl Fn(Option<LimitExceeded>, Exit) + Send + Sync + 'static) -> Self {
        let inner = Inner {
            deadlines: Mutex::default(),
            next: AtomicU64::new(0),
            told: AtomicBool::new(false),
            tell: Box::new(tell),
        };
        Self(Arc::new(inner))
    }

    /// Adds a deadline: what runs now ends by itself within `time`, or is ended soon after, for
    /// `limit`.
    pub fn within(&self, time: Duration, limit: LimitExceeded) -> Deadline {
        Deadline { enforcer: self.clone(), id: self.add(time, Some(limit), Exit::Limited) }
    }

    /// Notes that a limit was reached and will be reported: the remaining threads have little time
    /// left.
    pub fn limited(&self) {
        self.add(Duration::ZERO, None, Exit::Limited);
    }

    /// Notes that what runs was told to stop: it ends by itself within `time`, or is ended soon
    /// after.
    pub fn stopped(&self, time: Duration, exit: Exit) {
        self.add(time, None, exit);
    }

    fn add(&self, time: Duration, limit: Option<LimitExceeded>, exit: Exit) -> u64 {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        // `None` is a time too late to represent: no deadline.
        let at = Instant::now().checked_add(time.saturating_add(GRACE));
        self.deadlines().push(Entry { id, at, limit, exit });
        id
    }

    /// Ends the process if a deadline has passed.
    pub fn check(&self, now: Instant) {
        if let Some(entry) = self.overdue(now) {
            self.end(entry.limit, entry.exit);
        }
    }

    fn overdue(&self, now: Instant) -> Option<Entry> {
        let mut deadlines = self.deadlines();
        let index = deadlines.iter().position(|entry| entry.at.is_some_and(|at| at <= now))?;
        Some(deadlines.swap_remove(index))
    }

    /// Claims the final report: returns whether nobody else has made it.
    pub fn has_last_word(&self) -> bool {
        !self.0.told.swap(true, Ordering::Relaxed)
    }

    /// Ends the process now, and reports why if possible.
    pub fn end(&self, limit: Option<LimitExceeded>, exit: Exit) -> ! {
        if self.has_last_word() {
            let (inner, (said, is_said)) = (self.0.clone(), mpsc::channel());
            let tell = move || {
                (inner.tell)(limit, exit);
                let _ = said.send(());
            };
            if thread::Builder::new().name("last words".to_owned()).spawn(tell).is_ok() {
                let _ = is_said.recv_timeout(LAST_WORDS);
            }
        }
        exit.at_once()
    }

    fn deadlines(&self) -> MutexGuard<'_, Vec<Entry>> {
        // No code that holds the lock leaves the list half changed.
        self.0.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Enforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enforcer")
            .field("deadlines", &self.deadlines().len())
            .finish_non_exhaustive()
    }
}

/// The deadline of something that runs.
#[derive(Debug)]
pub struct Deadline {
    enforcer: Enforcer,
    id: u64,
}

impl Deadline {
    /// Removes the deadline, since what it was for has ended. Returns false if it had passed: the
    /// process is then being ended, and the caller must not report anything.
    pub fn is_met(self) -> bool {
        let mut deadlines = self.enforcer.deadlines();
        let before = deadlines.len();
        deadlines.retain(|entry| entry.id != self.id);
        deadlines.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn enforcer() -> Enforcer {
        Enforcer::new(|limit, exit| panic!("{limit:?}, {exit:?}"))
    }

    #[test]
    fn a_deadline_that_was_met_ends_nothing() {
        let enforcer = enforcer();
        let deadline = enforcer.within(SECOND, LimitExceeded::Time(SECOND));
        assert!(enforcer.overdue(Instant::now()).is_none());
        assert!(deadline.is_met());
        assert!(enforcer.overdue(Instant::now() + 10 * SECOND).is_none());
    }

    #[test]
    fn overdue_deadline_is_reported_once_and_can_no_longer_be_met() {
        let enforcer = enforcer();
        let deadline = enforcer.within(SECOND, LimitExceeded::Time(SECOND));
        let late = Instant::now() + SECOND + GRACE;
        assert_eq!(enforcer.overdue(late).unwrap().limit, Some(LimitExceeded::Time(SECOND)));
        assert!(enforcer.overdue(late).is_none());
        assert!(!deadline.is_met());
    }

    #[test]
    fn a_limit_that_was_told_of_leaves_little_time_to_all_others() {
        let enforcer = enforcer();
        enforcer.limited();
        assert_eq!(enforcer.overdue(Instant::now() + GRACE).unwrap().limit, None);
    }

    #[test]
    fn one_has_the_last_word() {
        let enforcer = enforcer();
        assert!(enforcer.has_last_word());
        assert!(!enforcer.clone().has_last_word());
    }

    #[test]
    fn a_time_without_end_is_no_deadline() {
        let enforcer = enforcer();
        let deadline = enforcer.within(Duration::MAX, LimitExceeded::Time(Duration::MAX));
        assert!(enforcer.overdue(Instant::now() + 1000 * SECOND).is_none());
        assert!(deadline.is_met());
    }
}
