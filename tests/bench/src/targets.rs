//! One client with very many targets, and how well it keeps to its schedule.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use udping_tests::{CLIENT, Process, Runtime, responder, run, udping_host};

use crate::goals;
use crate::measures::{Effort, alternate};
use crate::native::{self, Waiting};
use crate::peers::{self, Peer};
use crate::report::{Measure, Row};

/// The interval of the schedule that is measured.
const EVERY: Duration = Duration::from_millis(1);

/// The number of targets, each at another address of loopback.
const TARGETS: usize = 10_000;

/// Measures a client for 10,000 targets with a ping to each every second: its CPU time, its memory,
/// and the share of pings that are answered.
pub(crate) fn many(effort: Effort) -> Result<[Measure; 3]> {
    let port = responder::start().port();
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("targets.txt");
    let lines: String =
        (0..TARGETS).map(|i| format!("127.1.{}.{}:{port}\n", i / 250, 1 + i % 250)).collect();
    fs::write(&list, lines)?;
    let name = || Peer::Udping(&[]).name();
    let [mut cpu, mut memory, mut answered] = [(); 3].map(|()| Row::new(name(), None));
    for _ in 0..effort.rounds.min(3) {
        let mut command = udping_host();
        command.arg("--targets").arg(&list).args(["client", "-c", "0", "-w", "6s", "--quiet"]);
        let client = Process::start(&mut command);
        // Until every target has been pinged once.
        thread::sleep(Duration::from_millis(1_500));
        let (before, start) = (peers::cpu_seconds(&client)?, Instant::now());
        thread::sleep(Duration::from_secs(3));
        cpu.values
            .push(100.0 * (peers::cpu_seconds(&client)? - before) / start.elapsed().as_secs_f64());
        memory.values.push(client.resident()? as f64 / 1e6);
        let outcome = client.wait();
        let total = outcome
            .stdout
            .lines()
            .skip_while(|line| *line != "total:")
            .nth(1)
            .context(outcome.stderr)?;
        let count = |name: &str| -> Option<f64> {
            total.split(", ").find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
        };
        let settled = count(" sent").context("a count")?
            - count(" still awaited when stopped").unwrap_or(0.0);
        ensure!(settled > 0.0, "nothing was sent");
        answered.values.push(100.0 * count(" received").context("a count")? / settled);
    }
    let [cpu_name, memory_name, answered_name] = goals::TARGETS;
    Ok([
        Measure { name: cpu_name, unit: "% of a core", rows: vec![cpu] },
        Measure { name: memory_name, unit: "MB resident", rows: vec![memory] },
        Measure { name: answered_name, unit: "% of pings", rows: vec![answered] },
    ])
}

/// Measures how late pings at 1 ms are sent, and how many slots are missed: points of the schedule
/// that had passed by more than half an interval. The native client shows the effect of the machine
/// alone on a program that sleeps.
pub(crate) fn punctuality(effort: Effort) -> Result<[Measure; 2]> {
    let peers = [Peer::NativeSingle, Peer::Udping(&[]), Peer::Wasmtime];
    let responder = SocketAddr::from(([127, 0, 0, 1], responder::start().port()));
    let mut missed: Vec<Row> =
        peers.iter().map(|peer| Row::new(peer.name(), peer.missing())).collect();
    let late =
        alternate(goals::PUNCTUALITY[0], "us late, median", &peers, effort.rounds, |peer, row| {
            let (late, slots) = match peer {
                Peer::NativeSingle => {
                    let pings =
                        native::ping(responder, effort.pings, EVERY, 32, Waiting::Blocking)?;
                    let mut late: Vec<_> = pings.iter().map(|ping| ping.late).collect();
                    late.sort_unstable();
                    let slots = late.iter().filter(|late| **late > EVERY / 2).count();
                    (late[late.len() / 2].as_secs_f64() * 1e6, slots as f64)
                }
                _ => sender(peer, responder.port(), effort.pings)?,
            };
            row.values.push(late);
            missed
                .iter_mut()
                .filter(|missed| missed.peer == row.peer)
                .for_each(|missed| missed.values.push(slots));
            Ok(())
        })?;
    Ok([late, Measure { name: goals::PUNCTUALITY[1], unit: "slots missed in a run", rows: missed }])
}

/// Returns what our client reports about its own error: how late it sent, the median in
/// microseconds, and how many slots it missed.
fn sender(peer: Peer, port: u16, pings: usize) -> Result<(f64, f64)> {
    let (port, count, every) =
        (port.to_string(), pings.to_string(), format!("{}ms", EVERY.as_millis()));
    let arguments = ["127.0.0.1", &port, "-i", &every, "-c", &count, "--format", "json"];
    let mut command = if peer == Peer::Wasmtime {
        Runtime::Wasmtime.command(CLIENT, &arguments)
    } else {
        let mut command = udping_host();
        command.arg("client").args(arguments);
        command
    };
    let outcome = run(&mut command);
    let document: Value = serde_json::from_str(&outcome.stdout).context(outcome.stderr)?;
    let sender = &document["sender"];
    let late = sender["timer_error"]["p50_ns"].as_f64().context("a median")?;
    Ok((late / 1e3, sender["missed_slots"].as_f64().context("a count")?))
}
