//! Sockets of the operating system: what [`super::socket`] and [`super::streams`] ask of them, in
//! datagrams, addresses and readiness.

#[cfg(target_os = "linux")]
mod batched;
mod family;
#[cfg(target_os = "linux")]
mod message;
mod portable;
mod raw;
#[cfg(target_os = "linux")]
mod tells;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::Tuning;
use super::buffers::Buffers;
use super::reports::Reports;
use raw::BOOKKEEPING;

pub use family::Family;
pub use raw::RawSocket;

/// A UDP socket that never blocks.
#[derive(Clone, Debug)]
pub struct Socket {
    inner: Arc<RawSocket>,
    family: Family,
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux's calls can be tuned")
    )]
    tuning: Tuning,
    /// The sizes that were asked for, of the buffers to receive and to send, whatever came of it.
    asked: [Option<usize>; 2],
}

impl Socket {
    /// A new socket, not yet bound, with what is left of `buffers`. What it tells beside datagrams
    /// goes to `reports`.
    pub fn new(
        family: Family,
        tuning: Tuning,
        buffers: &Arc<Buffers>,
        reports: &Arc<Reports>,
    ) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        let socket = UdpSocket::from(new_descriptor(domain)?);
        socket.set_nonblocking(true)?;
        if family == Family::V6 {
            // "IPV6_V6ONLY is enabled by default and can't be configured otherwise"
            // (wasi:sockets/udp-create-socket).
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        #[cfg(unix)]
        if tuning.share_port {
            sockopt::set_socket_reuseport(&socket, true)?;
        }
        let inner = Arc::new(RawSocket::new(socket, buffers, reports)?);
        reports.watch(&inner);
        Ok(Self { inner, family, tuning, asked: [None; 2] })
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Gives it a local address.
    pub fn bind(&self, local: SocketAddr) -> io::Result<()> {
        // Before the first datagram can come.
        self.inner.tell(local);
        rustix::net::bind(&*self.inner, &local).map_err(|error| match error {
            // Windows, where no ephemeral port is left.
            #[cfg(windows)]
            Errno::NOBUFS => Errno::ADDRINUSE.into(),
            Errno::AFNOSUPPORT => Errno::INVAL.into(),
            error => error.into(),
        })
    }

    /// Becomes `bound`, which another socket of this family was, with what was set of this one's
    /// options.
    pub fn adopt(&mut self, bound: Arc<RawSocket>) -> io::Result<()> {
        bound.set_nonblocking(true)?;
        let adopted = Self { inner: bound, ..self.clone() };
        if adopted.family == Family::V6 && !sockopt::ipv6_v6only(&*adopted.inner)? {
            return Err(io::Error::new(ErrorKind::AddrInUse, "it takes IPv4, too"));
        }
        if adopted.peer().is_some() {
            adopted.disconnect()?;
        }
        adopted.inner.tell(adopted.local_address()?);
        adopted.set_hop_limit(self.hop_limit()?)?;
        let sizes = [self.inner.receive_buffer()?, self.inner.send_buffer()?];
        // Gives its own share back first.
        *self = adopted;
        let [receive, send] = self.asked;
        self.inner.set_receive_buffer(receive.unwrap_or(sizes[0]))?;
        self.inner.set_send_buffer(send.unwrap_or(sizes[1]))
    }

    /// The socket, to be adopted later.
    pub fn shared(&self) -> &Arc<RawSocket> {
        &self.inner
    }

    /// Whether each datagram says which local address it came to.
    pub fn tells_local(&self) -> bool {
        self.inner.tells_local()
    }

    /// Binds it to one peer.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        // What has come back by now is about others; from now on it is about this peer, and told as
        // on every system.
        self.inner.settle_errors();
        self.inner.tell_errors(self.family == Family::V4, false);
        match rustix::net::connect(&*self.inner, &peer) {
            // Linux keeps the local address that the first connect chose, and says EINVAL where the
            // new peer is not reached from it; without an association it chooses again.
            #[cfg(target_os = "linux")]
            Err(Errno::INVAL) => {
                self.disconnect()?;
                Ok(rustix::net::connect(&*self.inner, &peer)?)
            }
            Err(Errno::AFNOSUPPORT) => Err(Errno::INVAL.into()),
            other => Ok(other?),
        }
    }

