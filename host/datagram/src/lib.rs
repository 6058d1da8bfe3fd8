//! `wasi:sockets/udp`, `wasi:sockets/ip-name-lookup` and `wasi:clocks/monotonic-clock` of WASI 0.2
//! for embedders of wasmtime.
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
//!   store's state a [`NetworkView`] with its own, and calls [`add_to_linker`]; on Linux also
//!   [`clock::add_to_linker`].
//!
//! Sockets wait on tokio's reactor: instances run in a runtime with I/O and time.

#![deny(unsafe_code)]

mod addresses;
#[cfg(target_os = "linux")]
pub mod clock;
mod lookup;
mod network;
mod permissions;
mod policies;
#[cfg(target_os = "linux")]
mod reactor;
pub mod tcp;
mod udp;
mod wit;

pub use addresses::{Addresses, Answer};
pub use network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, NetworkView, add_to_linker,
};
pub use permissions::{
    Batch, Operation, Permissions, Resolution, ResolveError, Resolved, SendDecision, SocketId,
    SocketPermissions,
};
pub use policies::{AddressUse, AllowAll, Check};
pub use udp::{
    Buffers, Incoming, InheritedSockets, OptionError, Outgoing, RawSocket, Reports, Socket,
    SocketContext, SocketOptions, Tuning,
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
