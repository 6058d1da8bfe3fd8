//! The goals that the measurements are compared with.

use udping_tests::Runtime;

use crate::measures::CACHED;
use crate::peers::{Example, Peer, Runner};
use crate::report::{Bound, Goal, Measure, Row};

/// The names of the throughput measures, each with that of the matching CPU time.
pub(crate) const THROUGHPUT: [&str; 2] = ["64 B, window 256", "CPU, 64 B"];
/// With a sender that uses GSO.
pub(crate) const SEGMENTED: [&str; 2] = ["64 B, GSO sender, window 512", "CPU, 64 B, GSO sender"];
pub(crate) const BYTES_512: [&str; 2] = ["512 B, window 256", "CPU, 512 B"];
/// Datagrams that fill an Ethernet frame.
pub(crate) const BYTES_1400: [&str; 2] = ["1400 B, window 256", "CPU, 1400 B"];
/// No two successive datagrams have the same source.
pub(crate) const SOURCES: [&str; 2] =
    ["64 B, 1,000 sources, one datagram each", "CPU, 1,000 sources"];
/// Servers that receive and send one datagram a call.
pub(crate) const EXAMPLES: [&str; 2] =
    ["64 B, window 128, programs of others", "CPU, programs of others"];
/// The versions of WASI: throughput, its CPU time, and RTTs.
pub(crate) const WASI: [&str; 4] = [
    "64 B, window 256, versions of WASI",
    "CPU, versions of WASI",
    "RTT, versions of WASI, one core",
    "RTT, versions of WASI, two cores",
];
/// Different numbers of workers.
pub(crate) const WORKERS: [&str; 2] = ["64 B, 64 sources, window 512", "CPU, workers"];
/// A source beside one that floods, and the rate of that flood.
pub(crate) const FLOOD: [&str; 2] =
    ["pings answered beside a flood from another source", "that flood, 64 B"];
/// The same, with a flood from 1,000 sources.
pub(crate) const FLOOD_OF_MANY: [&str; 2] =
    ["pings answered beside a flood from 1,000 sources", "that flood from 1,000, 64 B"];
/// The same, with forged sources, a new one for each datagram.
pub(crate) const FLOOD_OF_RANDOM: [&str; 2] =
    ["pings answered beside a flood from random sources", "that flood from random, 64 B"];
/// One client with 10,000 targets: its CPU time, its memory, and the share of answered pings.
pub(crate) const TARGETS: [&str; 3] =
    ["10,000 targets, a ping each every second", "its memory", "its pings answered"];
/// Probes by the exporter.
pub(crate) const PROBES: &str = "exporter: probes of one ping, each in a fresh sandbox";
/// The exporter's continuous targets: CPU time, scrapes in two formats, and memory.
pub(crate) const EXPORTED: [&str; 4] = [
    "exporter: CPU of all processes, a ping to each target every second",
    "exporter: a scrape, text",
    "exporter: a scrape, protobuf",
    "exporter: memory of all processes, between scrapes",
];
/// The client that it runs, with few targets and many.
pub(crate) const EXPORTED_RTT: &str = "exporter: RTT by its client, cores awake";
/// The simulation: real time of a ping, memory of a sandbox, and virtual time.
pub(crate) const SIMULATION: [&str; 3] = [
    "simulation: real time of a ping",
    "simulation: memory of a client's sandbox",
    "simulation: virtual time",
];
/// How late pings are, and how many are never sent.
pub(crate) const PUNCTUALITY: [&str; 2] =
    ["timer error, a ping every 1 ms", "slots missed, a ping every 1 ms"];
/// With all processes sleeping between pings.
pub(crate) const RTT: &str = "RTT, blocking, a ping every 1 ms, one core";
pub(crate) const RTT_TWO_CORES: &str = "RTT, blocking, a ping every 1 ms, two cores";
pub(crate) const RTT_SPINNING: &str = "RTT, spinning, a ping every 100 us, two cores";
/// Reported RTTs against those on the wire.
pub(crate) const WIRE: [&str; 2] =
    ["error against the wire, idle", "error against the wire, the client's core busy"];

fn goal(what: &str, bound: Bound, measured: Option<f64>) -> Goal {
    Goal { what: what.to_owned(), bound, measured }
}

/// The row of a peer in the measure of that name.
fn row<'a>(measures: &'a [Measure], measure: &str, peer: &Peer) -> Option<&'a Row> {
    measures.iter().find(|m| m.name == measure)?.row(&peer.name())
}

