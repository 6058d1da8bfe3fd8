//! How sockets are driven.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How sockets are driven. Nothing of it changes what a component sees, but for the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The most datagrams that one system call takes. With 1, sockets are driven as on systems
    /// without `recvmmsg`.
    pub batch: NonZeroUsize,
    /// Whether datagrams of one flow may travel the kernel together (`UDP_GRO`, `UDP_SEGMENT`).
    pub offload: bool,
    /// How long a socket is asked again and again before its owner sleeps until something comes.
    pub busy_poll: Duration,
    /// Whether sockets may share their port with others of this user (`SO_REUSEPORT`), which splits
    /// the flows among them.
    pub share_port: bool,
}

impl Tuning {
    /// How many datagrams a component is handed at once, and may send at once: as many as
    /// wasmtime-wasi lets it, or more.
    pub fn hand(&self) -> usize {
        self.batch.get().max(16)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        // Under 16, the fixed cost of a call outweighs what is saved; beyond 64, nothing more is
        // (docs/performance.md).
        const BATCH: NonZeroUsize = NonZeroUsize::new(64).unwrap();
        Self { batch: BATCH, offload: true, busy_poll: Duration::ZERO, share_port: false }
    }
}
