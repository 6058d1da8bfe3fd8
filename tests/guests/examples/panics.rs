//! Panics.

use udping_net::bindings::exports::wasi::cli::run::Guest;

/// What the component exports.
pub struct Panics;

impl Guest for Panics {
    fn run() -> Result<(), ()> {
        udping_net::program::run(|_| panic!("the guest says why"))
    }
}

#[cfg(target_arch = "wasm32")]
udping_net::bindings::export!(Panics with_types_in udping_net::bindings);
