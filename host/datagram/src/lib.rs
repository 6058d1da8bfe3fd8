//! `wasi:sockets/udp`, `wasi:sockets/ip-name-lookup`, `wasi:clocks`, `wasi:io/poll` and `wasi:random`
//! of WASI 0.2 for embedders of wasmtime, and those of WASI 0.3 ([`p3`]).
//!
//! wasmtime-wasi implements them, too. This crate sends and receives datagrams in batches, has
//! timers with a resolution of a microsecond, and asks the embedder for permission at each use:
//!
//! - Up to 64 datagrams per system call (`recvmmsg`, `sendmmsg`), and segmentation offload for
//!   datagrams of one flow (`UDP_GRO`, `UDP_SEGMENT`). Where a call is refused or missing, and on
//!   systems other than Linux, one datagram per call.
//! - A reply leaves from the address that the request was sent to (`IP_PKTINFO`), ICMP errors are
//!   attributed to their datagram (`IP_RECVERR`), and datagrams dropped by full buffers are
//!   counted: [`Reports`].
//! - [`Permissions`] decides about each bind, connect, name and datagram. An embedder implements
//!   it, returns a [`View`] of the store's state, and calls [`add_to_linker`], or that of each
//!   interface.
//! - After a `receive`, the clocks return when the datagrams arrived, as recorded by the kernel
//!   (`SO_TIMESTAMPNS`, Linux), and after a `send` when they left: [`Clock`].
//! - A component that receives and sends datagrams one by one is served from batches.
//! - [`World`] supplies sockets, clocks, timers and random bytes, in terms of datagrams, addresses,
//!   instants and readiness. The default is the [`OperatingSystem`].
//!
//! The operating system is polled by tokio's reactor: instances run in a runtime with I/O and time
//! enabled. On Linux, they may instead run in `block_on`, whose thread waits by one ppoll(2) for the
//! sockets and timers of its instances, which shortens an RTT over loopback by a third.

#![deny(unsafe_code)]
#![warn(clippy::missing_errors_doc)]

mod addresses;
mod buffers;
mod clock;
pub mod clocks;
mod datagram_times;
mod family;
mod gathering;
mod lookup;
mod os;
pub mod p3;
mod permissions;
mod policies;
pub mod poll;
pub mod random;
mod reports;
pub mod sockets;
pub mod tcp;
mod tuning;
mod udp;
mod view;
mod wit;
mod world;

pub use addresses::{Addresses, Answer};
pub use buffers::Buffers;
pub use clock::Clock;
pub use family::Family;
#[cfg(target_os = "linux")]
pub use os::executor::{Blocked, block_on, blocked};
pub use os::{OperatingSystem, OptionError, SocketOptions};
pub use permissions::{
    Batch, Operation, Permissions, Resolution, ResolveError, Resolved, SendDecision, SocketId,
    SocketPermissions,
};
pub use policies::{AddressUse, AllowAll, Check};
pub use reports::{CountsDropped, Problem, Reports};
pub use sockets::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress};
pub use tuning::Tuning;
pub use udp::{
    Channel, Datagram, Incoming, InheritedSockets, Outgoing, Socket, SocketContext, Wanted,
};
pub use view::View;
pub use world::{
    KeptSocket, Local, Received, Receiver, Sender, Take, Timer, Transmit, UdpSocket, Waiting, World,
};

use std::time::Duration;

use wasmtime::component::Linker;

/// Adds all interfaces of WASI 0.2 to `linker`, except the refusal of TCP
/// ([`crate::tcp::add_to_linker`]), with the state that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    sockets::add_to_linker(linker, view)?;
    clocks::add_to_linker(linker, view)?;
    poll::add_to_linker(linker, view)?;
    random::add_to_linker(linker, view)
}

/// The processor time of this thread.
#[cfg(target_os = "linux")]
pub fn processor_time() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map(Duration::from).unwrap_or_default()
}

/// Nothing: a component waits by its runtime.
#[cfg(not(target_os = "linux"))]
pub fn blocked() -> Blocked {
    Blocked::default()
}

/// The waits in place on this thread.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// Their total duration.
    pub time: Duration,
    /// Their number.
    pub times: u32,
}

/// The time since the first call, where the processor time of a thread is not available.
#[cfg(not(target_os = "linux"))]
pub fn processor_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
