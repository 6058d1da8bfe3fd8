//! A UDP socket: `wasi:sockets/types`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::error::{ErrorCode, NetError};
use crate::p3::bindings::wasi::clocks::monotonic_clock;
use crate::p3::bindings::wasi::sockets::types::{
    self, IpAddressFamily, IpSocketAddress, UdpSocket,
};
use crate::p3::poll::{Pollable, block_on, taken};

/// The maximum time for which a ping waits for room in the socket, in nanoseconds: much longer than
/// a runtime takes to check one.
const A_MOMENT: u64 = 10_000_000;

/// A received datagram.
#[derive(Debug)]
pub struct IncomingDatagram {
    /// The payload.
    pub data: Vec<u8>,
    /// The source address.
    pub remote_address: IpSocketAddress,
}

/// A datagram to send.
#[derive(Clone, Debug)]
pub struct OutgoingDatagram {
    /// The payload.
    pub data: Vec<u8>,
    /// The destination, unless it is the peer that the socket is connected to.
    pub remote_address: Option<IpSocketAddress>,
}

/// A bound socket that is not connected.
#[derive(Debug)]
pub struct Bound(UdpSocket);

impl Bound {
    /// Binds a new socket to `local`. An IPv6 socket never receives IPv4 traffic.
    pub fn new(local: SocketAddr) -> Result<Self, NetError> {
        let family = if local.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 };
        let socket = UdpSocket::create(family)?;
        socket.bind(local.into())?;
        Ok(Self(socket))
    }

    /// Sets the TTL, or hop limit, of sent datagrams.
    pub fn set_hop_limit(&self, hops: u8) -> Result<(), NetError> {
        Ok(self.0.set_unicast_hop_limit(hops)?)
    }

    /// Requests a receive buffer of this many bytes. The system may provide less.
    pub fn set_receive_buffer(&self, bytes: u64) -> Result<(), NetError> {
        Ok(self.0.set_receive_buffer_size(bytes)?)
    }

    /// Opens it: connected to `peer`, or for any peer.
    pub fn open(self, peer: Option<SocketAddr>) -> Result<Channel, NetError> {
        if let Some(peer) = peer {
            self.0.connect(peer.into())?;
        }
        let (socket, received) = (Rc::new(self.0), Rc::<RefCell<Option<Received>>>::default());
        let local = socket.get_local_address()?.into();
        let (of_call, slot) = (socket.clone(), Rc::clone(&received));
        let of_pollable = Rc::clone(&received);
        let readable = Pollable::repeating(move || of_pollable.borrow().is_some(), async move {
            loop {
                let received = of_call.receive().await;
                slot.replace(Some(received));
                taken(|| slot.borrow().is_some()).await;
            }
        });
        Ok(Channel { readable, received, socket, local })
    }
}

type Received = Result<(Vec<u8>, IpSocketAddress), types::ErrorCode>;

/// An open socket.
#[derive(Debug)]
pub struct Channel {
    readable: Pollable,
    /// What `receive` has returned and was not taken.
    received: Rc<RefCell<Option<Received>>>,
    socket: Rc<UdpSocket>,
    local: SocketAddr,
}

impl Channel {
    /// Returns the address that it is bound to.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Returns a pollable that is ready when [`Self::receive`] has a datagram or an error.
    pub fn readable(&self) -> &Pollable {
        &self.readable
    }

    /// Receives up to `max` datagrams, or none if there are none. An error, such as an ICMP
    /// message, leaves the socket usable.
    ///
    /// After one that returns `max`, no call waits for the next.
    pub fn receive(&self, max: u64) -> Result<Vec<IncomingDatagram>, NetError> {
        let mut datagrams = Vec::new();
        while (datagrams.len() as u64) < max && self.readable.ready() {
            match self.received.take() {
                Some(Ok((data, from))) => {
                    datagrams.push(IncomingDatagram { data, remote_address: from });
                }
                Some(Err(code)) if datagrams.is_empty() => return Err(code.into()),
                // For the next call.
                Some(error) => {
                    self.received.replace(Some(error));
                    break;
                }
                None => break,
            }
        }
        Ok(datagrams)
    }

    /// As [`Self::receive`], datagrams of one arrival, under a host that tells its time: one, since each
    /// may have another.
    pub fn receive_arrival(&self, _: u64) -> Result<Vec<IncomingDatagram>, NetError> {
        self.receive(1)
    }

    /// Does nothing: there is nothing to do in advance.
    pub fn prepare(&self) {}

    /// Sends `data` to `peer`, which must be the connected peer, if there is one. Waits for room in
    /// the socket, but no longer than `A_MOMENT`.
    ///
    /// An ICMP error that was returned for an earlier datagram is reported by the next send, which
    /// then sends nothing (Linux: `SO_ERROR`). It does not concern this datagram, so the send is
    /// tried again.
    pub fn send_to(&self, peer: SocketAddr, data: &[u8]) -> Result<(), NetError> {
        match self.send_soon(peer, data) {
            Err(NetError(ErrorCode::ConnectionRefused)) => self.send_soon(peer, data),
            other => other,
        }
    }

    fn send_soon(&self, peer: SocketAddr, data: &[u8]) -> Result<(), NetError> {
        let mut call = pin!(self.socket.send(data.to_vec(), Some(peer.into())));
        if let Poll::Ready(sent) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Ok(sent?);
        }
        let sent = block_on(async {
            let mut moment = pin!(monotonic_clock::wait_for(A_MOMENT));
            poll_fn(|context| match call.as_mut().poll(context) {
                Poll::Ready(sent) => Poll::Ready(Some(sent)),
                Poll::Pending => moment.as_mut().poll(context).map(|()| None),
            })
            .await
        });
        sent.map_or(Err(ErrorCode::WouldBlock.into()), |sent| Ok(sent?))
    }

    /// Sends all of `datagrams`, waiting for room if necessary, and calls `done` with each in turn
    /// and its result. One that the socket does not accept does not prevent those after it.
    ///
    /// `depart` is called right before each call with the datagram that it takes.
    pub fn send_all(
        &self,
        datagrams: &mut [OutgoingDatagram],
        mut depart: impl FnMut(&mut [OutgoingDatagram]),
        mut done: impl FnMut(&OutgoingDatagram, Result<(), NetError>),
    ) {
        for datagram in datagrams {
            depart(std::slice::from_mut(datagram));
            let call = self.socket.send(datagram.data.clone(), datagram.remote_address);
            let mut call = pin!(call);
            let sent = match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(sent) => sent,
                Poll::Pending => block_on(call),
            };
            done(datagram, sent.map_err(Into::into));
        }
    }
}

impl From<types::ErrorCode> for NetError {
    fn from(code: types::ErrorCode) -> Self {
        Self(code.into())
    }
}
