//! A socket's descriptor, whose buffers draw on an allowance.

use std::io;
use std::net::UdpSocket;
use std::ops::Deref;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::sockopt;

use crate::udp::buffers::{Buffers, Share};

/// A descriptor, and what its buffers take.
#[derive(Debug)]
pub struct RawSocket {
    socket: UdpSocket,
    receive: Share,
    send: Share,
}

impl RawSocket {
    /// `socket`, whose buffers shrink to what there is room for.
    pub fn new(socket: UdpSocket, buffers: &Arc<Buffers>) -> io::Result<Self> {
        let raw = Self { socket, receive: Share::of_socket(buffers), send: Share::of_socket(buffers) };
        let (receive, send) = (raw.receive_buffer()?, raw.send_buffer()?);
        if raw.receive.resize(receive) < receive {
            raw.set_receive_buffer(receive)?;
        }
        if raw.send.resize(send) < send {
            raw.set_send_buffer(send)?;
        }
        Ok(raw)
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

/// "Any other value will never cause an error" (wasi:sockets/udp): the BSDs have one for what they do not have.
fn a_wish(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::NOBUFS) => Ok(()),
        other => Ok(other?),
    }
}
