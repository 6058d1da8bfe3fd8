//! Builds the two guests, for WASI 0.2 and 0.3, or takes them as they are in a package of crates.io, which has no room for
//! their sources: `scripts/package` puts them there.

use std::path::Path;

use udping_guest_build::{Guests, Target};

fn main() {
    let p2 = Guests {
        target: Target::Unknown,
        sources: &[],
        profile: "guest",
        selection: &["-p", "udping-client", "-p", "udping-server"],
        modules: &["udping_client.wasm", "udping_server.wasm"],
        suffix: "",
    };
    let p3 = Guests {
        selection: &[
            "-p",
            "udping-client",
            "-p",
            "udping-server",
            "--features",
            "udping-client/p3,udping-server/p3",
        ],
        suffix: "_p3",
        ..p2
    };
    let prebuilt = Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt");
    for guests in [p2, p3] {
        udping_guest_build::exit_on_error(guests.build_or_copy(&prebuilt));
    }
}
