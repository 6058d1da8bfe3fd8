//! Descriptors and their readiness, on Linux: by the thread's own [`executor`], or by tokio's reactor
//! where a runtime of tokio's runs the instance.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::PollFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

use super::executor::{self, Readiness};

/// A descriptor whose readiness for one thing can be awaited.
#[derive(Debug)]
pub(super) struct Watched {
    by: Reactor,
    interest: Interest,
}

#[derive(Debug)]
enum Reactor {
    Executor(Arc<OwnedFd>),
    Tokio(AsyncFd<OwnedFd>),
}

impl Watched {
    /// Registers a descriptor with the reactor of this thread. tokio's registers each descriptor
    /// once: waiting for two kinds of readiness takes two descriptors.
    pub(super) fn new(descriptor: OwnedFd, interest: Interest) -> io::Result<Self> {
        if executor::is_current() {
            return Ok(Self { by: Reactor::Executor(Arc::new(descriptor)), interest });
        }
        // SAFETY: the descriptor must stay open, and the same, until it is deregistered. The
        // `AsyncFd` owns it, gives only shared references to it, and deregisters it before it
        // closes it.
        #[expect(
            unsafe_code,
            reason = "tokio cannot know this of every type that has a descriptor"
        )]
        let descriptor = unsafe { AsyncFd::register_with_interest(descriptor, interest) }?;
        Ok(Self { by: Reactor::Tokio(descriptor), interest })
    }

    /// Whether waiting ends at once if the descriptor is ready already, whatever was read before.
    pub(super) fn is_level_triggered(&self) -> bool {
        matches!(self.by, Reactor::Executor(_))
    }

    pub(super) fn get(&self) -> &OwnedFd {
        match &self.by {
            Reactor::Executor(descriptor) => descriptor,
            Reactor::Tokio(descriptor) => descriptor.get_ref(),
        }
    }

    /// Makes one system call, after whose `WouldBlock` tokio's reactor waits for readiness.
    pub(super) fn call<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let Reactor::Tokio(descriptor) = &self.by else { return call() };
        let mut called = false;
        let result = descriptor.try_io(self.interest, |_| {
            called = true;
            call()
        });
        // Before its first poll, the reactor considers every descriptor not ready.
        if called { result } else { call() }
    }

    /// Waits until a call may succeed: after `WouldBlock`, until the reactor reports data or an
    /// error. Returns whether it is an error.
    pub(super) async fn ready(&self) -> bool {
        let descriptor = match &self.by {
            Reactor::Executor(descriptor) => {
                return Readiness::new(descriptor, self.events()).await.contains(PollFlags::ERR);
            }
            Reactor::Tokio(descriptor) => descriptor,
        };
        // An error of the reactor's recurs in the call.
        let Ok(mut guard) = descriptor.ready(self.interest | Interest::ERROR).await else {
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
        match &self.by {
            Reactor::Executor(descriptor) => {
                Readiness::new(descriptor, self.events()).await;
            }
            Reactor::Tokio(descriptor) => {
                let _ = descriptor.ready(self.interest).await.map(|mut guard| guard.clear_ready());
            }
        }
    }

    fn events(&self) -> PollFlags {
        if self.interest.is_writable() { PollFlags::OUT } else { PollFlags::IN }
    }
}
