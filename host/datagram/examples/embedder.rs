//! An embedder whose components reach this machine alone: `cargo run -p wasi-datagram --example
//! embedder -- COMPONENT [ARGUMENT]...`.

use std::net::SocketAddr;
use std::sync::Arc;

use wasi_datagram::{AddressUse, Check, NetworkView, SocketContext};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a store holds.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    sockets: SocketContext,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Loopback, and before that a socket's own unspecified address.
fn this_machine(address: SocketAddr, usage: AddressUse) -> bool {
    address.ip().to_canonical().is_loopback()
        || (usage == AddressUse::Bind && address.ip().is_unspecified())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // In the place of wasmtime-wasi's own.
    linker.allow_shadowing(true);
    wasi_datagram::add_to_linker(&mut linker, |state: &mut State| NetworkView {
        table: &mut state.table,
        sockets: &state.sockets,
    })?;
    let component = Component::from_file(&engine, &arguments[0])?;
    let state = State {
        wasi: WasiCtx::builder().inherit_stdio().args(&arguments).build(),
        table: ResourceTable::new(),
        sockets: SocketContext::new(Arc::new(Check(this_machine))),
    };
    let mut store = Store::new(&engine, state);
    let command =
        CommandPre::new(linker.instantiate_pre(&component)?)?.instantiate_async(&mut store).await?;
    let ended = command.wasi_cli_run().call_run(&mut store).await?;
    std::process::exit(i32::from(ended.is_err()));
}
