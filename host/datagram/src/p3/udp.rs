//! `udp-socket` of `wasi:sockets/types`, implemented by [`crate::udp`].

use std::net::SocketAddr;

use tokio::sync::OwnedMutexGuard;
use wasmtime::component::{Accessor, Resource};

use crate::buffers::Share;
use crate::clock::Clock;
use crate::p3::SocketError;
use crate::p3::error::translate;
use crate::p3::types::{
    ErrorCode, HostUdpSocket, HostUdpSocketWithStore, IpAddressFamily, IpSocketAddress,
};
use crate::udp::{Channel, Incoming, Wanted};
use crate::view::{View, Viewed};
use crate::world::Waiting;

type SocketResult<T> = Result<T, SocketError>;

/// The maximum length of a datagram: "implementations may trap if the data length exceeds 64 KiB".
const LONGEST: usize = u16::MAX as usize;

/// How often a `receive` gives way to another: the component may never wait for that one.
const DEFERRALS: u32 = 8;

/// What a call comes to, for now.
enum Step<T> {
    Done(T),
    Waits(Waiting),
}

impl View<'_> {
    fn udp(&mut self, socket: &Resource<Channel>) -> SocketResult<&mut Channel> {
        self.table.get_mut(socket).map_err(SocketError::trap)
    }

    fn udp_changing(&mut self, socket: &Resource<Channel>) -> SocketResult<&mut Channel> {
        self.changing(socket).map_err(SocketError::trap)
    }

    /// Receives the next datagram.
    fn receive(
        &mut self,
        socket: &Resource<Channel>,
        has_waited: bool,
        deferrals: &mut u32,
    ) -> SocketResult<Step<(Vec<u8>, SocketAddr)>> {
        let clock = self.clock;
        let of_socket = self.udp(socket)?;
        if let Some(waiting) = of_socket.incoming().map_err(translate)?.waits_for() {
            of_socket.waits();
            return Ok(Step::Waits(waiting));
        }
        let is_timed = of_socket.incoming().map_err(translate)?.arrival().is_some();
        let is_first = has_waited && *deferrals == 0;
        if *deferrals < DEFERRALS && is_timed && self.gives_way(socket.rep(), is_first) {
            *deferrals += 1;
            return Ok(Step::Waits(turn_of_others(clock)));
        }
        let of_socket = self.udp(socket)?;
        if of_socket.is_turn_of_others() {
            return Ok(Step::Waits(turn_of_others(clock)));
        }
        let incoming = of_socket.incoming().map_err(translate)?;
        let Some(datagram) = incoming.receive(1, false).map_err(translate)?.pop() else {
            // Spurious: what was there is gone.
            return Ok(Step::Waits(at_once()));
        };
        clock.datagram_times().arrived(datagram.arrived);
        // What it answers waits until it waits, at the latest.
        clock.gathering().received(true);
        Ok(Step::Done((datagram.data, datagram.from)))
    }

    /// Whether another `receive` is to return before that of `socket`, which has something: one whose
    /// time has not been told yet, or one of something that arrived earlier. The others are given a
    /// turn to look.
    fn gives_way(&mut self, socket: u32, is_first: bool) -> bool {
        let (is_untold, others) = {
            let times = self.clock.datagram_times();
            (times.is_untold(), times.waiting_beside(socket))
        };
        if is_untold || others.is_empty() {
            return is_untold;
        }
        let arrival = |index| {
            let socket = self.table.get(&Resource::<Channel>::new_borrow(index)).ok()?;
            socket.incoming_in_use()?.arrival()
        };
        let earliest = others.iter().filter_map(|other| arrival(*other)).min();
        is_first || earliest.is_some_and(|earliest| Some(earliest) < arrival(socket))
    }

    /// Whether a `receive` that waits has something to return, or one has returned something whose time
    /// the component has not read yet.
    pub(super) fn has_unreceived(&mut self) -> bool {
        let (is_untold, waiting) = {
            let times = self.clock.datagram_times();
            (times.is_untold(), times.waiting())
        };
        let is_ready = |index: &u32| {
            let socket = self.table.get(&Resource::<Channel>::new_borrow(*index)).ok();
            socket.and_then(Channel::incoming_in_use).is_some_and(Incoming::is_ready)
        };
        is_untold || waiting.iter().any(is_ready)
    }

    /// Sends a datagram.
    fn send(&mut self, socket: &Resource<Channel>, wanted: &Wanted) -> SocketResult<Step<()>> {
        let outgoing = self.udp(socket)?.outgoing().map_err(translate)?;
        if outgoing.check_send() > 0 {
            let taken = self.send_by(socket.rep(), std::slice::from_ref(wanted));
            if taken.map_err(translate)? > 0 {
                return Ok(Step::Done(()));
            }
        }
        let outgoing = self.udp(socket)?.outgoing().map_err(translate)?;
        Ok(Step::Waits(outgoing.waits_for().unwrap_or_else(at_once)))
    }

    /// Room in the buffers for a datagram of `length` bytes that waits to be sent.
    fn room(&self, length: usize) -> SocketResult<Share> {
        let share = Share::of_datagrams(self.sockets.world.buffers());
        if share.resize(length) < length { Err(ErrorCode::OutOfMemory.into()) } else { Ok(share) }
    }
}

