//! The seam between components and what is outside of them: sockets, clocks, random bytes, and
//! waiting.
//!
//! All of it is told in datagrams, addresses, instants and readiness, so that a world need not be
//! the operating system's ([`crate::os::OperatingSystem`]): one that is simulated has the same
//! states.

use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use wasmtime_wasi::async_trait;

use crate::buffers::Buffers;
use crate::family::Family;
use crate::reports::Reports;
use crate::tuning::Tuning;

/// What one instance of a component sees of the outside, and how it waits for it.
#[async_trait]
pub trait World: Send + Sync {
    /// Opens a UDP socket, which is not bound yet and never blocks.
    ///
    /// # Errors
    ///
    /// Those of socket(2).
    fn open(&self, family: Family) -> io::Result<Box<dyn UdpSocket>>;

    /// Reads the monotonic clock.
    fn now(&self) -> Instant;

    /// Reads the wall clock.
    fn wall_clock(&self) -> SystemTime;

    /// Makes a timer for `at`, which runs at once.
    fn timer(&self, at: Instant) -> Box<dyn Timer>;

    /// Fills `bytes` with random ones.
    ///
    /// # Errors
    ///
    /// Where the source of randomness fails, as getrandom(2) may.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// Where errors go that came back for datagrams, each with whom it was for, and the count of those
    /// that sockets had no room for.
    fn reports(&self) -> &Arc<Reports>;

    /// What datagrams that wait for the component may take, beside the sockets' own buffers.
    fn buffers(&self) -> &Arc<Buffers>;

    /// How sockets are driven.
    fn tuning(&self) -> Tuning {
        Tuning::default()
    }

    /// Lets everything else that waits on this thread go on first.
    async fn yield_now(&self);
}

/// A timer that is waited for.
#[async_trait]
pub trait Timer: Send {
    /// Waits until its instant has come. It may be called again after it was dropped half-way.
    async fn expired(&mut self);
}

/// A socket's state beyond a component, for the one that binds to its address next: of the world
/// that made it, which alone can look into it.
pub type KeptSocket = Arc<dyn Any + Send + Sync>;

/// A UDP socket of one address family.
pub trait UdpSocket: Send + Sync {
    /// Gives it a local address. Port 0 is one that nobody has.
    ///
    /// # Errors
    ///
    /// Those of bind(2).
    fn bind(&mut self, local: SocketAddr) -> io::Result<()>;

    /// Associates it with one peer; where it had another, with this one instead.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    fn connect(&mut self, peer: SocketAddr) -> io::Result<()>;

    /// Dissolves that association. The local address stays.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    fn disconnect(&mut self) -> io::Result<()>;

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    fn local_address(&self) -> io::Result<SocketAddr>;

    /// The peer that it is connected to.
    fn peer(&self) -> Option<SocketAddr>;

    /// Whether each datagram says which local address it came to ([`Received::to`]), because the
    /// socket has no address of its own.
    fn tells_local(&self) -> bool;

    /// The time to live, or hop limit, of what it sends.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    fn hop_limit(&self) -> io::Result<u8>;

    /// Sets it. `hops` is not 0.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    fn set_hop_limit(&self, hops: u8) -> io::Result<()>;

    /// The size of the buffer for what it receives, in bytes of payload as far as that can be told.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    fn receive_buffer_size(&self) -> io::Result<usize>;

    /// Asks for another one; it may become less, and may be rounded.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    fn set_receive_buffer_size(&mut self, bytes: usize) -> io::Result<()>;

    /// The size of the buffer for what it sends, in the same unit.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    fn send_buffer_size(&self) -> io::Result<usize>;

    /// Asks for another one; it may become less, and may be rounded.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    fn set_send_buffer_size(&mut self, bytes: usize) -> io::Result<()>;

    /// The side that receives. There is one at a time.
    ///
    /// # Errors
    ///
    /// Those of registering it for waiting.
    fn receiver(&self) -> io::Result<Box<dyn Receiver>>;

    /// The side that sends. There is one at a time.
    ///
    /// # Errors
    ///
    /// Those of registering it for waiting.
    fn sender(&self) -> io::Result<Box<dyn Sender>>;

    /// Its state, to be [adopted](Self::adopt) by another socket. While nobody else has it, it may.
    fn keep(&self) -> KeptSocket;

    /// Becomes what was kept of a socket of the same family, with the options that were set on
    /// this one.
    ///
    /// # Errors
    ///
    /// Where it is of another world or family.
    fn adopt(&mut self, kept: KeptSocket) -> io::Result<()>;
}

/// The receiving side of a socket.
#[async_trait]
pub trait Receiver: Send {
    /// Hands `take` the datagrams that are there, about `limit` of them at most.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where there is none; else, where the socket has a peer, an error that came back
    /// for an earlier datagram (ICMP), after which more can be received. Errors of sockets without
    /// one go to [`crate::Reports`], with whom they are about.
    fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()>;

    /// Waits until [`Self::try_receive`] is worth another try.
    async fn readable(&mut self);
}

/// The sending side of a socket.
#[async_trait]
pub trait Sender: Send {
    /// Sends `datagrams` in their order, as many as there is room for, and says how many.
    ///
    /// # Errors
    ///
    /// That of the first datagram; `WouldBlock` where there is no room for it. An error of a later
    /// one comes when that is the first.
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize>;

    /// Whether there is room for a datagram.
    fn is_writable(&self) -> bool;

    /// Waits until there is.
    async fn writable(&mut self);
}

/// Is handed the datagrams of one call.
pub type Take<'a> = dyn FnMut(Received<'_>) + 'a;

/// A datagram that was received, and what is known of it beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Its payload.
    pub data: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// Which local address it came to, where the socket tells that.
    pub to: Option<Local>,
    /// When it arrived at this machine, by the wall clock, where that was noted.
    pub arrived: Option<SystemTime>,
    /// Its two bits of Explicit Congestion Notification (RFC 3168, section 5), where they are told.
    pub ecn: Option<u8>,
    /// How many datagrams the socket had dropped before it, since it was opened, where they are
    /// counted (`SO_RXQ_OVFL`, socket(7)).
    pub dropped_before: Option<u32>,
}

impl<'a> Received<'a> {
    /// One of which nothing else is known.
    pub fn new(data: &'a [u8], from: SocketAddr) -> Self {
        Self { data, from, to: None, arrived: None, ecn: None, dropped_before: None }
    }
}

/// A datagram on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Its payload.
    pub data: &'a [u8],
    /// Whom to; `None` where the socket is connected.
    pub to: Option<SocketAddr>,
    /// Which local address it leaves from, where that is not for the system to choose.
    pub from: Option<Local>,
}

/// A local address, as a datagram that came to it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address.
    pub ip: IpAddr,
    /// The index of its interface where the address is one of a link (RFC 4007), else 0.
    pub interface: u32,
}
