//! `udp-socket` of `wasi:sockets/types` (WASI 0.3): a socket with both of its halves.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime_wasi::p2::SocketResult;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use super::SocketContext;
use super::outgoing::Outgoing;
use super::socket::Socket;
use super::streams::Incoming;
use crate::family::Family;

/// The number of datagrams that are received without a wait, after which others get their turn: one
/// that always has some would otherwise keep the reactor from seeing anything else.
const STREAK: u32 = 64;

/// A UDP socket of a component of WASI 0.3.
pub struct Channel {
    socket: Socket,
    /// Its halves, once they are needed.
    halves: Option<Halves>,
    /// The number of datagrams received since the last wait.
    streak: u32,
    /// Held by the `send` that waits for room: those after it wait for their turn.
    turn: Arc<Mutex<()>>,
}

struct Halves {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Channel {
    /// Opens an unbound socket.
    pub(crate) fn new(family: Family, context: SocketContext) -> SocketResult<Self> {
        let socket = Socket::new(family, context)?;
        Ok(Self { socket, halves: None, streak: 0, turn: Arc::default() })
    }

    /// The socket itself, for its options.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// `bind`.
    pub(crate) fn bind(&mut self, local: SocketAddr) -> SocketResult<()> {
        if self.socket.is_bound() {
            return Err(ErrorCode::InvalidState.into());
        }
        self.socket.start_bind(local)?;
        self.socket.finish_bind()
    }

    /// Binds it to a free port, unless it is bound.
    pub(crate) fn bind_implicitly(&mut self) -> SocketResult<()> {
        if self.socket.is_bound() { Ok(()) } else { self.bind(self.socket.family().unspecified()) }
    }

    /// `connect`.
    pub(crate) fn connect(&mut self, peer: SocketAddr) -> SocketResult<()> {
        if !self.socket.family().is_destination(peer) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        self.bind_implicitly()?;
        self.associate(Some(peer))
    }

    /// `disconnect`.
    pub(crate) fn disconnect(&mut self) -> SocketResult<()> {
        self.socket.peer()?;
        self.associate(None)
    }

    fn associate(&mut self, peer: Option<SocketAddr>) -> SocketResult<()> {
        let associated = self.socket.associate(peer);
        if let Some(earlier) = self.halves.take() {
            drop(earlier.outgoing);
            self.halves()?.incoming.inherit(earlier.incoming);
        }
        associated
    }

    /// The receiving half of a bound socket.
    pub(crate) fn incoming(&mut self) -> SocketResult<&mut Incoming> {
        if self.socket.is_bound() {
            Ok(&mut self.halves()?.incoming)
        } else {
            Err(ErrorCode::InvalidState.into())
        }
    }

    /// The receiving half, if it is in use.
    pub(crate) fn incoming_in_use(&self) -> Option<&Incoming> {
        self.halves.as_ref().map(|halves| &halves.incoming)
    }

    /// The sending half, which binds the socket.
    pub(crate) fn outgoing(&mut self) -> SocketResult<&mut Outgoing> {
        self.bind_implicitly()?;
        Ok(&mut self.halves()?.outgoing)
    }

    /// The sending half, if it is in use.
    pub(crate) fn outgoing_in_use(&mut self) -> Option<&mut Outgoing> {
        self.halves.as_mut().map(|halves| &mut halves.outgoing)
    }

    fn halves(&mut self) -> SocketResult<&mut Halves> {
        let halves = match self.halves.take() {
            Some(halves) => halves,
            None => Halves { incoming: self.socket.incoming()?, outgoing: self.socket.outgoing()? },
        };
        Ok(self.halves.insert(halves))
    }

    /// Whose turn it is to wait for room.
    pub(crate) fn turn(&self) -> &Arc<Mutex<()>> {
        &self.turn
    }

    /// Records that a datagram is received at once; returns whether others get their turn first.
    pub(crate) fn is_turn_of_others(&mut self) -> bool {
        self.streak += 1;
        let is_over = self.streak > STREAK;
        if is_over {
            self.waits();
        }
        is_over
    }

    /// Records that a `receive` waits.
    pub(crate) fn waits(&mut self) {
        self.streak = 0;
    }
}
