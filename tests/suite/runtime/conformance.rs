//! `wasi:sockets/udp`, `wasi:clocks` and `wasi:io/poll` as implemented by wasmtime-wasi, by
//! udping-host on each path of its datagrams, and by another embedder of wasi-datagram: every guest
//! in `guests/conformance/` must end the same under all.

use std::process::Command;

use udping_tests::{file, run, udping_host, wasmtime};

/// An implementation of `wasi:sockets/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    /// wasmtime-wasi, under the stock CLI.
    Stock,
    /// udping-host, with these options.
    Ours(&'static [&'static str]),
    /// wasi-datagram in another embedder, which `scripts/check-package` builds, and names by
    /// [`EMBEDDER`].
    Embedder,
}

/// The variable with the path of the embedder.
const EMBEDDER: &str = "UDPING_EMBEDDER";

impl Backend {
    fn command(self) -> Option<Command> {
        match self {
            Self::Stock => wasmtime(),
            Self::Ours(options) => {
                let mut command = udping_host();
                command.args(options);
                Some(command)
            }
            Self::Embedder => {
                let program = std::env::var_os(EMBEDDER);
                if program.is_none() {
                    eprintln!("not tested: {EMBEDDER} is not set (scripts/check-package sets it)");
                }
                program.map(Command::new)
            }
        }
    }
}

impl Backend {
    /// The guests that it fails, although the WIT requires their behaviour, and ours has it.
    ///
    /// A program that calls `receive` and never `poll` receives nothing from wasmtime-wasi's
    /// sockets, since tokio does not check them. A wait for no time is not ready when
    /// wasmtime-wasi's `poll` first checks it, so that tokio gets a turn; ours yields after some
    /// calls. What others have sent before a socket of WASI 0.3 was connected is received from it.
    fn lacks(self) -> &'static [&'static str] {
        match self {
            Self::Stock => {
                &["clock_zero_waits_at_once", "connect_keeps_received", "receive_without_poll"]
            }
            Self::Embedder | Self::Ours(_) => &[],
        }
    }
}

/// A guest whose name says that it traps must trap; others must succeed.
#[track_caller]
fn check(backend: Backend, name: &str, component: &[u8]) {
    let file = file(&format!("{name}.wasm"), component);
    let Some(mut command) = backend.command() else { return };
    if backend != Backend::Embedder {
        command.args(["-S", "inherit-network"]);
    }
    let outcome = run(command.arg(file));
    if name.ends_with("_traps") {
        let trapped = match backend {
            Backend::Stock | Backend::Embedder => 1,
            Backend::Ours(_) => 4,
        };
        assert_eq!(outcome.code(), trapped, "{outcome:?}");
        assert!(!outcome.stderr.contains("it must have trapped"), "{outcome:?}");
    } else if backend.lacks().contains(&name) {
        assert_ne!(outcome.code(), 0, "{backend:?} has learnt it: {name} is to leave the list");
    } else {
        assert_eq!(outcome.code(), 0, "{outcome:?}");
    }
}

macro_rules! tests {
    ($($name:ident = $component:expr;)*) => {
        tests! { stock, Backend::Stock, $($name = $component;)* }
        tests! { ours, Backend::Ours(&[]), $($name = $component;)* }
        tests! { ours_without_offload, Backend::Ours(&["--no-offload"]), $($name = $component;)* }
        tests! { ours_portable, Backend::Ours(&["--batch", "1"]), $($name = $component;)* }
        tests! { embedder, Backend::Embedder, $($name = $component;)* }
        tests! { ours_busy, Backend::Ours(&["--busy-poll", "1ms"]), $($name = $component;)* }
    };
    ($path:ident, $backend:expr, $($name:ident = $component:expr;)*) => {
        mod $path {
            use super::{Backend, check};
            $(#[test] fn $name() { check($backend, stringify!($name), $component) })*
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/conformance.rs"));
for_each_guest!(tests);

/// Those for WASI 0.3.
mod wasi_0_3 {
    use super::{Backend, check};

    include!(concat!(env!("OUT_DIR"), "/conformance_p3.rs"));
    for_each_guest_p3!(tests);
}
