//! `wasi:io/poll` of wasi-datagram, with an account of the time slept.

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{self, Host, HostPollable};

use udping_permissions::limits::Compute;
use wasi_datagram::View;

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
    /// Waits.
    pub view: View<'a>,
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
        self.compute.wait(self.view.poll(pollables)).await
    }
}

impl HostPollable for WaitingView<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.give_turn().await;
        self.compute.wait(self.view.block(pollable)).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.give_turn().await;
        self.view.ready(pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.view.drop(pollable)
    }
}
