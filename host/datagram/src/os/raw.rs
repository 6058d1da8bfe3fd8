//! A socket's descriptor, whose buffers draw on an allowance.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Deref;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::sockopt;

#[cfg(target_os = "linux")]
use super::tells;
use crate::buffers::{Buffers, Share};
use crate::reports::{CountsDropped, Reports};

/// A descriptor, what its buffers take, and what it tells beside datagrams.
#[derive(Debug)]
pub(super) struct RawSocket {
    socket: UdpSocket,
    receive: Share,
    send: Share,
    reports: Arc<Reports>,
    /// Whether each datagram says which local address it came to.
    tells_local: AtomicBool,
    /// Whether errors that come back say which datagram they are about.
    tells_errors: AtomicBool,
}

impl RawSocket {
    /// `socket`, whose buffers shrink to what there is room for, and whose errors go to `reports`.
    pub(super) fn new(
        socket: UdpSocket,
        buffers: &Arc<Buffers>,
        reports: &Arc<Reports>,
    ) -> io::Result<Self> {
        let raw = Self {
            socket,
            receive: Share::of_socket(buffers),
            send: Share::of_socket(buffers),
            reports: reports.clone(),
            tells_local: AtomicBool::new(false),
            tells_errors: AtomicBool::new(false),
        };
        let (receive, send) = (raw.receive_buffer()?, raw.send_buffer()?);
        if raw.receive.resize(receive) < receive {
            raw.set_receive_buffer(receive)?;
        }
        if raw.send.resize(send) < send {
            raw.set_send_buffer(send)?;
        }
        Ok(raw)
    }

    /// Has it tell, for `local`, which it is or will be bound to, what it can while it has no peer.
    pub(super) fn tell(&self, local: SocketAddr) {
        #[cfg(target_os = "linux")]
        {
            // A socket with an address of its own answers from that.
            let tells_local = local.ip().is_unspecified()
                && tells::local_addresses(&self.socket, local.is_ipv4());
            self.tells_local.store(tells_local, Ordering::Relaxed);
            self.tell_errors(local.is_ipv4(), true);
        }
        let _ = local;
    }

    /// Whether it tells of errors which datagram they are about. Where it has a peer there is no
    /// need.
    pub(super) fn tell_errors(&self, is_v4: bool, wanted: bool) {
        #[cfg(target_os = "linux")]
        self.tells_errors
            .store(tells::errors(&self.socket, is_v4, wanted) && wanted, Ordering::Relaxed);
        let _ = (is_v4, wanted);
    }

    /// Whether each datagram says which local address it came to.
    pub(super) fn tells_local(&self) -> bool {
        self.tells_local.load(Ordering::Relaxed)
    }

    /// A call failed by `error`. Whether that was one that came back for earlier datagrams: it is
    /// reported by now, and the call is to be made again.
    pub(super) fn reports(&self, error: &io::Error) -> bool {
        // Where there was no room to say more, too.
        error.kind() != io::ErrorKind::WouldBlock
            && self.tells_errors.load(Ordering::Relaxed)
            && (self.take_reports() || error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Reports errors that came back, of which no call may have told: one that sends several
    /// datagrams keeps that to itself. Whether there were some.
    pub(super) fn take_reports(&self) -> bool {
        let mut any = false;
        #[cfg(target_os = "linux")]
        if self.tells_errors.load(Ordering::Relaxed) {
            let local = self.socket.local_addr().map_or(0, |local| local.port());
            tells::take_errors(&self.socket, |peer, problem| {
                any = true;
                self.reports.add(local, peer, problem);
            });
        }
        let _ = (&mut any, &self.reports);
        any
    }

    /// Reports errors that came back, and has no call say so any more.
    pub(super) fn settle_errors(&self) {
        self.take_reports();
        // Reading it clears it (socket(7)).
        let _ = sockopt::socket_error(self);
    }

    /// `SO_RCVBUF`, in bytes that the system reserves.
    pub(super) fn receive_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_recv_buffer_size(self)?)
    }

    /// `SO_SNDBUF`, in bytes that the system reserves.
    pub(super) fn send_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_send_buffer_size(self)?)
    }

    /// Asks for as much of `bytes` as there is room for. What the system then reserves, counts.
    pub(super) fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        let room = self.receive.resize(bytes.min(LARGEST_BUFFER));
        a_wish(sockopt::set_socket_recv_buffer_size(self, room / BOOKKEEPING))?;
        self.receive.resize(self.receive_buffer()?);
        Ok(())
    }

    /// The same for the buffer to send.
    pub(super) fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        let room = self.send.resize(bytes.min(LARGEST_BUFFER));
        a_wish(sockopt::set_socket_send_buffer_size(self, room / BOOKKEEPING))?;
        self.send.resize(self.send_buffer()?);
        Ok(())
    }
}

impl CountsDropped for RawSocket {
    fn dropped(&self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        return tells::dropped(&self.socket);
        #[cfg(not(target_os = "linux"))]
        None
    }
}

impl Drop for RawSocket {
    fn drop(&mut self) {
        self.reports.closed(self.dropped());
    }
}

impl Deref for RawSocket {
    type Target = UdpSocket;

    fn deref(&self) -> &UdpSocket {
        &self.socket
    }
}

#[cfg(unix)]
impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(windows)]
impl AsSocket for RawSocket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.socket.as_socket()
    }
}

/// Linux reserves, and reports, twice what is asked for (socket(7)).
pub(super) const BOOKKEEPING: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

/// The option's value is an int, which Linux doubles.
const LARGEST_BUFFER: usize = i32::MAX as usize;

/// "Any other value will never cause an error" (wasi:sockets/udp): the BSDs have one for what they
/// do not have.
fn a_wish(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::NOBUFS) => Ok(()),
        other => Ok(other?),
    }
}
