//! Builds the two guests.

use udping_guest_build::{Guests, Target};

fn main() {
    let guests = Guests {
        target: Target::Unknown,
        sources: &[],
        profile: "guest",
        selection: &["-p", "udping-client", "-p", "udping-server"],
        modules: &["udping_client.wasm", "udping_server.wasm"],
    };
    udping_guest_build::exit_on_error(guests.build());
}
