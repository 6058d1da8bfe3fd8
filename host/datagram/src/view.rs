//! The view of a store's state that the implementation of every interface has.

use wasmtime::component::{HasData, Resource, ResourceTable};

use crate::clock::Clock;
use crate::udp::{Outgoing, SocketContext};

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
    /// Sends the datagrams that wait for others to be sent with. Returns their stream if the send
    /// buffer has no room for all.
    pub(crate) fn flush(&mut self) -> Option<Resource<Outgoing>> {
        let stream: Resource<Outgoing> = Resource::new_borrow(self.clock.gathering().stream()?);
        let outgoing = self.table.get_mut(&stream).ok();
        if outgoing.is_some_and(|outgoing| {
            outgoing.flush();
            outgoing.has_gathered()
        }) {
            return Some(stream);
        }
        self.clock.gathering().flushed();
        None
    }

    /// As [`Self::flush`], but waits for room, as send(2) does.
    pub(crate) async fn flush_all(&mut self) {
        while let Some(stream) = self.flush() {
            let Ok(outgoing) = self.table.get_mut(&stream) else { return };
            self.clock.wait(outgoing.writable()).await;
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
