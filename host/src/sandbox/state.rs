//! The state of one instance, and the view of it that each interface gets.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::sandbox::environment::{Environment, EnvironmentView};
use crate::sandbox::permissions::InstancePermissions;
use crate::sandbox::waiting::WaitingView;
use udping_permissions::limits::{Activity, Compute, Limits, Memory};
use wasi_datagram::{Clock, SocketContext, View};

/// The state that a store holds.
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
    last_call: Option<&'static str>,
}

impl State {
    /// Creates the state of an instance that has not run yet, from its arguments, its variables,
    /// and whether it gets notices.
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
            last_call: None,
            clock: Clock::new(sockets.world.clone()),
            sockets,
        }
    }

    /// This, for a call of `interface`.
    pub fn called(&mut self, interface: &'static str) -> &mut Self {
        self.last_call = Some(interface);
        self
    }

    /// The interface that was called last.
    pub fn last_call(&self) -> Option<&'static str> {
        self.last_call
    }

    /// The view for sockets, clocks and random bytes.
    pub fn view(&mut self) -> View<'_> {
        View { table: &mut self.table, sockets: &self.sockets, clock: &self.clock }
    }

    /// The view for arguments and variables.
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

    /// The view for waiting.
    pub fn waiting(&mut self) -> WaitingView<'_> {
        let Self { table, sockets, clock, compute, calls, .. } = self;
        WaitingView { view: View { table, sockets, clock }, compute, calls }
    }

    /// What it does, for the limit on its processor time.
    pub fn activity(&self) -> Activity {
        self.permissions.activity.clone()
    }

    /// Enforces the limit on its memory.
    pub fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Enforces the limit on its processor time.
    pub fn compute(&mut self) -> &mut Compute {
        &mut self.compute
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
