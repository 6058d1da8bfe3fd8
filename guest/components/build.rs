//! Builds the two guests.

use udping_guest_build::Guests;

fn main() {
    let guests = Guests {
        sources: &[],
        profile: "guest",
        selection: &["-p", "udping-client", "-p", "udping-server"],
        modules: &["udping_client.wasm", "udping_server.wasm"],
    };
    udping_guest_build::exit_on_error(guests.build());
}