/// Every goal, compared with `measures`.
pub(crate) fn of(measures: &[Measure]) -> Vec<Goal> {
    let row = |measure: &str, peer: &Peer| row(measures, measure, peer);
    let median = |measure, peer: &Peer| row(measure, peer).and_then(Row::median);
    let ratio =
        |measure, peer: &Peer, to: &Peer| Some(median(measure, peer)? / median(measure, to)?);
    let (udping, native, batched) = (&Peer::Udping(&[]), &Peer::NativeSingle, &Peer::NativeBatched);
    let wasmtime = &Peer::Wasmtime;

    let mut goals = vec![
        goal(
            "64 B: x native, one syscall",
            Bound::AtLeast(1.1),
            ratio(THROUGHPUT[0], udping, native),
        ),
        goal("64 B: x native, mmsg", Bound::AtLeast(0.9), ratio(THROUGHPUT[0], udping, batched)),
        goal(
            "64 B: x wasmtime CLI's best run",
            Bound::AtLeast(1.8),
            median(THROUGHPUT[0], udping)
                .zip(row(THROUGHPUT[0], wasmtime).and_then(Row::max))
                .map(|(ours, best)| ours / best),
        ),
        goal(
            "64 B: x wasmtime CLI's median",
            Bound::AtLeast(5.0),
            ratio(THROUGHPUT[0], udping, wasmtime),
        ),
        goal(
            "64 B, GSO sender: x native, one syscall",
            Bound::AtLeast(3.5),
            ratio(SEGMENTED[0], udping, native),
        ),
        goal(
            "2 workers: x one worker",
            Bound::AtLeast(1.7),
            ratio(
                WORKERS[0],
                &Peer::Udping(&["--workers", "2"]),
                &Peer::Udping(&["--workers", "1"]),
            ),
        ),
        goal("CPU a datagram, us", Bound::AtMost(3.4), median(THROUGHPUT[1], udping)),
        goal("CPU a datagram with GRO, us", Bound::AtMost(1.0), median(SEGMENTED[1], udping)),
    ];
    goals.extend(of_examples(measures));
    goals.extend(of_rtt(measures));
    goals.extend(of_wasi(measures));
    for (what, measure) in
        [("512 B", BYTES_512), ("1400 B", BYTES_1400), ("1,000 sources", SOURCES)]
    {
        let at_64 = ratio(THROUGHPUT[0], udping, native);
        let here = ratio(measure[0], udping, native);
        let what = format!("{what}: its ratio to native, x that of 64 B");
        goals.push(goal(
            &what,
            Bound::AtLeast(0.9),
            here.zip(at_64).map(|(here, at_64)| here / at_64),
        ));
    }
    for (what, options) in [
        ("beside a flood: % of pings answered", &[][..]),
        ("beside a flood, --limit-source 1000: % of pings answered", &["--limit-source", "1000"]),
    ] {
        goals.push(goal(what, Bound::AtLeast(95.0), median(FLOOD[0], &Peer::Udping(options))));
    }
    let cached = measures.iter().find(|m| m.name == "start").and_then(|m| m.row(CACHED)?.median());
    goals.extend([
        goal("start, cached, ms", Bound::AtMost(6.0), cached),
        goal("start, lean, ms", Bound::AtMost(3.0), median("start", &Peer::Lean)),
        goal("idle memory, MB", Bound::AtMost(12.0), median("idle memory", udping)),
        goal("idle memory, lean, MB", Bound::AtMost(7.0), median("idle memory", &Peer::Lean)),
        goal("10,000 targets, % of a core", Bound::AtMost(12.0), median(TARGETS[0], udping)),
        goal("10,000 targets, MB resident", Bound::AtMost(67.1), median(TARGETS[1], udping)),
        goal(
            "10,000 targets, % of pings answered",
            Bound::AtLeast(99.9),
            median(TARGETS[2], udping),
        ),
        goal("timer error at 1 ms, us", Bound::AtMost(50.0), median(PUNCTUALITY[0], udping)),
        goal("slots missed at 1 ms", Bound::AtMost(0.0), median(PUNCTUALITY[1], udping)),
        goal(
            "client at 1 ms, % of a core",
            Bound::AtMost(2.0),
            median("client, a ping every 1 ms", udping),
        ),
    ]);
    goals.extend(of_exporter(measures));
    goals.extend(of_simulation(measures));
    goals
}

/// The goals for the exporter.
fn of_exporter(measures: &[Measure]) -> Vec<Goal> {
    let median = |measure: &str, row: &str| {
        measures.iter().find(|m| m.name == measure)?.row(row).and_then(Row::median)
    };
    let many = "10000 targets";
    let [cpu, text, protobuf, memory] = EXPORTED;
    let rtts = median(EXPORTED_RTT, many).zip(median(EXPORTED_RTT, "1 targets"));
    vec![
        goal("probes/s", Bound::AtLeast(1_000.0), median(PROBES, "udping-host exporter")),
        goal("exporter, 10,000 targets, % of a core", Bound::AtMost(100.0), median(cpu, many)),
        goal("exporter, 10,000 targets, MB", Bound::AtMost(100.0), median(memory, many)),
        goal(
            "exporter, scrape of 10,000 targets, text, ms",
            Bound::AtMost(500.0),
            median(text, many),
        ),
        goal(
            "exporter, scrape of 10,000 targets, protobuf, ms",
            Bound::AtMost(500.0),
            median(protobuf, many),
        ),
        goal(
            "RTT with 10,000 targets: x one target",
            Bound::AtMost(1.1),
            rtts.map(|(many, one)| many / one),
        ),
    ]
}

