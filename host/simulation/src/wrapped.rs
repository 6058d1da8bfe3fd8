//! A world between a component and another world: everything passes, but for the datagrams.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use wasi_datagram::{
    Buffers, Family, KeptSocket, Receiver, Reports, Sender, Timer, Tuning, UdpSocket, World,
};
use wasmtime_wasi::async_trait;

/// What becomes of the datagrams of a socket.
pub(crate) trait Halves: fmt::Debug + Send + Sync + 'static {
    /// What is kept for each socket.
    type Socket: Default + Send + Sync;

    /// The receiving half for the component of a socket that has `inner`.
    fn receiver(
        &self,
        socket: &Self::Socket,
        inner: &dyn UdpSocket,
        world: &Arc<dyn World>,
    ) -> io::Result<Box<dyn Receiver>>;

    /// The sending half for the component of a socket that has `inner`.
    fn sender(
        &self,
        socket: &Self::Socket,
        inner: &dyn UdpSocket,
        world: &Arc<dyn World>,
    ) -> io::Result<Box<dyn Sender>>;
}

/// A world whose datagrams pass through `H`.
#[derive(Clone)]
pub(crate) struct Wrapped<H> {
    pub(crate) inner: Arc<dyn World>,
    pub(crate) halves: Arc<H>,
}

impl<H: Halves> fmt::Debug for Wrapped<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped").field("halves", &self.halves).finish_non_exhaustive()
    }
}

#[async_trait]
impl<H: Halves> World for Wrapped<H> {
    fn open(&self, family: Family) -> io::Result<Box<dyn UdpSocket>> {
        let inner = self.inner.open(family)?;
        let (world, halves) = (self.inner.clone(), self.halves.clone());
        Ok(Box::new(WrappedSocket { inner, world, halves, state: H::Socket::default() }))
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wall_clock(&self) -> SystemTime {
        self.inner.wall_clock()
    }

    fn records_arrivals(&self) -> bool {
        self.inner.records_arrivals()
    }

    fn arrival_resolution(&self) -> Duration {
        self.inner.arrival_resolution()
    }

    fn timer(&self, at: Instant) -> Box<dyn Timer> {
        self.inner.timer(at)
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.random(bytes)
    }

    fn reports(&self) -> &Arc<Reports> {
        self.inner.reports()
    }

    fn buffers(&self) -> &Arc<Buffers> {
        self.inner.buffers()
    }

    fn tuning(&self) -> Tuning {
        self.inner.tuning()
    }

    fn poll_in_place(&self, poll: &mut dyn FnMut() -> bool) -> bool {
        self.inner.poll_in_place(poll)
    }

    async fn yield_now(&self) {
        self.inner.yield_now().await;
    }
}

struct WrappedSocket<H: Halves> {
    inner: Box<dyn UdpSocket>,
    world: Arc<dyn World>,
    halves: Arc<H>,
    state: H::Socket,
}

impl<H: Halves> UdpSocket for WrappedSocket<H> {
    fn bind(&mut self, local: SocketAddr) -> io::Result<()> {
        self.inner.bind(local)
    }

    fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        self.inner.connect(peer)
    }

    fn disconnect(&mut self) -> io::Result<()> {
        self.inner.disconnect()
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_address()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.inner.peer()
    }

    fn tells_local(&self) -> bool {
        self.inner.tells_local()
    }

    fn hop_limit(&self) -> io::Result<u8> {
        self.inner.hop_limit()
    }

    fn set_hop_limit(&self, hops: u8) -> io::Result<()> {
        self.inner.set_hop_limit(hops)
    }

    fn receive_buffer_size(&self) -> io::Result<usize> {
        self.inner.receive_buffer_size()
    }

    fn set_receive_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        self.inner.set_receive_buffer_size(bytes)
    }

    fn send_buffer_size(&self) -> io::Result<usize> {
        self.inner.send_buffer_size()
    }

    fn set_send_buffer_size(&mut self, bytes: usize) -> io::Result<()> {
        self.inner.set_send_buffer_size(bytes)
    }

    fn receiver(&self) -> io::Result<Box<dyn Receiver>> {
        self.halves.receiver(&self.state, &*self.inner, &self.world)
    }

    fn sender(&self) -> io::Result<Box<dyn Sender>> {
        self.halves.sender(&self.state, &*self.inner, &self.world)
    }

    fn keep(&self) -> KeptSocket {
        self.inner.keep()
    }

    fn adopt(&mut self, kept: KeptSocket) -> io::Result<()> {
        // What was kept for the other socket is not for this one.
        self.state = H::Socket::default();
        self.inner.adopt(kept)
    }
}
