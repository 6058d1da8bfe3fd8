//! The view of a store's state that the implementation of every interface has.

use wasmtime::component::{HasData, Linker, ResourceTable};

use crate::clock::Clock;
use crate::udp::SocketContext;
use crate::{clock, poll, random, sockets};

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

/// Adds all interfaces of this crate to `linker`, except the refusal of TCP
/// ([`crate::tcp::add_to_linker`]), with the state that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    sockets::add_to_linker(linker, view)?;
    clock::add_to_linker(linker, view)?;
    poll::add_to_linker(linker, view)?;
    random::add_to_linker(linker, view)
}

/// Calls `test` with the view of an instance that has just started and may do anything.
#[cfg(test)]
pub(crate) fn with_view<T>(test: impl FnOnce(&mut View<'_>) -> T) -> T {
    let sockets = SocketContext::new(std::sync::Arc::new(crate::AllowAll));
    let (mut table, clock) = (ResourceTable::new(), Clock::new(sockets.world.clone()));
    test(&mut View { table: &mut table, sockets: &sockets, clock: &clock })
}
