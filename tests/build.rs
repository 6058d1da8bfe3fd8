//! Builds the hostile guests.

use udping_guest_build::Guests;

fn main() {
    let guests = Guests {
        sources: &["tests/guests"],
        selection: &["-p", "udping-test-guests", "--examples"],
        modules: &["examples/panics.wasm", "examples/spins.wasm"],
    };
    udping_guest_build::exit_on_error(guests.build());
}
