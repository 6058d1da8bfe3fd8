//! A node of the virtual network as the [`World`] of a component.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use bytesize::ByteSize;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use wasi_datagram::{
    Buffers, Family, KeptSocket, Received, Receiver, Reports, Sender, Take, Timer, Transmit,
    UdpSocket, Waiting, World,
};
use wasmtime_wasi::async_trait;

use crate::network::{Network, SocketError, SocketKey, SocketState};
use crate::time::Time;
use crate::trace::NodeId;

/// The world of a component that runs on a node.
pub struct NodeWorld {
    network: Arc<Network>,
    node: NodeId,
    reports: Arc<Reports>,
    buffers: Arc<Buffers>,
    random: Mutex<ChaCha8Rng>,
}

/// The memory for datagrams that wait for a component, and the number of its sockets.
const BUFFERS: (ByteSize, usize) = (ByteSize::mib(128), 256);

impl NodeWorld {
    /// Creates the world of the next component that runs on `node`. Its random bytes are drawn from
    /// `seed`, the node and `start`, the number of components that ran there before.
    pub fn new(network: Arc<Network>, node: NodeId, seed: u64, start: u32) -> Arc<Self> {
        let key = Sha256::new()
            .chain_update(b"wasi:random")
            .chain_update(seed.to_le_bytes())
            .chain_update(node.0.to_le_bytes())
            .chain_update(start.to_le_bytes());
        Arc::new(Self {
            network,
            node,
            reports: Reports::new(),
            buffers: Buffers::new(BUFFERS.0, BUFFERS.1),
            random: Mutex::new(ChaCha8Rng::from_seed(key.finalize().into())),
        })
    }

    /// The node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }
}

impl fmt::Debug for NodeWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeWorld").field("node", &self.node).finish_non_exhaustive()
    }
}

#[async_trait]
impl World for NodeWorld {
    fn open(&self, family: Family) -> io::Result<Box<dyn UdpSocket>> {
        let is_ipv4 = family == Family::V4;
        let key = self.network.state().sockets.open(self.node, is_ipv4, self.reports.clone());
        let network = self.network.clone();
        let handle = Arc::new(Handle { network, node: self.node, key });
        Ok(Box::new(NodeSocket { handle, family }))
    }

    fn now(&self) -> Instant {
        self.network.read_clock(self.node)
    }

    fn wall_clock(&self) -> SystemTime {
        self.network.read_wall_clock(self.node)
    }

    fn records_arrivals(&self) -> bool {
        true
    }

    fn arrival_resolution(&self) -> Duration {
        Duration::ZERO
    }

    fn timer(&self, at: Instant) -> Box<dyn Timer> {
        let at = self.network.time(at);
        Box::new(NodeTimer::new(self.network.clone(), self.node, at))
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        // No panic while the lock is held leaves the generator inconsistent.
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
        Ok(())
    }

    fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    async fn yield_now(&self) {
        yield_now().await;
    }
}

/// Lets what else can run at this instant run.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A timer on virtual time.
pub(crate) struct NodeTimer {
    network: Arc<Network>,
    node: NodeId,
    at: Time,
    /// Its event, while it is waited for.
    key: Option<(Time, u64)>,
}

impl NodeTimer {
    pub(crate) fn new(network: Arc<Network>, node: NodeId, at: Time) -> Self {
        Self { network, node, at, key: None }
    }

    fn disarm(&mut self) {
        if let Some(key) = self.key.take() {
            self.network.forget(key);
        }
    }
}

#[async_trait]
impl Timer for NodeTimer {
    async fn expired(&mut self) {
        /// Removes the event of a wait that is dropped.
        struct Armed<'a>(&'a mut NodeTimer);