    /// Lets it hear everybody again, where it was.
    pub fn disconnect(&self) -> io::Result<()> {
        let local = self.local_address()?;
        match rustix::net::connect_unspec(&*self.inner) {
            // The BSDs say so although they did it (connect(2)).
            #[cfg(not(any(target_os = "linux", windows)))]
            Err(Errno::INVAL | Errno::AFNOSUPPORT) => {}
            other => other?,
        }
        self.inner.tell_errors(self.family == Family::V4, true);
        // Linux gives a port back that it chose itself.
        if self.local_address()?.port() == 0 { self.bind(local) } else { Ok(()) }
    }

    /// The address it is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The peer it is connected to.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.inner.peer_addr().ok().filter(|peer| *peer != self.family.unspecified())
    }

    /// `IP_TTL` or `IPV6_UNICAST_HOPS`.
    pub fn hop_limit(&self) -> io::Result<u8> {
        match self.family {
            Family::V4 => Ok(sockopt::ip_ttl(&*self.inner)?.try_into().unwrap_or(u8::MAX)),
            Family::V6 => Ok(sockopt::ipv6_unicast_hops(&*self.inner)?),
        }
    }

    /// Sets what [`Self::hop_limit`] returns.
    pub fn set_hop_limit(&self, hops: u8) -> io::Result<()> {
        match self.family {
            Family::V4 => Ok(sockopt::set_ip_ttl(&*self.inner, hops.into())?),
            Family::V6 => Ok(sockopt::set_ipv6_unicast_hops(&*self.inner, Some(hops))?),
        }
    }

    /// `SO_RCVBUF` in bytes, as it was asked for.
    pub fn receive_buffer_size(&self) -> io::Result<usize> {
        Ok(self.inner.receive_buffer()? / BOOKKEEPING)
    }

    /// Asks for so many bytes. There may be room for less, and the system may round them.
    pub fn set_receive_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        let reserved = bytes.saturating_mul(BOOKKEEPING);
        self.asked[0] = Some(reserved);
        self.inner.set_receive_buffer(reserved)
    }

    /// `SO_SNDBUF` in bytes, as it was asked for.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.inner.send_buffer()? / BOOKKEEPING)
    }

    /// Asks for so many bytes. There may be room for less, and the system may round them.
    pub fn set_send_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        let reserved = bytes.saturating_mul(BOOKKEEPING);
        self.asked[1] = Some(reserved);
        self.inner.set_send_buffer(reserved)
    }

    /// Whether there is room for a datagram to be sent.
    pub fn is_writable(&self) -> bool {
        let mut asked = [PollFd::new(&*self.inner, PollFlags::OUT)];
        // Where it cannot be asked, sending shows what is wrong.
        poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }

    /// The side that receives. There may be one at a time.
    pub fn receiver(&self) -> io::Result<Receiver> {
        #[cfg(target_os = "linux")]
        if self.tuning.batch.get() > 1 {
            return Ok(Receiver::Batched(batched::Receiver::new(self.inner.clone(), self.tuning)?));
        }
        Ok(Receiver::Portable(portable::Receiver::new(self.inner.clone())?))
    }

    /// The side that sends. There may be one at a time.
    pub fn sender(&self) -> io::Result<Sender> {
        #[cfg(target_os = "linux")]
        if self.tuning.batch.get() > 1 {
            return Ok(Sender::Batched(batched::Sender::new(self.inner.clone(), self.tuning)));
        }
        Ok(Sender::Portable(portable::Sender::new(self.inner.clone())?))
    }
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn new_descriptor(domain: AddressFamily) -> io::Result<rustix::fd::OwnedFd> {
    Ok(rustix::net::socket_with(domain, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

#[cfg(target_vendor = "apple")]
fn new_descriptor(domain: AddressFamily) -> io::Result<rustix::fd::OwnedFd> {
    let socket = rustix::net::socket_with(domain, SocketType::DGRAM, SocketFlags::empty(), None)?;
    rustix::io::ioctl_fioclex(&socket)?;
    Ok(socket)
}

#[cfg(windows)]
fn new_descriptor(domain: AddressFamily) -> io::Result<rustix::fd::OwnedFd> {
    // Winsock is started by the standard library's first socket.
    static WINSOCK: std::sync::Once = std::sync::Once::new();
    WINSOCK.call_once(|| drop(UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))));
    Ok(rustix::net::socket_with(domain, SocketType::DGRAM, SocketFlags::empty(), None)?)
}

/// A datagram on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Its payload.
    pub data: &'a [u8],
    /// Whom to; `None` where the socket is connected.
    pub to: Option<SocketAddr>,
    /// Which local address it leaves from, where that is not for the system to choose.
    pub from: Option<Local>,
}

