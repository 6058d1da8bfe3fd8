//! Tests from outside: programs are run, and their output and behaviour checked. One test binary:
//! `cargo test --release --test suite`, or a part of it, as `--test suite server::stamp`.

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
    /// Client and server over loopback, as a user sees them.
    mod end_to_end;
    /// What a run measures, and how that is printed.
    mod measurement;
    /// Names and zones.
    mod resolving;
    /// Runs that fail at a threshold, reports while they last, and results that are compared.
    mod thresholds;
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
    /// Metrics of a running component, for Prometheus.
    mod metrics;
    /// STAMP against implementations by others.
    mod stamp;
    /// Several instances on one port, and tuning options.
    mod workers;
}

/// The exporter for Prometheus.
mod exporter {
    /// A configuration that is wrong, and one that changes.
    mod configuration;
    /// Requests, connections and components that take more than they should.
    mod faults;
    /// Three machines that ping each other, under a real Prometheus.
    mod mesh;
    /// The page at `/`, and the JSON that it shows.
    mod page;
    /// One ping, by /probe.
    mod probes;
    /// Targets that are pinged all the time, by /metrics.
    mod targets;
}

/// udping-host: its command line, grants, limits and messages.
mod host {
    /// The components as files, and the WIT that they were built from.
    mod artifacts;
    /// Input that cannot be run or is refused.
    mod bad_input;
    /// Options in any order, help, manual pages, completions.
    mod command_line;
    /// Compiled components.
    mod compiled;
    /// What documents say about tests and flags is true.
    mod documents;
    /// Components that attempt what is not permitted.
    mod hostile;
    /// Replies equal the datagrams sent, on each path.
    mod integrity;
    /// Modules import downwards only.
    mod layers;
    /// Components that take many resources before any of their code runs.
    mod loading;
    /// Packages: an OCI artifact, what the Debian package contains, what versions say.
    mod packages;
    /// Grants on a machine with addresses, interfaces and names.
    mod permissions;
    /// The process that runs a component, and its helpers.
    mod process;
    /// Key rotation.
    mod rotation;
    /// A component as a service.
    mod service;
    /// Stopping by signals.
    mod stopping;
    /// Messages of the host and output of components.
    mod trail;
    /// Files that others could have written.
    mod trust;
    /// The picture of running pings, on a terminal.
    mod tui;
}

/// What a component sees of its host, whichever that is.
mod runtime {
    /// What clocks return after a `receive` or `send`.
    mod arrivals;
    /// One behaviour per guest: sockets, clocks and poll.
    mod conformance;
    /// Programs in C, Python and JavaScript, under other runtimes, too.
    mod languages;
    /// Programs that use sockets through their standard library.
    mod programs;
    /// Random programs of calls, and the model of the WIT.
    mod states;
}

/// Faults around a run.
mod faults {
    /// Processes that are stopped or killed, outputs that fail.
    mod mishaps;
    /// Networks that fail.
    mod networks;
    /// Calls that the system refuses, and resources it lacks.
    mod system;
}

/// A virtual network with virtual time, where the truth is known.
mod simulation {
    /// Scenarios and command lines that are wrong.
    mod bad_input;
    /// Captures, as tshark reads them.
    mod captured;
    /// Components by others, and those that do not play along.
    mod components;
    /// The same impairments on the real network.
    mod impaired;
    /// A simulated flow on the real network.
    mod replayed;
    /// Random seeds and faults, and bugs that have to be found.
    mod search;
    /// Reports against what has happened.
    mod truth;
}
