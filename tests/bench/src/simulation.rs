//! The simulation: what a ping and a sandbox cost, and how fast virtual time passes.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use udping_tests::udping_host;

use crate::goals;
use crate::measures::Effort;
use crate::report::{Measure, Row};

/// The pings of one run, by all clients together.
const PINGS: u64 = 40_000;

/// The numbers of clients.
const CLIENTS: [u64; 4] = [1, 10, 1_000, 10_000];

/// A simulation that was run.
struct Simulated {
    took: Duration,
    /// The most memory that it had, in bytes.
    memory: u64,
}

fn simulate(clients: u64, pings: u64, interval: &str, delay: &str) -> Result<Simulated> {
    let mut command = udping_host();
    command.args(["simulate", "--seed", "7", "--delay", delay, "--spread", "100ms"]);
    command.args(["--clients", &clients.to_string(), "--", "client", "server", "12000"]);
    command.args(["--count", &pings.to_string(), "--interval", interval]);
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let (path, mut memory) = (format!("/proc/{}/status", child.id()), 0);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let status = fs::read_to_string(&path).unwrap_or_default();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = most.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        memory = memory.max(kilobytes.unwrap_or_default() * 1024);
        thread::sleep(Duration::from_millis(1));
    };
    ensure!(status.success(), "the simulation of {clients} clients has failed: {status}");
    Ok(Simulated { took: start.elapsed(), memory })
}

/// Measures the real time of a ping, the memory of a sandbox, and how much faster than real time two
/// nodes are.
pub(crate) fn all(effort: Effort) -> Result<[Measure; 3]> {
    let is_quick = effort.rounds == 1;
    let name = |clients: u64| format!("{clients} clients");
    let counts = if is_quick { &CLIENTS[..2] } else { &CLIENTS[..] };
    let most = counts.last().copied().unwrap_or_default();
    let mut times: Vec<_> = counts.iter().map(|count| Row::new(name(*count), None)).collect();
    let mut memory = Row::new(name(most), None);
    let mut speed = Row::new("two nodes, a ping a second, 10 ms".to_owned(), None);
    for _ in 0..effort.rounds.min(3) {
        let one = simulate(1, 2, "20ms", "40ms")?.memory;
        for (row, clients) in times.iter_mut().zip(counts.iter().copied()) {
            // What starting and ending takes is in both.
            let pings = (PINGS / clients).max(4);
            let few = simulate(clients, 2, "20ms", "40ms")?;
            let many = simulate(clients, 2 + pings, "20ms", "40ms")?;
            let spent = many.took.saturating_sub(few.took).as_secs_f64();
            row.values.push(spent / (clients * pings) as f64 * 1e6);
            if clients == most {
                memory.values.push(few.memory.saturating_sub(one) as f64 / clients as f64 / 1024.0);
            }
        }
        let hour = simulate(1, 3600, "1s", "10ms")?;
        speed.values.push(3600.0 / hour.took.as_secs_f64());
    }
    let [time, sandbox, virtual_time] = goals::SIMULATION;
    Ok([
        Measure { name: time, unit: "us", rows: times },
        Measure { name: sandbox, unit: "KiB", rows: vec![memory] },
        Measure { name: virtual_time, unit: "x real time", rows: vec![speed] },
    ])
}
