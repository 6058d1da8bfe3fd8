//! The echo server as a component: arguments -> [`udping_core::server`] <-> one poll loop.

pub mod run;

use udping_wasi::bindings::exports::wasi::cli::run::Guest;

/// The implementation of the component's exports.
pub struct Server;

impl Guest for Server {
    fn run() -> Result<(), ()> {
        udping_wasi::program::run(run::main)
    }
}

// In native builds, which are only for tests, linkers do not accept the export's name.
#[cfg(target_arch = "wasm32")]
udping_wasi::bindings::export!(Server with_types_in udping_wasi::bindings);

udping_wasi::declare_notices!(Server);
