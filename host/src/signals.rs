//! Ctrl-C and SIGTERM: the first asks the component to end, the second ends it.

use std::process;

use tokio::sync::watch;

use crate::exit::Exit;

/// Asks everything that runs to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Raised at the first Ctrl-C, SIGTERM or SIGHUP from now on. At the second the process ends at once, from a thread of
    /// its own, so that a component that spins or blocks cannot prevent it.
    ///
    /// # Errors
    ///
    /// Where it was called before in this process.
    pub fn at_signals() -> Result<Self, ctrlc::Error> {
        let stop = Self(watch::Sender::new(false));
        let signalled = stop.clone();
        ctrlc::set_handler(move || {
            if signalled.0.send_replace(true) {
                process::exit(Exit::Interrupted.code().into());
            }
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
