//! The pinger as a component: arguments -> [`udping_core::client`] <-> one poll loop over its
//! sockets -> [`udping_report`] -> standard output.

pub mod output;
pub mod readdressing;
pub mod run;
pub mod sockets;
pub mod targets;
pub mod terminal;
pub mod timers;

use udping_wasi::bindings::exports::wasi::cli::run::Guest;

/// The implementation of the component's exports.
pub struct Client;

impl Guest for Client {
    fn run() -> Result<(), ()> {
        #[cfg(feature = "planted")]
        if let Some(bug) = udping_wasi::host::variable("UDPING_PLANTED") {
            udping_core::planted::plant(&bug);
        }
        udping_wasi::program::run(run::main)
    }
}

// In native builds, which are only for tests, linkers do not accept the export's name.
#[cfg(target_arch = "wasm32")]
udping_wasi::bindings::export!(Client with_types_in udping_wasi::bindings);

udping_wasi::declare_notices!(Client);
udping_wasi::tell_thresholds!(Client);
