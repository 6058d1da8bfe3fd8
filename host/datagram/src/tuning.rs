//! The parameters that sockets are driven with.

use std::num::NonZeroUsize;
use std::time::Duration;

/// The parameters that sockets are driven with. They change only timing, not what a component
/// observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The maximum number of datagrams per system call. 1 drives sockets as on systems without
    /// `recvmmsg`.
    pub batch: NonZeroUsize,
    /// Whether segmentation offload is used for datagrams of one flow (`UDP_GRO`, `UDP_SEGMENT`).
    pub offload: bool,
    /// How long a socket is busy-polled before waiting for readiness.
    pub busy_poll: Duration,
    /// Whether sockets may share their port with other sockets of the same user (`SO_REUSEPORT`),
    /// among which flows are distributed.
    pub share_port: bool,
    /// Whether the system records when each datagram arrives (`SO_TIMESTAMPNS`, Linux), for what
    /// [`crate::Clock`] returns after a `receive`.
    pub kernel_time: bool,
}

impl Tuning {
    /// The maximum number of datagrams per `receive` and `send` of a component: at least as many as
    /// with wasmtime-wasi.
    pub fn hand(&self) -> usize {
        self.batch.get().max(16)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        // Below 16, the fixed cost of a call dominates; above 64, nothing more is saved
        // (docs/performance.md).
        const BATCH: NonZeroUsize = NonZeroUsize::new(64).unwrap();
        Self {
            batch: BATCH,
            offload: true,
            busy_poll: Duration::ZERO,
            share_port: false,
            kernel_time: cfg!(target_os = "linux"),
        }
    }
}
