//! `wasi:sockets/udp` and `udp-create-socket`, in batches: what wasmtime-wasi's own implementation
//! does one datagram at a time.
//!
//! Outermost first: [`socket`], [`streams`] and [`outgoing`] are the state that the WIT describes,
//! and ask the permissions about every address, [`origins`] where an answer leaves from, and the
//! [`World`] for everything else.

mod kept;
mod origins;
pub(crate) mod outgoing;
pub(crate) mod socket;
pub(crate) mod streams;

use std::net::SocketAddr;
use std::sync::Arc;

pub use kept::InheritedSockets;
pub use outgoing::{Outgoing, Wanted};
pub use socket::Socket;
pub use streams::Incoming;

use crate::os::OperatingSystem;
use crate::permissions::Permissions;
use crate::world::{Local, World};

/// What the sockets of an instance share.
#[derive(Clone)]
pub struct SocketContext {
    /// Decides about every address.
    pub permissions: Arc<dyn Permissions>,
    /// Where they are opened.
    pub world: Arc<dyn World>,
    /// Those that are there already.
    pub kept: Arc<InheritedSockets>,
}

impl SocketContext {
    /// For sockets of the operating system that ask `permissions`, with 128 MiB of buffers for up to
    /// 256 of them, and nothing else that is special.
    pub fn new(permissions: Arc<dyn Permissions>) -> Self {
        let world = Arc::new(OperatingSystem::default());
        Self { permissions, world, kept: Arc::default() }
    }
}

/// A datagram that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its payload.
    pub data: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which local address it came to, where that is for its answer to leave from.
    to: Option<Local>,
}
