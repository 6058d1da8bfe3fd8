//! `wasi:sockets/udp` and `udp-create-socket`, in batches: what wasmtime-wasi's own implementation
//! does one datagram at a time.
//!
//! Outermost first: [`socket`], [`streams`] and [`outgoing`] are the state that the WIT describes,
//! and ask the permissions about every address, and [`origins`] where an answer leaves from; [`os`]
//! makes the system calls and knows neither WIT nor permissions.

mod buffers;
mod kept;
mod options;
mod origins;
pub(crate) mod os;
pub(crate) mod outgoing;
mod reports;
pub(crate) mod socket;
pub(crate) mod streams;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;

pub use buffers::Buffers;
pub use kept::InheritedSockets;
pub use options::{OptionError, SocketOptions};
pub use os::RawSocket;
pub use outgoing::Outgoing;
pub use reports::Reports;
pub use socket::Socket;
pub use streams::Incoming;

use crate::permissions::Permissions;

/// What the sockets of an instance share.
#[derive(Clone)]
pub struct SocketContext {
    /// Decides about every address.
    pub permissions: Arc<dyn Permissions>,
    /// What their buffers may take.
    pub buffers: Arc<Buffers>,
    /// How they are driven.
    pub tuning: Tuning,
    /// What the operator has set on them.
    pub options: SocketOptions,
    /// Those that are there already.
    pub kept: Arc<InheritedSockets>,
    /// What they tell beside datagrams.
    pub reports: Arc<Reports>,
}

impl SocketContext {
    /// For sockets that ask `permissions`, with 128 MiB of buffers for up to 256 of them, and
    /// nothing else that is special.
    pub fn new(permissions: Arc<dyn Permissions>) -> Self {
        Self {
            permissions,
            buffers: Buffers::new(ByteSize::mib(128), 256),
            tuning: Tuning::default(),
            options: SocketOptions::default(),
            kept: Arc::default(),
            reports: Reports::new(),
        }
    }
}

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

/// A datagram that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its payload.
    pub data: Vec<u8>,
    /// Who sent it.
    pub from: std::net::SocketAddr,
    /// Which local address it came to, where that is for its answer to leave from.
    to: Option<os::Local>,
}
