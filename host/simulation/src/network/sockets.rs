//! The sockets of all nodes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use foldhash::fast::FixedState;
use wasi_datagram::{Problem, Reports};

use crate::network::packet::Packet;
use crate::time::Time;
use crate::trace::NodeId;

/// The size of a socket's buffers unless the component sets another, in bytes: that of Linux
/// (`rmem_default`, socket(7)).
const BUFFER: usize = 212_992;

/// What a datagram takes of a buffer besides its payload, about as much as on Linux.
const OVERHEAD: usize = 512;

/// The identity of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SocketKey(u64);

/// The state of a socket.
pub(crate) struct Socket {
    pub(crate) node: NodeId,
    pub(crate) is_ipv4: bool,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) hop_limit: u8,
    pub(crate) receive_buffer: usize,
    pub(crate) send_buffer: usize,
    pub(crate) reports: Arc<Reports>,
    queue: VecDeque<Arrived>,
    /// The bytes in its receive buffer.
    bytes: usize,
    /// The number of datagrams that its buffer had no room for.
    dropped: u64,
    /// The error that its next `receive` returns.
    error: Option<SocketError>,
    readers: Vec<Waker>,
}

/// A datagram in a receive buffer.
pub(crate) struct Arrived {
    pub(crate) data: Arc<[u8]>,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) at: Time,
}

/// Why a datagram did not arrive, as its sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketError {
    /// No socket has the port.
    Refused,
    /// It exceeds the MTU of a link.
    TooLarge,
}

impl SocketError {
    fn problem(self) -> Problem {
        match self {
            Self::Refused => Problem::Refused,
            Self::TooLarge => Problem::TooLarge,
        }
    }
}

impl From<SocketError> for io::Error {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Refused => io::ErrorKind::ConnectionRefused.into(),
            // EMSGSIZE has no kind; its number is that of Linux.
            SocketError::TooLarge => Self::from_raw_os_error(90),
        }
    }
}

/// The message that a datagram did not arrive (ICMP).
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreachable {
    pub(super) node: NodeId,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) error: SocketError,
}

#[derive(Default)]
pub(crate) struct Sockets {
    open: HashMap<SocketKey, Socket, FixedState>,
    /// The sockets bound to each port of each node, in the order in which they were bound.
    bound: HashMap<(NodeId, u16), Vec<SocketKey>, FixedState>,
    opened: u64,
}

impl Sockets {
    pub(crate) fn open(&mut self, node: NodeId, is_ipv4: bool, reports: Arc<Reports>) -> SocketKey {
        let key = SocketKey(self.opened);
        self.opened += 1;
        let socket = Socket {
            node,
            is_ipv4,
            local: None,
            peer: None,
            hop_limit: 64,
            receive_buffer: BUFFER,
            send_buffer: BUFFER,
            reports,
            queue: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            error: None,
            readers: Vec::new(),
        };
        self.open.insert(key, socket);
        key
    }

    pub(crate) fn close(&mut self, key: SocketKey) {
        if let Some(socket) = self.open.remove(&key) {
            socket.reports.closed(Some(socket.dropped));
            if let Some(local) = socket.local
                && let Some(bound) = self.bound.get_mut(&(socket.node, local.port()))
            {
                bound.retain(|other| *other != key);
            }
        }
    }

    /// The state of a socket that is open.
    pub(crate) fn get(&mut self, key: SocketKey) -> io::Result<&mut Socket> {
        self.open.get_mut(&key).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether a socket of `node` could be bound to `local`.
    pub(crate) fn is_free(&self, node: NodeId, local: SocketAddr) -> bool {
        let bound = self.bound.get(&(node, local.port()));
        bound.into_iter().flatten().all(|key| {
            let other = self.open.get(key).and_then(|socket| socket.local);
            other.is_none_or(|other| {
                let same_family = other.is_ipv4() == local.is_ipv4();
                let overlaps = other.ip() == local.ip()
                    || other.ip().is_unspecified()
                    || local.ip().is_unspecified();
                !(same_family && overlaps)
            })
        })
    }

    pub(crate) fn bind(&mut self, key: SocketKey, local: SocketAddr) {
        if let Some(socket) = self.open.get_mut(&key) {
            socket.local = Some(local);
            self.bound.entry((socket.node, local.port())).or_default().push(key);
        }
    }

    /// The socket of `node` that `packet` is for: the one with the most specific address.
    pub(super) fn find(&self, node: NodeId, packet: &Packet) -> Option<SocketKey> {
        let bound = self.bound.get(&(node, packet.to.port()))?;
        let rank = |key: &&SocketKey| {
            let socket = self.open.get(key)?;
            let local = socket.local?;
            let is_for_it = local.ip() == packet.to.ip()
                || (local.ip().is_unspecified() && local.is_ipv4() == packet.to.is_ipv4());
            let is_from_peer = socket.peer.is_none_or(|peer| peer == packet.from);
            (is_for_it && is_from_peer)
                .then(|| (socket.peer.is_some(), !local.ip().is_unspecified()))
        };
        bound.iter().filter(|key| rank(key).is_some()).max_by_key(rank).copied()
    }

    pub(super) fn has_room(&self, key: SocketKey, bytes: usize) -> bool {
        self.open
            .get(&key)
            .is_some_and(|socket| socket.bytes + bytes + OVERHEAD <= socket.receive_buffer)
    }

    pub(super) fn queue(&mut self, key: SocketKey, packet: Packet, at: Time) {
        let Some(socket) = self.open.get_mut(&key) else { return };
        let Packet { from, to, data, .. } = packet;
        socket.bytes += data.len() + OVERHEAD;
        socket.queue.push_back(Arrived { data, from, to, at });
        socket.wake();
    }

    pub(super) fn drop_one(&mut self, key: SocketKey) {
        if let Some(socket) = self.open.get_mut(&key) {
            socket.dropped += 1;
        }
    }

    /// Tells the socket that sent a datagram that it did not arrive.
    pub(super) fn fail(&mut self, report: Unreachable) {
        let Unreachable { node, local, peer, error } = report;
        let bound = self.bound.get(&(node, local.port())).map_or(&[][..], Vec::as_slice);
        for key in bound {
            let Some(socket) = self.open.get_mut(key) else { continue };
            let ip = socket.local.map(|local| local.ip());
            if ip.is_some_and(|ip| ip != local.ip() && !ip.is_unspecified()) {
                continue;
            }
            // As Linux does: a connected socket returns it, and others report it.
            if socket.peer == Some(peer) {
                socket.error = Some(error);
                socket.wake();
            } else if socket.peer.is_none() {
                socket.reports.add(local.port(), peer, error.problem());
            }
        }
    }
}

impl Socket {
    fn wake(&mut self) {
        self.readers.drain(..).for_each(Waker::wake);
    }

    /// Has `waker` woken once there is something to receive.
    pub(crate) fn wait(&mut self, waker: Waker) {
        if !self.readers.iter().any(|known| known.will_wake(&waker)) {
            self.readers.push(waker);
        }
    }

    /// Whether there is something to receive.
    pub(crate) fn is_readable(&self) -> bool {
        self.error.is_some() || !self.queue.is_empty()
    }

    /// Takes the error that was reported for an earlier datagram.
    pub(crate) fn take_error(&mut self) -> Option<SocketError> {
        self.error.take()
    }

    /// Takes the first datagram of the receive buffer.
    pub(crate) fn take(&mut self) -> Option<Arrived> {
        let arrived = self.queue.pop_front()?;
        self.bytes -= arrived.data.len() + OVERHEAD;
        Some(arrived)
    }
}
