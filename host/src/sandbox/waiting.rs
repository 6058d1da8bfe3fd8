//! `wasi:io/poll` of wasmtime-wasi, with an account of the time slept.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{self, Host, HostPollable};

use udping_permissions::limits::Compute;

/// Adds the interface to a linker. `view` borrows what it needs from a store's state.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> WaitingView<'_>,
) -> wasmtime::Result<()> {
    poll::add_to_linker::<_, Waiting>(linker, view)
}

struct Waiting;

impl HasData for Waiting {
    type Data<'a> = WaitingView<'a>;
}

/// The parts of a store's state that waiting needs.
pub struct WaitingView<'a> {
    /// The store's resources.
    pub table: &'a mut ResourceTable,
    /// Sleep is credited to it.
    pub compute: &'a mut Compute,
    /// Calls since the guest last yielded.
    pub calls: &'a mut u32,
}

/// Calls after which a guest yields although it never had to wait: one that polls ready pollables
/// in a loop would otherwise keep the reactor from seeing new events.
const CALLS: u32 = 64;

impl WaitingView<'_> {
    /// Yields every [`CALLS`] calls: the reactor checks for readiness, and other tasks of this
    /// thread run.
    async fn give_turn(&mut self) {
        *self.calls += 1;
        if *self.calls >= CALLS {
            *self.calls = 0;
            tokio::task::yield_now().await;
        }
    }
}

impl Host for WaitingView<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.give_turn().await;
        let mut ready = self.compute.wait(Host::poll(self.table, pollables)).await?;
        // In the order of the request.
        ready.sort_unstable();
        Ok(ready)
    }
}

impl HostPollable for WaitingView<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.give_turn().await;
        self.compute.wait(HostPollable::block(self.table, pollable)).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.give_turn().await;
        HostPollable::ready(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        HostPollable::drop(self.table, pollable)
    }
}
