//! Builds the guest that runs programs.

use udping_guest_build::{Guests, Target};

fn main() {
    let guests = Guests {
        target: Target::Unknown,
        sources: &["tests/guests", "tests/model"],
        profile: "test-guest",
        selection: &["-p", "udping-test-guests", "--example", "obeys"],
        suffix: "",
        modules: &["examples/obeys.wasm"],
    };
    udping_guest_build::exit_on_error(guests.build());
}
