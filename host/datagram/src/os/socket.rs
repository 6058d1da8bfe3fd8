//! A socket of the operating system.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::raw::{BOOKKEEPING, RawSocket};
use super::sides::{Receiver, Sender};
use crate::family::Family;
use crate::tuning::Tuning;
use crate::world::{self, KeptSocket};

/// A non-blocking UDP socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    inner: Arc<RawSocket>,
    family: Family,
    tuning: Tuning,
    /// The requested sizes of the receive and the send buffer, in reserved bytes, whether or not
    /// granted.
    asked: [Option<usize>; 2],
}

impl Socket {
    /// Wraps the unbound socket `raw`.
    pub(super) fn new(raw: RawSocket, family: Family, tuning: Tuning) -> Self {
        Self { inner: Arc::new(raw), family, tuning, asked: [None; 2] }
    }

    pub(super) fn raw(&self) -> &Arc<RawSocket> {
        &self.inner
    }

    fn is_connected(&self) -> bool {
        world::UdpSocket::peer(self).is_some()
    }
}

impl world::UdpSocket for Socket {
    fn bind(&mut self, local: SocketAddr) -> io::Result<()> {
        // Before the first datagram can arrive.
        self.inner.tell(local);
        rustix::net::bind(&*self.inner, &local).map_err(|error| match error {
            // On Windows, if no ephemeral port is left.
            #[cfg(windows)]
            Errno::NOBUFS => Errno::ADDRINUSE.into(),
            Errno::AFNOSUPPORT => Errno::INVAL.into(),
            error => error.into(),
        })
    }

    fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        // Pending errors concern other peers; from now on they concern this peer, and are returned
        // by calls, as on every system.
        self.inner.settle_errors();
        self.inner.tell_errors(self.family == Family::V4, false);
        match rustix::net::connect(&*self.inner, &peer) {
            // Linux keeps the local address chosen by the first connect, and returns EINVAL if the
            // new peer cannot be reached from it; once disconnected, it chooses again.
            #[cfg(target_os = "linux")]
            Err(Errno::INVAL) => {
                self.disconnect()?;
                Ok(rustix::net::connect(&*self.inner, &peer)?)
            }
            Err(Errno::AFNOSUPPORT) => Err(Errno::INVAL.into()),
            other => Ok(other?),
        }
    }

    fn disconnect(&mut self) -> io::Result<()> {
        let local = self.local_address()?;
        match rustix::net::connect_unspec(&*self.inner) {
            // The BSDs return an error although they did disconnect (connect(2)).
            #[cfg(not(any(target_os = "linux", windows)))]
            Err(Errno::INVAL | Errno::AFNOSUPPORT) => {}
            other => other?,
        }
        self.inner.tell_errors(self.family == Family::V4, true);
        // Linux releases an ephemeral port on disconnect.
        if self.local_address()?.port() == 0 { self.bind(local) } else { Ok(()) }
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.inner.peer_addr().ok().filter(|peer| *peer != self.family.unspecified())
    }

    fn tells_local(&self) -> bool {
        self.inner.tells_local()
    }

    fn hop_limit(&self) -> io::Result<u8> {
        match self.family {
            Family::V4 => Ok(sockopt::ip_ttl(&*self.inner)?.try_into().unwrap_or(u8::MAX)),
            Family::V6 => Ok(sockopt::ipv6_unicast_hops(&*self.inner)?),
        }
    }

    fn set_hop_limit(&self, hops: u8) -> io::Result<()> {
        match self.family {
            Family::V4 => Ok(sockopt::set_ip_ttl(&*self.inner, hops.into())?),
            Family::V6 => Ok(sockopt::set_ipv6_unicast_hops(&*self.inner, Some(hops))?),
        }
    }

    fn receive_buffer_size(&self) -> io::Result<usize> {
        Ok(self.inner.receive_buffer()? / BOOKKEEPING)
    }

    fn set_receive_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        let reserved = bytes.saturating_mul(BOOKKEEPING);
        self.asked[0] = Some(reserved);
        self.inner.set_receive_buffer(reserved)
    }

    fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.inner.send_buffer()? / BOOKKEEPING)
    }

    fn set_send_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        let reserved = bytes.saturating_mul(BOOKKEEPING);
        self.asked[1] = Some(reserved);
        self.inner.set_send_buffer(reserved)
    }

    fn receiver(&self) -> io::Result<Box<dyn world::Receiver>> {
        Ok(Box::new(Receiver::new(self.inner.clone(), self.tuning)?))
    }

    fn sender(&self) -> io::Result<Box<dyn world::Sender>> {
        Ok(Box::new(Sender::new(self.inner.clone(), self.tuning)?))
    }

    fn keep(&self) -> KeptSocket {
        self.inner.clone()
    }

    fn adopt(&mut self, kept: KeptSocket) -> io::Result<()> {
        let bound = kept
            .downcast::<RawSocket>()
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "it is of another world"))?;
        bound.set_nonblocking(true)?;
        let mut adopted = Self { inner: bound, ..self.clone() };
        if adopted.family == Family::V6 && !sockopt::ipv6_v6only(&*adopted.inner)? {
            return Err(io::Error::new(ErrorKind::AddrInUse, "it takes IPv4, too"));
        }
        if adopted.is_connected() {
            adopted.disconnect()?;
        }
        adopted.inner.tell(adopted.local_address()?);
        adopted.set_hop_limit(self.hop_limit()?)?;
        let sizes = [self.inner.receive_buffer()?, self.inner.send_buffer()?];
        // Releases this socket's own share first.
        *self = adopted;
        let [receive, send] = self.asked;
        self.inner.set_receive_buffer(receive.unwrap_or(sizes[0]))?;
        self.inner.set_send_buffer(send.unwrap_or(sizes[1]))
    }
}

/// Opens an unbound, non-blocking socket.
pub(super) fn open(family: Family, tuning: Tuning) -> io::Result<UdpSocket> {
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
    let _ = tuning;
    Ok(socket)
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
    // Winsock is initialized by the standard library's first socket.
    static WINSOCK: std::sync::Once = std::sync::Once::new();
    WINSOCK.call_once(|| drop(UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))));
    Ok(rustix::net::socket_with(domain, SocketType::DGRAM, SocketFlags::empty(), None)?)
}
