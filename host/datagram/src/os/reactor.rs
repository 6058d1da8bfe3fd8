//! Descriptors that tokio's reactor watches for us, on Linux.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// A descriptor, watched for one kind of readiness.
#[derive(Debug)]
pub(super) struct Watched {
    descriptor: AsyncFd<OwnedFd>,
    interest: Interest,
}

impl Watched {
    /// Starts watching. The reactor knows each descriptor once: who watches for two things needs
    /// two.
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

    /// The descriptor.
    pub(super) fn get(&self) -> &OwnedFd {
        self.descriptor.get_ref()
    }

    /// One system call, which tells the reactor where it would have blocked.
    pub(super) fn call<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut called = false;
        let result = self.descriptor.try_io(self.interest, |_| {
            called = true;
            call()
        });
        // Where the reactor has not looked yet, it says "not ready" of what is.
        if called { result } else { call() }
    }

    /// Waits until a call is worth a try: that is, where the last one would have blocked, for the
    /// reactor's word: something to take, or an error. Whether it is an error.
    pub(super) async fn ready(&self) -> bool {
        // An error of the reactor's is one that the call shows.
        let Ok(mut guard) = self.descriptor.ready(self.interest | Interest::ERROR).await else {
            return false;
        };
        let is_error = guard.ready().is_error();
        // A call that would block takes back readiness for itself alone.
        guard.clear_ready_matching(Ready::ERROR);
        guard.retain_ready();
        is_error
    }

    /// Waits for the next time that it becomes ready.
    pub(super) async fn becomes_ready(&self) {
        let _ = self.descriptor.ready(self.interest).await.map(|mut guard| guard.clear_ready());
    }
}
