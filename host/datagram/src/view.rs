//! The view of a store's state that the implementation of every interface has.

use wasmtime::component::{HasData, ResourceTable};

use crate::clock::Clock;
use crate::udp::SocketContext;

/// A view of a store's state.
pub struct View<'a> {
    /// The store's resource table.
    pub table: &'a mut ResourceTable,
    /// The state shared by the instance's sockets.
    pub sockets: &'a SocketContext,
    /// The instance's clocks.
    pub clock: &'a Clock,
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
