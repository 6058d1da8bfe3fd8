//! Ctrl-C and SIGTERM while this process waits for the system's resolver, which ignores them:
//! nothing is running yet that would need to end in good order, so the process exits at once.

#[cfg(unix)]
use nix::libc;
#[cfg(unix)]
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The message that the signal handler writes: one line, prepared in advance.
#[cfg(unix)]
const MESSAGE: &[u8] = b"udping-host: interrupted while names were being resolved\n";

/// While this exists, the first Ctrl-C or SIGTERM ends this process with the exit code 128 plus the
/// signal's number, even if the signal was ignored, as shells ignore SIGINT for background jobs.
#[derive(Debug)]
#[must_use]
pub struct EndAtSignals {
    #[cfg(unix)]
    before: Vec<(Signal, SigAction)>,
}

impl EndAtSignals {
    /// Installs the handlers.
    #[cfg(unix)]
    pub fn start() -> Self {
        let action = SigAction::new(SigHandler::Handler(end), SaFlags::empty(), SigSet::empty());
        let set = |signal| {
            // SAFETY: the handler calls write(2) and _exit(2), which may be called in one
            // (signal-safety(7)), on memory that never changes.
            #[expect(unsafe_code, reason = "a signal handler runs at any time")]
            let before = unsafe { sigaction(signal, &action) };
            before.ok().map(|before| (signal, before))
        };
        Self { before: [Signal::SIGINT, Signal::SIGTERM].into_iter().filter_map(set).collect() }
    }

    /// Other systems end a process by default.
    #[cfg(not(unix))]
    pub fn start() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for EndAtSignals {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: it restores the action that was in force before.
            #[expect(unsafe_code, reason = "a signal handler runs at any time")]
            let _ = unsafe { sigaction(*signal, before) };
        }
    }
}

#[cfg(unix)]
extern "C" fn end(signal: i32) {
    // If it cannot be written, nobody is reading.
    let _ = rustix::io::write(std::io::stderr(), MESSAGE);
    // SAFETY: _exit(2) takes a number, touches no memory of ours, and may be called in a signal
    // handler.
    #[expect(unsafe_code, reason = "a call into the C library")]
    unsafe {
        libc::_exit(128 + signal)
    }
}
