//! `wasi:io/poll` as wasmtime-wasi has it, with an account of what was slept.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{self, Host, HostPollable};

use udping_permissions::limits::Compute;

/// Adds it to what a linker serves, where `view` gives what it needs of a store's state.
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

/// What waiting needs of the store's state.
pub struct WaitingView<'a> {
    /// The store's resources.
    pub table: &'a mut ResourceTable,
    /// What sleep is given back to.
    pub compute: &'a mut Compute,
    /// Calls since others had their turn.
    pub calls: &'a mut u32,
}

/// Calls after which others get their turn, although the guest never had to wait: else one that
/// asks again and again for what is ready keeps the reactor from all that it has not heard of.
const CALLS: u32 = 64;

impl WaitingView<'_> {
    /// The system is asked what is ready by now, and what else runs on this thread goes on.
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
        // In the order in which they were asked for.
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
