//! Signals that concern the terminal.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End: SIGINT, SIGTERM, or SIGHUP, when the terminal is gone.
    End,
    /// Stop this process: SIGTSTP.
    Stop,
    /// This process was continued: SIGCONT.
    Continue,
}

#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(unix)]
mod unix {
    use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

    use super::{Signal, io};

    /// The signals of this process, which do not end or stop it by themselves any more.
    #[derive(Debug)]
    pub(crate) struct Signals {
        interrupt: Stream,
        terminate: Stream,
        hang_up: Stream,
        stop: Stream,
        resumed: Stream,
    }

    impl Signals {
        /// Watches for them.
        ///
        /// # Errors
        ///
        /// For want of descriptors.
        pub(crate) fn watch() -> io::Result<Self> {
            let number = |signal: rustix::process::Signal| {
                tokio::signal::unix::signal(SignalKind::from_raw(signal.as_raw()))
            };
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
                stop: number(rustix::process::Signal::TSTP)?,
                resumed: number(rustix::process::Signal::CONT)?,
            })
        }

        /// Waits for the next one.
        pub(crate) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.interrupt.recv() => Signal::End,
                _ = self.terminate.recv() => Signal::End,
                _ = self.hang_up.recv() => Signal::End,
                _ = self.stop.recv() => Signal::Stop,
                _ = self.resumed.recv() => Signal::Continue,
            }
        }
    }
}

/// Ctrl-C alone.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::End
    }
}
