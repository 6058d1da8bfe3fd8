//! Captures what components send and receive, in the pcapng format.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use etherparse::{PacketBuilder, PacketBuilderStep, UdpHeader};
use foldhash::fast::FixedState;
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use wasi_datagram::{
    Family, Received, Receiver, Sender, Take, Transmit, UdpSocket, Waiting, World,
};

use crate::wrapped::{Halves, Wrapped};

/// A file in the pcapng format: IP packets, with times in nanoseconds.
pub struct Capture {
    state: Mutex<State>,
}

struct State {
    writer: PcapNgWriter<Box<dyn Write + Send>>,
    interfaces: u32,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

/// An interface of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface(u32);

/// The direction of a captured datagram, as the pcapng format numbers it (section 4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The component has received it.
    In = 1,
    /// The component has sent it.
    Out = 2,
}

/// The time to live of captured packets, which is not known of received ones.
const TTL: u8 = 64;

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

impl Capture {
    /// Starts a capture.
    ///
    /// # Errors
    ///
    /// Those of writing the header.
    pub fn new(out: Box<dyn Write + Send>) -> io::Result<Arc<Self>> {
        let writer = PcapNgWriter::new(out).map_err(io::Error::other)?;
        Ok(Arc::new(Self { state: Mutex::new(State { writer, interfaces: 0, error: None }) }))
    }

    /// Adds an interface.
    pub fn interface(&self, name: &str) -> Interface {
        let mut state = self.state();
        let options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            // Nanoseconds.
            InterfaceDescriptionOption::IfTsResol(9),
        ];
        let block = InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options };
        let written = state.writer.write_pcapng_block(block);
        state.note(written.map_err(io::Error::other));
        let interface = Interface(state.interfaces);
        state.interfaces += 1;
        interface
    }

    /// Adds a datagram.
    pub fn add(
        &self,
        (interface, way): (Interface, Way),
        at: SystemTime,
        (from, to): (SocketAddr, SocketAddr),
        data: &[u8],
    ) {
        let mut state = self.state();
        if state.error.is_some() {
            return;
        }
        let Some(headers) = headers(from, to) else { return };
        let mut packet = Vec::with_capacity(headers.size(data.len()));
        // A vector takes it; the length of a datagram is one that fits.
        if headers.write(&mut packet, data).is_err() {
            return;
        }
        let timestamp = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let block = EnhancedPacketBlock {
            interface_id: interface.0,
            timestamp,
            original_len: u32::try_from(packet.len()).unwrap_or(u32::MAX),
            data: Cow::Owned(packet),
            options: vec![EnhancedPacketOption::Flags(way as u32)],
        };
        let written = state.writer.write_pcapng_block(block);
        state.note(written.map(drop).map_err(io::Error::other));
    }

    /// Writes what is buffered.
    pub fn flush(&self) {
        let mut state = self.state();
        let written = state.writer.get_mut().flush();
        state.note(written);
    }

    /// Ends the capture.
    ///
    /// # Errors
    ///
    /// The first error since it was started.
    pub fn finish(&self) -> io::Result<()> {
        self.flush();
        self.state().error.take().map_or(Ok(()), Err)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic while the lock is held leaves more than a packet incomplete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note<T>(&mut self, written: io::Result<T>) {
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}

/// The headers of a datagram; `None` if its addresses are not of one family.
fn headers(from: SocketAddr, to: SocketAddr) -> Option<PacketBuilderStep<UdpHeader>> {
    let ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), TTL),
        _ => return None,
    };
    Some(ip.udp(from.port(), to.port()))
}

/// Captures what passes between a component and `inner` on `interface`.
pub fn captured(
    inner: Arc<dyn World>,
    capture: Arc<Capture>,
    interface: Interface,
) -> Arc<dyn World> {
    Arc::new(Wrapped { inner, halves: Arc::new(Capturing { capture, interface }) })
}

#[derive(Clone, Debug)]
struct Capturing {
    capture: Arc<Capture>,
    interface: Interface,
}

impl Halves for Capturing {
    type Socket = ();

