//! `wasi:io/poll` as wasmtime-wasi has it, with an account of what was slept.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{self, Host, HostPollable};

use crate::limits::Compute;

/// Adds it to what a linker serves, where `view` gives what it needs of a store's state.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> WaitingView<'_>) -> wasmtime::Result<()> {
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
}

impl Host for WaitingView<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.compute.wait(Host::poll(self.table, pollables)).await
    }
}

impl HostPollable for WaitingView<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.compute.wait(HostPollable::block(self.table, pollable)).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        HostPollable::ready(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        HostPollable::drop(self.table, pollable)
    }
}
