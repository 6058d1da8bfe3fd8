//! The boundary between components and their environment: sockets, clocks, random bytes, and
//! waiting.
//!
//! The interface consists of datagrams, addresses, instants and readiness, so that an
//! implementation need not be the operating system ([`crate::os::OperatingSystem`]): a simulated
//! world has the same states.

use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use wasmtime_wasi::async_trait;

use crate::buffers::Buffers;
use crate::family::Family;
use crate::reports::Reports;
use crate::tuning::Tuning;

/// The environment of one component instance: its sockets, clocks and random bytes, and how it
/// waits.
#[async_trait]
pub trait World: Send + Sync {
    /// Opens a UDP socket, unbound and non-blocking (`create-udp-socket` of
    /// `wasi:sockets/udp-create-socket`).
    ///
    /// # Errors
    ///
    /// The errors of socket(2).
    fn open(&self, family: Family) -> io::Result<Box<dyn UdpSocket>>;

    /// The current instant of the monotonic clock (`wasi:clocks/monotonic-clock`).
    fn now(&self) -> Instant;

    /// The current time of the wall clock (`wasi:clocks/wall-clock`).
    fn wall_clock(&self) -> SystemTime;

    /// Whether the time of arrival of datagrams is recorded ([`Received::arrived`]). If so, the
    /// clocks of components return it, and when datagrams were passed to the system.
    fn records_arrivals(&self) -> bool {
        false
    }

    /// The time within which arrivals count as one: their difference is that of the system's own work.
    fn arrival_resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    /// Creates a timer that expires at `at`, on the clock of [`Self::now`], and runs from now on.
    fn timer(&self, at: Instant) -> Box<dyn Timer>;

    /// Fills `bytes` with random bytes (`wasi:random`).
    ///
    /// # Errors
    ///
    /// An error of the source of randomness, such as those of getrandom(2).
    fn random(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// The errors returned for sent datagrams (ICMP), each with the datagram's destination, and the
    /// number of datagrams dropped by full receive buffers.
    fn reports(&self) -> &Arc<Reports>;

    /// The memory limit for datagrams that wait for the component, beside the sockets' own buffers.
    fn buffers(&self) -> &Arc<Buffers>;

    /// The parameters that sockets are driven with.
    fn tuning(&self) -> Tuning {
        Tuning::default()
    }

    /// Polls a component's wait, by calling `poll` until it returns true. A world may wait in between
    /// for what `poll` has started to wait for, without leaving the component; if it returns false,
    /// it is to be called again when the component's future is polled again.
    fn poll_in_place(&self, poll: &mut dyn FnMut() -> bool) -> bool {
        poll()
    }

    /// Yields to the other tasks of this thread.
    async fn yield_now(&self);
}

/// A timer that can be awaited.
#[async_trait]
pub trait Timer: Send {
    /// Waits until the timer's instant has come. It is cancel safe: it may be called again after
    /// its future was dropped.
    async fn expired(&mut self);
}

/// The state of a socket that outlives the component, for the next socket that binds to its
/// address. It is opaque except to the world that created it.
pub type KeptSocket = Arc<dyn Any + Send + Sync>;

/// A UDP socket of one address family.
pub trait UdpSocket: Send + Sync {
    /// Binds the socket to `local`; port 0 selects a free port.
    ///
    /// # Errors
    ///
    /// The errors of bind(2).
    fn bind(&mut self, local: SocketAddr) -> io::Result<()>;

    /// Connects the socket to `peer`, which replaces an earlier peer.
    ///
    /// # Errors
    ///
    /// The errors of connect(2).
    fn connect(&mut self, peer: SocketAddr) -> io::Result<()>;

    /// Disconnects the socket from its peer. It stays bound to its local address.
    ///
    /// # Errors
    ///
    /// The errors of connect(2).
    fn disconnect(&mut self) -> io::Result<()>;

    /// The address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The errors of getsockname(2).
    fn local_address(&self) -> io::Result<SocketAddr>;

    /// The peer that the socket is connected to.
    fn peer(&self) -> Option<SocketAddr>;

    /// Whether each datagram carries the local address that it was sent to ([`Received::to`]),
    /// because the socket is bound to the unspecified address.
    fn tells_local(&self) -> bool;

    /// The time to live (IPv4) or hop limit (IPv6) of sent datagrams (`unicast-hop-limit`).
    ///
    /// # Errors
    ///
    /// The errors of getsockopt(2).
    fn hop_limit(&self) -> io::Result<u8>;

    /// Sets the time to live or hop limit of sent datagrams, which is not 0.
    ///
    /// # Errors
    ///
    /// The errors of setsockopt(2).
    fn set_hop_limit(&self, hops: u8) -> io::Result<()>;

