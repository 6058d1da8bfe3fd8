//! The echo server as a component: arguments -> [`udping_core::server`] <-> one poll loop.

pub mod run;

use udping_net::bindings::exports::wasi::cli::run::Guest;

/// What the component exports.
pub struct Server;

impl Guest for Server {
    fn run() -> Result<(), ()> {
        udping_net::program::run(run::main)
    }
}

// Natively, where this crate is only tested, the export's name is none that a linker takes.
#[cfg(target_arch = "wasm32")]
udping_net::bindings::export!(Server with_types_in udping_net::bindings);

udping_net::declare_notices!(Server);
