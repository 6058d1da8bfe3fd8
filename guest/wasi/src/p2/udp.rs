//! A UDP socket with its two streams: `wasi:sockets/udp`.

use std::cell::Cell;
use std::net::SocketAddr;

use crate::error::NetError;
use crate::p2::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use crate::p2::bindings::wasi::sockets::instance_network::instance_network;
use crate::p2::bindings::wasi::sockets::network::{ErrorCode, IpAddressFamily};
use crate::p2::bindings::wasi::sockets::udp::{
    IncomingDatagramStream, OutgoingDatagramStream, UdpSocket,
};
use crate::p2::bindings::wasi::sockets::udp_create_socket::create_udp_socket;
use crate::p2::poll::{Pollable, poll};

pub use crate::p2::bindings::wasi::sockets::udp::{IncomingDatagram, OutgoingDatagram};

/// The maximum time for which a ping waits for room in the socket, in nanoseconds: much longer than
/// a runtime takes to check one.
const A_MOMENT: u64 = 10_000_000;

/// A bound socket without streams.
#[derive(Debug)]
pub struct Bound(UdpSocket);

impl Bound {
    /// Binds a new socket to `local`. An IPv6 socket never receives IPv4 traffic
    /// (`wasi:sockets/udp-create-socket`).
    pub fn new(local: SocketAddr) -> Result<Self, NetError> {
        let family = if local.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 };
        let socket = create_udp_socket(family)?;
        socket.start_bind(&instance_network(), local.into())?;
        loop {
            match socket.finish_bind() {
                Ok(()) => return Ok(Self(socket)),
                Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
                Err(code) => return Err(code.into()),
            }
        }
    }

    /// Sets the TTL, or hop limit, of sent datagrams.
    pub fn set_hop_limit(&self, hops: u8) -> Result<(), NetError> {
        Ok(self.0.set_unicast_hop_limit(hops)?)
    }

    /// Requests a receive buffer of this many bytes. The system may provide less.
    pub fn set_receive_buffer(&self, bytes: u64) -> Result<(), NetError> {
        Ok(self.0.set_receive_buffer_size(bytes)?)
    }

    /// Opens the streams: connected to `peer`, or for any peer.
    pub fn open(self, peer: Option<SocketAddr>) -> Result<Channel, NetError> {
        let (incoming, outgoing) = self.0.stream(peer.map(Into::into))?;
        let local = self.0.local_address()?.into();
        let permitted = Cell::new(0);
        Ok(Channel {
            readable: incoming.subscribe(),
            incoming,
            outgoing,
            permitted,
            local,
            _socket: self.0,
        })
    }
}

/// A socket with its streams. Fields are in the order in which they must be dropped: children
/// first.
#[derive(Debug)]
pub struct Channel {
    readable: Pollable,
    incoming: IncomingDatagramStream,
    outgoing: OutgoingDatagramStream,
    /// The number of datagrams that the last `check-send` permitted, until a `send` uses it.
    permitted: Cell<usize>,
    local: SocketAddr,
    _socket: UdpSocket,
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
    pub fn receive(&self, max: u64) -> Result<Vec<IncomingDatagram>, NetError> {
        Ok(self.incoming.receive(max)?)
    }

    /// As [`Self::receive`], datagrams of one arrival, under a host that tells its time.
    pub fn receive_arrival(&self, max: u64) -> Result<Vec<IncomingDatagram>, NetError> {
        self.receive(max)
    }

    /// Calls `check-send` in advance: between reading the time for a ping and sending it, nothing
    /// else should happen.
    pub fn prepare(&self) {
        // The send repeats the call, and gets an error again.
        let _ = self.permits();
    }

    fn permits(&self) -> Result<usize, NetError> {
        if self.permitted.get() == 0 {
            self.permitted.set(usize::try_from(self.outgoing.check_send()?).unwrap_or(usize::MAX));
        }
        Ok(self.permitted.get())
    }

    /// Sends `data` to `peer`, which must be the connected peer, if there is one. Waits for room in
    /// the socket, but no longer than `A_MOMENT`.
    ///
    /// An ICMP error that was returned for an earlier datagram is reported by the next send, which
    /// then sends nothing (Linux: `SO_ERROR`). It does not concern this datagram, so the send is
    /// tried again.
    pub fn send_to(&self, peer: SocketAddr, data: &[u8]) -> Result<(), NetError> {
        let datagram =
            [OutgoingDatagram { data: data.to_vec(), remote_address: Some(peer.into()) }];
        let sent = match self.send_now(&datagram) {
            Err(NetError(ErrorCode::ConnectionRefused)) => self.send_now(&datagram),
            other => other,
        };
        let sent = match sent {
            // A runtime that has not checked the socket yet, such as wasmtime 36, permits nothing
            // before it was waited for.
            Err(NetError(ErrorCode::WouldBlock)) => {
                poll(&[&self.outgoing.subscribe(), &subscribe_duration(A_MOMENT)]);
                self.send_now(&datagram)
            }
            other => other,
        };
        sent.map(|_| ())
    }

    /// Sends all of `datagrams`, waiting for room if necessary, and calls `done` with each in turn
    /// and its result. One that the socket does not accept does not prevent those after it.
    ///
    /// `depart` is called right before each system call with the datagrams that it should take;
    /// those that it does not take are passed again.
    pub fn send_all(
        &self,
        datagrams: &mut [OutgoingDatagram],
        mut depart: impl FnMut(&mut [OutgoingDatagram]),
        mut done: impl FnMut(&OutgoingDatagram, Result<(), NetError>),
    ) {
        let mut rest = datagrams;
        while !rest.is_empty() {
            let sent = self.permits().and_then(|permitted| {
                let next = permitted.min(rest.len());
                depart(&mut rest[..next]);
                self.send_now(&rest[..next])
            });
            let over = match sent {
                Ok(count) => {
                    rest[..count].iter().for_each(|datagram| done(datagram, Ok(())));
                    count
                }
                Err(NetError(ErrorCode::WouldBlock)) => {
                    self.outgoing.subscribe().block();
                    0
                }
                Err(error) => {
                    done(&rest[0], Err(error));
                    1
                }
            };
            rest = &mut rest[over..];
        }
    }

    /// Sends as many of `datagrams` as the socket accepts now, at least one. Sending more than
    /// `check-send` permits traps.
    fn send_now(&self, datagrams: &[OutgoingDatagram]) -> Result<usize, NetError> {
        let permitted = self.permits()?;
        if permitted == 0 {
            return Err(ErrorCode::WouldBlock.into());
        }
        self.permitted.set(0);
        match self.outgoing.send(&datagrams[..permitted.min(datagrams.len())])? {
            0 => Err(ErrorCode::WouldBlock.into()),
            #[expect(clippy::cast_possible_truncation, reason = "no more than were handed over")]
            count => Ok(count as usize),
        }
    }
}
