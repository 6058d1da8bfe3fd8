//! The state of one instance, and the parts of it that each interface sees.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::sandbox::environment::{Environment, EnvironmentView};
use crate::sandbox::permissions::InstancePermissions;
use crate::sandbox::waiting::WaitingView;
use udping_permissions::limits::{Compute, Limits, Memory};
use wasi_datagram::NetworkView;
use wasi_datagram::SocketContext;
use wasi_datagram::clock::{Clock, ClockView};
use wasi_datagram::random::RandomView;

/// What a store holds.
pub struct State {
    wasi: WasiCtx,
    arguments: Vec<String>,
    environment: Arc<Environment>,
    notices: bool,
    table: ResourceTable,
    permissions: Arc<InstancePermissions>,
    sockets: SocketContext,
    memory: Memory,
    compute: Compute,
    calls: u32,
    clock: Clock,
}

impl State {
    /// The state of an instance that has not run yet, and that gets those arguments and variables,
    /// and notices or none.
    pub fn new(
        wasi: WasiCtx,
        (arguments, environment, notices): (Vec<String>, Arc<Environment>, bool),
        permissions: Arc<InstancePermissions>,
        sockets: SocketContext,
        limits: Limits,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            wasi,
            arguments,
            environment,
            notices,
            table,
            memory: Memory::new(limits.memory),
            compute: Compute::new(limits.compute, permissions.activity.clone()),
            permissions,
            calls: 0,
            clock: Clock::new(sockets.world.clone()),
            sockets,
        }
    }

    /// What the clocks see.
    pub fn clock(&mut self) -> ClockView<'_> {
        ClockView { table: &mut self.table, clock: &self.clock }
    }

    /// What randomness sees.
    pub fn random(&mut self) -> RandomView<'_> {
        RandomView { world: &*self.sockets.world }
    }

    /// What the interface of arguments and variables sees.
    pub fn environment(&mut self) -> EnvironmentView<'_> {
        let Self { environment, arguments, notices, sockets, permissions, .. } = self;
        EnvironmentView {
            environment,
            arguments,
            notices: *notices,
            sockets,
            guard: &permissions.guard,
        }
    }

    /// What the network sees.
    pub fn network(&mut self) -> NetworkView<'_> {
        NetworkView { table: &mut self.table, sockets: &self.sockets }
    }

    /// What waiting sees.
    pub fn waiting(&mut self) -> WaitingView<'_> {
        WaitingView { table: &mut self.table, compute: &mut self.compute, calls: &mut self.calls }
    }

    /// What holds its memory to the limit.
    pub fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// What holds its computing to the limit.
    pub fn compute(&mut self) -> &mut Compute {
        &mut self.compute
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
