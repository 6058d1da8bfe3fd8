//! `wasi:io/poll`: the one place where a component waits.
//!
//! The pollables wait by their [`World`](crate::World), all of them at once, as wasmtime-wasi's
//! implementation has it. This one tells the clocks what was returned
//! ([`crate::Clock`]), and returns indexes in order.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{self, Host, HostPollable};

use crate::udp::Incoming;
use crate::view::{View, Viewed};

/// Adds `wasi:io/poll` to `linker`, with the state that `view` returns.
///
/// # Errors
///
/// If the linker has it already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    poll::add_to_linker::<_, Viewed>(linker, view)
}

impl View<'_> {
    /// Has these streams wait without a look at their sockets, unless one has datagrams already.
    fn wait_first(&mut self, streams: &[Option<u32>]) -> wasmtime::Result<bool> {
        for stream in streams.iter().flatten() {
            if self.table.get(&incoming(*stream))?.is_ready() {
                return Ok(false);
            }
        }
        for stream in streams.iter().flatten() {
            self.table.get_mut(&incoming(*stream))?.wait_first();
        }
        Ok(true)
    }
}

fn incoming(index: u32) -> Resource<Incoming> {
    Resource::new_borrow(index)
}

impl Host for View<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.flush_all().await;
        self.clock.gathering().polled();
        self.clock.datagram_times().end();
        let indexes: Vec<_> = pollables.iter().map(Resource::rep).collect();
        let streams = self.clock.datagram_times().streams(&indexes);
        let waits = self.wait_first(&streams)?;
        let mut ready = self.clock.wait(Host::poll(self.table, pollables)).await?;
        if waits {
            // Something else may have ended the wait: what is ready is returned completely. A list
            // may name a stream very often, which is looked at once.
            let mut looked = HashMap::new();
            let found: HashSet<_> = ready.iter().copied().collect();
            for (index, stream) in (0..).zip(&streams) {
                let Some(stream) = stream.filter(|_| !found.contains(&index)) else { continue };
                let is_ready = match looked.entry(stream) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        *new.insert(self.table.get_mut(&incoming(stream))?.look())
                    }
                };
                if is_ready {
                    ready.push(index);
                }
            }
        }
        // In the order of the request.
        ready.sort_unstable();
        let returned = ready.iter().filter_map(|index| indexes.get(*index as usize).copied());
        self.clock.datagram_times().returned(returned);
        Ok(ready)
    }
}

impl HostPollable for View<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.flush_all().await;
        self.clock.gathering().polled();
        self.clock.datagram_times().end();
        let index = pollable.rep();
        let streams = self.clock.datagram_times().streams(&[index]);
        self.wait_first(&streams)?;
        self.clock.wait(HostPollable::block(self.table, pollable)).await?;
        self.clock.datagram_times().returned([index].into_iter());
        Ok(())
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.flush();
        self.clock.gathering().polled();
        self.clock.datagram_times().end();
        let index = pollable.rep();
        let is_ready = HostPollable::ready(self.table, pollable).await?;
        self.clock.datagram_times().returned(is_ready.then_some(index).into_iter());
        Ok(is_ready)
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.clock.datagram_times().dropped(pollable.rep());
        HostPollable::drop(self.table, pollable)
    }
}
