//! The exporter: what a probe, a target and a scrape cost.

use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Pid;
use serde_json::Value;
use udping_tests::exporter::Exporter;
use udping_tests::http::{self, Client};
use udping_tests::{Runtime, Server, children, responder, run, udping_host};

use crate::goals;
use crate::measures::Effort;
use crate::peers;
use crate::placement::Spinners;
use crate::report::{Measure, Row};

/// Probes that are asked for at a time.
const AT_A_TIME: usize = 8;

/// The numbers of targets, each pinged every second.
const TARGETS: [usize; 4] = [10, 100, 1_000, 10_000];

/// Measures how many probes of one ping there are in a second, each in a fresh sandbox.
pub(crate) fn probes(effort: Effort) -> Measure {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start("[modules.m]\nallow = ['127.0.0.1:1-65535']\n");
    let path = format!("/probe?module=m&target={}", server.addresses[0]);
    let mut row = Row::new("udping-host exporter".to_owned(), None);
    for _ in 0..effort.rounds.min(3) {
        let end = Instant::now() + effort.flood;
        let counts: Vec<usize> = thread::scope(|scope| {
            let askers: Vec<_> = (0..AT_A_TIME)
                .map(|_| {
                    scope.spawn(|| {
                        let (client, mut count) = (Client::new(), 0);
                        while Instant::now() < end {
                            let response = client.get(exporter.address(), &path);
                            assert!(
                                response.text().contains("\nprobe_success 1\n"),
                                "{response:?}"
                            );
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        row.values.push(counts.iter().sum::<usize>() as f64 / effort.flood.as_secs_f64());
    }
    Measure { name: goals::PROBES, unit: "probes/s", rows: vec![row] }
}

/// The processes of an exporter, and the CPU time and the memory of all of them.
fn usage(exporter: &Exporter) -> Result<(f64, f64)> {
    let own = exporter.server.process.pid();
    let all: Vec<Pid> = children(own).into_iter().chain([own]).collect();
    let (mut seconds, mut bytes) = (0.0, 0.0);
    for pid in all {
        seconds += peers::cpu_seconds_of(pid)?;
        let pid = pid.as_raw_nonzero();
        // Shared pages, such as the program's own, count once.
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let kilobytes = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes = kilobytes.and_then(|line| line.split_whitespace().next());
        bytes += kilobytes.context("no Pss")?.parse::<f64>()? * 1e3;
    }
    Ok((seconds, bytes))
}

/// Measures continuous targets: the CPU time and memory of all processes, and how long a scrape takes
/// in each format.
pub(crate) fn targets(effort: Effort) -> Result<[Measure; 4]> {
    let port = responder::start().port();
    let name = |count: usize| format!("{count} targets");
    let (counts, settle) = if effort.rounds == 1 {
        (&TARGETS[..2], Duration::from_millis(500))
    } else {
        // Until each has been pinged.
        (&TARGETS[..], Duration::from_secs(3))
    };
    let mut rows: [Vec<Row>; 4] =
        [(); 4].map(|()| counts.iter().map(|count| Row::new(name(*count), None)).collect());
    for (index, count) in counts.iter().copied().enumerate() {
        let targets: Vec<_> =
            (0..count).map(|i| format!("'127.1.{}.{}:{port}'", i / 250, 1 + i % 250)).collect();
        let exporter =
            Exporter::start(&format!("[modules.m]\ntargets = [{}]\n", targets.join(", ")));
        thread::sleep(settle);
        for _ in 0..effort.rounds.min(3) {
            let (before, start) = (usage(&exporter)?.0, Instant::now());
            thread::sleep(settle);
            let (after, memory) = usage(&exporter)?;
            rows[3][index].values.push(memory / 1e6);
            rows[0][index].values.push(100.0 * (after - before) / start.elapsed().as_secs_f64());
            for (row, accept) in [(1, "text/plain"), (2, http::PROTOBUF)] {
                let start = Instant::now();
                let headers = [("Accept", accept), ("Accept-Encoding", "gzip")];
                let response = http::request("GET", exporter.address(), "/metrics", &headers);
                ensure!(response.status == 200, "status {}", response.status);
                rows[row][index].values.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let metrics = exporter.get("/metrics");
        let dropped = metrics.sample("udping_exporter_dropped_events_total{module=\"m\"}");
        ensure!(dropped < 0.5, "{dropped} events were dropped");
    }
    let [cpu, text, protobuf, memory] = rows;
    let [cpu_name, text_name, protobuf_name, memory_name] = goals::EXPORTED;
    Ok([
        Measure { name: cpu_name, unit: "% of a core", rows: cpu },
        Measure { name: text_name, unit: "ms", rows: text },
        Measure { name: protobuf_name, unit: "ms", rows: protobuf },
        Measure { name: memory_name, unit: "MB (PSS)", rows: memory },
    ])
}

/// Measures the RTT as the exporter's client tells it, with one target and with 10,000: the median of
/// as many pings.
pub(crate) fn rtt(effort: Effort) -> Result<Measure> {
    let port = responder::start().port();
    let _awake = Spinners::idle()?;
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    let end = if effort.rounds == 1 { "1s" } else { "4s" };
    for (count, interval) in [(1, "10ms"), (10_000, "1s")] {
        let list = folder.path().join(format!("{count}.txt"));
        let lines: String =
            (0..count).map(|i| format!("127.1.{}.{}:{port}\n", i / 250, 1 + i % 250)).collect();
        fs::write(&list, lines)?;
        let mut row = Row::new(format!("{count} targets"), None);
        for _ in 0..effort.rounds.min(3) {
            let mut command = udping_host();
            // As the exporter does.
            command.args(["--limit-memory", "256MiB", "--targets"]).arg(&list);
            command.args(["client", "-i", interval, "-w", end]);
            let outcome = run(command.args(["-c", "0", "--format", "json"]));
            let results: Value = serde_json::from_str(&outcome.stdout).context(outcome.stderr)?;
            let median = results["total"]["rtt"]["p50_ns"].as_f64().context("no median")?;
            row.values.push(median / 1e3);
        }
        rows.push(row);
    }
    Ok(Measure { name: goals::EXPORTED_RTT, unit: "us, median", rows })
}
