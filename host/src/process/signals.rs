//! SIGINT, SIGTERM and SIGHUP: the first stops the component, the second ends the process. SIGQUIT
//! asks for a report.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::process::exit::Exit;

/// Signals this soon after the first count as the same one: `timeout` of the GNU coreutils signals
/// its child, and then its process group, which the child belongs to.
pub const AS_ONE: Duration = Duration::from_millis(200);

/// A signal that stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP, unless it has the keys read again.
    HangUp,
}

impl Signal {
    /// The exit code of a process that this signal ends.
    pub fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
            Self::HangUp => Exit::HungUp,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        })
    }
}

/// Tells everything that runs to stop, or to report.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<Asked>);

/// What has been asked for so far.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    stop: bool,
    /// The signal that asked to stop; `None` if another instance has failed.
    signal: Option<Signal>,
    reports: u64,
}

/// The reactions to signals.
pub trait AtSignals: Send + 'static {
    /// Called at the first signal.
    fn first(&mut self, signal: Signal);
    /// Called at the second signal: ends the process.
    fn second(&mut self, signal: Signal);
}

impl Stop {
    /// Creates one that only [`Self::raise`] raises.
    pub fn never() -> Self {
        Self(watch::Sender::new(Asked::default()))
    }

    /// Creates one that is raised at the first of `signals`. At the second, `done` ends the
    /// process, on a separate thread, so that a component that spins or blocks cannot prevent it.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn at(signals: Held, mut done: impl AtSignals) -> Result<Self, Error> {
        let stop = Self::never();
        let (signalled, mut so_far) = (stop.clone(), SoFar::default());
        signals.watch(move |signal| match signal {
            Some(signal) if so_far.is_second(Instant::now()) => done.second(signal),
            Some(signal) => {
                if signalled.raise(Some(signal)) {
                    done.first(signal);
                }
            }
            None => signalled.ask_for_report(),
        })?;
        Ok(stop)
    }

    /// Raises it. Returns whether it was not raised before.
    pub fn raise(&self, signal: Option<Signal>) -> bool {
        self.0.send_if_modified(|asked| {
            let is_first = !asked.stop;
            if is_first {
                (asked.stop, asked.signal) = (true, signal);
            }
            is_first
        })
    }

    /// Asks for a report.
    pub fn ask_for_report(&self) {
        self.0.send_modify(|asked| asked.reports += 1);
    }

    /// Whether it has been raised.
    pub fn is_raised(&self) -> bool {
        self.0.borrow().stop
    }

    /// The signal that raised it, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.0.borrow().signal
    }

    /// Resolves when it is raised.
    pub async fn raised(&self) {
        // The sender is part of `self`, so the channel is open.
        let _ = self.0.subscribe().wait_for(|asked| asked.stop).await;
    }

    /// Subscribes to requests for a report from now on.
    pub fn reports(&self) -> Reports {
        let seen = self.0.borrow().reports;
        Reports { asked: self.0.subscribe(), seen }
    }
}

/// A subscription to requests for a report.
#[derive(Debug)]
pub struct Reports {
    asked: watch::Receiver<Asked>,
    seen: u64,
}

impl Reports {
    /// Resolves at the next request; never, if none is possible any more.
    pub async fn next(&mut self) {
        let seen = self.seen;
        match self.asked.wait_for(|asked| asked.reports != seen).await {
            Ok(asked) => self.seen = asked.reports,
            Err(_) => std::future::pending().await,
        }
    }
}

pub use system::{Error, Held};

/// On Unix, signals are blocked in every thread, and one thread waits for them: unlike a handler,
/// it may call anything.
#[cfg(unix)]
mod system {
    use std::io;
    use std::thread;

    use nix::sys::signal::{SigSet, Signal as Number};

    use super::Signal;

    /// Why signals cannot be watched for.
    pub type Error = io::Error;

    /// Blocked signals, to be passed to [`super::Stop::at`].
    #[derive(Debug)]
    pub struct Held(SigSet);

    impl Held {
        /// Blocks the signals on this thread, and on those it starts from now on. Call it before
        /// there are other threads: a signal would end the process there. With `reports`, SIGQUIT
        /// is one of them.
        ///
        /// # Errors
        ///
        /// None on Linux.
        pub fn hold(reports: bool) -> io::Result<Self> {
            let mut signals = SigSet::empty();
            signals.add(Number::SIGINT);
            signals.add(Number::SIGTERM);
            // If it is blocked already, it has the keys read again.
            if !SigSet::thread_get_mask()?.contains(Number::SIGHUP) {
                signals.add(Number::SIGHUP);
            }
            if reports {
                signals.add(Number::SIGQUIT);
            }
            signals.thread_block()?;
            Ok(Self(signals))
        }

        /// Calls `at` for each signal, on a separate thread. `None` is a request for a report.
        pub(super) fn watch(
            self,
            mut at: impl FnMut(Option<Signal>) + Send + 'static,
        ) -> io::Result<()> {
            let work = move || {
                // It fails only for a signal that does not exist.
                while let Ok(number) = self.0.wait() {
                    at(match number {
                        Number::SIGINT => Some(Signal::Interrupt),
                        Number::SIGHUP => Some(Signal::HangUp),
                        Number::SIGQUIT => None,
                        _ => Some(Signal::Terminate),
                    });
                }
            };
            thread::Builder::new().name("signals".to_owned()).stack_size(128 << 10).spawn(work)?;
            Ok(())
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::Signal;

    pub use ctrlc::Error;

    /// Ctrl-C, to be passed to [`super::Stop::at`].
    #[derive(Debug)]
    pub struct Held;

    impl Held {
        /// There is nothing to block.
        pub fn hold(_: bool) -> Result<Self, Error> {
            Ok(Self)
        }

        pub(super) fn watch(
            self,
            mut at: impl FnMut(Option<Signal>) + Send + 'static,
        ) -> Result<(), Error> {
            ctrlc::set_handler(move || at(Some(Signal::Interrupt)))
        }
    }
}

/// The stop signals received so far.
#[derive(Debug, Default)]
struct SoFar {
    first: Option<Instant>,
}

impl SoFar {
    /// Notes another signal. Returns whether it counts as the second.
    fn is_second(&mut self, now: Instant) -> bool {
        let first = *self.first.get_or_insert(now);
        now.saturating_duration_since(first) >= AS_ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_come_together_are_one() {
        let (mut signals, start) = (SoFar::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let seconds = [0, 0, 1, 199].map(|millis| signals.is_second(at(millis)));
        assert_eq!(seconds, [false; 4]);
        assert!(signals.is_second(at(200)));
    }

    #[test]
    fn the_first_signal_counts() {
        let stop = Stop::never();
        assert!(stop.raise(Some(Signal::Terminate)));
        assert!(!stop.raise(Some(Signal::Interrupt)));
        assert_eq!(stop.signal().map(Signal::exit), Some(Exit::Terminated));
    }
}
