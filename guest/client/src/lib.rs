//! The pinger as a component: arguments -> [`udping_core::client`] <-> one poll loop over its
//! sockets -> [`udping_report`] -> standard output.

pub mod output;
pub mod readdressing;
pub mod run;
pub mod sockets;
pub mod targets;
pub mod terminal;
pub mod timers;

use udping_net::bindings::exports::wasi::cli::run::Guest;

/// What the component exports.
pub struct Client;

impl Guest for Client {
    fn run() -> Result<(), ()> {
        udping_net::program::run(run::main)
    }
}

// Natively, where this crate is only tested, the export's name is none that a linker takes.
#[cfg(target_arch = "wasm32")]
udping_net::bindings::export!(Client with_types_in udping_net::bindings);

udping_net::declare_notices!(Client);
