//! Everything that is seen from outside: programs are run, and what they say and do is looked at.
//! One test binary: `cargo test --release --test suite`, or a part of it, as `--test suite
//! server::stamp`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may well panic, and what it counts is small"
)]

/// The pinger, under udping-host and under the stock wasmtime CLI.
mod client {
    /// Client and server over loopback: what a user sees.
    mod end_to_end;
    /// What a run measures, and how that is printed.
    mod measurement;
    /// Names and zones.
    mod resolving;
}

/// The echo server and the reflector.
mod server {
    /// Which of several addresses answers.
    mod addresses;
    /// Against programs in another language, written from the protocol alone.
    mod interop;
    /// A key that client and server share.
    mod keys;
    /// Servers that are set on each other fall silent.
    mod loops;
    /// STAMP against those who know it from the RFCs alone.
    mod stamp;
    /// Several instances on one port, and the ways to tune a run.
    mod workers;
}

/// udping-host: what is typed, granted, limited, and told.
mod host {
    /// The components as files, and the WIT that they were built from.
    mod artifacts;
    /// What cannot be run, and what is refused.
    mod bad_input;
    /// Options in any order, help, manual pages, completions.
    mod command_line;
    /// Compiled components.
    mod compiled;
    /// What documents say of tests and flags is so.
    mod documents;
    /// Components that attempt what they may not.
    mod hostile;
    /// What comes back is what was sent, on each path of datagrams.
    mod integrity;
    /// Modules import downwards only.
    mod layers;
    /// Components that take much before any of their code runs.
    mod loading;
    /// Grants on a machine with addresses, interfaces and names.
    mod permissions;
    /// The process that runs a component, and those that help it.
    mod process;
    /// Keys that take the place of others.
    mod rotation;
    /// A component as a service.
    mod service;
    /// Signals.
    mod stopping;
    /// What the host says beside what a component writes.
    mod trail;
    /// Files that others could have written.
    mod trust;
}

/// What a component sees of its host, whichever that is.
mod runtime {
    /// A behaviour a guest: sockets, clocks and poll.
    mod conformance;
    /// Random programs of calls, and the model of the WIT.
    mod states;
}

/// What goes wrong around a run.
mod faults {
    /// Processes that are stopped or killed, outputs that fail.
    mod mishaps;
    /// Networks that fail.
    mod networks;
    /// What the system refuses or lacks.
    mod system;
}
