//! `wasi:sockets/udp`, `wasi:sockets/ip-name-lookup`, `wasi:clocks` and `wasi:random` of WASI 0.2 for
//! embedders of wasmtime.
//!
//! wasmtime-wasi has them, too; these take and send datagrams in batches, have timers to the
//! microsecond, and ask the embedder about each use:
//!
//! - Up to 64 datagrams a system call (`recvmmsg`, `sendmmsg`), and several of one flow at once
//!   (`UDP_GRO`, `UDP_SEGMENT`). Where a call is refused or missing, and on other systems than
//!   Linux, one datagram a call.
//! - An answer leaves from the address that was asked (`IP_PKTINFO`), errors that come back name
//!   the datagram that they are about (`IP_RECVERR`), and what the system dropped for want of room
//!   is counted: [`Reports`].
//! - [`Permissions`] decides about each bind, connect, name and datagram. An embedder gives the
//!   store's state a [`NetworkView`] with its own, and calls [`add_to_linker`]; for the clocks, also
//!   [`clock::add_to_linker`], and for random bytes [`random::add_to_linker`].
//! - [`World`] is where all of that comes from: sockets, clocks, timers, random bytes, in datagrams,
//!   addresses, instants and readiness. By default it is the [`OperatingSystem`].
//!
//! The operating system is waited for on tokio's reactor: instances run in a runtime with I/O and
//! time.

#![deny(unsafe_code)]
#![warn(clippy::missing_errors_doc)]

mod addresses;
mod buffers;
pub mod clock;
mod family;
mod lookup;
mod network;
mod os;
mod permissions;
mod policies;
pub mod random;
mod reports;
pub mod tcp;
mod tuning;
mod udp;
mod wit;
mod world;

pub use addresses::{Addresses, Answer};
pub use buffers::Buffers;
pub use family::Family;
pub use network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, NetworkView, add_to_linker,
};
pub use os::{OperatingSystem, OptionError, SocketOptions};
pub use permissions::{
    Batch, Operation, Permissions, Resolution, ResolveError, Resolved, SendDecision, SocketId,
    SocketPermissions,
};
pub use policies::{AddressUse, AllowAll, Check};
pub use reports::{CountsDropped, Problem, Reports};
pub use tuning::Tuning;
pub use udp::{Datagram, Incoming, InheritedSockets, Outgoing, Socket, SocketContext, Wanted};
pub use world::{
    KeptSocket, Local, Received, Receiver, Sender, Take, Timer, Transmit, UdpSocket, World,
};

use std::time::Duration;

/// What this thread has computed so far: not the time that others had the processor.
#[cfg(target_os = "linux")]
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time that passed, where the thread's own is not to be had.
#[cfg(not(target_os = "linux"))]
pub fn processor_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
