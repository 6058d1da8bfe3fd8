//! `make bench`: udping and everything that does the same, in one run.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what measures may well panic, and what it counts is small"
)]

mod compare;
mod exporter;
mod flood;
mod goals;
mod load;
mod machine;
mod measures;
mod native;
mod peers;
mod placement;
mod report;
mod simulation;
mod targets;
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use udping_tests::Runtime;

use crate::compare::Comparison;
use crate::flood::Sources;
use crate::load::{Load, Until};
use crate::measures::Effort;
use crate::peers::{Example, Peer, Runner};
use crate::placement::Placement;
use crate::report::{Measure, Report};

/// Measures udping and its peers alternately, over loopback, and prints medians, ranges and ratios.
#[derive(Debug, Parser)]
struct Args {
    /// Once and briefly: shows that everything runs, and no figure to quote
    #[arg(long)]
    quick: bool,
    /// Measure only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Write everything that was measured into this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Datagrams that must leave a server's memory flat
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    flood: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Be one of the native peers
    #[command(hide = true)]
    Peer { kind: Native },
    /// Ping one server natively, and print the RTT of each ping in nanoseconds
    #[command(hide = true)]
    Ping {
        server: SocketAddr,
        count: usize,
        /// Microseconds
        interval: u64,
        size: usize,
        waiting: native::Waiting,
    },
    /// Keep a core from halting
    #[command(hide = true)]
    Spin,
    /// Ping a server with udping, and compare each RTT with that on the wire
    Wire {
        /// Where it listens
        server: SocketAddr,
        /// The interface to capture on
        #[arg(long, default_value = "any")]
        interface: String,
        /// Keep the client's core busy meanwhile
        #[arg(long)]
        busy: bool,
    },
    /// Compare two builds of udping-host, and fail where the new one is worse
    Compare(Comparison),
    /// Flood one server, and print what came back as JSON
    Load {
        /// Where it listens
        server: SocketAddr,
        /// For how long
        seconds: u64,
        /// Bytes of each datagram
        #[arg(long, default_value_t = 64)]
        size: usize,
        /// Datagrams on their way at a time
        #[arg(long, default_value_t = 256)]
        window: usize,
        /// Sockets that they are sent from
        #[arg(long, default_value_t = 1)]
        sources: usize,
        /// Let the kernel cut them out of larger ones
        #[arg(long)]
        segmented: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Native {
    Single,
    Spinning,
    Batched,
}

/// A group of measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Throughput,
    Sizes,
    Examples,
    Wasi,
    Workers,
    Flood,
    Rtt,
    Wire,
    Start,
    Memory,
    Client,
    Targets,
    Exporter,
    Simulation,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    match args.role {
        Some(Role::Compare(comparison)) => {
            let is_no_worse = compare::run(&comparison)?;
            return Ok(if is_no_worse { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(Role::Peer { kind: Native::Single }) => native::echo_single()?,
        Some(Role::Peer { kind: Native::Spinning }) => native::echo_spinning()?,
        Some(Role::Peer { kind: Native::Batched }) => native::echo_batched()?,
        Some(Role::Ping { server, count, interval, size, waiting }) => {
            println!("pinging {server}");
            let interval = Duration::from_micros(interval);
            for ping in native::ping(server, count, interval, size, waiting)? {
                println!("{}", ping.rtt.as_nanos());
            }
        }
        Some(Role::Spin) => placement::spin(),
        Some(Role::Wire { server, interface, busy }) => wire::print(server, &interface, busy)?,
        Some(Role::Load { server, seconds, size, window, sources, segmented }) => {
            let load = Load {
                size,
                window,
                sources,
                segmented,
                until: Until::Time(Duration::from_secs(seconds)),
            };
            println!("{}", serde_json::to_string(&load::run(server, load)?)?);
        }
        None => {
            let measures = measure(&args)?;
            let report =
                Report { machine: machine::describe(), goals: goals::of(&measures), measures };
            print!("{report}");
            if let Some(path) = &args.json {
                let json = serde_json::to_string_pretty(&report)?;
                fs::write(path, json).with_context(|| path.display().to_string())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

const ALL: &[Peer] = &[
    Peer::NativeSingle,
    Peer::NativeBatched,
    Peer::Udping(&[]),
    Peer::Udping(&["--no-offload"]),
    Peer::Wasmtime,
    Peer::Python,
];
const FAST: &[Peer] =
    &[Peer::NativeSingle, Peer::NativeBatched, Peer::Udping(&[]), Peer::Udping(&["--no-offload"])];
const ONE_OR_TWO: &[Peer] = &[Peer::Udping(&["--workers", "1"]), Peer::Udping(&["--workers", "2"])];
const FLOODED: &[Peer] = &[
    Peer::NativeSingle,
    Peer::Udping(&[]),
    Peer::Udping(&["--limit-source", "1000"]),
    Peer::Udping(&["--workers", "2"]),
    Peer::Udping(&["--workers", "2", "--limit-source", "1000"]),
];
const BLOCKING: &[Peer] = &[
    Peer::NativeSingle,
    Peer::Udping(&[]),
    Peer::Udping(&["--no-kernel-time"]),
    Peer::Wasmtime,
    Peer::Irtt,
];
const EXAMPLES: &[Peer] = &[
    Peer::Example(Example::Std, Runner::Native),
    Peer::Example(Example::Std, Runner::Udping),
    Peer::Example(Example::Std, Runner::Wasmtime),
    Peer::Example(Example::Tokio, Runner::Native),
    Peer::Example(Example::Tokio, Runner::Udping),
    Peer::Example(Example::Tokio, Runner::Wasmtime),
    Peer::Example(Example::C, Runner::Native),
    Peer::Example(Example::C, Runner::Udping),
    Peer::Example(Example::C, Runner::Wasmtime),
    Peer::Example(Example::Python, Runner::Native),
    Peer::Example(Example::Python, Runner::Udping),
];
const VERSIONS: &[Peer] = &[
    Peer::NativeSingle,
    Peer::Udping(&[]),
    Peer::P3(Runtime::UdpingHost),
    Peer::P3(Runtime::Wasmtime),
];
/// Longer than the interval of pings: nobody sleeps, as with sockperf's `--nonblocked`.
const SPINNING: &[Peer] =
    &[Peer::Sockperf, Peer::NativeSpinning, Peer::Udping(&["--busy-poll", "5ms"])];

fn measure(args: &Args) -> Result<Vec<Measure>> {
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    // In a brief run nothing may be lost, however small the system's buffers are.
    let window = if args.quick { 32 } else { 256 };
    let base =
        Load { size: 64, window, sources: 1, segmented: false, until: Until::Time(effort.flood) };
    let mut measures = Vec::new();
    if wanted(Part::Throughput) {
        measures.extend(measures::throughput(goals::THROUGHPUT, ALL, base, effort)?);
        let segmented = Load { window: 2 * window, segmented: true, ..base };
        measures.extend(measures::throughput(goals::SEGMENTED, FAST, segmented, effort)?);
    }
    if wanted(Part::Sizes) {
        measures.extend(measures::throughput(
            goals::BYTES_512,
            FAST,
            Load { size: 512, ..base },
            effort,
        )?);
        measures.extend(measures::throughput(
            goals::BYTES_1400,
            FAST,
            Load { size: 1400, ..base },
            effort,
        )?);
        let sources = if args.quick { 32 } else { 1000 };
        let many = Load { window: sources, sources, ..base };
        measures.extend(measures::throughput(goals::SOURCES, FAST, many, effort)?);
    }
    if wanted(Part::Examples) {
        // As many as fit into the receive buffer that a program has by default.
        let load = Load { window: window.min(128), ..base };
        measures.extend(measures::throughput(goals::EXAMPLES, EXAMPLES, load, effort)?);
    }
    if wanted(Part::Wasi) {
        let [rate, cpu, one_core, two_cores] = goals::WASI;
        measures.extend(measures::throughput([rate, cpu], VERSIONS, base, effort)?);
        let interval = Duration::from_millis(1);
        for (name, placement) in [(one_core, Placement::OneCore), (two_cores, Placement::TwoCores)]
        {
            measures.push(measures::rtt(name, VERSIONS, interval, placement, effort)?);
        }
    }
    if wanted(Part::Workers) {
        let flows = Load { sources: 64, window: 2 * window, ..base };
        measures.extend(measures::throughput(goals::WORKERS, ONE_OR_TWO, flows, effort)?);
    }
    if wanted(Part::Flood) {
        measures.extend(flood::beside(goals::FLOOD, Sources::Sockets(1), FLOODED, effort)?);
        measures.extend(flood::beside(
            goals::FLOOD_OF_MANY,
            Sources::Sockets(1000),
            FLOODED,
            effort,
        )?);
        measures.extend(flood::beside(goals::FLOOD_OF_RANDOM, Sources::Random, FLOODED, effort)?);
    }
    if wanted(Part::Rtt) {
        let interval = Duration::from_millis(1);
        for (name, placement) in
            [(goals::RTT, Placement::OneCore), (goals::RTT_TWO_CORES, Placement::TwoCores)]
        {
            measures.push(measures::rtt(name, BLOCKING, interval, placement, effort)?);
        }
        // Who spins needs a core of its own.
        measures.push(measures::rtt(
            goals::RTT_SPINNING,
            SPINNING,
            Duration::from_micros(100),
            Placement::TwoCores,
            Effort { pings: 10 * effort.pings, ..effort },
        )?);
    }
    if wanted(Part::Wire) {
        measures.extend(wire::errors(goals::WIRE, effort)?);
    }
    if wanted(Part::Start) {
        measures.push(measures::start(effort)?);
    }
    if wanted(Part::Memory) {
        measures.push(measures::memory(effort)?);
        measures.push(measures::flat(if args.quick { 10_000 } else { args.flood })?);
    }
    if wanted(Part::Targets) {
        measures.extend(targets::many(effort)?);
        measures.extend(targets::punctuality(effort)?);
    }
    if wanted(Part::Exporter) {
        measures.push(exporter::probes(effort));
        measures.extend(exporter::targets(effort)?);
        measures.push(exporter::rtt(effort)?);
    }
    if wanted(Part::Simulation) {
        measures.extend(simulation::all(effort)?);
    }
    if wanted(Part::Client) {
        measures.push(measures::client(effort)?);
    }
    Ok(measures)
}
