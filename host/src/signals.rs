//! Ctrl-C and SIGTERM: the first asks the component to end, the second ends the process.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Signals that come so soon after the first are the first: `timeout` of the GNU coreutils signals its child, and then its
/// process group, which the child is part of.
const AS_ONE: Duration = Duration::from_millis(200);

/// Asks everything that runs to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Raised at the first Ctrl-C, SIGTERM or SIGHUP from now on. At the second, `end` is called, on a thread of its own, so
    /// that a component that spins or blocks cannot prevent it.
    ///
    /// # Errors
    ///
    /// Where it was called before in this process.
    pub fn at_signals(end: impl Fn() + Send + 'static) -> Result<Self, ctrlc::Error> {
        let stop = Self(watch::Sender::new(false));
        let signalled = stop.clone();
        let mut signals = Signals::default();
        ctrlc::set_handler(move || {
            if signals.is_second(Instant::now()) {
                end();
            }
            signalled.raise();
        })?;
        Ok(stop)
    }

    /// Raises it.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it is raised.
    pub async fn raised(&self) {
        // The sender is part of `self`, so the channel is open.
        let _ = self.0.subscribe().wait_for(|raised| *raised).await;
    }
}

/// The signals so far.
#[derive(Debug, Default)]
struct Signals {
    first: Option<Instant>,
}

impl Signals {
    /// Another one came: whether it is the second.
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
        let (mut signals, start) = (Signals::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let seconds = [0, 0, 1, 199].map(|millis| signals.is_second(at(millis)));
        assert_eq!(seconds, [false; 4]);
        assert!(signals.is_second(at(200)));
    }
}
