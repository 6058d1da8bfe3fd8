//! The halves of a socket whose datagrams are impaired.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasi_datagram::{Local, Received, Receiver, Sender, Take, Transmit, UdpSocket, Waiting, World};

use crate::impaired::delayed::{Delayed, Later, Shared};
use crate::impaired::{Impairing, OneWay, Passed, Place};
use crate::wrapped::Halves;

/// The sending half of a socket, of which there is one: delayed datagrams leave by it, too.
type OneSender = Mutex<Option<Shared>>;

impl Halves for Impairing {
    type Socket = OneSender;

    fn receiver(
        &self,
        _: &OneSender,
        inner: &dyn UdpSocket,
        world: &Arc<dyn World>,
    ) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(ImpairedReceiver {
            inner: inner.receiver()?,
            link: self.receive.clone(),
            world: world.clone(),
            held: BTreeMap::new(),
            received: 0,
        }))
    }

    fn sender(
        &self,
        socket: &OneSender,
        inner: &dyn UdpSocket,
        world: &Arc<dyn World>,
    ) -> io::Result<Box<dyn Sender>> {
        let mut sender = socket.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = inner.peer();
        let inner = match &*sender {
            Some(inner) => inner.clone(),
            None => sender.insert(Arc::new(Mutex::new(inner.sender()?))).clone(),
        };
        Ok(Box::new(ImpairedSender {
            inner,
            peer,
            link: self.send.clone(),
            world: world.clone(),
            delayed: self.delayed.clone(),
        }))
    }
}

/// A datagram that arrives at the component later.
struct Held {
    data: Vec<u8>,
    from: SocketAddr,
    to: Option<Local>,
    ecn: Option<u8>,
    dropped_before: Option<u32>,
    /// Freed once it is taken.
    _place: Place,
}

struct ImpairedReceiver {
    inner: Box<dyn Receiver>,
    link: Arc<OneWay>,
    world: Arc<dyn World>,
    /// By the time at which they arrive, and in the order in which they were received.
    held: BTreeMap<(Instant, u64), Held>,
    received: u64,
}

impl ImpairedReceiver {
    /// Takes what the system has received, up to `limit`.
    fn fill(&mut self, limit: usize) -> io::Result<()> {
        let Self { inner, link, world, held, received } = self;
        let now = world.now();
        inner.try_receive(limit, &mut |datagram| {
            // From the time at which the system has recorded its arrival, if it has.
            let since = datagram.arrived.unwrap_or(now);
            let Received { data, from, to, ecn, dropped_before, .. } = datagram;
            for Passed { at, data, place } in link.cross(since, from.is_ipv6(), data) {
                *received += 1;
                let datagram = Held { data, from, to, ecn, dropped_before, _place: place };
                held.insert((at, *received), datagram);
            }
        })
    }
}

impl Receiver for ImpairedReceiver {
    fn try_receive(&mut self, limit: usize, take: &mut Take<'_>) -> io::Result<()> {
        match self.fill(limit) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let now = self.world.now();
        let mut count = 0;
        while count < limit
            && let Some(first) = self.held.first_entry()
            && first.key().0 <= now
        {
            let ((at, _), held) = first.remove_entry();
            count += 1;
            take(Received {
                to: held.to,
                arrived: self.world.records_arrivals().then_some(at),
                ecn: held.ecn,
                dropped_before: held.dropped_before,
                ..Received::new(&held.data, held.from)
            });
        }
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn readable(&self) -> Waiting {
        let Self { inner, world, held, .. } = self;
        let readable = inner.readable();
        let Some(((at, _), _)) = held.first_key_value() else { return readable };
        let mut timer = world.timer(*at);
        Box::pin(async move {
            tokio::select! {
                () = timer.expired() => {}
                () = readable => {}
            }
        })
    }
}

struct ImpairedSender {
    inner: Shared,
    peer: Option<SocketAddr>,
    link: Arc<OneWay>,
    world: Arc<dyn World>,
    delayed: Arc<Delayed>,
}

impl Sender for ImpairedSender {
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let now = self.world.now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (sent, Transmit { data, to, from }) in datagrams.iter().enumerate() {
            let is_ipv6 = to.or(self.peer).is_some_and(|peer| peer.is_ipv6());
            for Passed { at, data, place } in self.link.cross(now, is_ipv6, data) {
                if at > now {
                    let (sender, to, from) = (self.inner.clone(), *to, *from);
                    self.delayed.add(Later { at, sender, to, from, data, place });
                    continue;
                }
                match inner.try_send(&[Transmit { data: &data, to: *to, from: *from }]) {
                    Ok(_) => {}
                    Err(error) if sent == 0 => return Err(error),
                    Err(_) => return Ok(sent),
                }
            }
        }
        Ok(datagrams.len())
    }

    fn is_writable(&self) -> bool {
        is_writable(&self.inner)
    }

    fn writable(&mut self) -> Waiting {
        /// How often it is looked whether there is room: the thread uses the sender, too.
        const LOOK: Duration = Duration::from_millis(1);

        let (inner, world) = (self.inner.clone(), self.world.clone());
        Box::pin(async move {
            while !is_writable(&inner) {
                world.timer(world.now() + LOOK).expired().await;
            }
        })
    }
}

fn is_writable(sender: &Shared) -> bool {
    sender.lock().unwrap_or_else(PoisonError::into_inner).is_writable()
}
