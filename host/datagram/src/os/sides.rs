//! The two halves of a socket, each batched or portable.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::RawSocket;
#[cfg(target_os = "linux")]
use super::batched;
use super::portable;
use crate::tuning::Tuning;
use crate::world::{self, Take, Transmit, Waiting};

/// How often a call is retried after it failed with errors of earlier datagrams: more may arrive as
/// fast as they are read.
const REPORTS: usize = 16;

/// Makes `call`, again as long as it fails with errors of earlier datagrams, which `socket`
/// reports.
fn reporting<T>(socket: &RawSocket, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..REPORTS {
        match call() {
            Err(error) if socket.reports(&error) => {}
            result => return result,
        }
    }
    Err(ErrorKind::WouldBlock.into())
}

/// The receiving half of a socket, registered with the reactor.
#[derive(Debug)]
pub(super) struct Receiver {
    socket: Arc<RawSocket>,
    way: Receiving,
}

#[derive(Debug)]
enum Receiving {
    /// By `recvmmsg` and `UDP_GRO`.
    #[cfg(target_os = "linux")]
    Batched(batched::Receiver),
    /// One datagram per call.
    Portable(portable::Receiver),
}

impl Receiver {
    /// Creates the receiving half of `socket`.
    pub(super) fn new(socket: Arc<RawSocket>, tuning: Tuning) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if tuning.batch.get() > 1 {
            let way = Receiving::Batched(batched::Receiver::new(socket.clone(), tuning)?);
            return Ok(Self { socket, way });
        }
        let _ = tuning;
        let way = Receiving::Portable(portable::Receiver::new(socket.clone())?);
        Ok(Self { socket, way })
    }
}

impl world::Receiver for Receiver {
    fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        let Self { socket, way } = self;
        reporting(socket, || match way {
            #[cfg(target_os = "linux")]
            Receiving::Batched(receiver) => receiver.try_receive(limit, take),
            Receiving::Portable(receiver) => receiver.try_receive(limit, take),
        })
    }

    fn waits_first(&self) -> bool {
        match &self.way {
            #[cfg(target_os = "linux")]
            Receiving::Batched(receiver) => receiver.waits_first(),
            Receiving::Portable(_) => false,
        }
    }

    fn readable(&self) -> Waiting {
        match &self.way {
            #[cfg(target_os = "linux")]
            Receiving::Batched(receiver) => receiver.readable(),
            Receiving::Portable(receiver) => receiver.readable(),
        }
    }
}

/// The sending half of a socket.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Arc<RawSocket>,
    way: Sending,
}

#[derive(Debug)]
enum Sending {
    /// By `sendmmsg` and `UDP_SEGMENT`.
    #[cfg(target_os = "linux")]
    Batched(batched::Sender),
    /// One datagram per call.
    Portable(portable::Sender),
}

impl Sender {
    /// Creates the sending half of `socket`.
    pub(super) fn new(socket: Arc<RawSocket>, tuning: Tuning) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if tuning.batch.get() > 1 {
            let way = Sending::Batched(batched::Sender::new(socket.clone(), tuning));
            return Ok(Self { socket, way });
        }
        let _ = tuning;
        let way = Sending::Portable(portable::Sender::new(socket.clone())?);
        Ok(Self { socket, way })
    }
}

impl world::Sender for Sender {
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let Self { socket, way } = self;
        // The error may be an earlier datagram's (`SO_ERROR`), in which case this one was not sent.
        reporting(socket, || match way {
            #[cfg(target_os = "linux")]
            Sending::Batched(sender) => sender.try_send(datagrams),
            Sending::Portable(sender) => sender.try_send(datagrams),
        })
    }

    fn is_writable(&self) -> bool {
        let mut asked = [PollFd::new(&*self.socket, PollFlags::OUT)];
        // If poll(2) fails, sending returns the cause.
        poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }

    fn writable(&mut self) -> Waiting {
        match &mut self.way {
            #[cfg(target_os = "linux")]
            Sending::Batched(sender) => sender.writable(),
            Sending::Portable(sender) => sender.writable(),
        }
    }
}
