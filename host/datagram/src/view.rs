//! The view of a store's state that the implementation of every interface has.

use wasmtime::component::{HasData, Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::p2::SocketResult;

use crate::clock::Clock;
use crate::udp::outgoing::Sent;
use crate::udp::{Channel, Outgoing, SocketContext, Wanted};

/// A view of a store's state.
pub struct View<'a> {
    /// The store's resource table.
    pub table: &'a mut ResourceTable,
    /// The state shared by the instance's sockets.
    pub sockets: &'a SocketContext,
    /// The instance's clocks.
    pub clock: &'a Clock,
}

impl View<'_> {
    /// Sends the datagrams that wait for others to be sent with, as far as there is room for them: to be
    /// called now and then while a component computes (epoch interruption).
    pub fn send_waiting(&mut self) {
        self.flush();
    }

    /// Sends the datagrams that wait for others to be sent with. Returns their stream if the send
    /// buffer has no room for all.
    pub(crate) fn flush(&mut self) -> Option<u32> {
        let stream = self.clock.gathering().stream()?;
        if self.outgoing(stream).is_ok_and(|outgoing| {
            outgoing.flush();
            outgoing.has_gathered()
        }) {
            return Some(stream);
        }
        self.clock.gathering().flushed();
        None
    }

    /// A socket that is to be changed or dropped. What was sent before leaves before: with the options
    /// that the socket had, and to sockets that are still there and have the peers that they had.
    pub(crate) fn changing<T: 'static>(
        &mut self,
        socket: &Resource<T>,
    ) -> Result<&mut T, ResourceTableError> {
        self.flush();
        self.table.get_mut(socket)
    }

    /// The sending half with that index: a resource of its own (WASI 0.2), or of a socket's (0.3).
    pub(crate) fn outgoing(&mut self, index: u32) -> Result<&mut Outgoing, ResourceTableError> {
        let stream = Resource::<Outgoing>::new_borrow(index);
        if self.table.get(&stream).is_ok() {
            return self.table.get_mut(&stream);
        }
        let channel = self.table.get_mut(&Resource::<Channel>::new_borrow(index))?;
        channel.outgoing_in_use().ok_or(ResourceTableError::NotPresent)
    }

    /// Sends those of `datagrams` that its socket takes, and returns their number.
    pub(crate) fn send_by(&mut self, stream: u32, datagrams: &[Wanted]) -> SocketResult<u64> {
        self.clock.datagram_times().end();
        let now = self.clock.world.now();
        let is_elsewhere = self.clock.gathering().stream().is_some_and(|other| other != stream);
        // What was sent first leaves first, unless there is no room for it.
        let waits_elsewhere = is_elsewhere && self.flush().is_some();
        let clock = self.clock;
        let mut gathering = clock.gathering();
        let gathers = gathering.permits(now) && !waits_elsewhere;
        let outgoing = self.outgoing(stream)?;
        let result = outgoing.send(datagrams, gathers);
        if !waits_elsewhere {
            gathering.sent(stream, now, outgoing.has_gathered());
        }
        let Sent { taken, left } = result?;
        if let Some(left) = left.filter(|_| clock.world.records_arrivals()) {
            clock.datagram_times().sent(left);
        }
        Ok(taken)
    }

    /// As [`Self::flush`], but waits for room, as send(2) does.
    pub(crate) async fn flush_all(&mut self) {
        while let Some(stream) = self.flush() {
            let Ok(outgoing) = self.outgoing(stream) else { return };
            let writable = outgoing.writable();
            self.clock.wait(writable).await;
        }
    }
}

/// The type of data that a linker's functions get.
pub(crate) struct Viewed;

impl HasData for Viewed {
    type Data<'a> = View<'a>;
}

/// Calls `test` with the view of an instance that has just started and may do anything.
#[cfg(test)]
pub(crate) fn with_view<T>(test: impl FnOnce(&mut View<'_>) -> T) -> T {
    let sockets = SocketContext::new(std::sync::Arc::new(crate::AllowAll));
    let (mut table, clock) = (ResourceTable::new(), Clock::new(sockets.world.clone()));
    test(&mut View { table: &mut table, sockets: &sockets, clock: &clock })
}
