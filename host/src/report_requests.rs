//! SIGQUIT (Ctrl-\\) asks the built-in client for statistics so far, as it asks ping.

use std::io;
use std::sync::Arc;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::environment::Environment;

fn quit() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGQUIT);
    signals
}

/// Requests for a report, which come as signals.
#[derive(Debug)]
pub struct ReportRequests(());

impl ReportRequests {
    /// Holds SIGQUIT back until [`Self::watch`]. To be called before there are other threads: they would not hold it back.
    pub fn from_now_on() -> io::Result<Self> {
        quit().thread_block()?;
        Ok(Self(()))
    }

    /// From now on, on a thread of its own, has each SIGQUIT told to the components that share `environment`.
    pub fn watch(self, environment: Arc<Environment>) -> io::Result<()> {
        let work = move || {
            // It fails for a signal that does not exist.
            while quit().wait().is_ok() {
                environment.request_report();
            }
        };
        thread::Builder::new().name("reports".to_owned()).stack_size(128 << 10).spawn(work)?;
        Ok(())
    }
}
