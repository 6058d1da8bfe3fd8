//! An embedder whose components, of WASI 0.2 or 0.3, can communicate with this machine only: `cargo run
//! -p wasi-datagram --example embedder -- COMPONENT [ARGUMENT]...`.

use std::net::SocketAddr;
use std::sync::Arc;

use wasi_datagram::{AddressUse, Check, Clock, SocketContext, View};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2, p3};

/// The state of a store.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    sockets: SocketContext,
    clock: Clock,
}

impl State {
    fn view(&mut self) -> View<'_> {
        View { table: &mut self.table, sockets: &self.sockets, clock: &self.clock }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Permits any local address, and as peers only those of the loopback interface.
fn this_machine(address: SocketAddr, usage: AddressUse) -> bool {
    usage == AddressUse::Bind || address.ip().to_canonical().is_loopback()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let engine = Engine::default();
    let mut linker: Linker<State> = Linker::new(&engine);
    p2::add_to_linker_async(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    // The interfaces below replace wasmtime-wasi's.
    linker.allow_shadowing(true);
    wasi_datagram::add_to_linker(&mut linker, State::view)?;
    wasi_datagram::p3::add_to_linker(&mut linker, State::view)?;
    let component = Component::from_file(&engine, &arguments[0])?;
    let wasi = WasiCtx::builder().inherit_stdio().args(&arguments).build();
    let sockets = SocketContext::new(Arc::new(Check(this_machine)));
    let clock = Clock::new(sockets.world.clone());
    let state = State { wasi, table: ResourceTable::new(), sockets, clock };
    let mut store = Store::new(&engine, state);
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let ended = match p3::bindings::Command::new(&mut store, &instance) {
        Ok(command) => {
            wasi_datagram::p3::run_concurrent(&mut store, State::view, async |accessor| {
                command.wasi_cli_run().call_run(accessor).await
            })
            .await??
        }
        Err(_) => {
            let command = p2::bindings::Command::new(&mut store, &instance)?;
            command.wasi_cli_run().call_run(&mut store).await?
        }
    };
    std::process::exit(i32::from(ended.is_err()));
}