/// An address of this machine, as a datagram that came to it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address.
    pub ip: IpAddr,
    /// The index of its interface where the address is one of a link (RFC 4007), else 0.
    pub interface: u32,
}

/// Is handed a datagram, who sent it, and which local address it came to, where the socket tells
/// that.
pub type Take<'a> = dyn FnMut(&[u8], SocketAddr, Option<Local>) + 'a;

/// Errors that came back, of which a call reports this many times what there is: more come as fast
/// as they are taken.
const REPORTS: usize = 16;

/// Room for the largest datagram, and for the most that `UDP_GRO` puts together.
pub const SLOT: usize = 1 << 16;

thread_local! {
    /// Where datagrams are received to, one set of slots for all sockets of a thread: they hold
    /// something only during a call.
    static SLOTS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lets `receive` use the thread's slots, at least so many bytes.
fn with_slots<T>(bytes: usize, receive: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut slots = SLOTS.take();
    if slots.len() < bytes {
        // Zeroed anew, thus not resident before a slot is first used.
        slots = vec![0; bytes];
    }
    let result = receive(&mut slots);
    SLOTS.set(slots);
    result
}

/// The receiving side of a socket, registered with the reactor.
#[derive(Debug)]
pub enum Receiver {
    /// Over `recvmmsg` and `UDP_GRO`.
    #[cfg(target_os = "linux")]
    Batched(batched::Receiver),
    /// One datagram a call.
    Portable(portable::Receiver),
}

impl Receiver {
    /// Hands `take` what is there, and tries for no more than about `limit` datagrams.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where nothing is there; else, where the socket has a peer, an error of an
    /// earlier datagram (ICMP), after which more can be received.
    pub fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        for _ in 0..REPORTS {
            let result = match self {
                #[cfg(target_os = "linux")]
                Self::Batched(receiver) => receiver.try_receive(limit, take),
                Self::Portable(receiver) => receiver.try_receive(limit, take),
            };
            match result {
                Err(error) if self.socket().reports(&error) => {}
                result => return result,
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn socket(&self) -> &RawSocket {
        match self {
            #[cfg(target_os = "linux")]
            Self::Batched(receiver) => receiver.socket(),
            Self::Portable(receiver) => receiver.socket(),
        }
    }

    /// Waits until [`Self::try_receive`] is worth another try.
    pub async fn readable(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Batched(receiver) => receiver.readable().await,
            Self::Portable(receiver) => receiver.readable().await,
        }
    }
}

/// The sending side of a socket.
#[derive(Debug)]
pub enum Sender {
    /// Over `sendmmsg` and `UDP_SEGMENT`.
    #[cfg(target_os = "linux")]
    Batched(batched::Sender),
    /// One datagram a call.
    Portable(portable::Sender),
}

impl Sender {
    /// Sends `datagrams` in their order, as many as there is room for, and says how many.
    ///
    /// # Errors
    ///
    /// That of the first datagram, `WouldBlock` where there is no room for it. An error of a later
    /// one comes when that is the first.
    pub fn try_send(&mut self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        for _ in 0..REPORTS {
            let result = match self {
                #[cfg(target_os = "linux")]
                Self::Batched(sender) => sender.try_send(datagrams),
                Self::Portable(sender) => sender.try_send(datagrams),
            };
            match result {
                // It is an earlier datagram's (`SO_ERROR`), and this one was not sent.
                Err(error) if self.socket().reports(&error) => {}
                result => return result,
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn socket(&self) -> &RawSocket {
        match self {
            #[cfg(target_os = "linux")]
            Self::Batched(sender) => sender.socket(),
            Self::Portable(sender) => sender.socket(),
        }
    }

    /// Waits for room.
    pub async fn writable(&mut self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Batched(sender) => sender.writable().await,
            Self::Portable(sender) => sender.writable().await,
        }
    }
}

#[cfg(test)]
mod tests;