    /// The size of the receive buffer in bytes, of payload as far as the system's bookkeeping is
    /// known.
    ///
    /// # Errors
    ///
    /// The errors of getsockopt(2).
    fn receive_buffer_size(&self) -> io::Result<usize>;

    /// Requests a receive buffer of `bytes` bytes, which may be rounded or reduced.
    ///
    /// # Errors
    ///
    /// The errors of setsockopt(2).
    fn set_receive_buffer_size(&mut self, bytes: usize) -> io::Result<()>;

    /// The size of the send buffer in bytes, as for [`Self::receive_buffer_size`].
    ///
    /// # Errors
    ///
    /// The errors of getsockopt(2).
    fn send_buffer_size(&self) -> io::Result<usize>;

    /// Requests a send buffer of `bytes` bytes, which may be rounded or reduced.
    ///
    /// # Errors
    ///
    /// The errors of setsockopt(2).
    fn set_send_buffer_size(&mut self, bytes: usize) -> io::Result<()>;

    /// The receiving half. At most one exists at a time.
    ///
    /// # Errors
    ///
    /// The errors of registering the socket for readiness.
    fn receiver(&self) -> io::Result<Box<dyn Receiver>>;

    /// The sending half. At most one exists at a time.
    ///
    /// # Errors
    ///
    /// The errors of registering the socket for readiness.
    fn sender(&self) -> io::Result<Box<dyn Sender>>;

    /// The socket's state, for another socket to [adopt](Self::adopt) once no other reference to it
    /// is left.
    fn keep(&self) -> KeptSocket;

    /// Takes over the state kept of a socket of the same family, with the options that were set on
    /// this socket.
    ///
    /// # Errors
    ///
    /// If the state belongs to another world or family.
    fn adopt(&mut self, kept: KeptSocket) -> io::Result<()>;
}

/// The receiving half of a socket.
pub trait Receiver: Send {
    /// Passes the waiting datagrams to `take`, about `limit` of them at most.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none is waiting. On a connected socket also the error returned for an
    /// earlier datagram (ICMP), after which receiving can go on. Such errors of unconnected sockets
    /// are added to [`crate::Reports`], with the datagram's destination.
    fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()>;

    /// Whether [`Self::readable`] is to be awaited without a call of [`Self::try_receive`] that finds
    /// nothing: if datagrams wait already, it resolves at once. It saves a system call.
    fn waits_first(&self) -> bool {
        false
    }

    /// Waits until [`Self::try_receive`] may succeed. Wakeups may be spurious.
    fn readable(&self) -> Waiting;
}

/// The sending half of a socket.
pub trait Sender: Send {
    /// Sends `datagrams` in order, as many as the send buffer has room for, and returns their
    /// number.
    ///
    /// # Errors
    ///
    /// The error of the first datagram; `WouldBlock` if there is no room for it. An error of a
    /// later datagram is returned by the call in which it is the first.
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize>;

    /// Whether the send buffer has room for a datagram.
    fn is_writable(&self) -> bool;

    /// Waits until the send buffer has room for a datagram.
    fn writable(&mut self) -> Waiting;
}

/// A wait that borrows nothing: the socket can be used meanwhile, and the wait be given up.
pub type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The callback that receives the datagrams of one call.
pub type Take<'a> = dyn FnMut(Received<'_>) + 'a;

/// A received datagram and its ancillary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// The payload.
    pub data: &'a [u8],
    /// The source address.
    pub from: SocketAddr,
    /// The local address that it was sent to, if the socket reports it
    /// ([`UdpSocket::tells_local`]).
    pub to: Option<Local>,
    /// The instant of arrival at this machine, on the clock of [`World::now`], if recorded.
    pub arrived: Option<Instant>,
    /// The two bits of Explicit Congestion Notification (RFC 3168, section 5), if known.
    pub ecn: Option<u8>,
    /// The number of datagrams that the socket had dropped before this one since it was opened, if
    /// counted (`SO_RXQ_OVFL`, socket(7)).
    pub dropped_before: Option<u32>,
}

impl<'a> Received<'a> {
    /// A datagram from `from` without ancillary data.
    pub fn new(data: &'a [u8], from: SocketAddr) -> Self {
        Self { data, from, to: None, arrived: None, ecn: None, dropped_before: None }
    }
}

/// A datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// The payload.
    pub data: &'a [u8],
    /// The destination; `None` if the socket is connected.
    pub to: Option<SocketAddr>,
    /// The local address that it leaves from; `None` if the system chooses it.
    pub from: Option<Local>,
}

/// A local address that a datagram was sent to, or leaves from (`IP_PKTINFO`, ip(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The IP address.
    pub ip: IpAddr,
    /// The index of the interface of a link-local address (RFC 4007), else 0.
    pub interface: u32,
}
