//! `udp-socket` of `wasi:sockets/types`, implemented by [`crate::udp`].

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};
use wasmtime::component::{Accessor, Resource};

use crate::buffers::Share;
use crate::clock::Clock;
use crate::p3::error::translate;
use crate::p3::types::{
    ErrorCode, HostUdpSocket, HostUdpSocketWithStore, IpAddressFamily, IpSocketAddress,
};
use crate::p3::SocketError;
use crate::udp::{self, Incoming, Outgoing, Wanted};
use crate::view::{View, Viewed};
use crate::world::Waiting;

type SocketResult<T> = Result<T, SocketError>;

/// The maximum length of a datagram: "implementations may trap if the data length exceeds 64 KiB".
const LONGEST: usize = u16::MAX as usize;

/// How often a `receive` gives way to another: the component may never wait for that one.
const DEFERRALS: u32 = 8;

/// The number of datagrams that are received without a wait, after which others get their turn: one
/// that always has some would otherwise keep the reactor from seeing anything else.
const STREAK: u32 = 64;

/// A component's UDP socket.
pub struct Socket {
    socket: udp::Socket,
    /// Its halves, once it is bound.
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

impl Socket {
    /// The sending half, once the socket is bound.
    pub(crate) fn outgoing_mut(&mut self) -> Option<&mut Outgoing> {
        self.halves.as_mut().map(|halves| &mut halves.outgoing)
    }

    fn bind(&mut self, local: SocketAddr) -> SocketResult<()> {
        if self.socket.is_bound() {
            return Err(ErrorCode::InvalidState.into());
        }
        let bound = self.socket.start_bind(local).and_then(|()| self.socket.finish_bind());
        bound.map_err(translate)
    }

    /// Binds it to a free port, unless it is bound.
    fn bind_implicitly(&mut self) -> SocketResult<()> {
        if self.socket.is_bound() { Ok(()) } else { self.bind(self.socket.family().unspecified()) }
    }

    /// Connects it to `peer`, or disconnects it.
    fn associate(&mut self, peer: Option<SocketAddr>) -> SocketResult<()> {
        // What was sent before goes to where it was sent to.
        if let Some(outgoing) = self.outgoing_mut() {
            outgoing.flush();
        }
        let associated = self.socket.associate(peer);
        if let Some(earlier) = self.halves.take() {
            drop(earlier.outgoing);
            self.halves()?.incoming.inherit(earlier.incoming);
        }
        associated.map_err(translate)
    }

    fn halves(&mut self) -> SocketResult<&mut Halves> {
        let halves = match self.halves.take() {
            Some(halves) => halves,
            None => Halves {
                incoming: self.socket.incoming().map_err(translate)?,
                outgoing: self.socket.outgoing().map_err(translate)?,
            },
        };
        Ok(self.halves.insert(halves))
    }
}

/// What a call comes to, for now.
enum Step<T> {
    Done(T),
    Waits(Waiting),
}

impl View<'_> {
    fn udp(&mut self, socket: &Resource<Socket>) -> SocketResult<&mut Socket> {
        self.table.get_mut(socket).map_err(SocketError::trap)
    }

    /// Receives the next datagram.
    fn receive(
        &mut self,
        socket: &Resource<Socket>,
        deferrals: &mut u32,
    ) -> SocketResult<Step<(Vec<u8>, SocketAddr)>> {
        let clock = self.clock;
        let of_socket = self.udp(socket)?;
        if of_socket.streak >= STREAK {
            of_socket.streak = 0;
            return Ok(Step::Waits(turn_of_others(clock)));
        }
        let incoming = &mut of_socket.halves()?.incoming;
        if let Some(waiting) = incoming.waits_for() {
            of_socket.streak = 0;
            return Ok(Step::Waits(waiting));
        }
        let arrived = incoming.arrival();
        if *deferrals < DEFERRALS && self.gives_way(socket.rep(), arrived.is_some(), *deferrals) {
            *deferrals += 1;
            return Ok(Step::Waits(turn_of_others(clock)));
        }
        let of_socket = self.udp(socket)?;
        of_socket.streak += 1;
        let incoming = &mut of_socket.halves()?.incoming;
        let received = incoming.receive(1, false).map_err(translate)?.pop();
        let Some(datagram) = received else {
            // Spurious: what was there is gone.
            return Ok(Step::Waits(Box::pin(std::future::ready(()))));
        };
        clock.datagram_times().arrived(datagram.arrived);
        // What it answers waits until it waits, at the latest.
        clock.gathering().received(true);
        Ok(Step::Done((datagram.data, datagram.from)))
    }

