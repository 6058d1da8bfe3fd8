//! One datagram per system call, over tokio, on every system.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::io::Interest;

#[cfg(target_os = "linux")]
use super::message::{receive_message, receive_plainly, send_one};
use super::{RawSocket, SLOT, with_slots};
#[cfg(not(target_os = "linux"))]
use crate::world::Received;
use crate::world::{Take, Transmit, Waiting};

/// A socket and its registration with tokio's reactor.
#[derive(Debug)]
struct Registered {
    socket: Arc<RawSocket>,
    reactor: tokio::net::UdpSocket,
}

impl Registered {
    fn new(socket: Arc<RawSocket>) -> io::Result<Self> {
        // A separate descriptor: the reactor registers each descriptor once, and both halves wait.
        let reactor = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        Ok(Self { socket, reactor })
    }

    /// Makes one call, after whose `WouldBlock` the reactor waits for readiness.
    fn call<T>(
        &self,
        interest: Interest,
        mut call: impl FnMut(&RawSocket) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut called = false;
        let result = self.reactor.try_io(interest, || {
            called = true;
            call(&self.socket)
        });
        // Before its first poll, the reactor considers every socket not ready.
        if called { result } else { call(&self.socket) }
    }

    /// Waits for readiness; returns whether there is an error to take.
    async fn ready(&self, interest: Interest) -> bool {
        // An error of the reactor's recurs in the next call.
        if self
            .reactor
            .ready(interest | Interest::ERROR)
            .await
            .is_ok_and(tokio::io::Ready::is_error)
        {
            // The next call takes it. If that would block, it clears only its own readiness.
            let taken = || Err::<(), _>(ErrorKind::WouldBlock.into());
            let _ = self.reactor.try_io(Interest::ERROR, taken);
            return true;
        }
        false
    }
}

/// The receiving half of a socket.
#[derive(Debug)]
pub(super) struct Receiver {
    registered: Arc<Registered>,
    /// The error that ended a call which had received something.
    kept: Option<io::Error>,
}

impl Receiver {
    pub(super) fn new(socket: Arc<RawSocket>) -> io::Result<Self> {
        Ok(Self { registered: Registered::new(socket)?.into(), kept: None })
    }

    pub(super) fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        if let Some(error) = self.kept.take() {
            return Err(error);
        }
        let tells = self.registered.socket.tells();
        with_slots(SLOT, |buffer| {
            for received in 0..limit {
                match self
                    .registered
                    .call(Interest::READABLE, |socket| receive_one(socket, tells, buffer, take))
                {
                    Ok(()) => {}
                    Err(error) if received == 0 => return Err(error),
                    Err(error) => {
                        self.kept = (error.kind() != ErrorKind::WouldBlock).then_some(error);
                        break;
                    }
                }
            }
            Ok(())
        })
    }

    pub(super) fn readable(&self) -> Waiting {
        let registered = self.registered.clone();
        Box::pin(async move {
            if registered.ready(Interest::READABLE).await {
                registered.socket.take_reports();
            }
        })
    }
}

#[cfg(target_os = "linux")]
fn receive_one(
    socket: &RawSocket,
    tells: bool,
    buffer: &mut [u8],
    take: &mut Take<'_>,
) -> io::Result<()> {
    if tells {
        receive_message(socket, buffer, take).map(|_| ())
    } else {
        receive_plainly(socket, buffer, take)
    }
}

#[cfg(not(target_os = "linux"))]
fn receive_one(
    socket: &RawSocket,
    _: bool,
    buffer: &mut [u8],
    take: &mut Take<'_>,
) -> io::Result<()> {
    let (length, from) = socket.recv_from(buffer)?;
    take(Received::new(&buffer[..length], from));
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn send_one(socket: &RawSocket, datagram: &Transmit<'_>) -> io::Result<()> {
    match datagram.to {
        Some(to) => socket.send_to(datagram.data, to),
        None => socket.send(datagram.data),
    }
    .map(|_| ())
}

/// The sending half of a socket.
#[derive(Debug)]
pub(super) struct Sender(Arc<Registered>);

impl Sender {
    pub(super) fn new(socket: Arc<RawSocket>) -> io::Result<Self> {
        Ok(Self(Registered::new(socket)?.into()))
    }

    pub(super) fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        for (sent, datagram) in datagrams.iter().enumerate() {
            let send = |socket: &RawSocket| send_one(socket, datagram);
            match self.0.call(Interest::WRITABLE, send) {
                Ok(()) => {}
                Err(error) if sent == 0 => return Err(error),
                // The error of an earlier datagram: this one has not been tried.
                Err(error)
                    if self.0.socket.reports(&error)
                        && self.0.call(Interest::WRITABLE, send).is_ok() => {}
                Err(_) => return Ok(sent),
            }
        }
        Ok(datagrams.len())
    }

    pub(super) fn writable(&self) -> Waiting {
        let registered = self.0.clone();
        Box::pin(async move {
            registered.ready(Interest::WRITABLE).await;
        })
    }
}
