//! The decisions of the embedder: whether a socket may be bound or connected, a datagram sent or
//! received, and a name resolved.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

/// The identity of a socket, unique in this process. A socket that outlives an instance keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId(u64);

impl SocketId {
    /// Returns an identifier that no other socket has had.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// An operation that a component requested, was permitted, and that was then attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening a socket, as in socket(2).
    Open,
    /// Binding a socket to this local address, as in bind(2).
    Bind(SocketAddr),
    /// Connecting a socket to this peer, as in connect(2).
    Connect(SocketAddr),
    /// Sending a datagram to this destination, as in sendmsg(2).
    Send(SocketAddr),
}

/// Formats the operation as it continues the phrase "asked to".
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open a UDP socket"),
            Self::Bind(local) => write!(f, "bind to {local}"),
            Self::Connect(peer) => write!(f, "connect to {peer}"),
            Self::Send(peer) => write!(f, "send to {peer}"),
        }
    }
}

/// The decision about a datagram that a component wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendDecision {
    /// It is sent.
    Open,
    /// It is refused, and `send` returns `access-denied`.
    Refused,
    /// It is dropped silently, as by a firewall: for the component it was sent.
    Dropped,
    /// It is not sent before this instant, on the clock of [`World::now`](crate::World::now).
    Later(Instant),
}

/// Why a name has no address, as distinguished by getaddrinfo(3) and `wasi:sockets/ip-name-lookup`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    /// The name does not exist, or has no address (`EAI_NONAME`, `EAI_NODATA`).
    #[error("there is no such name, or it has no address")]
    NoSuchName,
    /// No name server answered, or it asks to try again (`EAI_AGAIN`).
    #[error("temporary failure in name resolution: no name server answers, try again")]
    Temporary,
    /// A name server failed, or the system cannot query one (`EAI_FAIL` and others).
    #[error(
        "failure in name resolution: the name server, or the configuration of this system's resolver"
    )]
    Permanent,
}

/// The addresses of a name, or why it has none.
pub type Resolved = Result<Vec<IpAddr>, ResolveError>;

/// The reaction to a request to resolve a name (`resolve-addresses` of
/// `wasi:sockets/ip-name-lookup`).
pub enum Resolution {
    /// The name may not be resolved (`access-denied`).
    Denied,
    /// The text is not a name (`invalid-argument`).
    Invalid,
    /// The result is known already.
    Known(Resolved),
    /// The result is pending.
    Asked(Pin<Box<dyn Future<Output = Resolved> + Send>>),
}

/// What one instance of a component is permitted to do.
pub trait Permissions: Send + Sync {
    /// Called before a socket is opened.
    ///
    /// # Errors
    ///
    /// If too many sockets are open: the error traps the instance.
    fn open(&self) -> wasmtime::Result<()> {
        Ok(())
    }

    /// Called when a socket that [`Self::open`] accepted is closed.
    fn close(&self) {}

    /// Decides whether `socket` may be bound to `local`: returns what decides about its peers and
    /// datagrams, or `None` if denied.
    fn permit_bind(
        &self,
        local: SocketAddr,
        socket: SocketId,
    ) -> Option<Box<dyn SocketPermissions>>;

    /// Decides whether `name`, which may be the text of an IP address, may be resolved, and
    /// resolves it.
    fn resolve(&self, name: &str) -> Resolution;

    /// Called when the system refused a permitted operation, or failed to perform it.
    fn failed(&self, _operation: Operation, _error: &io::Error) {}

    /// Called when a TCP socket was requested, which is always denied
    /// (`wasi:sockets/tcp-create-socket`).
    fn refuse_tcp(&self) {}

    /// Called when datagrams were sent, or handed to the component.
    fn passed(&self) {}

    /// Called when the host starts to busy-poll, whose processor time is not the component's.
    fn spins(&self) {}
}

/// What a bound socket is permitted to do.
pub trait SocketPermissions: Send + Sync {
    /// Decides whether the socket may be connected to `peer`.
    fn permit_connect(&self, peer: SocketAddr) -> bool;

    /// Calls `pass` with what decides about the datagrams of one batch at the instant `now`, so
    /// that a lock is taken once per batch.
    fn batch(&self, now: Instant, pass: &mut dyn FnMut(&mut dyn Batch));
}

/// The decisions about the datagrams of one batch.
pub trait Batch {
    /// Decides whether the component may receive a datagram from `from` with a payload of `bytes`
    /// bytes.
    fn permit_receive(&mut self, from: SocketAddr, bytes: usize) -> bool;

    /// Decides about a datagram to `to` with a payload of `bytes` bytes, which counts as sent
    /// unless [`Self::not_sent`] follows.
    fn permit_send(&mut self, to: SocketAddr, bytes: usize) -> SendDecision;

    /// Called when a datagram that was permitted was not sent.
    fn not_sent(&mut self, to: SocketAddr, bytes: usize);

    /// Called when received datagrams were dropped, the last of them from `peer`, at the cost of
    /// `spent` processor time. Returns the instant until which their socket is left unread, if any.
    fn dropped(&mut self, _spent: Duration, _peer: SocketAddr) -> Option<Instant> {
        None
    }
}