    /// Whether another `receive` is to return before that of `socket`, which has something: one whose
    /// time has not been told yet, or one of something that arrived earlier. The others are given a
    /// turn to look.
    fn gives_way(&mut self, socket: u32, is_timed: bool, deferrals: u32) -> bool {
        if !is_timed {
            return false;
        }
        let (is_untold, others) = {
            let times = self.clock.datagram_times();
            (times.is_untold(), times.waiting_beside(socket))
        };
        if is_untold {
            return true;
        }
        let arrival = |index| {
            let socket = self.table.get(&Resource::<Socket>::new_borrow(index)).ok()?;
            socket.halves.as_ref()?.incoming.arrival()
        };
        let (own, earliest) = (arrival(socket), others.iter().filter_map(|other| arrival(*other)).min());
        (deferrals == 0 && !others.is_empty()) || earliest.is_some_and(|earliest| Some(earliest) < own)
    }

    /// Sends a datagram.
    fn send(&mut self, socket: &Resource<Socket>, wanted: &Wanted) -> SocketResult<Step<()>> {
        let outgoing = &mut self.udp(socket)?.halves()?.outgoing;
        if outgoing.check_send() > 0 {
            let taken = self.send_by(socket.rep(), std::slice::from_ref(wanted));
            if taken.map_err(translate)? > 0 {
                return Ok(Step::Done(()));
            }
        }
        let outgoing = &mut self.udp(socket)?.halves()?.outgoing;
        let spurious = || Box::pin(std::future::ready(())) as Waiting;
        Ok(Step::Waits(outgoing.waits_for().unwrap_or_else(spurious)))
    }

    /// Room in the buffers for a datagram of `length` bytes that waits to be sent.
    fn room(&self, length: usize) -> SocketResult<Share> {
        let share = Share::of_datagrams(self.sockets.world.buffers());
        if share.resize(length) < length { Err(ErrorCode::OutOfMemory.into()) } else { Ok(share) }
    }
}

fn turn_of_others(clock: &Clock) -> Waiting {
    let world = clock.world.clone();
    Box::pin(async move { world.yield_now().await })
}

/// A `receive` that waits.
struct Waiter {
    clock: Clock,
    socket: u32,
}

impl Waiter {
    fn new(clock: &Clock, socket: u32) -> Self {
        clock.datagram_times().waits(socket);
        Self { clock: clock.clone(), socket }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.clock.datagram_times().has_waited(self.socket);
    }
}

impl<T: Send> HostUdpSocketWithStore<T> for Viewed {
    async fn send(
        accessor: &Accessor<T, Self>,
        socket: Resource<Socket>,
        data: Vec<u8>,
        to: Option<IpSocketAddress>,
    ) -> SocketResult<()> {
        if data.len() > LONGEST {
            return Err(ErrorCode::DatagramTooLarge.into());
        }
        let wanted = Wanted { data, to: to.map(SocketAddr::from) };
        // Held until it is sent, if it has to wait.
        let mut waits: Option<(OwnedMutexGuard<()>, Share)> = None;
        loop {
            let step = accessor.with(|mut access| {
                let mut view = access.get();
                let of_socket = view.udp(&socket)?;
                of_socket.bind_implicitly()?;
                let turn = of_socket.turn.clone();
                if waits.is_some() || turn.try_lock().is_ok() {
                    view.send(&socket, &wanted).map(|step| (step, turn))
                } else {
                    let first = Box::pin(std::future::ready(()));
                    Ok((Step::Waits(first), turn))
                }
            });
            let (waiting, turn) = match step? {
                (Step::Done(()), _) => return Ok(()),
                (Step::Waits(waiting), turn) => (waiting, turn),
            };
            if waits.is_none() {
                let share = accessor.with(|mut access| access.get().room(wanted.data.len()))?;
                waits = Some((turn.lock_owned().await, share));
            }
            waiting.await;
        }
    }

