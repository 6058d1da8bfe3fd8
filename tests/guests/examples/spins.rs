//! Never ends, and never calls the host.

use udping_net::bindings::exports::wasi::cli::run::Guest;

/// What the component exports.
pub struct Spins;

impl Guest for Spins {
    fn run() -> Result<(), ()> {
        udping_net::program::run(|_| {
            loop {
                std::hint::spin_loop()
            }
        })
    }
}

#[cfg(target_arch = "wasm32")]
udping_net::bindings::export!(Spins with_types_in udping_net::bindings);
