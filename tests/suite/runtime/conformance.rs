//! `wasi:sockets/udp`, `wasi:clocks` and `wasi:io/poll` as wasmtime-wasi implements them, and as
//! udping-host does, on each path that its datagrams can take: every guest in `guests/conformance/`
//! must end the same under all.

use std::process::Command;

use udping_tests::{file, run, udping_host, wasmtime};

/// Who serves `wasi:sockets/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    /// wasmtime-wasi, under the stock CLI.
    Stock,
    /// Ours, with these options.
    Ours(&'static [&'static str]),
}

impl Backend {
    fn command(self) -> Option<Command> {
        match self {
            Self::Stock => wasmtime(),
            Self::Ours(options) => {
                let mut command = udping_host();
                command.args(options);
                Some(command)
            }
        }
    }
}

/// What the stock backend of this version does not do: the WIT asks for it, and ours does it.
///
/// A program that calls `receive` and never `poll` hears nothing, since tokio does not look for it.
/// A wait for no time is not ready when it is looked at for the first time, so that tokio gets a
/// turn; here that has a turn after some calls.
const BEYOND_STOCK: [&str; 2] = ["clock_zero_waits_at_once", "receive_without_poll"];

/// Where the name of a guest says that it traps it must; else it must succeed.
#[track_caller]
fn check(backend: Backend, name: &str, component: &[u8]) {
    let file = file(&format!("{name}.wasm"), component);
    let Some(mut command) = backend.command() else { return };
    let outcome = run(command.args(["-S", "inherit-network"]).arg(file));
    if name.ends_with("_traps") {
        let trapped = match backend {
            Backend::Stock => 1,
            Backend::Ours(_) => 4,
        };
        assert_eq!(outcome.code(), trapped, "{outcome:?}");
        assert!(!outcome.stderr.contains("it must have trapped"), "{outcome:?}");
    } else if backend == Backend::Stock && BEYOND_STOCK.contains(&name) {
        assert_ne!(
            outcome.code(),
            0,
            "the stock backend has learnt it: {name} is to leave the list"
        );
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
