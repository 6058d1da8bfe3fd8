//! Builds the two guests, or takes them as they are in a package of crates.io, which has no room for
//! their sources: `scripts/package` puts them there.

use std::path::Path;

use udping_guest_build::{Guests, Target};

fn main() {
    let guests = Guests {
        target: Target::Unknown,
        sources: &[],
        profile: "guest",
        selection: &["-p", "udping-client", "-p", "udping-server"],
        modules: &["udping_client.wasm", "udping_server.wasm"],
    };
    let prebuilt = Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt");
    udping_guest_build::exit_on_error(guests.build_or_copy(&prebuilt));
}