        impl Drop for Armed<'_> {
            fn drop(&mut self) {
                self.0.disarm();
            }
        }

        let armed = Armed(self);
        poll_fn(|context| {
            let timer = &mut *armed.0;
            // A component that asks whether it is time, again and again, reads a clock.
            let now = timer.network.time(timer.network.read_clock(timer.node));
            if now >= timer.at {
                return Poll::Ready(());
            }
            timer.disarm();
            timer.key = Some(timer.network.wake_at(timer.at, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Drop for NodeTimer {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// A socket, which is closed once nothing refers to it.
struct Handle {
    network: Arc<Network>,
    node: NodeId,
    key: SocketKey,
}

impl Handle {
    fn with<T>(&self, f: impl FnOnce(&mut SocketState) -> T) -> io::Result<T> {
        self.network.state().sockets.get(self.key).map(f)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.network.state().sockets.close(self.key);
    }
}

struct NodeSocket {
    handle: Arc<Handle>,
    family: Family,
}

impl UdpSocket for NodeSocket {
    fn bind(&mut self, local: SocketAddr) -> io::Result<()> {
        let Handle { network, node, key } = &*self.handle;
        let mut state = network.state();
        if !state.has_address(*node, local.ip()) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let mut chosen = local;
        if local.port() == 0 {
            // Each port once.
            let port = (0..u16::MAX).find_map(|_| {
                let port = state.node_mut(*node).next_port();
                let is_free = state.sockets.is_free(*node, SocketAddr::new(local.ip(), port));
                is_free.then_some(port)
            });
            chosen.set_port(port.ok_or(ErrorKind::AddrInUse)?);
        } else if !state.sockets.is_free(*node, local) {
            return Err(ErrorKind::AddrInUse.into());
        }
        state.sockets.bind(*key, chosen);
        Ok(())
    }

    fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        let Handle { network, node, key } = &*self.handle;
        let mut state = network.state();
        if state.source(*node, peer.ip()).is_none() {
            return Err(ErrorKind::NetworkUnreachable.into());
        }
        state.sockets.get(*key)?.peer = Some(peer);
        Ok(())
    }

    fn disconnect(&mut self) -> io::Result<()> {
        self.handle.with(|socket| socket.peer = None)
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        let Handle { network, node, key } = &*self.handle;
        let mut state = network.state();
        let socket = state.sockets.get(*key)?;
        let (local, peer) = (socket.local.unwrap_or(self.family.unspecified()), socket.peer);
        let source = peer.and_then(|peer| state.source(*node, peer.ip()));
        Ok(match source {
            // As after connect(2).
            Some(ip) if local.ip().is_unspecified() => SocketAddr::new(ip, local.port()),
            _ => local,
        })
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.handle.with(|socket| socket.peer).ok().flatten()
    }

    fn tells_local(&self) -> bool {
        let local = self.handle.with(|socket| socket.local).ok().flatten();
        local.is_none_or(|local| local.ip().is_unspecified())
    }

    fn hop_limit(&self) -> io::Result<u8> {
        self.handle.with(|socket| socket.hop_limit)
    }

    fn set_hop_limit(&self, hops: u8) -> io::Result<()> {
        self.handle.with(|socket| socket.hop_limit = hops)
    }

    fn receive_buffer_size(&self) -> io::Result<usize> {
        self.handle.with(|socket| socket.receive_buffer)
    }

    fn set_receive_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        self.handle.with(|socket| socket.receive_buffer = bytes)
    }

    fn send_buffer_size(&self) -> io::Result<usize> {
        self.handle.with(|socket| socket.send_buffer)
    }

    fn set_send_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        self.handle.with(|socket| socket.send_buffer = bytes)
    }

    fn receiver(&self) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(NodeReceiver(self.handle.clone())))
    }

    fn sender(&self) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(NodeSender(self.handle.clone())))
    }

    fn keep(&self) -> KeptSocket {
        self.handle.clone()
    }

    fn adopt(&mut self, kept: KeptSocket) -> io::Result<()> {
        let kept: Arc<Handle> = kept.downcast().map_err(|_| ErrorKind::InvalidInput)?;
        if kept.with(|socket| socket.is_ipv4)? != (self.family == Family::V4) {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.handle = kept;
        Ok(())
    }
}

struct NodeReceiver(Arc<Handle>);

impl Receiver for NodeReceiver {
    fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        let Handle { network, node, key } = &*self.0;
        let mut state = network.state();
        let socket = state.sockets.get(*key)?;
        if let Some(error) = socket.take_error() {
            return Err(error.into());
        }
        let is_bound_to_any = socket.local.is_none_or(|local| local.ip().is_unspecified());
        let mut count = 0;
        while count < limit
            && let Some(arrived) = socket.take()
        {
            count += 1;
            let local = wasi_datagram::Local { ip: arrived.to.ip(), interface: 0 };
            take(Received {
                to: is_bound_to_any.then_some(local),
                arrived: Some(network.instant(arrived.at)),
                ..Received::new(&arrived.data, arrived.from)
            });
        }
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.node_mut(*node).has_received(count);
        Ok(())
    }

    fn readable(&self) -> Waiting {
        let handle = self.0.clone();
        Box::pin(poll_fn(move |context| match handle.network.state().sockets.get(handle.key) {
            Ok(socket) if !socket.is_readable() => {
                socket.wait(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }))
    }
}

struct NodeSender(Arc<Handle>);

/// The largest payload of a UDP datagram over IPv4 and over IPv6, in bytes.
const LARGEST: [usize; 2] = [65_507, 65_527];

impl Sender for NodeSender {
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let Handle { network, node, key } = &*self.0;
        let mut state = network.state();
        let socket = state.sockets.get(*key)?;
        if let Some(error) = socket.take_error() {
            return Err(error.into());
        }
        let (local, peer) = (socket.local, socket.peer);
        for (sent, Transmit { data, to, from }) in datagrams.iter().enumerate() {
            let mut sends = || {
                let to = to.or(peer).ok_or(ErrorKind::NotConnected)?;
                if data.len() > LARGEST[usize::from(to.is_ipv6())] {
                    return Err(SocketError::TooLarge.into());
                }
                let local = local.ok_or(ErrorKind::NotConnected)?;
                let bound = (!local.ip().is_unspecified()).then_some(local.ip());
                let given = from.map(|from| from.ip);
                let ip = bound.or(given).or_else(|| state.source(*node, to.ip()));
                let ip = ip.ok_or(ErrorKind::NetworkUnreachable)?;
                if !state.has_address(*node, ip) {
                    return Err(ErrorKind::AddrNotAvailable.into());
                }
                state.send(*node, SocketAddr::new(ip, local.port()), to, data);
                Ok(())
            };
            match sends() {
                Ok(()) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
        }
        Ok(datagrams.len())
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn writable(&mut self) -> Waiting {
        Box::pin(std::future::ready(()))
    }
}
