//! Descriptors registered with tokio's reactor, on Linux.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// A descriptor registered for one kind of readiness.
#[derive(Debug)]
pub(super) struct Watched {
    descriptor: AsyncFd<OwnedFd>,
    interest: Interest,
}

impl Watched {
    /// Registers a descriptor. The reactor registers each descriptor once: waiting for two kinds
    /// takes two descriptors.
    pub(super) fn new(descriptor: OwnedFd, interest: Interest) -> io::Result<Self> {
        // SAFETY: the descriptor must stay open, and the same, until it is deregistered. The
        // `AsyncFd` owns it, gives only shared references to it, and deregisters it before it
        // closes it.
        #[expect(
            unsafe_code,
            reason = "tokio cannot know this of every type that has a descriptor"
        )]
        let descriptor = unsafe { AsyncFd::register_with_interest(descriptor, interest) }?;
        Ok(Self { descriptor, interest })
    }

    pub(super) fn get(&self) -> &OwnedFd {
        self.descriptor.get_ref()
    }

    /// Makes one system call, after whose `WouldBlock` the reactor waits for readiness.
    pub(super) fn call<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut called = false;
        let result = self.descriptor.try_io(self.interest, |_| {
            called = true;
            call()
        });
        // Before its first poll, the reactor considers every descriptor not ready.
        if called { result } else { call() }
    }

    /// Waits until a call may succeed: after `WouldBlock`, until the reactor reports data or an
    /// error. Returns whether it is an error.
    pub(super) async fn ready(&self) -> bool {
        // An error of the reactor's recurs in the call.
        let Ok(mut guard) = self.descriptor.ready(self.interest | Interest::ERROR).await else {
            return false;
        };
        let is_error = guard.ready().is_error();
        // A call that would block clears only its own readiness.
        guard.clear_ready_matching(Ready::ERROR);
        guard.retain_ready();
        is_error
    }

    /// Waits until the descriptor becomes ready again, and clears its readiness.
    pub(super) async fn becomes_ready(&self) {
        let _ = self.descriptor.ready(self.interest).await.map(|mut guard| guard.clear_ready());
    }
}
