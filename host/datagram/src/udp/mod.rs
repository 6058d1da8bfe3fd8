//! `wasi:sockets/udp` and `udp-create-socket`, in batches; wasmtime-wasi's implementation handles
//! one datagram at a time.
//!
//! From the outside in: [`socket`], [`streams`] and [`outgoing`] hold the state that the WIT
//! describes; they ask the permissions about every address, [`origins`] for a reply's source
//! address, and the [`World`] for everything else.

mod channel;
mod kept;
mod origins;
pub(crate) mod outgoing;
pub(crate) mod socket;
pub(crate) mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub use channel::Channel;
pub use kept::InheritedSockets;
pub use outgoing::{Outgoing, Wanted};
pub use socket::Socket;
pub use streams::Incoming;

use crate::os::OperatingSystem;
use crate::permissions::Permissions;
use crate::world::{Local, World};

/// The state shared by the sockets of an instance.
#[derive(Clone)]
pub struct SocketContext {
    /// Decides about every address.
    pub permissions: Arc<dyn Permissions>,
    /// Opens the sockets.
    pub world: Arc<dyn World>,
    /// The sockets that exist already.
    pub kept: Arc<InheritedSockets>,
}

impl SocketContext {
    /// Creates the context of operating system sockets that ask `permissions`, with 128 MiB of
    /// buffers for up to 256 sockets and defaults otherwise.
    pub fn new(permissions: Arc<dyn Permissions>) -> Self {
        let world = Arc::new(OperatingSystem::default());
        Self { permissions, world, kept: Arc::default() }
    }
}

/// A received datagram (`incoming-datagram` of `wasi:sockets/udp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The payload.
    pub data: Vec<u8>,
    /// The source address.
    pub from: SocketAddr,
    /// The local address it was sent to, if its reply has to leave from there.
    to: Option<Local>,
    /// When it arrived, if known.
    pub(crate) arrived: Option<Instant>,
}