fn at_once() -> Waiting {
    Box::pin(std::future::ready(()))
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
        socket: Resource<Channel>,
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
                let turn = view.udp(&socket)?.turn().clone();
                if waits.is_some() || turn.try_lock().is_ok() {
                    view.send(&socket, &wanted).map(|step| (step, turn))
                } else {
                    Ok((Step::Waits(at_once()), turn))
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
        socket: Resource<Channel>,
    ) -> SocketResult<(Vec<u8>, IpSocketAddress)> {
        let (mut deferrals, mut waiter) = (0, None);
        loop {
            let step = accessor.with(|mut access| -> SocketResult<_> {
                let mut view = access.get();
                if waiter.is_none() {
                    let incoming = view.udp(&socket)?.incoming().map_err(translate)?;
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
                let step = view.receive(&socket, waiter.is_some(), &mut deferrals)?;
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
    fn create(&mut self, family: IpAddressFamily) -> SocketResult<Resource<Channel>> {
        self.sockets.permissions.open().map_err(SocketError::trap)?;
        let opened = Channel::new(family.into(), self.sockets.clone()).map_err(translate);
        let opened = opened.and_then(|socket| self.table.push(socket).map_err(SocketError::trap));
        if opened.is_err() {
            // No socket was opened.
            self.sockets.permissions.close();
        }
        opened
    }

    fn bind(&mut self, socket: Resource<Channel>, local: IpSocketAddress) -> SocketResult<()> {
        self.udp_changing(&socket)?.bind(local.into()).map_err(translate)
    }

    fn connect(&mut self, socket: Resource<Channel>, peer: IpSocketAddress) -> SocketResult<()> {
        self.udp_changing(&socket)?.connect(peer.into()).map_err(translate)
    }

    fn disconnect(&mut self, socket: Resource<Channel>) -> SocketResult<()> {
        self.udp_changing(&socket)?.disconnect().map_err(translate)
    }

    fn get_local_address(&mut self, socket: Resource<Channel>) -> SocketResult<IpSocketAddress> {
        Ok(self.udp(&socket)?.socket().local_address().map_err(translate)?.into())
    }

    fn get_remote_address(&mut self, socket: Resource<Channel>) -> SocketResult<IpSocketAddress> {
        Ok(self.udp(&socket)?.socket().peer().map_err(translate)?.into())
    }

    fn get_address_family(
        &mut self,
        socket: Resource<Channel>,
    ) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get_mut(&socket)?.socket().family().into())
    }

    fn get_unicast_hop_limit(&mut self, socket: Resource<Channel>) -> SocketResult<u8> {
        self.udp(&socket)?.socket().hop_limit().map_err(translate)
    }

    fn set_unicast_hop_limit(&mut self, socket: Resource<Channel>, hops: u8) -> SocketResult<()> {
        self.udp_changing(&socket)?.socket().set_hop_limit(hops).map_err(translate)
    }

    fn get_receive_buffer_size(&mut self, socket: Resource<Channel>) -> SocketResult<u64> {
        self.udp(&socket)?.socket().receive_buffer_size().map_err(translate)
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<Channel>,
        bytes: u64,
    ) -> SocketResult<()> {
        self.udp_changing(&socket)?.socket().set_receive_buffer_size(bytes).map_err(translate)
    }

    fn get_send_buffer_size(&mut self, socket: Resource<Channel>) -> SocketResult<u64> {
        self.udp(&socket)?.socket().send_buffer_size().map_err(translate)
    }

    fn set_send_buffer_size(&mut self, socket: Resource<Channel>, bytes: u64) -> SocketResult<()> {
        self.udp_changing(&socket)?.socket().set_send_buffer_size(bytes).map_err(translate)
    }

    fn drop(&mut self, socket: Resource<Channel>) -> wasmtime::Result<()> {
        self.changing(&socket)?;
        self.table.delete(socket)?;
        self.sockets.permissions.close();
        Ok(())
    }
}
