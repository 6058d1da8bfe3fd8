//! The state of one instance, and the parts of it that each interface sees.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

#[cfg(target_os = "linux")]
use crate::clock::{Clock, ClockView};
use crate::guard::Guard;
use crate::names::Names;
use crate::network::NetworkView;
use crate::udp::Tuning;

/// What a store holds.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    guard: Arc<Guard>,
    names: Arc<Names>,
    tuning: Tuning,
    #[cfg(target_os = "linux")]
    clock: Clock,
}

impl State {
    /// The state of an instance that has not run yet.
    pub fn new(wasi: WasiCtx, guard: Arc<Guard>, names: Arc<Names>, tuning: Tuning) -> Self {
        Self {
            wasi,
            table: ResourceTable::new(),
            guard,
            names,
            tuning,
            #[cfg(target_os = "linux")]
            clock: Clock::default(),
        }
    }

    /// What the monotonic clock sees.
    #[cfg(target_os = "linux")]
    pub fn clock(&mut self) -> ClockView<'_> {
        ClockView { table: &mut self.table, clock: &self.clock }
    }

    /// What the network sees.
    pub fn network(&mut self) -> NetworkView<'_> {
        NetworkView { table: &mut self.table, guard: &self.guard, names: &self.names, tuning: self.tuning }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