/// The goals for the simulation.
fn of_simulation(measures: &[Measure]) -> Vec<Goal> {
    let median = |measure: &str, row: &str| {
        measures.iter().find(|m| m.name == measure)?.row(row).and_then(Row::median)
    };
    let [time, memory, speed] = SIMULATION;
    let hour = "two nodes, a ping a second, 10 ms";
    vec![
        goal("simulation, 10 clients, us a ping", Bound::AtMost(12.0), median(time, "10 clients")),
        goal(
            "simulation, 10,000 clients, us a ping",
            Bound::AtMost(20.0),
            median(time, "10000 clients"),
        ),
        goal(
            "simulation, 10,000 clients, KiB each",
            Bound::AtMost(80.0),
            median(memory, "10000 clients"),
        ),
        goal("simulation, x real time", Bound::AtLeast(1_000.0), median(speed, hour)),
    ]
}

/// The goals for WASI 0.3.
fn of_wasi(measures: &[Measure]) -> Vec<Goal> {
    let median = |measure: &str, peer: &Peer| row(measures, measure, peer).and_then(Row::median);
    let ratio =
        |measure, peer: &Peer, to: &Peer| Some(median(measure, peer)? / median(measure, to)?);
    let (p2, p3) = (&Peer::Udping(&[]), &Peer::P3(Runtime::UdpingHost));
    let (stock, native) = (&Peer::P3(Runtime::Wasmtime), &Peer::NativeSingle);
    vec![
        goal("WASI 0.3, 64 B: x 0.2", Bound::AtLeast(0.75), ratio(WASI[0], p3, p2)),
        goal("WASI 0.3, 64 B: x wasmtime CLI's", Bound::AtLeast(4.0), ratio(WASI[0], p3, stock)),
        goal(
            "WASI 0.3, 64 B: x native, one syscall",
            Bound::AtLeast(1.0),
            ratio(WASI[0], p3, native),
        ),
        goal("WASI 0.3, RTT, one core: x 0.2", Bound::AtMost(1.15), ratio(WASI[2], p3, p2)),
        goal("WASI 0.3, RTT, two cores: x 0.2", Bound::AtMost(1.15), ratio(WASI[3], p3, p2)),
    ]
}

/// The goals for servers that know nothing of WASI or batches.
fn of_examples(measures: &[Measure]) -> Vec<Goal> {
    let median = |peer| row(measures, EXAMPLES[0], &peer).and_then(Row::median);
    let ratio = |example, to| {
        let ours = median(Peer::Example(example, Runner::Udping))?;
        Some(ours / median(Peer::Example(example, to))?)
    };
    let mut goals = vec![goal(
        "std echo in the sandbox: x wasmtime CLI",
        Bound::AtLeast(3.0),
        ratio(Example::Std, Runner::Wasmtime),
    )];
    for (what, example) in [("std", Example::Std), ("tokio", Example::Tokio), ("C", Example::C)] {
        goals.push(goal(
            &format!("{what} echo in the sandbox: x native"),
            Bound::AtLeast(1.0),
            ratio(example, Runner::Native),
        ));
    }
    goals
}

/// The goals for RTTs.
fn of_rtt(measures: &[Measure]) -> Vec<Goal> {
    let median = |measure: &str, peer: &Peer| row(measures, measure, peer).and_then(Row::median);
    let ratio =
        |measure, peer: &Peer, to: &Peer| Some(median(measure, peer)? / median(measure, to)?);
    let (udping, native, wasmtime) = (&Peer::Udping(&[]), &Peer::NativeSingle, &Peer::Wasmtime);
    vec![
        goal("RTT, one core: x native", Bound::AtMost(1.15), ratio(RTT, udping, native)),
        goal(
            "RTT, one core, without kernel time: x native",
            Bound::AtMost(1.7),
            ratio(RTT, &Peer::Udping(&["--no-kernel-time"]), native),
        ),
        goal("RTT, two cores: x native", Bound::AtMost(1.15), ratio(RTT_TWO_CORES, udping, native)),
        goal("RTT, one core: x wasmtime CLI", Bound::AtMost(1.0), ratio(RTT, udping, wasmtime)),
        goal("error against the wire, idle, p50 us", Bound::AtMost(4.0), median(WIRE[0], udping)),
        goal("error against the wire, busy, p99 us", Bound::AtMost(15.0), median(WIRE[1], udping)),
        goal(
            "error against the wire, busy, p99: x irtt",
            Bound::AtMost(0.02),
            ratio(WIRE[1], udping, &Peer::Irtt),
        ),
        goal(
            "RTT, spinning: x sockperf",
            Bound::AtMost(1.3),
            ratio(RTT_SPINNING, &Peer::Udping(&["--busy-poll", "5ms"]), &Peer::Sockperf),
        ),
        goal(
            "RTT, spinning: x native",
            Bound::AtMost(1.3),
            ratio(RTT_SPINNING, &Peer::Udping(&["--busy-poll", "5ms"]), &Peer::NativeSpinning),
        ),
    ]
}