    async fn receive(
        accessor: &Accessor<T, Self>,
        socket: Resource<Socket>,
    ) -> SocketResult<(Vec<u8>, IpSocketAddress)> {
        let (mut deferrals, mut waiter) = (0, None);
        loop {
            let step = accessor.with(|mut access| -> SocketResult<_> {
                let mut view = access.get();
                let of_socket = view.udp(&socket)?;
                if !of_socket.socket.is_bound() {
                    return Err(ErrorCode::InvalidState.into());
                }
                if waiter.is_none() {
                    let incoming = &mut of_socket.halves()?.incoming;
                    let is_ready = incoming.is_ready();
                    if !is_ready {
                        incoming.wait_first();
                    }
                    // The call ends what was told; and before it waits, all has left.
                    view.clock.datagram_times().end();
                    if !is_ready {
                        view.flush();
                    }
                }
                let step = view.receive(&socket, &mut deferrals)?;
                if matches!(step, Step::Waits(_)) && waiter.is_none() {
                    waiter = Some(Waiter::new(view.clock, socket.rep()));
                }
                Ok(step)
            });
            match step? {
                Step::Done((data, from)) => return Ok((data, from.into())),
                Step::Waits(waiting) => waiting.await,
            }
        }
    }
}

impl HostUdpSocket for View<'_> {
    fn create(&mut self, family: IpAddressFamily) -> SocketResult<Resource<Socket>> {
        self.sockets.permissions.open().map_err(SocketError::trap)?;
        let opened = udp::Socket::new(family.into(), self.sockets.clone()).map_err(translate);
        let opened = opened.and_then(|socket| {
            let socket = Socket { socket, halves: None, streak: 0, turn: Arc::default() };
            self.table.push(socket).map_err(SocketError::trap)
        });
        if opened.is_err() {
            // No socket was opened.
            self.sockets.permissions.close();
        }
        opened
    }

    fn bind(&mut self, socket: Resource<Socket>, local: IpSocketAddress) -> SocketResult<()> {
        self.udp(&socket)?.bind(local.into())
    }

    fn connect(&mut self, socket: Resource<Socket>, peer: IpSocketAddress) -> SocketResult<()> {
        let (socket, peer) = (self.udp(&socket)?, SocketAddr::from(peer));
        if !socket.socket.family().is_destination(peer) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        socket.bind_implicitly()?;
        socket.associate(Some(peer))
    }

    fn disconnect(&mut self, socket: Resource<Socket>) -> SocketResult<()> {
        let socket = self.udp(&socket)?;
        socket.socket.peer().map_err(translate)?;
        socket.associate(None)
    }

    fn get_local_address(&mut self, socket: Resource<Socket>) -> SocketResult<IpSocketAddress> {
        Ok(self.udp(&socket)?.socket.local_address().map_err(translate)?.into())
    }

    fn get_remote_address(&mut self, socket: Resource<Socket>) -> SocketResult<IpSocketAddress> {
        Ok(self.udp(&socket)?.socket.peer().map_err(translate)?.into())
    }

    fn get_address_family(
        &mut self,
        socket: Resource<Socket>,
    ) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&socket)?.socket.family().into())
    }

    fn get_unicast_hop_limit(&mut self, socket: Resource<Socket>) -> SocketResult<u8> {
        self.udp(&socket)?.socket.hop_limit().map_err(translate)
    }

    fn set_unicast_hop_limit(&mut self, socket: Resource<Socket>, hops: u8) -> SocketResult<()> {
        self.udp(&socket)?.socket.set_hop_limit(hops).map_err(translate)
    }

    fn get_receive_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.udp(&socket)?.socket.receive_buffer_size().map_err(translate)
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<Socket>,
        bytes: u64,
    ) -> SocketResult<()> {
        self.udp(&socket)?.socket.set_receive_buffer_size(bytes).map_err(translate)
    }

    fn get_send_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.udp(&socket)?.socket.send_buffer_size().map_err(translate)
    }

    fn set_send_buffer_size(&mut self, socket: Resource<Socket>, bytes: u64) -> SocketResult<()> {
        self.udp(&socket)?.socket.set_send_buffer_size(bytes).map_err(translate)
    }

    fn drop(&mut self, socket: Resource<Socket>) -> wasmtime::Result<()> {
        self.table.delete(socket)?;
        self.sockets.permissions.close();
        Ok(())
    }
}
