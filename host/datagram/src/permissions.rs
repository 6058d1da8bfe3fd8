//! What the embedder allows: it is asked before a socket is bound or connected, for each datagram,
//! and before a name is resolved.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

/// A socket, told from all others that were ever open. One that outlives an instance keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId(u64);

impl SocketId {
    /// That of a new socket.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a component asked for, and the system was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A socket.
    Open,
    /// To bind it.
    Bind(SocketAddr),
    /// To connect it.
    Connect(SocketAddr),
    /// To send from it.
    Send(SocketAddr),
}

/// As it goes on after "asked to".
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

/// What becomes of a datagram that a component wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendDecision {
    /// It goes.
    Open,
    /// It may not go, and the component is told so (`access-denied`).
    Refused,
    /// It does not go, as where a firewall drops it: the component takes it for sent.
    Dropped,
    /// It may go then.
    Later(Instant),
}

/// Why a name has no address here, as getaddrinfo(3) and `wasi:sockets/ip-name-lookup` tell it
/// apart.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ResolveError {
    /// There is no such name, or it has no address (`EAI_NONAME`, `EAI_NODATA`).
    #[error("there is no such name, or it has no address")]
    NoSuchName,
    /// No name server answered, or it says to try again (`EAI_AGAIN`).
    #[error("temporary failure in name resolution: no name server answers, try again")]
    Temporary,
    /// A name server failed, or the system cannot ask one (`EAI_FAIL` and others).
    #[error(
        "failure in name resolution: the name server, or the configuration of this system's resolver"
    )]
    Permanent,
}

/// What a name stands for.
pub type Resolved = Result<Vec<IpAddr>, ResolveError>;

/// What comes of a question for a name's addresses.
pub enum Resolution {
    /// It may not be asked (`access-denied`).
    Denied,
    /// It is no name (`invalid-argument`).
    Invalid,
    /// What is known.
    Known(Resolved),
    /// What will be known.
    Asked(Pin<Box<dyn Future<Output = Resolved> + Send>>),
}

/// What one instance of a component may do.
pub trait Permissions: Send + Sync {
    /// A socket is to be opened.
    ///
    /// # Errors
    ///
    /// Where it is one too many: the instance ends by that error.
    fn open(&self) -> wasmtime::Result<()> {
        Ok(())
    }

    /// A socket that was opened is closed.
    fn close(&self) {}

    /// Decides about binding `socket` to `local`: what decides about its datagrams, or `None`.
    fn permit_bind(
        &self,
        local: SocketAddr,
        socket: SocketId,
    ) -> Option<Box<dyn SocketPermissions>>;

    /// Decides about resolving `name`, which may be an address as text, and resolves it.
    fn resolve(&self, name: &str) -> Resolution;

    /// The system refused, or could not do, what was permitted.
    fn failed(&self, _operation: Operation, _error: &io::Error) {}

    /// A TCP socket was asked for, which there never is.
    fn refuse_tcp(&self) {}

    /// Datagrams were sent, or handed to the component.
    fn passed(&self) {}

    /// The host busy-polls on its own account.
    fn spins(&self) {}
}

/// What a bound socket may do.
pub trait SocketPermissions: Send + Sync {
    /// Decides about connecting it.
    fn permit_connect(&self, peer: SocketAddr) -> bool;

    /// Has `pass` ask about the datagrams of one batch, at `now`: what takes a lock is done once for
    /// all.
    fn batch(&self, now: Instant, pass: &mut dyn FnMut(&mut dyn Batch));
}

/// The datagrams of one batch.
pub trait Batch {
    /// Decides about handing over a datagram of `bytes` bytes.
    fn permit_receive(&mut self, from: SocketAddr, bytes: usize) -> bool;

    /// Decides about sending one, which counts as sent until [`Self::not_sent`] says otherwise.
    fn permit_send(&mut self, to: SocketAddr, bytes: usize) -> SendDecision;

    /// One that was permitted did not go.
    fn not_sent(&mut self, to: SocketAddr, bytes: usize);

    /// Some were not handed over, the last one from `peer`, which took so much processor time.
    /// Until when their socket is to be left alone.
    fn dropped(&mut self, _spent: Duration, _peer: SocketAddr) -> Option<Instant> {
        None
    }
}