    fn receiver(
        &self,
        (): &(),
        inner: &dyn UdpSocket,
        world: &Arc<dyn World>,
    ) -> io::Result<Box<dyn Receiver>> {
        let (to, inner) = (Captured::new(self, inner, world)?, inner.receiver()?);
        Ok(Box::new(CapturedReceiver { inner, to }))
    }

    fn sender(
        &self,
        (): &(),
        inner: &dyn UdpSocket,
        world: &Arc<dyn World>,
    ) -> io::Result<Box<dyn Sender>> {
        let (to, inner) = (Captured::new(self, inner, world)?, inner.sender()?);
        Ok(Box::new(CapturedSender { inner, to }))
    }
}

/// Where the datagrams of a socket are captured, and its addresses.
struct Captured {
    capture: Capturing,
    world: Arc<dyn World>,
    local: SocketAddr,
    peer: Option<SocketAddr>,
    /// The address that datagrams to each peer leave from, if the socket is bound to any.
    sources: HashMap<IpAddr, IpAddr, FixedState>,
}

/// The number of peers whose source addresses are remembered.
const SOURCES: usize = 1024;

impl Captured {
    fn new(capture: &Capturing, inner: &dyn UdpSocket, world: &Arc<dyn World>) -> io::Result<Self> {
        let (local, peer) = (inner.local_address()?, inner.peer());
        let (capture, world, sources) = (capture.clone(), world.clone(), HashMap::default());
        Ok(Self { capture, world, local, peer, sources })
    }

    fn add(&self, way: Way, at: SystemTime, ends: (SocketAddr, SocketAddr), data: &[u8]) {
        let Capturing { capture, interface } = &self.capture;
        capture.add((*interface, way), at, ends, data);
    }

    fn local(&self, ip: Option<IpAddr>) -> SocketAddr {
        SocketAddr::new(ip.unwrap_or(self.local.ip()), self.local.port())
    }

    /// The address that a datagram to `to` leaves from: as the system chooses it for a socket that is
    /// connected to the same peer.
    fn source(&mut self, to: SocketAddr) -> Option<IpAddr> {
        if !self.local.ip().is_unspecified() {
            return None;
        }
        if self.sources.len() >= SOURCES {
            self.sources.clear();
        }
        let world = &self.world;
        let choose = || {
            let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
            let mut socket = world.open(family)?;
            socket.connect(to)?;
            socket.local_address()
        };
        let source = self.sources.entry(to.ip());
        Some(*source.or_insert_with(|| choose().map_or(self.local.ip(), |local| local.ip())))
    }
}

struct CapturedReceiver {
    inner: Box<dyn Receiver>,
    to: Captured,
}

impl Receiver for CapturedReceiver {
    fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        let Self { inner, to } = self;
        let (now, wall) = (to.world.now(), to.world.wall_clock());
        let received = inner.try_receive(limit, &mut |received: Received<'_>| {
            let since =
                received.arrived.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            let local = to.local(received.to.map(|local| local.ip));
            to.add(Way::In, wall - since, (received.from, local), received.data);
            take(received);
        });
        if received.is_ok() {
            to.capture.capture.flush();
        }
        received
    }

    fn waits_first(&self) -> bool {
        self.inner.waits_first()
    }

    fn readable(&self) -> Waiting {
        self.inner.readable()
    }
}

struct CapturedSender {
    inner: Box<dyn Sender>,
    to: Captured,
}

impl Sender for CapturedSender {
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let wall = self.to.world.wall_clock();
        let sent = self.inner.try_send(datagrams)?;
        for Transmit { data, to, from } in &datagrams[..sent] {
            if let Some(to) = to.or(self.to.peer) {
                let from = from.map(|from| from.ip).or_else(|| self.to.source(to));
                let local = self.to.local(from);
                self.to.add(Way::Out, wall, (local, to), data);
            }
        }
        self.to.capture.capture.flush();
        Ok(sent)
    }

    fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }

    fn writable(&mut self) -> Waiting {
        self.inner.writable()
    }
}
