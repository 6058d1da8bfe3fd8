//! A socket's descriptor, whose buffers are allocated from a limit.

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
use super::{stamps, tells};
use crate::buffers::{Buffers, Share};
use crate::reports::{CountsDropped, Reports};

/// A descriptor, the shares of its buffers, and what it reports beside datagrams.
#[derive(Debug)]
pub(super) struct RawSocket {
    socket: UdpSocket,
    receive: Share,
    send: Share,
    reports: Arc<Reports>,
    /// Whether each datagram carries the local address that it was sent to.
    tells_local: AtomicBool,
    /// Converts the times of arrival; `None` if they are not asked for.
    #[cfg(target_os = "linux")]
    stamps: Option<Arc<stamps::Stamps>>,
    /// Whether each datagram carries its time of arrival.
    #[cfg(target_os = "linux")]
    tells_time: AtomicBool,
    /// Whether returned errors are attributed to their datagrams (`IP_RECVERR`).
    tells_errors: AtomicBool,
}

impl RawSocket {
    /// Wraps `socket`, shrinks its buffers to what is left of `buffers`, and reports its errors to
    /// `reports`.
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
            #[cfg(target_os = "linux")]
            stamps: None,
            #[cfg(target_os = "linux")]
            tells_time: AtomicBool::new(false),
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

    /// Asks for times of arrival, from [`Self::tell`] on.
    #[cfg(target_os = "linux")]
    pub(super) fn ask_for_times(&mut self, stamps: &Arc<stamps::Stamps>) {
        self.stamps = Some(stamps.clone());
    }

    /// Enables ancillary data and error reports for the unconnected socket, which is or will be
    /// bound to `local`.
    pub(super) fn tell(&self, local: SocketAddr) {
        #[cfg(target_os = "linux")]
        {
            // A socket bound to a specific address replies from that.
            let tells_local = local.ip().is_unspecified()
                && tells::local_addresses(&self.socket, local.is_ipv4());
            self.tells_local.store(tells_local, Ordering::Relaxed);
            if let Some(stamps) = &self.stamps {
                let tells_time = tells::times(&self.socket);
                self.tells_time.store(tells_time, Ordering::Relaxed);
                if !tells_time {
                    stamps.refuse();
                }
            }
            self.tell_errors(local.is_ipv4(), true);
        }
        let _ = local;
    }

    /// Enables or disables the attribution of errors to datagrams, which a connected socket does
    /// not need.
    pub(super) fn tell_errors(&self, is_v4: bool, wanted: bool) {
        #[cfg(target_os = "linux")]
        self.tells_errors
            .store(tells::errors(&self.socket, is_v4, wanted) && wanted, Ordering::Relaxed);
        let _ = (is_v4, wanted);
    }

    /// Whether each datagram carries the local address that it was sent to.
    pub(super) fn tells_local(&self) -> bool {
        self.tells_local.load(Ordering::Relaxed)
    }

    /// Whether datagrams carry anything.
    pub(super) fn tells(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.tells_local() || self.tells_time.load(Ordering::Relaxed);
        #[cfg(not(target_os = "linux"))]
        self.tells_local()
    }

    /// The conversion of the times of arrival of what was received just now.
    #[cfg(target_os = "linux")]
    pub(super) fn conversion(&self) -> Option<stamps::Conversion> {
        let stamps = self.stamps.as_ref().filter(|_| self.tells_time.load(Ordering::Relaxed))?;
        Some(stamps.now())
    }

    /// Whether a call failed with `error` because of earlier datagrams: the error has been
    /// reported, and the call is to be made again.
    pub(super) fn reports(&self, error: &io::Error) -> bool {
        // Also if the error queue was full, so that there is no more to read.
        error.kind() != io::ErrorKind::WouldBlock
            && self.tells_errors.load(Ordering::Relaxed)
            && (self.take_reports() || error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Reports returned errors, of which no call may have failed: a call that sends several
    /// datagrams does not return them. Returns whether there were any.
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

    /// Reports returned errors, so that no later call fails with them.
    pub(super) fn settle_errors(&self) {
        self.take_reports();
        // Reading `SO_ERROR` clears it (socket(7)).
        let _ = sockopt::socket_error(self);
    }

    /// `SO_RCVBUF`: the bytes that the system reserves.
    pub(super) fn receive_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_recv_buffer_size(self)?)
    }

    /// `SO_SNDBUF`: the bytes that the system reserves.
    pub(super) fn send_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_send_buffer_size(self)?)
    }

    /// Requests up to `bytes` bytes, as far as the limit allows. What the system then reserves
    /// counts towards the limit.
    pub(super) fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        let room = self.receive.resize(bytes.min(LARGEST_BUFFER));
        a_wish(sockopt::set_socket_recv_buffer_size(self, room / BOOKKEEPING))?;
        self.receive.resize(self.receive_buffer()?);
        Ok(())
    }

    /// As [`Self::set_receive_buffer`], for the send buffer.
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

/// The ratio of reserved to requested bytes: Linux reserves and reports twice what was requested
/// (socket(7)).
pub(super) const BOOKKEEPING: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

/// The maximum of the option, an int, which Linux doubles.
const LARGEST_BUFFER: usize = i32::MAX as usize;

/// "Any other value will never cause an error" (wasi:sockets/udp): the BSDs return one for sizes
/// that they cannot provide.
fn a_wish(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::NOBUFS) => Ok(()),
        other => Ok(other?),
    }
}
