//! One datagram a call, over tokio: what every system has.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use tokio::io::Interest;

use super::{Outgoing, RawSocket, with_slots};

/// The largest payload that UDP's length field leaves room for (RFC 768).
const LARGEST: usize = u16::MAX as usize;

/// A socket, and its place in tokio's reactor.
#[derive(Debug)]
struct Registered {
    socket: Arc<RawSocket>,
    reactor: tokio::net::UdpSocket,
}

impl Registered {
    fn new(socket: Arc<RawSocket>) -> io::Result<Self> {
        // A descriptor of its own: a reactor knows each descriptor once, and both sides wait.
        let reactor = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        Ok(Self { socket, reactor })
    }

    /// One call, which tells the reactor where it would have blocked.
    fn call<T>(&self, interest: Interest, mut call: impl FnMut(&UdpSocket) -> io::Result<T>) -> io::Result<T> {
        let mut called = false;
        let result = self.reactor.try_io(interest, || {
            called = true;
            call(&self.socket)
        });
        // Where the reactor has not looked yet, it says "not ready" of a socket that is.
        if called { result } else { call(&self.socket) }
    }

    async fn ready(&self, interest: Interest) {
        // An error of the reactor's is one that the next call shows.
        let _ = self.reactor.ready(interest).await;
    }
}

/// A socket's receiving side.
#[derive(Debug)]
pub struct Receiver {
    registered: Registered,
    /// What ended a call that had something to return.
    kept: Option<io::Error>,
}

impl Receiver {
    pub fn new(socket: Arc<RawSocket>) -> io::Result<Self> {
        Ok(Self { registered: Registered::new(socket)?, kept: None })
    }

    pub fn try_receive(&mut self, limit: usize, take: &mut dyn FnMut(&[u8], SocketAddr)) -> io::Result<()> {
        if let Some(error) = self.kept.take() {
            return Err(error);
        }
        with_slots(LARGEST, |buffer| {
            for received in 0..limit {
                match self.registered.call(Interest::READABLE, |socket| socket.recv_from(buffer)) {
                    Ok((length, from)) => take(&buffer[..length], from),
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

    pub async fn readable(&self) {
        self.registered.ready(Interest::READABLE).await;
    }
}

/// A socket's sending side.
#[derive(Debug)]
pub struct Sender(Registered);

impl Sender {
    pub fn new(socket: Arc<RawSocket>) -> io::Result<Self> {
        Registered::new(socket).map(Self)
    }

    pub fn try_send(&mut self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        for (sent, datagram) in datagrams.iter().enumerate() {
            let result = self.0.call(Interest::WRITABLE, |socket| match datagram.to {
                Some(to) => socket.send_to(datagram.data, to),
                None => socket.send(datagram.data),
            });
            match result {
                Ok(_) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
        }
        Ok(datagrams.len())
    }

    pub async fn writable(&self) {
        self.0.ready(Interest::WRITABLE).await;
    }
}
